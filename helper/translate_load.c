// SPDX-License-Identifier: Apache-2.0
/* Loads of classic BPF as eBPF: of bytes, of lengths, of what lies beside: see translation.h. */
#include "coming.h"
#include "translation.h"

#include <stdint.h>
#include "../bpf/event.h"

/*
 * What the kernel's classic BPF finds beside a packet's bytes (SKF_AD_OFF … of linux/filter.h,
 * whose struct names clash): loads from here on don't mean bytes.
 */
#define BESIDE		 0xfffff000U
#define PACKET_TYPE	 (BESIDE + 4)
#define INTERFACE	 (BESIDE + 8)
#define VLAN_TAG	 (BESIDE + 44)
#define VLAN_TAG_PRESENT (BESIDE + 48)

/* Most that the header length field of IPv4 says. */
#define IP_HEADER_MAX 60

void extend(struct translation *t, __u32 end)
{
	if (end > FILTER_SCRATCH)
		end = FILTER_SCRATCH;
	if (end > t->extent)
		t->extent = end;
}

/* linux/bpf.h: a swap to BE cuts to its width. */
void emit_load(struct translation *t, __u8 dst, __u8 base, __s16 off, unsigned int size)
{
	__u8 width = size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B;

	emit(t, (__u8)(BPF_LDX | BPF_MEM | width), dst, base, off, 0);
	if (size > 1)
		emit(t, BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, (__s32)size * 8);
}

void emit_need(struct translation *t, struct known *known, __u32 bytes)
{
	if (known->tested >= bytes)
		return;
	known->tested = (__u16)bytes;
	emit_jump(t, BPF_JMP | BPF_JLT | BPF_K, CAPTURED, 0, (__s32)bytes, t->length + 1);
}

static unsigned int load_size(__u16 code)
{
	switch (code & SIZE) {
	case BPF_W:
		return 4;
	case BPF_H:
		return 2;
	default:
		return 1;
	}
}

/* A load that no packet's captured bytes hold. */
static bool load_beyond(struct translation *t, __u32 k)
{
	if (!t->beyond || k < t->beyond)
		t->beyond = k;
	emit_no_match(t);
	return false;
}

/* frame[k …] into `dst`. False if it can't be in any packet's captured bytes; then nothing follows.
 */
static bool load_absolute(struct translation *t, __u8 dst, __u32 k, unsigned int size,
			  struct known *known)
{
	if (t->link == FILTER_IP) {
		if (k < ETHERNET) {
			if (dst == A)
				return coming_load(t, k, size, known);
			emit_no_match(t);
			return false;
		}
		k -= ETHERNET;
	}
	if (k > FILTER_SCRATCH - size)
		return load_beyond(t, k);
	emit_need(t, known, k + size);
	t->loose |= k % size != 0;
	extend(t, k + size);
	emit_load(t, dst, DATA, (__s16)k, size);
	if (dst == A)
		known_load(known, size);
	return true;
}

