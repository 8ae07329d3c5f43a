/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions are worth a hook: what packets' identity needs, what the person asked for, and
 * which come first where hooks are attached one by one.
 */
#ifndef PACKET_TRAIL_POLICY_H
#define PACKET_TRAIL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct candidate;
struct options;

/* What a function is to the identity of the packets that pass it. */
enum part {
	PART_NONE,
	PART_END,      /* the skb is over when it is entered */
	PART_FRAGMENT, /* the first argument becomes a fragment of the skb */
	PART_QUEUED,   /* the skb waits in the first argument, a queue of fragments */
	PART_WHOLE,    /* the skb becomes what fragments are put together to */
	PART_JOINED,   /* the skb is that, and the first argument the queue */
};

struct identity {
	const char *name;
	enum part part;
	uint8_t position; /* of the skb; 0 = where the declaration says */
};

/* The functions that are something to packets' identity, one by one; NULL after the last. */
const struct identity *identity_at(size_t index);

/* What this function is to packets' identity, NULL = nothing. `module` "" = vmlinux. */
const struct identity *identity_of(const char *name, const char *module);

/* Does the person want it hooked? `module` "" = vmlinux. */
bool asked_for(const struct options *options, const struct candidate *candidate,
	       const char *module);

/* Does the person want this module's functions? */
bool module_wanted(const struct options *options, const char *module);

/* 0 = part of a packet's identity, 1 = tells most, 2 = the rest. */
uint8_t rank_of(const char *name, const char *module);

/* Does it run on an skb whose end has begun? */
bool no_birth_at(const char *name, const char *module);

/* Are the skb's bytes gone by then, or another's? */
bool no_bytes_at(const char *name, const char *module);

/* The place of the packet's skb among the arguments, from 1; 0 = the first skb is it. */
uint8_t position_at(const char *name, const char *module);

#endif
