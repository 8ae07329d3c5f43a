/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel functions whose entry or exit tells which skb is which packet, and the programs of
 * ours that are there (bpf/ends.h, bpf/lineage.h, bpf/merge.h). They run by the kernel's
 * trampolines (fentry, fexit), also in an interrupt of another hook, where kprobes don't.
 */
#ifndef PACKET_TRAIL_LINEAGE_H
#define PACKET_TRAIL_LINEAGE_H

#include <stdint.h>

/* In the order in which they are attached. */
enum lineage {
	LINEAGE_RELEASE,
	LINEAGE_RELEASED,
	LINEAGE_PARTIAL,
	LINEAGE_MEMORY,
	LINEAGE_STOLEN,
	LINEAGE_REUSE,
	LINEAGE_EXPANDED,
	/* Only where packets are followed: */
	LINEAGE_COPY,
	LINEAGE_MERGE,
	LINEAGES
};

struct lineage_hook {
	const char *program;  /* ours */
	const char *function; /* the kernel's */
	const char *prototype;
	uint8_t position; /* of the skb */
};

/* By enum lineage. */
extern const struct lineage_hook lineage_hooks[LINEAGES];

#endif
