/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded memory of values by number. It grows as it is used; once it is full, what nobody has
 * asked for lately makes room. Whichever numbers come, no two of them contend for one place.
 */
#ifndef PACKET_TRAIL_RECENT_H
#define PACKET_TRAIL_RECENT_H

#include <stddef.h>
#include <stdint.h>

struct recent {
	size_t size;   /* of a value, bytes: set by who uses it, as is … */
	uint32_t most; /* … how many there may be */
	uint32_t count;
	uint32_t room;
	uint32_t hand;	 /* where it looks next for one that makes room */
	uint32_t *first; /* by hash: index of an entry plus 1, 0 = none */
	unsigned char *entries;
};

/* The value of this number, NULL when it isn't known. Valid until the next recent_add(). */
void *recent_find(struct recent *recent, uint64_t key);

/* A value of zeros for a number that isn't known yet, valid as long; NULL without memory. */
void *recent_add(struct recent *recent, uint64_t key);

/* All are forgotten; it can be used anew. */
void recent_free(struct recent *recent);

#endif
