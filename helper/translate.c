/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF, which libpcap compiles a filter to, as eBPF: see translate.h. The translation keeps
 * its meaning instruction by instruction:
 *
 *   A = r0, X = r4, a scratch register r5; r1, r2, r3 hold data, wire length, captured length.
 *   M[] lies on the stack, and only the words that are used are initialised.
 *   All arithmetic and comparisons are 32-bit; loads are big endian, so each is followed by a swap.
 *   A load outside of the captured bytes and a division by zero end the filter with 0.
 *
 * The kernel's verifier must see that every access stays inside of the buffer, whatever the lengths
 * are. A load at a constant offset is in bounds by itself; for an offset from X the sum is compared
 * with a constant as well as with the captured length, which kernel 5.10 follows. The verifier
 * also refuses unreachable instructions, so only what can be reached is emitted. With its loops
 * unrolled, classic BPF jumps forward only: one pass in order knows, for each instruction, whether
 * it is reached and how many bytes every way to it has tested already.
 */
#include "translate.h"
#include "filter.h"
#include "unroll.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../bpf/event.h"

/* The words of M[]. */
#define WORDS 16
/* Most instructions that one classic instruction becomes. */
#define EXPANSION 8
/* No way leads to this instruction. */
#define UNREACHED UINT16_MAX

enum { DATA = BPF_REG_1, WIRE = BPF_REG_2, CAPTURED = BPF_REG_3 };
enum { A = BPF_REG_0, X = BPF_REG_4, TMP = BPF_REG_5 };

/* Classic opcodes that linux/bpf_common.h leaves to linux/filter.h, whose struct names clash. */
enum { CLASS = 0x07, SIZE = 0x18, MODE = 0xe0, OP = 0xf0, MISC_OP = 0xf8, RET_VALUE = 0x18 };
enum { LEN = 0x80, MSH = 0xa0, RET_A = 0x10, TXA = 0x80, MISC = 0x07, RET = 0x06 };

struct translation {
	const struct step *in;
	size_t length;
	struct bpf_insn *out;
	size_t count;
	size_t *target; /* per emitted jump: the classic instruction it goes to; `length` = no match
			 */
	size_t *start;	/* per classic instruction: where it begins in `out` */
	uint16_t *tested; /* per classic instruction: bytes known to be captured, or UNREACHED */
	bool no_match_used;
	bool loose; /* where it looks may depend on the packet, or is not aligned */
	bool wire;
	bool header_in_x; /* X never holds more than an IPv4 header's length */
	__u32 extent;
};

/* Most that the header length field of IPv4 says. */
#define IP_HEADER_MAX 60

/* Bytes before `end` are looked at. */
static void extend(struct translation *t, __u32 end)
{
	if (end > FILTER_SCRATCH)
		end = FILTER_SCRATCH;
	if (end > t->extent)
		t->extent = end;
}

/* X is set from an IPv4 header's length alone, if at all. */
static bool only_header_in_x(const struct step *in, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		__u16 code = in[i].code;

		if (((code & CLASS) == BPF_LDX && (code & MODE) != MSH) ||
		    ((code & CLASS) == MISC && (code & MISC_OP) != TXA))
			return false;
	}
	return true;
}

