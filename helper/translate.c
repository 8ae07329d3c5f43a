/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF, which libpcap compiles a filter to, as eBPF: see translate.h. The translation keeps
 * its meaning instruction by instruction:
 *
 *   A = r0, X = r4, a scratch register r5; r1, r2, r3 hold data, wire length, captured length.
 *   M[] lies on the stack, and only the words that are used are initialised.
 *   All arithmetic and comparisons are 32-bit; loads are big endian, so each is followed by a swap.
 *   A load outside of the captured bytes ends the filter with FILTER_SHORT, which is a no unless
 *   more can be read, and a division by zero with 0.
 *   A VLAN tag beside the packet comes in the upper half of r2: see slot.h.
 *
 * A packet without an Ethernet header is seen as one that will get it: its type follows from the
 * IP header, and whether it will go to all or to a group from the IP address. What can't be known
 * yet (the addresses) ends the filter with 0: not yet a match, whatever the filter would say.
 *
 * The kernel's verifier must see that every access stays inside of the buffer, whatever the lengths
 * are. A load at a constant offset is in bounds by itself; for an offset from X the sum is compared
 * with a constant as well as with the captured length, which kernel 5.10 follows. The verifier
 * also refuses unreachable instructions, so only what can be reached is emitted. With its loops
 * unrolled, classic BPF jumps forward only: one pass in order knows, for each instruction, whether
 * it is reached, how many bytes every way to it has tested already and what A can be. So it
 * knows as well when nothing is left that says yes.
 */
#include "translate.h"
#include "translation.h"
#include "unroll.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../bpf/event.h"

/* Most instructions that one classic instruction becomes. */
#define EXPANSION 24

/* Offsets that are negative by themselves: SKF_LL_OFF, SKF_NET_OFF, and nothing at all. */
#define NEGATIVE 0x80000000U

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

