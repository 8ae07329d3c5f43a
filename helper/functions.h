/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernel functions are hooked: those that BTF says take a `struct sk_buff *`, in vmlinux and
 * the loaded modules, at the addresses that kallsyms knows, less those that can't be traced.
 */
#ifndef PACKET_TRAIL_FUNCTIONS_H
#define PACKET_TRAIL_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kallsyms.h"

struct btf;
struct options;
struct reasons;

/* A function to hook, at one address. */
struct function {
	uint64_t address;
	const char *name;      /* owned by the set */
	const char *module;    /* "" = vmlinux */
	const char *prototype; /* of the declaration in BTF */
	uint8_t position;      /* of the skb, from 1 */
	uint8_t rank;	       /* 0 = part of a packet's identity, 1 = tells most, 2 = the rest */
	bool ends;	       /* the skb is over when it is entered */
	bool no_birth;	       /* runs on an skb whose end has begun */
	bool quiet;	       /* hooked for identity alone: the person asked for others */
};

struct skipped {
	const char *name;
	const char *module;
	const char *reason;
};

struct functions {
	struct function *items; /* by rank, then address */
	size_t count;
	struct skipped *skipped;
	size_t skipped_count;
	char **strings; /* blocks that hold all text */
	size_t string_count;
	size_t string_used;
	bool drop_reason; /* the kfree_skb tracepoint has a reason argument */
};

/* A candidate from BTF: a function's name and where the skb is. Given to the callback for each. */
struct candidate {
	const char *name;
	int position;	/* 0: has an skb, but its place can't be told */
	uint32_t proto; /* BTF id of the FUNC_PROTO */
};

/* Calls back for each function in `btf` from type `first` on that takes an skb. Stops on non-zero.
 */
int btf_each_candidate(const struct btf *btf, uint32_t first,
		       int (*each)(const struct candidate *candidate, void *context),
		       void *context);

/* C text of a function's prototype, cut with "…" when it doesn't fit. */
void btf_prototype(const struct btf *btf, uint32_t proto, const char *name, char *text,
		   size_t size);

/* Chooses, and reads the drop reasons on the way. 0, or -1 after it said why. */
int functions_choose(struct functions *functions, const struct options *options,
		     const struct kallsyms *kallsyms, struct reasons *reasons);
void functions_free(struct functions *functions);

#endif
