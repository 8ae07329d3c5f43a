/* SPDX-License-Identifier: Apache-2.0 */
/* Expedited grace periods: on while somebody of ours waits for one, and off again in every case. */
#ifndef PACKET_TRAIL_EXPEDITE_H
#define PACKET_TRAIL_EXPEDITE_H

#include <stdbool.h>

/*
 * Removing a kprobe waits for an RCU grace period (unregister_kprobe, kernel/kprobes.c), a link of
 * ftrace for several (ftrace_shutdown, kernel/trace/ftrace.c), one after the other.
 * /sys/kernel/rcu_expedited makes them short, for all of the node. The kernel has nothing that
 * would turn it off with the process that turned it on, so what we turn on is marked as ours, and
 * whoever of us comes next turns off what is left of the dead. What a person set stays as it is.
 */
extern const char *expedite_file; /* a test has its own */

/* For the calls below; -1 = not here. Who shares the descriptor begins and ends for all of them. */
int expedite_open(void);

/* True when they are expedited: expedite_end() must follow. */
bool expedite_begin(int file);

/* Turns them off, unless others of ours wait. */
void expedite_end(int file);

/* Are they on for somebody of ours who is dead? */
bool expedite_left_on(void);

/* Turns them off then. True when that was to be done. */
bool expedite_mend(void);

#endif