void emit(struct translation *t, __u8 code, __u8 dst, __u8 src, __s16 off, __s32 imm)
{
	t->out[t->count++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

void emit_jump(struct translation *t, __u8 code, __u8 dst, __u8 src, __s32 imm, size_t target)
{
	t->target[t->count] = target;
	t->no_match_used |= target == t->length;
	t->short_used |= target == t->length + 1;
	emit(t, code, dst, src, 0, imm);
}

void emit_no_match(struct translation *t)
{
	emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, t->length);
}

/* One way leads from here to instruction `to`. */
static void reach(struct translation *t, size_t to, const struct known *known)
{
	if (to < t->length)
		known_merge(&t->known[to], known);
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

static void translate_jump(struct translation *t, size_t i, const struct known *known)
{
	const struct step *in = &t->in[i];
	__u8 op = in->code & OP, src = in->code & BPF_X, reg = src == BPF_X ? X : 0;
	__s32 imm = src == BPF_X ? 0 : (__s32)in->k;
	size_t yes = in->yes, no = in->no;
	struct known if_yes, if_no;

	if (op == BPF_JA) {
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, yes);
		reach(t, yes, known);
		return;
	}
	if (!known_certain(known, op, src == BPF_X, in->k)) {
		emit_no_match(t);
		return;
	}
	known_jump(known, op, src == BPF_X, in->k, &if_yes, &if_no);
	reach(t, yes, &if_yes);
	reach(t, no, &if_no);
	if (!if_yes.reached || !if_no.reached) {
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, if_yes.reached ? yes : no);
		return;
	}
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

/* An instruction that goes on with the next one; false if nothing follows. */
static bool translate_plain(struct translation *t, const struct step *in, struct known *known)
{
	__u8 class = in->code & CLASS;
	bool from_a = class == BPF_ST || (class == MISC && (in->code & MISC_OP) != TXA);

	/* What can't be known yet isn't kept: it ends here. */
	if (from_a && known->truth != TRUE) {
		emit_no_match(t);
		return false;
	}
	switch (class) {
	case BPF_LD:
	case BPF_LDX:
		return translate_load(t, in, known);
	case BPF_ST:
	case BPF_STX:
		emit(t, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, class == BPF_STX ? X : A,
		     word_offset(in->k), 0);
		return true;
	case BPF_ALU:
		if (!translate_alu(t, in))
			return false;
		known_alu(known, in->code & OP, (in->code & BPF_X) == BPF_X, in->k);
		return true;
	default:
		if (from_a) {
			emit(t, BPF_ALU | BPF_MOV | BPF_X, X, A, 0, 0);
			return true;
		}
		emit(t, BPF_ALU | BPF_MOV | BPF_X, A, X, 0, 0);
		known_load(known, 4);
		return true;
	}
}

/* Translates instruction i; NULL, or why it can't be. */
static const char *translate_one(struct translation *t, size_t i)
{
	static const char unknown[] = "libpcap made an instruction that is not known here";
	const struct step *in = &t->in[i];
	struct known known = t->known[i];
	const char *reason;

	if ((in->code & CLASS) == BPF_JMP) {
		translate_jump(t, i, &known);
		return NULL;
	}
	if ((in->code & CLASS) == RET) {
		if ((in->code & RET_VALUE) == RET_A)
			return unknown;
		t->can_match |= in->k != 0;
		emit(t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, in->k ? FILTER_YES : 0);
		emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		return NULL;
	}
	if ((in->code & CLASS) <= BPF_LDX && (in->code & MODE) > LEN && (in->code & MODE) != MSH)
		return unknown;
	if ((in->code & (CLASS | MODE)) == (BPF_LD | BPF_ABS) && in->k >= NEGATIVE) {
		reason = load_beside(t, in->k, &known);
		if (reason)
			return reason;
	} else if (!translate_plain(t, in, &known)) {
		return NULL;
	}
	reach(t, i + 1, &known);
	return NULL;
}

/* Cuts the captured length to 32 bits; classic BPF begins with A, X and M[] at 0. */
static void emit_prologue(struct translation *t)
{
	unsigned int words = 0;

	for (size_t i = 0; i < t->length; i++) {
		__u16 class = t->in[i].code & CLASS;

		if (class == BPF_ST || class == BPF_STX ||
		    (class <= BPF_LDX && (t->in[i].code & MODE) == BPF_MEM))
			words |= 1U << (t->in[i].k % WORDS);
	}
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

int translate(const struct bpf_program *program, enum filter_link link, struct filter_insns *out,
	      char *err, size_t err_size)
{
	static const struct known at_first = {.reached = true};
	struct translation t = {.link = link};
	struct step *steps = unroll(program, &t.length);
	size_t room = t.length * EXPANSION + WORDS + 8;
	const char *reason;
	int result = -1;

	t.in = steps;
	t.out = calloc(room, sizeof(*t.out));
	t.target = malloc(room * sizeof(*t.target));
	t.start = calloc(t.length + 2, sizeof(*t.start));
	t.known = calloc(t.length + 1, sizeof(*t.known));
	if (!steps || !t.out || !t.target || !t.start || !t.known) {
		snprintf(err, err_size, "not enough memory");
		goto cleanup;
	}
	memset(t.target, 0xff, room * sizeof(*t.target));
	t.header_in_x = only_header_in_x(t.in, t.length);
	emit_prologue(&t);
	reach(&t, 0, &at_first);
	for (size_t i = 0; i < t.length; i++) {
		t.start[i] = t.count;
		if (!t.known[i].reached)
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
	t.start[t.length + 1] = t.count;
	if (t.short_used) {
		emit(&t, BPF_ALU | BPF_MOV | BPF_K, A, 0, 0, FILTER_SHORT);
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
		.tag = t.tag,
		.never = !t.can_match,
		.beyond = t.beyond,
	};
	t.out = NULL;
	result = 0;
cleanup:
	free(steps);
	free(t.out);
	free(t.target);
	free(t.start);
	free(t.known);
	return result;
}
