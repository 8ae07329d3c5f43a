// SPDX-License-Identifier: Apache-2.0
/* Loops of classic BPF laid out flat: see unroll.h. */
#include "unroll.h"
#include "../bpf/event.h"

#include <stdlib.h>
#include <pcap/pcap.h>

#define HEADER_MIN 8
#define COPIES	   (FILTER_SCRATCH / HEADER_MIN)

/* A loop's body: instructions first … last of the original. */
struct loop {
	size_t first;
	size_t last;
	size_t at; /* where its first copy begins */
};

struct layout {
	const struct bpf_insn *in;
	size_t length;
	struct loop *loops; /* in order, none touches another */
	size_t count;
	size_t total;
};

static size_t jump_target(const struct bpf_insn *in, size_t i)
{
	/* libpcap jumps back by a negative number; nothing else does. */
	return i + 1 + (size_t)(int)in[i].k;
}

static int is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP;
}

static int is_plain_jump(const struct bpf_insn *insn)
{
	return is_jump(insn) && BPF_OP(insn->code) == BPF_JA;
}

/* Loops that overlap are one. */
static void find_loops(struct layout *layout)
{
	for (size_t i = 0; i < layout->length; i++) {
		size_t first;

		if (!is_plain_jump(&layout->in[i]))
			continue;
		first = jump_target(layout->in, i);
		if (first > i)
			continue;
		while (layout->count && layout->loops[layout->count - 1].last >= first) {
			layout->count--;
			if (layout->loops[layout->count].first < first)
				first = layout->loops[layout->count].first;
		}
		layout->loops[layout->count++] = (struct loop){.first = first, .last = i};
	}
	layout->total = layout->length;
	for (size_t i = 0; i < layout->count; i++) {
		struct loop *loop = &layout->loops[i];

		loop->at = loop->first + (layout->total - layout->length);
		layout->total += (COPIES - 1) * (loop->last - loop->first + 1);
	}
}

static const struct loop *loop_of(const struct layout *layout, size_t i)
{
	for (size_t l = 0; l < layout->count; l++)
		if (i >= layout->loops[l].first && i <= layout->loops[l].last)
			return &layout->loops[l];
	return NULL;
}

/* Where an instruction stands in the layout: in this copy, when it is in a loop. */
static size_t place(const struct layout *layout, size_t i, size_t copy)
{
	size_t more = 0;

	for (size_t l = 0; l < layout->count; l++) {
		const struct loop *loop = &layout->loops[l];
		size_t size = loop->last - loop->first + 1;

		if (i < loop->first)
			break;
		if (i <= loop->last)
			return loop->at + copy * size + (i - loop->first);
		more += (COPIES - 1) * size;
	}
	return i + more;
}

static size_t target(const struct layout *layout, size_t from, size_t copy, size_t to)
{
	if (to >= layout->length)
		return layout->total;
	if (loop_of(layout, from) != loop_of(layout, to))
		copy = 0;
	else if (to <= from && ++copy == COPIES)
		return layout->total;
	return place(layout, to, copy);
}

static void lay_out(const struct layout *layout, size_t i, size_t copy, struct step *steps)
{
	const struct bpf_insn *insn = &layout->in[i];
	struct step *step = &steps[place(layout, i, copy)];

	*step = (struct step){.code = insn->code, .k = insn->k};
	if (is_plain_jump(insn)) {
		step->yes = step->no = target(layout, i, copy, jump_target(layout->in, i));
	} else if (is_jump(insn)) {
		step->yes = target(layout, i, copy, i + 1 + insn->jt);
		step->no = target(layout, i, copy, i + 1 + insn->jf);
	}
}

struct step *unroll(const struct bpf_program *program, size_t *length)
{
	struct layout layout = {.in = program->bf_insns, .length = program->bf_len};
	struct step *steps = NULL;

	layout.loops = calloc(layout.length + 1, sizeof(*layout.loops));
	if (!layout.loops)
		return NULL;
	find_loops(&layout);
	steps = calloc(layout.total + 1, sizeof(*steps));
	for (size_t i = 0; steps && i < layout.length; i++) {
		size_t copies = loop_of(&layout, i) ? COPIES : 1;

		for (size_t copy = 0; copy < copies; copy++)
			lay_out(&layout, i, copy, steps);
	}
	free(layout.loops);
	*length = layout.total;
	return steps;
}
