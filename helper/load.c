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
static char *last_log;
static size_t last_log_size;

static int keep_log(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	if (level == LIBBPF_WARN && last_log_size && !*last_log)
		vsnprintf(last_log, last_log_size, format, again);
	va_end(again);
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
	/* Jumps reach 32767 instructions far. */
	if (load->ethernet.cnt > INT16_MAX || load->ip.cnt > INT16_MAX) {
		complain("filter too long: it takes more than %d instructions: give a shorter one",
			 INT16_MAX);
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

/* The filter whose slot is marked here, NULL when no slot is. */
static const struct filter_insns *slot_at(const struct bpf_insn *insns, size_t count, size_t at)
{
	uint64_t value;

	if (at + 1 >= count || insns[at].code != (BPF_LD | BPF_IMM | BPF_DW) || insns[at].src_reg)
		return NULL;
	value = (uint32_t)insns[at].imm | (uint64_t)(uint32_t)insns[at + 1].imm << 32;
	if (value == SLOT_ETHERNET)
		return &loading->ethernet;
	return value == SLOT_IP ? &loading->ip : NULL;
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
static void copy_moved(struct bpf_insn *to, const struct bpf_insn *from, size_t count,
		       uint32_t *moved)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count; i++) {
		const struct filter_insns *filter = slot_at(from, count, i);

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

/*
 * libbpf calls this with a program's final instructions, subprograms and all, before it loads them.
 * The places of its functions move with them; lines of the source are let go.
 */
static int fill_slots(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	size_t count = bpf_program__insn_cnt(program), more = 0;
	uint32_t *moved = calloc(count + 1, sizeof(*moved));
	struct bpf_insn *copy;
	int err = -ENOMEM;

	(void)cookie;
	for (size_t i = 0; i < count; i++) {
		const struct filter_insns *filter = slot_at(insns, count, i);

		if (filter)
			more += filter->cnt;
	}
	copy = calloc(count + more, sizeof(*copy));
	if (!moved || !copy)
		goto cleanup;
	copy_moved(copy, insns, count, moved);
	for (__u32 i = 0; i < opts->func_info_cnt; i++) {
		struct bpf_func_info *info =
			(void *)((char *)opts->func_info + (size_t)i * opts->func_info_rec_size);

		info->insn_off = moved[info->insn_off];
	}
	opts->line_info = NULL;
	opts->line_info_cnt = 0;
	err = bpf_program__set_insns(program, copy, moved[count]);
cleanup:
	free(moved);
	free(copy);
	return err;
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
	uint32_t zero = 0;
	int program, err;

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