/* frame[X + k …] into A. */
static bool load_indirect(struct translation *t, __u32 k, unsigned int size, struct known *known)
{
	__u32 missing = t->link == FILTER_IP ? ETHERNET : 0;
	__s32 bytes = (__s32)size;
	struct known there = *known;
	size_t skip = 0, end = 0;

	if (k > FILTER_SCRATCH + missing - size)
		return load_beyond(t, k);
	t->loose = true;
	extend(t, t->header_in_x && k >= missing ? IP_HEADER_MAX + k - missing + size
						 : FILTER_SCRATCH);
	/* 64-bit sums of a 32-bit X don't wrap. */
	emit(t, BPF_ALU | BPF_MOV | BPF_X, TMP, X, 0, 0);
	if (k >= missing) {
		emit(t, BPF_ALU64 | BPF_ADD | BPF_K, TMP, 0, 0, (__s32)(k - missing) + bytes);
	} else {
		/* The type of the header that isn't there yet, or behind that header. */
		emit(t, BPF_ALU64 | BPF_ADD | BPF_K, TMP, 0, 0, (__s32)k);
		if (size == 2) {
			skip = t->count;
			emit(t, BPF_JMP | BPF_JNE | BPF_K, TMP, 0, 0, ETHERNET - 2);
			coming_type(t, &there);
			end = t->count;
			emit(t, BPF_JMP | BPF_JA, 0, 0, 0, 0);
			t->out[skip].off = (__s16)(t->count - skip - 1);
		}
		emit_jump(t, BPF_JMP | BPF_JLT | BPF_K, TMP, 0, ETHERNET, t->length);
		emit(t, BPF_ALU64 | BPF_SUB | BPF_K, TMP, 0, 0, ETHERNET - bytes);
	}
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_X, TMP, CAPTURED, 0, t->length + 1);
	emit(t, BPF_ALU64 | BPF_SUB | BPF_K, TMP, 0, 0, bytes);
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_K, TMP, 0, FILTER_SCRATCH - bytes, t->length);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_X, TMP, DATA, 0, 0);
	emit_load(t, A, TMP, 0, size);
	if (end)
		t->out[end].off = (__s16)(t->count - end - 1);
	known_load(known, size);
	return true;
}

const char *load_beside(struct translation *t, __u32 k, struct known *known)
{
	switch (k) {
	case VLAN_TAG:
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, A, WIRE, 0, 0);
		emit(t, BPF_ALU64 | BPF_RSH | BPF_K, A, 0, 0, 32);
		emit(t, BPF_ALU | BPF_AND | BPF_K, A, 0, 0, UINT16_MAX);
		known_load(known, 2);
		break;
	case VLAN_TAG_PRESENT:
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, A, WIRE, 0, 0);
		emit(t, BPF_ALU64 | BPF_RSH | BPF_K, A, 0, 0, 48);
		emit(t, BPF_JMP32 | BPF_JEQ | BPF_K, A, 0, 1, 0);
		emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 1);
		known_load(known, 1);
		known->high = 1;
		break;
	case PACKET_TYPE:
		return "inbound and outbound: on its way through the kernel a packet is the one "
		       "and then "
		       "the other: give --interface, or its addresses with src and dst";
	case INTERFACE:
		return "ifindex: give --interface instead";
	default:
		return "it looks before the packet's first byte: give an offset of 0 or more";
	}
	t->tag = true;
	return NULL;
}

/* The frame's whole length into `dst`. */
static void load_length(struct translation *t, __u8 dst, struct known *known)
{
	t->wire = true;
	emit(t, BPF_ALU | BPF_MOV | BPF_X, dst, WIRE, 0, 0);
	if (t->link == FILTER_IP)
		emit(t, BPF_ALU | BPF_ADD | BPF_K, dst, 0, 0, ETHERNET);
	if (dst == A)
		known_load(known, 4);
}

bool translate_load(struct translation *t, const struct step *in, struct known *known)
{
	__u8 dst = (in->code & CLASS) == BPF_LDX ? X : A;
	unsigned int size = load_size(in->code);

	switch (in->code & MODE) {
	case BPF_ABS:
		return load_absolute(t, A, in->k, size, known);
	case BPF_IND:
		return load_indirect(t, in->k, size, known);
	case MSH:
		if (!load_absolute(t, X, in->k, 1, known))
			return false;
		emit(t, BPF_ALU | BPF_AND | BPF_K, X, 0, 0, 0x0f);
		emit(t, BPF_ALU | BPF_LSH | BPF_K, X, 0, 0, 2);
		return true;
	case BPF_IMM:
		emit(t, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (__s32)in->k);
		break;
	case BPF_MEM:
		emit(t, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_10, word_offset(in->k), 0);
		break;
	default:
		load_length(t, dst, known);
		return true;
	}
	if (dst == A)
		known_load(known, 4);
	if (dst == A && (in->code & MODE) == BPF_IMM)
		known->low = known->high = in->k;
	return true;
}
