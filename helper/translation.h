/* SPDX-License-Identifier: Apache-2.0 */
/* A translation at work: what translate.c shares with those that emit loads. */
#ifndef PACKET_TRAIL_TRANSLATION_H
#define PACKET_TRAIL_TRANSLATION_H

#include "filter.h"
#include "known.h"
#include "unroll.h"

#include <stdbool.h>
#include <stddef.h>

enum { DATA = BPF_REG_1, WIRE = BPF_REG_2, CAPTURED = BPF_REG_3 };
enum { A = BPF_REG_0, X = BPF_REG_4, TMP = BPF_REG_5 };

/* Classic opcodes that linux/bpf_common.h leaves to linux/filter.h, whose struct names clash. */
enum { CLASS = 0x07, SIZE = 0x18, MODE = 0xe0, OP = 0xf0, MISC_OP = 0xf8, RET_VALUE = 0x18 };
enum { LEN = 0x80, MSH = 0xa0, RET_A = 0x10, TXA = 0x80, MISC = 0x07, RET = 0x06 };

struct translation {
	const struct step *in;
	size_t length;
	enum filter_link link;
	struct bpf_insn *out;
	size_t count;
	size_t *target;	     /* per emitted jump: the classic instruction it goes to; `length` = no
				match,      `length` + 1 = too short */
	size_t *start;	     /* per classic instruction: where it begins in `out` */
	struct known *known; /* per classic instruction: what every way to it has in common */
	bool no_match_used;
	bool short_used;
	bool loose; /* where it looks may depend on the packet, or is not aligned */
	bool wire;
	bool tag;
	bool can_match;	  /* some way leads to a yes */
	bool header_in_x; /* X never holds more than an IPv4 header's length */
	__u32 extent;
	__u32 beyond; /* the first byte that it would look at, and can't; 0 = none */
};

/* The words of M[], and where one lies on the stack. */
#define WORDS 16
static inline __s16 word_offset(__u32 k)
{
	return (__s16)(4 * (int)(k % WORDS) - 4 * WORDS);
}

/* ---- translate.c ---- */

void emit(struct translation *t, __u8 code, __u8 dst, __u8 src, __s16 off, __s32 imm);

/* A jump to a classic instruction, `length` or `length` + 1: its offset is filled in when all is
 * laid out. */
void emit_jump(struct translation *t, __u8 code, __u8 dst, __u8 src, __s32 imm, size_t target);

/* Ends the filter with 0. */
void emit_no_match(struct translation *t);

/* ---- translate_load.c ---- */

/* Ends the filter with FILTER_SHORT where fewer bytes are captured. */
void emit_need(struct translation *t, struct known *known, __u32 bytes);

/* Loads `dst` from base + off in network byte order. */
void emit_load(struct translation *t, __u8 dst, __u8 base, __s16 off, unsigned int size);

/* Bytes before `end` are looked at. */
void extend(struct translation *t, __u32 end);

/* LD and LDX; false if nothing follows. */
bool translate_load(struct translation *t, const struct step *in, struct known *known);

/*
 * What lies beside the bytes, into A: the VLAN tag, which comes as type and tag above the length.
 * NULL, or why it can't be had.
 */
const char *load_beside(struct translation *t, __u32 k, struct known *known);

#endif
