/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter slots of our programs (bpf/slot.h): puts filters in place of their markers, and sets
 * what jumps, calls or points over them.
 */
#ifndef PACKET_TRAIL_SLOTS_H
#define PACKET_TRAIL_SLOTS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

struct filters;

/* Has this program a slot? */
bool slots_any(const struct filters *filters, const struct bpf_insn *insns, size_t count);

/*
 * A program with the filters in place of their markers, in *to, to be freed; the places of its
 * functions, which func_info has, move with them. 0 or -ENOMEM.
 */
int slots_fill(const struct filters *filters, const struct bpf_insn *from, size_t count,
	       struct bpf_insn **to, size_t *to_count, void *func_info, __u32 info_size,
	       __u32 infos);

#endif