static void emit(struct translation *t, __u8 code, __u8 dst, __u8 src, __s16 off, __s32 imm)
{
	t->out[t->count++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* A jump whose offset is filled in when all is laid out. */
static void emit_jump(struct translation *t, __u8 code, __u8 dst, __u8 src, __s32 imm,
		      size_t target)
{
	t->target[t->count] = target;
	t->no_match_used |= target == t->length;
	emit(t, code, dst, src, 0, imm);
}

static void emit_no_match(struct translation *t)
{
	emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, t->length);
}

/* One way leads from here, with this many bytes tested, to instruction `to`. */
static void reach(struct translation *t, size_t to, uint16_t tested)
{
	if (to < t->length && (t->tested[to] == UNREACHED || tested < t->tested[to]))
		t->tested[to] = tested;
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

static __s16 word_offset(__u32 k)
{
	return (__s16)(4 * (int)(k % WORDS) - 4 * WORDS);
}

/* Loads `dst` from base + off in network byte order; linux/bpf.h: a swap to BE cuts to its width.
 */
static void emit_load(struct translation *t, __u8 dst, __u8 base, __s16 off, __u16 code)
{
	unsigned int size = load_size(code);

	emit(t, (__u8)(BPF_LDX | BPF_MEM | (code & SIZE)), dst, base, off, 0);
	if (size > 1)
		emit(t, BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, (__s32)size * 8);
}

/* data[k …] into `dst`. False if it can't be in any packet's captured bytes; then nothing follows.
 */
static bool load_absolute(struct translation *t, __u8 dst, __u32 k, __u16 code, uint16_t *tested)
{
	unsigned int size = load_size(code);

	if (k > FILTER_SCRATCH - size) {
		emit_no_match(t);
		return false;
	}
	if (*tested < k + size) {
		*tested = (uint16_t)(k + size);
		emit_jump(t, BPF_JMP | BPF_JLT | BPF_K, CAPTURED, 0, *tested, t->length);
	}
	t->loose |= k % size != 0;
	extend(t, k + size);
	emit_load(t, dst, DATA, (__s16)k, code);
	return true;
}

/* data[X + k …] into A. */
static bool load_indirect(struct translation *t, __u32 k, __u16 code)
{
	__s32 size = (__s32)load_size(code);

	if (k > FILTER_SCRATCH - (__u32)size) {
		emit_no_match(t);
		return false;
	}
	t->loose = true;
	extend(t, t->header_in_x ? IP_HEADER_MAX + k + (__u32)size : FILTER_SCRATCH);
	/* 64-bit sums of a 32-bit X don't wrap. */
	emit(t, BPF_ALU | BPF_MOV | BPF_X, TMP, X, 0, 0);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_K, TMP, 0, 0, (__s32)k + size);
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_X, TMP, CAPTURED, 0, t->length);
	emit(t, BPF_ALU64 | BPF_SUB | BPF_K, TMP, 0, 0, size);
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_K, TMP, 0, FILTER_SCRATCH - size, t->length);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_X, TMP, DATA, 0, 0);
	emit_load(t, A, TMP, 0, code);
	return true;
}

/* A = A op operand; false if nothing follows. */
static bool translate_alu(struct translation *t, const struct step *in)
{
	__u8 op = in->code & OP, src = in->code & BPF_X;

	switch (op) {
	case BPF_LSH:
	case BPF_RSH:
		/* Classic shifts by 32 and more give 0, eBPF's would take the amount modulo 32. */
		if (src == BPF_K && in->k >= 32) {
			emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
			return true;
		}
		if (src == BPF_X) {
			emit(t, BPF_JMP32 | BPF_JLT | BPF_K, X, 0, 1, 32);
			emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
		}
		break;
	case BPF_DIV:
	case BPF_MOD:
		if (src == BPF_K && !in->k) {
			emit_no_match(t);
			return false;
		}
		if (src == BPF_X)
			emit_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, X, 0, 0, t->length);
		break;
	case BPF_NEG:
		emit(t, BPF_ALU | BPF_NEG, A, 0, 0, 0);
		return true;
	default:
		break;
	}
	emit(t, BPF_ALU | op | src, A, src == BPF_X ? X : 0, 0, src == BPF_X ? 0 : (__s32)in->k);
	return true;
}

static void translate_jump(struct translation *t, size_t i, uint16_t tested)
{
	const struct step *in = &t->in[i];
	__u8 op = in->code & OP, src = in->code & BPF_X, reg = src == BPF_X ? X : 0;
	__s32 imm = src == BPF_X ? 0 : (__s32)in->k;
	size_t yes = in->yes, no = in->no;

	if (op == BPF_JA) {
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, yes);
		reach(t, yes, tested);
		return;
	}
	reach(t, yes, tested);
	reach(t, no, tested);
	if (yes == i + 1 && op != BPF_JSET) {
		/* linux/bpf.h has the opposite of each but JSET. */
		op = op == BPF_JEQ ? BPF_JNE : op == BPF_JGT ? BPF_JLE : BPF_JLT;
		yes = no;
		no = i + 1;
	}
	emit_jump(t, BPF_JMP32 | op | src, A, reg, imm, yes);
	if (no != i + 1)
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, no);
}

