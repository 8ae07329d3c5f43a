/* SPDX-License-Identifier: Apache-2.0 */
/* Functions as BTF has them: which take a `struct sk_buff *`, and where, and how they are declared.
 */
#ifndef PACKET_TRAIL_BTF_H
#define PACKET_TRAIL_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;

/* A function that takes an skb: its name, and where the skb is. */
struct candidate {
	const char *name;
	int position;	/* 0: has an skb, but its place can't be told */
	uint32_t proto; /* BTF id of the FUNC_PROTO */
	bool helper;	/* BPF programs call it: the skb is in a register's guise */
};

/* Calls back for each function in `btf` from type `first` on that takes an skb. Stops on non-zero.
 */
int btf_each_candidate(const struct btf *btf, uint32_t first,
		       int (*each)(const struct candidate *candidate, void *context),
		       void *context);

/* C text of a function's prototype, cut with "…" when it doesn't fit. */
void btf_prototype(const struct btf *btf, uint32_t proto, const char *name, char *text,
		   size_t size);

/* Has the tracepoint skb:kfree_skb a reason? (void *, skb, location, reason …): since 5.17,
 * c504e5c2f964. */
bool btf_has_drop_reason(const struct btf *btf);

/* Is there a function of this name? */
bool btf_has_function(const struct btf *btf, const char *name);

#endif
