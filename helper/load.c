// SPDX-License-Identifier: Apache-2.0
/* Opens and loads the kernel side: see load.h. */
#include "load.h"
#include "log.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JUMP_NEXT ((struct bpf_insn){.code = BPF_JMP | BPF_JA})

/* libbpf's hooks carry no context of ours into a load, so the one that runs is here. */
static const struct load *loading;
static char		 *last_log;
static size_t		  last_log_size;

static int keep_log(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && last_log_size && !*last_log)
		vsnprintf(last_log, last_log_size, format, args);
	if (log_verbose && level <= LIBBPF_INFO)
		return vfprintf(stderr, format, args);
	return 0;
}

static int compile(struct filter_insns *out, enum filter_link link, const char *expression,
		   char *error, size_t size)
{
	static const struct bpf_insn always[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	if (*expression)
		return filter_compile(expression, link, out, error, size);
	out->insns = malloc(sizeof(always));
	if (!out->insns)
		return -1;
	memcpy(out->insns, always, sizeof(always));
	out->cnt = sizeof(always) / sizeof(*always);
	return 0;
}

int load_filter(struct load *load, const char *expression)
{
	char error[256] = "out of memory";

	if (compile(&load->ethernet, FILTER_ETHERNET, expression, error, sizeof(error)) ||
	    compile(&load->ip, FILTER_IP, expression, error, sizeof(error))) {
		complain("bad filter: %s: %s", expression, error);
		return -1;
	}
	if (load->ethernet.cnt > SLOT_INSNS || load->ip.cnt > SLOT_INSNS) {
		complain("filter too long: it takes more than %d instructions: give a shorter one",
			 SLOT_INSNS);
		return -1;
	}
	load->settings.match_all = !*expression;
	return 0;
}

void load_free(struct load *load)
{
	filter_free(&load->ethernet);
	filter_free(&load->ip);
}

/* Writes a filter into its slot: the end of the no-ops, with jumps behind them for its exits. */
static void fill_slot(struct bpf_insn *marker, const struct filter_insns *filter)
{
	struct bpf_insn *end = marker + 2 + SLOT_INSNS, *begin = end - filter->cnt;

	marker[0] = JUMP_NEXT;
	marker[1] = JUMP_NEXT;
	memcpy(begin, filter->insns, filter->cnt * sizeof(*filter->insns));
	for (struct bpf_insn *insn = begin; insn < end; insn++) {
		if (insn->code != (BPF_JMP | BPF_EXIT))
			continue;
		*insn = JUMP_NEXT;
		insn->off = (int16_t)(end - insn - 1);
	}
}

/* libbpf calls this with a program's final instructions, subprograms and all. */
static int fill_slots(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	struct bpf_insn *insns = (struct bpf_insn *)bpf_program__insns(program);
	size_t		 count = bpf_program__insn_cnt(program);

	(void)opts;
	(void)cookie;
	for (size_t i = 0; i + 2 + SLOT_INSNS < count; i++) {
		uint64_t value;

		if (insns[i].code != (BPF_LD | BPF_IMM | BPF_DW) || insns[i].src_reg)
			continue;
		value = (uint32_t)insns[i].imm | (uint64_t)(uint32_t)insns[i + 1].imm << 32;
		if (value == SLOT_ETHERNET)
			fill_slot(&insns[i], &loading->ethernet);
		else if (value == SLOT_IP)
			fill_slot(&insns[i], &loading->ip);
	}
	return 0;
}

/* The sections that hold slots are ours, so libbpf asks us before it loads them. */
static int register_sections(void)
{
	static bool done;
	LIBBPF_OPTS(libbpf_prog_handler_opts, handler, .prog_prepare_load_fn = fill_slots);

	if (done)
		return 0;
	if (libbpf_register_prog_handler("match", BPF_PROG_TYPE_KPROBE, 0, &handler) < 0 ||
	    libbpf_register_prog_handler("drop", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP,
					 &handler) < 0)
		return -1;
	done = true;
	return 0;
}

bool kprobe_multi_works(uint64_t address)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, program_opts,
		    .expected_attach_type = BPF_TRACE_KPROBE_MULTI);
	unsigned long addresses[] = {address};
	LIBBPF_OPTS(bpf_link_create_opts, link_opts, .kprobe_multi.addrs = addresses,
		    .kprobe_multi.cnt = 1);
	int program, link;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", nothing,
				sizeof(nothing) / sizeof(*nothing), &program_opts);
	if (program < 0)
		return false;
	link = bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &link_opts);
	if (link >= 0)
		close(link);
	close(program);
	return link >= 0;
}

static void leave_out(struct bpf_program *program, uint32_t hook)
{
	bpf_program__set_autoload(program, hook != 0);
}

static int configure(struct packet_trail_bpf *skeleton, const struct load *load)
{
	enum bpf_attach_type type =
		load->backend == BACKEND_KPROBE_MULTI ? BPF_TRACE_KPROBE_MULTI : 0;

	memcpy((void *)&skeleton->rodata->settings, &load->settings, sizeof(load->settings));
	*(uint32_t *)&skeleton->rodata->drop_hook = load->drop_hook;
	*(uint32_t *)&skeleton->rodata->consume_hook = load->consume_hook;
	*(uint32_t *)&skeleton->rodata->clone_hook = load->clone_hook;
	*(uint32_t *)&skeleton->rodata->copy_hook = load->copy_hook;
	*(uint32_t *)&skeleton->rodata->pskb_copy_hook = load->pskb_copy_hook;
	*(uint32_t *)&skeleton->rodata->segment_hook = load->segment_hook;
	leave_out(skeleton->progs.on_drop, load->drop_hook);
	leave_out(skeleton->progs.on_consume, load->consume_hook);
	leave_out(skeleton->progs.on_clone, load->clone_hook);
	leave_out(skeleton->progs.on_copy, load->copy_hook);
	leave_out(skeleton->progs.on_pskb_copy, load->pskb_copy_hook);
	leave_out(skeleton->progs.on_segment, load->segment_hook);
	if (bpf_program__set_expected_attach_type(skeleton->progs.on_function, type) ||
	    bpf_program__set_expected_attach_type(skeleton->progs.on_match, type) ||
	    bpf_map__set_max_entries(skeleton->maps.ring, load->buffer))
		return -1;
	if (load->drop_hook &&
	    bpf_program__set_attach_target(skeleton->progs.on_drop, 0, "kfree_skb"))
		return -1;
	return 0;
}

struct packet_trail_bpf *load_programs(const struct load *load, char *log, size_t log_size)
{
	struct packet_trail_bpf *skeleton;
	uint32_t		 zero = 0;
	int			 program, err;

	*log = 0;
	last_log = log;
	last_log_size = log_size;
	loading = load;
	libbpf_set_print(keep_log);
	if (register_sections()) {
		errno = EINVAL;
		return NULL;
	}
	skeleton = packet_trail_bpf__open();
	if (!skeleton)
		return NULL;
	err = configure(skeleton, load) ? -errno : packet_trail_bpf__load(skeleton);
	if (!err) {
		program = bpf_program__fd(skeleton->progs.on_match);
		err = bpf_map_update_elem(bpf_map__fd(skeleton->maps.match_program), &zero,
					  &program, BPF_ANY);
	}
	last_log_size = 0;
	if (err) {
		packet_trail_bpf__destroy(skeleton);
		errno = -err;
		return NULL;
	}
	return skeleton;
}
