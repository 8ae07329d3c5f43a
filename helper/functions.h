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
#include "lineage.h"
#include "policy.h"

struct options;
struct reasons;

/* A function to hook, at one address. */
struct function {
	uint64_t address;
	uint64_t behind;    /* behind ftrace's call at its begin, a place for kprobes; 0 = none */
	const char *name;   /* owned by the set */
	const char *module; /* "" = vmlinux */
	const char *prototype; /* of the declaration in BTF; "" = which is whose isn't known */
	uint8_t position;      /* of the skb, from 1 */
	uint8_t rank;	       /* 0 = part of a packet's identity, 1 = tells most, 2 = the rest */
	enum part part;
	bool no_birth; /* runs on an skb whose end has begun */
	bool no_bytes; /* its bytes are gone by then, or another's */
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
	bool unlisted;		/* the kernel shows no list of what may be traced */
	bool drop_reason;	/* the kfree_skb tracepoint has a reason argument */
	bool lineage[LINEAGES]; /* which of lineage_hooks[] vmlinux has */
	bool program_iterator;	/* there is an iterator of BPF programs */
	bool plain_loads;	/* bpf_rdonly_cast() is there: bpf/headers.h */
};

/* A copy of the text that lives as long as the set; NULL without memory. */
const char *functions_keep(struct functions *functions, const char *text);

/* Adds one that isn't hooked; what is given is the set's or constant. 0 or -ENOMEM. */
int functions_skip(struct functions *functions, const char *name, const char *module,
		   const char *reason);

/* Chooses, and reads the drop reasons on the way; among the functions of one module if `only` names
 * it. 0, or -1 after it said why. */
int functions_choose(struct functions *functions, const struct options *options, const char *only,
		     const struct kallsyms *kallsyms, struct reasons *reasons);
void functions_free(struct functions *functions);

#endif
