// SPDX-License-Identifier: Apache-2.0
/* The Ethernet header that a packet will get: see coming.h. */
#include "coming.h"

#include <linux/if_ether.h>
#include <stdint.h>

#define IPV4_DESTINATION 16
#define IPV6_DESTINATION 24

void coming_type(struct translation *t, struct known *known)
{
	emit_need(t, known, 1);
	extend(t, 1);
	emit_load(t, TMP, DATA, 0, 1);
	emit(t, BPF_ALU | BPF_RSH | BPF_K, TMP, 0, 0, 4);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, ETH_P_IP);
	emit(t, BPF_JMP32 | BPF_JEQ | BPF_K, TMP, 0, 3, 4);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, ETH_P_IPV6);
	emit(t, BPF_JMP32 | BPF_JEQ | BPF_K, TMP, 0, 1, 6);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
}

/*
 * A = all ones for a packet to all, `group` for one to a group, 0 for one whose destination can't
 * be known. An IP packet to a group goes to a group of Ethernet (RFC 1112, RFC 2464), which has the
 * lowest bit of its first byte set.
 */
static void destination(struct translation *t, struct known *known, __s32 ones, __s32 group)
{
	emit_need(t, known, IPV6_DESTINATION + 1);
	extend(t, IPV6_DESTINATION + 1);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
	emit_load(t, TMP, DATA, 0, 1);
	emit(t, BPF_ALU | BPF_RSH | BPF_K, TMP, 0, 0, 4);
	emit(t, BPF_JMP32 | BPF_JEQ | BPF_K, TMP, 0, 8, 6);
	emit(t, BPF_JMP32 | BPF_JNE | BPF_K, TMP, 0, 10, 4);
	/* IPv4: 255.255.255.255 is for all, 224 … 239 are groups. All ones need no swap. */
	emit(t, BPF_LDX | BPF_MEM | BPF_W, TMP, DATA, IPV4_DESTINATION, 0);
	emit(t, BPF_JMP32 | BPF_JNE | BPF_K, TMP, 0, 2, -1);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, ones);
	emit(t, BPF_JMP | BPF_JA, 0, 0, 6, 0);
	emit(t, BPF_ALU | BPF_AND | BPF_K, TMP, 0, 0, 0xf0);
	emit(t, BPF_JMP32 | BPF_JEQ | BPF_K, TMP, 0, 3, 0xe0);
	emit(t, BPF_JMP | BPF_JA, 0, 0, 3, 0);
	/* IPv6: ff00::/8. */
	emit(t, BPF_LDX | BPF_MEM | BPF_B, TMP, DATA, IPV6_DESTINATION, 0);
	emit(t, BPF_JMP32 | BPF_JNE | BPF_K, TMP, 0, 1, 0xff);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, group);
}

/* Addresses alone. */
static void addresses(struct translation *t, __u32 k, unsigned int size, struct known *known)
{
	__u32 ones = UINT32_MAX >> (8 * (4 - size));
	bool of_destination = k < ETH_ALEN;

	if (of_destination)
		destination(t, known, (__s32)ones, k ? 0 : (__s32)(1U << (8 * (size - 1))));
	else
		emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
	known_load(known, size);
	/* libpcap compares an address by its last four bytes and its first two. */
	if (k % ETH_ALEN == 0 && size == 1)
		known->truth = TRUE_FIRST;
	else if (k % ETH_ALEN == (size == 4 ? 2 : 0) && size > 1)
		known->truth = TRUE_ALL;
	else
		known->truth = UNKNOWN;
}

bool coming_load(struct translation *t, __u32 k, unsigned int size, struct known *known)
{
	if (k + size <= ETHERNET - 2) {
		addresses(t, k, size, known);
		return true;
	}
	if (k >= ETHERNET - 2 && k + size <= ETHERNET) {
		coming_type(t, known);
		if (size == 1 && k == ETHERNET - 2)
			emit(t, BPF_ALU | BPF_RSH | BPF_K, A, 0, 0, 8);
		else if (size == 1)
			emit(t, BPF_ALU | BPF_AND | BPF_K, A, 0, 0, 0xff);
		known_load(known, size);
		return true;
	}
	/* Partly the type, partly not: nobody asks so. */
	emit_no_match(t);
	return false;
}