/* Translates instruction i; NULL, or why it can't be. */
static const char *translate_one(struct translation *t, size_t i)
{
	const struct step *in = &t->in[i];
	__u16 code = in->code;
	uint16_t tested = t->tested[i];
	__u8 dst = (code & CLASS) == BPF_LDX ? X : A;
	bool goes_on = true;

	switch (code & CLASS) {
	case BPF_LD:
	case BPF_LDX:
		switch (code & MODE) {
		case BPF_ABS:
			goes_on = load_absolute(t, A, in->k, code, &tested);
			break;
		case BPF_IND:
			goes_on = load_indirect(t, in->k, code);
			break;
		case MSH:
			goes_on = load_absolute(t, X, in->k, code, &tested);
			if (!goes_on)
				break;
			emit(t, BPF_ALU | BPF_AND | BPF_K, X, 0, 0, 0x0f);
			emit(t, BPF_ALU | BPF_LSH | BPF_K, X, 0, 0, 2);
			break;
		case BPF_IMM:
			emit(t, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (__s32)in->k);
			break;
		case BPF_MEM:
			emit(t, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_10, word_offset(in->k), 0);
			break;
		case LEN:
			t->wire = true;
			emit(t, BPF_ALU | BPF_MOV | BPF_X, dst, WIRE, 0, 0);
			break;
		default:
			return "libpcap made an instruction that is not known here";
		}
		break;
	case BPF_ST:
	case BPF_STX:
		emit(t, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, (code & CLASS) == BPF_STX ? X : A,
		     word_offset(in->k), 0);
		break;
	case BPF_ALU:
		goes_on = translate_alu(t, in);
		break;
	case BPF_JMP:
		translate_jump(t, i, tested);
		return NULL;
	case RET:
		if ((code & RET_VALUE) != RET_A)
			emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, (__s32)in->k);
		emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		return NULL;
	case MISC:
		if ((code & MISC_OP) == TXA)
			emit(t, BPF_ALU | BPF_MOV | BPF_X, A, X, 0, 0);
		else
			emit(t, BPF_ALU | BPF_MOV | BPF_X, X, A, 0, 0);
		break;
	}
	if (goes_on)
		reach(t, i + 1, tested);
	return NULL;
}

/* Cuts the lengths to 32 bits; classic BPF begins with A, X and M[] at 0. */
static void emit_prologue(struct translation *t)
{
	unsigned int words = 0;

	for (size_t i = 0; i < t->length; i++) {
		__u16 class = t->in[i].code & CLASS;

		if (class == BPF_ST || class == BPF_STX ||
		    (class <= BPF_LDX && (t->in[i].code & MODE) == BPF_MEM))
			words |= 1U << (t->in[i].k % WORDS);
	}
	emit(t, BPF_ALU | BPF_MOV | BPF_X, WIRE, WIRE, 0, 0);
	emit(t, BPF_ALU | BPF_MOV | BPF_X, CAPTURED, CAPTURED, 0, 0);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
	emit(t, BPF_ALU | BPF_MOV | BPF_K, X, 0, 0, 0);
	for (__u32 k = 0; k < WORDS; k++)
		if (words & (1U << k))
			emit(t, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, word_offset(k), 0);
}

/* Fills in the jumps' offsets; -1 if one is too far for its 16 bits. */
static int link_jumps(struct translation *t)
{
	for (size_t i = 0; i < t->count; i++) {
		long distance;

		if (t->target[i] == SIZE_MAX)
			continue;
		distance = (long)t->start[t->target[i]] - (long)i - 1;
		if (distance > INT16_MAX)
			return -1;
		t->out[i].off = (__s16)distance;
	}
	return 0;
}

int translate(const struct bpf_program *program, struct filter_insns *out, char *err,
	      size_t err_size)
{
	struct translation t = {0};
	struct step *steps = unroll(program, &t.length);
	size_t room = t.length * EXPANSION + WORDS + 6;
	const char *reason;
	int result = -1;

	t.in = steps;
	t.out = calloc(room, sizeof(*t.out));
	t.target = malloc(room * sizeof(*t.target));
	t.start = calloc(t.length + 1, sizeof(*t.start));
	t.tested = malloc((t.length + 1) * sizeof(*t.tested));
	if (!steps || !t.out || !t.target || !t.start || !t.tested) {
		snprintf(err, err_size, "not enough memory");
		goto cleanup;
	}
	memset(t.target, 0xff, room * sizeof(*t.target));
	memset(t.tested, 0xff, (t.length + 1) * sizeof(*t.tested));
	t.header_in_x = only_header_in_x(t.in, t.length);
	emit_prologue(&t);
	reach(&t, 0, 0);
	for (size_t i = 0; i < t.length; i++) {
		t.start[i] = t.count;
		if (t.tested[i] == UNREACHED)
			continue;
		reason = translate_one(&t, i);
		if (reason) {
			snprintf(err, err_size, "%s", reason);
			goto cleanup;
		}
	}
	t.start[t.length] = t.count;
	if (t.no_match_used) {
		emit(&t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, 0);
		emit(&t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	if (link_jumps(&t)) {
		snprintf(err, err_size, "it is too long: say it with fewer terms");
		goto cleanup;
	}
	*out = (struct filter_insns){
		.insns = t.out,
		.cnt = t.count,
		.extent = t.extent,
		.loose = t.loose,
		.wire = t.wire,
	};
	t.out = NULL;
	result = 0;
cleanup:
	free(steps);
	free(t.out);
	free(t.target);
	free(t.start);
	free(t.tested);
	return result;
}
