/* SPDX-License-Identifier: Apache-2.0 */
/* Which hooks are the hottest, and how many of them must go to come down to a cost. */
#ifndef PACKET_TRAIL_HEAT_H
#define PACKET_TRAIL_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a function hook that is shut still costs, percent of what it cost before. */
#define SHUT_COST 35

/* Hits of a hook since the last look, and what may be done about them. */
struct heat {
	uint64_t hits;
	size_t hook;   /* index, or of a program's hook the id */
	bool program;  /* a hook on a BPF program: once it is shut it costs nothing */
	bool shut;     /* already */
	bool may_shut; /* not what the identity of packets needs */
};

/*
 * Which hooks to shut so that the cost comes down from `used` to `target`: sorts `heats`, so that
 * the first *chosen are they, the hottest first and as few as possible. Returns whether that should
 * do.
 */
bool heat_choose(struct heat *heats, size_t count, uint64_t used, uint64_t target, size_t *chosen);

#endif
