/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which BPF programs there are, and how many hold each: read by the helper. */
#ifndef PACKET_TRAIL_ITERATOR_H
#define PACKET_TRAIL_ITERATOR_H

#include "kernel.h"
#include "event.h"

#include <bpf/bpf_tracing.h>

static __always_inline bool sees_packets(u32 type)
{
	return type == BPF_PROG_TYPE_SCHED_CLS || type == BPF_PROG_TYPE_SCHED_ACT ||
	       type == BPF_PROG_TYPE_XDP || type == BPF_PROG_TYPE_EXT;
}

/*
 * One record a program that sees packets, with how many hold it: a program that our hooks alone
 * hold has gone for everybody else (fentry and fexit hold what they are attached to). The iterator
 * holds it, too, while it shows it. kernel/bpf/prog_iter.c, since 5.9 (a228a64fc1e4).
 */
SEC("iter/bpf_prog")
int BPF_PROG(on_each_program, struct bpf_iter_meta *meta, struct bpf_prog *program)
{
	struct program_record record = {};

	(void)ctx;
	if (!program)
		return 0;
	record.type = program->type;
	if (!sees_packets(record.type))
		return 0;
	record.id = program->aux->id;
	record.holders = program->aux->refcnt.counter - 1;
	bpf_seq_write(meta->seq, &record, sizeof(record));
	return 0;
}

#endif
