/* SPDX-License-Identifier: Apache-2.0 */
/* What makes probes go away quickly, and in every case: expedited grace periods, and a process
 * that cleans up when this one is killed. */
#ifndef PACKET_TRAIL_GUARD_H
#define PACKET_TRAIL_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

struct guard {
	pid_t process; /* 0 = none */
	int socket;    /* its standard input is the other end */
};

/*
 * Removing a kprobe waits for an RCU grace period (unregister_kprobe, kernel/kprobes.c), a link of
 * ftrace for several (ftrace_shutdown, kernel/trace/ftrace.c), one after the other.
 * /sys/kernel/rcu_expedited makes them short, for all of the node. True when this call set it: then
 * expedite_end() puts it back, and so does the guard (NULL = there is none) when this process is
 * killed before.
 */
bool expedite(const struct guard *guard);
void expedite_end(const struct guard *guard);

/*
 * Starts a process that waits until this one is over. If that is not in order it removes the
 * probes of the group in this tracefs (`folder` -1: there are none to remove; else before any
 * thread).
 */
void guard_start(struct guard *guard, int folder, const char *group);

/*
 * expedite(), with a guard of its own where there is none, which lives no longer than what it
 * guards. Without a guard nothing is expedited.
 */
bool guard_expedite(struct guard *guard);

/* There is nothing left to clean up. */
void guard_dismiss(struct guard *guard);

#endif
