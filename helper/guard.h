/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes probes go away quickly, and in every case: expedited grace periods (expedite.h), and a
 * process that cleans up when this one is killed, and isn't killed with it.
 */
#ifndef PACKET_TRAIL_GUARD_H
#define PACKET_TRAIL_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

struct guard {
	pid_t process; /* 0 = none */
	int socket;    /* the other end is the guard's */
	int expedite;  /* shared with it; -1 = none */
};

/* What a test has its own of. */
extern struct guard_settings {
	const char *cgroups; /* where they are mounted */
	int expedited_ms;    /* the longest that grace periods are expedited at a time */
	int over_ms;	     /* who is to end is gone long before */
} guard_settings;

/*
 * Starts a process that waits until this one is over, and then removes the probes of the group in
 * this tracefs (-1: there are none to remove) and puts back what was expedited. `parent` is a
 * pidfd: once that process is over and this one doesn't end, the guard ends it; -1 = there is none.
 * Before any thread, and before there is much in memory.
 */
void guard_start(struct guard *guard, int folder, const char *group, int parent);

/* Expedites grace periods if the guard is there to end that. True: guard_expedite_end() follows. */
bool guard_expedite(struct guard *guard);
void guard_expedite_end(struct guard *guard);

/* There is nothing left to clean up. */
void guard_dismiss(struct guard *guard);

#endif
