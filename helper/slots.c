// SPDX-License-Identifier: Apache-2.0
/* Filters in their slots: see slots.h. */
#include "slots.h"
#include "filter.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../bpf/event.h"

#define JUMP_NEXT ((struct bpf_insn){.code = BPF_JMP | BPF_JA})

/* The filter whose slot is marked here, NULL when no slot is. */
static const struct filter_insns *slot_at(const struct filters *filters,
					  const struct bpf_insn *insns, size_t count, size_t at)
{
	uint64_t value;

	if (at + 1 >= count || insns[at].code != (BPF_LD | BPF_IMM | BPF_DW) || insns[at].src_reg)
		return NULL;
	value = (uint32_t)insns[at].imm | (uint64_t)(uint32_t)insns[at + 1].imm << 32;
	if (value == SLOT_ETHERNET)
		return &filters->ethernet;
	return value == SLOT_IP ? &filters->ip : NULL;
}

/* A filter in its place: its exits become jumps behind it. */
static void put_filter(struct bpf_insn *begin, const struct filter_insns *filter)
{
	const struct bpf_insn *end = begin + filter->cnt;

	memcpy(begin, filter->insns, filter->cnt * sizeof(*filter->insns));
	for (struct bpf_insn *insn = begin; insn < end; insn++) {
		if (insn->code != (BPF_JMP | BPF_EXIT))
			continue;
		*insn = JUMP_NEXT;
		insn->off = (int16_t)(end - insn - 1);
	}
}

/* Sets a jump or a call between two places that moved. */
static void move_target(struct bpf_insn *insn, size_t from, const uint32_t *moved)
{
	uint8_t class = BPF_CLASS(insn->code), operation = BPF_OP(insn->code);

	if (class != BPF_JMP && class != BPF_JMP32)
		return;
	if (operation == BPF_EXIT)
		return;
	if (operation == BPF_CALL) {
		if (insn->src_reg == BPF_PSEUDO_CALL)
			insn->imm = (int32_t)(moved[from + insn->imm + 1] - moved[from] - 1);
		return;
	}
	insn->off = (int16_t)(moved[from + insn->off + 1] - moved[from] - 1);
}

/* Copies a program with the filters in place of their markers. moved[old] = new index. */
static void copy_moved(const struct filters *filters, struct bpf_insn *to,
		       const struct bpf_insn *from, size_t count, uint32_t *moved)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count; i++) {
		const struct filter_insns *filter = slot_at(filters, from, count, i);

		moved[i] = next;
		if (filter) {
			put_filter(&to[next], filter);
			next += filter->cnt;
			moved[++i] = next;
		} else {
			to[next++] = from[i];
			/* The second half of a 64-bit immediate is no instruction of its own. */
			if (from[i].code == (BPF_LD | BPF_IMM | BPF_DW)) {
				moved[++i] = next;
				to[next++] = from[i];
			}
		}
	}
	moved[count] = next;
	for (size_t i = 0; i < count; i++) {
		if (from[i].code == (BPF_LD | BPF_IMM | BPF_DW))
			i++;
		else
			move_target(&to[moved[i]], i, moved);
	}
}

bool slots_any(const struct filters *filters, const struct bpf_insn *insns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slot_at(filters, insns, count, i))
			return true;
	return false;
}

int slots_fill(const struct filters *filters, const struct bpf_insn *from, size_t count,
	       struct bpf_insn **to, size_t *to_count, void *func_info, __u32 info_size,
	       __u32 infos)
{
	uint32_t *moved = calloc(count + 1, sizeof(*moved));
	size_t more = 0;

	for (size_t i = 0; i < count; i++) {
		const struct filter_insns *filter = slot_at(filters, from, count, i);

		if (filter)
			more += filter->cnt;
	}
	*to = calloc(count + more, sizeof(**to));
	if (!moved || !*to) {
		free(moved);
		free(*to);
		return -ENOMEM;
	}
	copy_moved(filters, *to, from, count, moved);
	*to_count = moved[count];
	for (__u32 i = 0; i < infos; i++) {
		struct bpf_func_info *info = (void *)((char *)func_info + (size_t)i * info_size);

		info->insn_off = moved[info->insn_off];
	}
	free(moved);
	return 0;
}
