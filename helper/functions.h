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
#include <linux/types.h>
#include "../bpf/event.h"

#include "kallsyms.h"

struct btf;
struct options;
struct reasons;

/* A function to hook, at one address. */
/* What a function is to the identity of the packets that pass it. */
enum part {
	PART_NONE,
	PART_END,      /* the skb is over when it is entered */
	PART_FRAGMENT, /* the first argument becomes a fragment of the skb */
	PART_WHOLE,    /* the skb becomes what fragments are put together to */
};

struct function {
	uint64_t address;
	uint64_t behind;    /* behind ftrace's call at its begin, a place for kprobes; 0 = none */
	const char *name;   /* owned by the set */
	const char *module; /* "" = vmlinux */
	const char *prototype; /* of the declaration in BTF */
	uint8_t position;      /* of the skb, from 1 */
	uint8_t rank;	       /* 0 = part of a packet's identity, 1 = tells most, 2 = the rest */
	enum part part;
	bool no_birth; /* runs on an skb whose end has begun */
	bool quiet;    /* hooked for identity alone: the person asked for others */
	bool helper;   /* BPF programs call it */
	bool doubtful; /* the skb may be another argument: it must look like one */
};

struct skipped {
	const char *name;
	const char *module;
	const char *reason;
};

struct functions {
	struct function *items; /* by rank, then place of the skb, then address */
	size_t count;
	struct skipped *skipped;
	size_t skipped_count;
	char **strings; /* blocks that hold all text */
	size_t string_count;
	size_t string_used;
	bool unlisted;	       /* the kernel shows no list of what may be traced */
	bool drop_reason;      /* the kfree_skb tracepoint has a reason argument */
	bool copies;	       /* __copy_skb_header is in vmlinux */
	bool release;	       /* so is skb_release_head_state */
	bool program_iterator; /* there is an iterator of BPF programs */
	bool plain_loads;      /* bpf_rdonly_cast() is there: bpf/headers.h */
};

/* A candidate from BTF: a function's name and where the skb is. Given to the callback for each. */
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

/* Chooses, and reads the drop reasons on the way; among the functions of one module if `only` names
 * it. 0, or -1 after it said why. */
int functions_choose(struct functions *functions, const struct options *options, const char *only,
		     const struct kallsyms *kallsyms, struct reasons *reasons);
void functions_free(struct functions *functions);

#endif
