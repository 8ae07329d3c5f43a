// SPDX-License-Identifier: Apache-2.0
/* Programs kept to be loaded again: see patterns.h. */
#include "patterns.h"
#include "filter.h"
#include "slots.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libbpf's hooks carry no context of ours into a load, so the filters of the one that runs are
 * here. */
static const struct filters *loading;

/* A program with slots as libbpf would load it, kept to be loaded again with another filter. */
struct pattern {
	const struct bpf_program *program;
	struct bpf_insn *insns;
	size_t count;
	void *func_info;
	__u32 func_info_size; /* of a record */
	__u32 func_infos;
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type;
	__u32 attach_btf_id;
};

/* One of each program that holds slots, and of each that is loaded for one BPF program or another.
 */
static struct pattern patterns[16];
static size_t pattern_count;

void patterns_forget(void)
{
	for (size_t i = 0; i < pattern_count; i++) {
		free(patterns[i].insns);
		free(patterns[i].func_info);
	}
	memset(patterns, 0, sizeof(patterns));
	pattern_count = 0;
}

/* Keeps a program with slots before they are filled. 0 or -ENOMEM. */
static int keep_pattern(const struct bpf_program *program, const struct bpf_prog_load_opts *opts)
{
	size_t size = bpf_program__insn_cnt(program) * sizeof(struct bpf_insn);
	size_t info_size = (size_t)opts->func_info_cnt * opts->func_info_rec_size;
	struct pattern *pattern = &patterns[pattern_count];

	if (pattern_count == sizeof(patterns) / sizeof(*patterns))
		return -ENOMEM;
	pattern->program = program;
	pattern->insns = malloc(size);
	pattern->func_info = malloc(info_size ? info_size : 1);
	pattern_count++;
	if (!pattern->insns || !pattern->func_info)
		return -ENOMEM;
	memcpy(pattern->insns, bpf_program__insns(program), size);
	memcpy(pattern->func_info, opts->func_info, info_size);
	pattern->count = bpf_program__insn_cnt(program);
	pattern->func_info_size = opts->func_info_rec_size;
	pattern->func_infos = opts->func_info_cnt;
	pattern->type = bpf_program__type(program);
	pattern->attach_type = opts->expected_attach_type;
	pattern->attach_btf_id = opts->attach_btf_id;
	return 0;
}

/*
 * libbpf calls this with a program's final instructions, subprograms and all, before it loads them.
 * Lines of the source are let go, since they don't move along.
 */
static int fill_slots(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *copy;
	int err;

	(void)cookie;
	if (!slots_any(loading, insns, count))
		return 0;
	err = keep_pattern(program, opts);
	if (err)
		return err;
	err = slots_fill(loading, insns, count, &copy, &count, (void *)opts->func_info,
			 opts->func_info_rec_size, opts->func_info_cnt);
	if (err)
		return err;
	opts->line_info = NULL;
	opts->line_info_cnt = 0;
	err = bpf_program__set_insns(program, copy, count);
	free(copy);
	return err;
}

/* What is loaded when there is a BPF program for it is kept; what libbpf loads in its place does
 * nothing. */
static int keep_for_then(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int err = keep_pattern(program, opts);

	(void)cookie;
	if (err)
		return err;
	opts->line_info_cnt = 0;
	opts->func_info_cnt = 0;
	return bpf_program__set_insns(program, nothing, sizeof(nothing) / sizeof(*nothing));
}

/* The sections that hold slots are ours, so libbpf asks us before it loads them. */
static int register_sections(void)
{
	static bool done;
	LIBBPF_OPTS(libbpf_prog_handler_opts, handler, .prog_prepare_load_fn = fill_slots);
	LIBBPF_OPTS(libbpf_prog_handler_opts, then, .prog_prepare_load_fn = keep_for_then);

	if (done)
		return 0;
	if (libbpf_register_prog_handler("match", BPF_PROG_TYPE_KPROBE, 0, &handler) < 0 ||
	    libbpf_register_prog_handler("end", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &handler) < 0 ||
	    libbpf_register_prog_handler("point", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &handler) < 0 ||
	    libbpf_register_prog_handler("program", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &then) < 0)
		return -1;
	done = true;
	return 0;
}

int patterns_begin(const struct filters *filters)
{
	patterns_forget();
	loading = filters;
	return register_sections();
}

const struct pattern *pattern_of(const struct bpf_program *program)
{
	for (size_t i = 0; i < pattern_count; i++)
		if (patterns[i].program == program)
			return &patterns[i];
	return NULL;
}

int pattern_load(const struct pattern *pattern, const struct filters *filters, int btf, char *log,
		 size_t log_size)
{
	size_t info_size = (size_t)pattern->func_infos * pattern->func_info_size, count;
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = pattern->attach_type,
		    .attach_btf_id = pattern->attach_btf_id, .prog_btf_fd = btf,
		    .func_info_rec_size = pattern->func_info_size,
		    .func_info_cnt = pattern->func_infos);
	struct bpf_insn *insns = NULL;
	void *func_info = malloc(info_size ? info_size : 1);
	int program = -ENOMEM;

	if (!func_info)
		return -ENOMEM;
	memcpy(func_info, pattern->func_info, info_size);
	if (slots_fill(filters, pattern->insns, pattern->count, &insns, &count, func_info,
		       pattern->func_info_size, pattern->func_infos))
		goto cleanup;
	opts.func_info = func_info;
	program = bpf_prog_load(pattern->type, bpf_program__name(pattern->program), "Dual BSD/GPL",
				insns, count, &opts);
	if (program < 0) {
		opts.log_buf = log;
		opts.log_size = (__u32)log_size;
		opts.log_level = 4; /* statistics and the error, which is what fits */
		program = bpf_prog_load(pattern->type, bpf_program__name(pattern->program),
					"Dual BSD/GPL", insns, count, &opts);
	}
cleanup:
	free(insns);
	free(func_info);
	return program;
}

struct bpf_insn *pattern_insns(const struct pattern *pattern, const struct filters *filters,
			       size_t *count)
{
	struct bpf_insn *insns = NULL;

	if (slots_fill(filters, pattern->insns, pattern->count, &insns, count, NULL, 0, 0))
		return NULL;
	return insns;
}
