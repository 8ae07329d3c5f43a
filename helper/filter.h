/* SPDX-License-Identifier: Apache-2.0 */
/* pcap-filter(7) expressions as eBPF instructions, for the filter slots of the kernel side. */
#ifndef PACKET_TRAIL_FILTER_H
#define PACKET_TRAIL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>

/* What the bytes begin with. */
enum filter_link { FILTER_ETHERNET, FILTER_IP };

/* An expression's greatest length in bytes. */
#define FILTER_MAX 8192

/*
 * The body of int f(const u8 *data, u64 wire, u32 captured_len): FILTER_YES, 0 or FILTER_SHORT in
 * r0 (bpf/event.h); ends with `exit`. `wire` is the packet's length, and above it, from bit 32 on,
 * what the kernel keeps of a VLAN tag beside the bytes: the tag, 16 bits, and its Ethernet type, 0
 * = none. Reads only data[0 … captured_len), at most FILTER_SCRATCH bytes; uses r0–r5 and up to 64
 * bytes of stack, calls nothing, jumps forward only.
 */
struct filter_insns {
	struct bpf_insn *insns;
	size_t cnt;
	__u32 extent; /* it looks at no byte from here on, whatever the packet is */
	bool loose;   /* where it looks depends on the packet, or is not aligned */
	bool wire;    /* it looks at the packet's length */
	bool tag;     /* it looks at the VLAN tag beside the bytes */
	bool never;   /* nothing in it says yes */
	__u32 beyond; /* the first byte that it would look at behind FILTER_SCRATCH, 0 = none */
};

/*
 * Compiles `expr` for packets that begin with `link`. A packet that has no Ethernet header yet is
 * matched as the frame that it will be; what depends on addresses that it doesn't have yet is no
 * match. Host names are not looked up. 0, or -1 with the reason in `err`; free with filter_free().
 */
int filter_compile(const char *expr, enum filter_link link, struct filter_insns *out, char *err,
		   size_t err_size);

void filter_free(struct filter_insns *insns);

/* 0 if some packet may match the expression, or -1 with the reason in `err`. */
int filter_check(const char *expr, char *err, size_t err_size);

/* A packet filter, compiled for each link that a packet may begin with. */
struct filters {
	struct filter_insns ethernet;
	struct filter_insns ip;
	bool every; /* no filter: packets without readable headers match too */
};

/*
 * `never`: an expression for packets to leave out whatever the filter says, "" = none. 0, or -1
 * with the reason in `error`; then nothing is kept.
 */
int filters_compile(struct filters *filters, const char *expression, const char *never, char *error,
		    size_t size);
void filters_free(struct filters *filters);

#endif
