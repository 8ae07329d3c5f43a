// SPDX-License-Identifier: Apache-2.0
/* Opens and loads the kernel side: see load.h. */
#include "load.h"
#include "log.h"
#include "refused.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
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

/* The expression that leaves out what is `never` wanted, for the caller to free. */
static char *without(const char *expression, const char *never)
{
	char *text;

	/* It comes first: what follows `vlan` or `mpls` in an expression looks behind that header.
	 */
	if (asprintf(&text, *expression ? "not (%s) and (%s)" : "not (%s)", never, expression) < 0)
		return NULL;
	return text;
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

/* Both links' filters, 0, or -1 with the reason in `error`; then nothing is kept. */
static int compile_both(struct filters *filters, const char *expression, const char *never,
			char *error, size_t size)
{
	char *whole = NULL;

	memset(filters, 0, sizeof(*filters));
	snprintf(error, size, "out of memory");
	if (*never) {
		/* By itself first: "icmp) or (tcp" is none. */
		if (*expression && filter_check(expression, error, size))
			return -1;
		whole = without(expression, never);
		if (!whole)
			return -1;
		expression = whole;
	}
	if (compile(&filters->ethernet, FILTER_ETHERNET, expression, error, size) ||
	    compile(&filters->ip, FILTER_IP, expression, error, size))
		goto bad;
	/* Jumps reach 32767 instructions far. */
	if (filters->ethernet.cnt > INT16_MAX || filters->ip.cnt > INT16_MAX) {
		snprintf(error, size, "it takes more than %d instructions: give a shorter one",
			 INT16_MAX);
		goto bad;
	}
	filters->every = !*expression;
	*error = '\0';
	free(whole);
	return 0;
bad:
	free(whole);
	filters_free(filters);
	return -1;
}

void filters_free(struct filters *filters)
{
	filter_free(&filters->ethernet);
	filter_free(&filters->ip);
}

int load_filter(struct load *load, const char *expression)
{
	char error[256];

	if (compile_both(&load->filters, expression, load->never, error, sizeof(error))) {
		complain("bad filter: %s: %s", expression, error);
		return -1;
	}
	return 0;
}

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

static void forget_patterns(void)
{
	for (size_t i = 0; i < pattern_count; i++) {
		free(patterns[i].insns);
		free(patterns[i].func_info);
	}
	memset(patterns, 0, sizeof(patterns));
	pattern_count = 0;
}

void load_free(struct load *load)
{
	filters_free(&load->filters);
	forget_patterns();
}

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

/*
 * A program with the filters in place of their markers, in *to; the places of its functions, which
 * func_info has, move with them. 0 or -ENOMEM.
 */
static int put_filters(const struct filters *filters, const struct bpf_insn *from, size_t count,
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

static bool has_slot(const struct bpf_insn *insns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slot_at(&loading->filters, insns, count, i))
			return true;
	return false;
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
	if (!has_slot(insns, count))
		return 0;
	err = keep_pattern(program, opts);
	if (err)
		return err;
	err = put_filters(&loading->filters, insns, count, &copy, &count, (void *)opts->func_info,
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

static void *close_descriptor(void *descriptor)
{
	close((int)(intptr_t)descriptor);
	return NULL;
}

/* Closing a link waits for a grace period (ftrace_shutdown(), kernel/trace/ftrace.c): beside us. */
static void close_link_apart(int link)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, close_descriptor, (void *)(intptr_t)link))
		close(link);
	else
		pthread_detach(thread);
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
		close_link_apart(link);
	close(program);
	return link >= 0;
}

/* Does the kernel have atomic instructions that give the value before? 5.12, 5ffa25502b5a. */
static bool exchange_works(void)
{
	static const struct bpf_insn exchange[] = {
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_1,
		 .off = -8,
		 .imm = BPF_CMPXCHG},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", exchange,
				    sizeof(exchange) / sizeof(*exchange), NULL);

	if (program < 0)
		return false;
	close(program);
	return true;
}

/*
 * Older kernels refuse a program for holding such an instruction, reached or not: each becomes one
 * that says it did not exchange.
 */
static void without_exchange(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		struct bpf_insn *insns = (struct bpf_insn *)bpf_program__insns(program);
		size_t count = bpf_program__insn_cnt(program);

		for (size_t i = 0; i < count; i++)
			if (insns[i].code == (BPF_STX | BPF_ATOMIC | BPF_DW) &&
			    insns[i].imm == BPF_CMPXCHG)
				insns[i] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
							     .dst_reg = BPF_REG_0,
							     .imm = -1};
	}
}

/* What finds no place is looked up another way. */
static void put_cookie(struct cookie *cookies, uint64_t address, uint64_t cookie)
{
	for (uint32_t probe = 0; probe < COOKIE_PROBES; probe++) {
		struct cookie *at = &cookies[(COOKIE_PLACE(address) + probe) % COOKIES];

		if (at->cookie)
			continue;
		at->address = address;
		at->cookie = cookie;
		return;
	}
}

void load_cookies(struct packet_trail_bpf *skeleton, const struct hooks *hooks)
{
	struct cookie *cookies = skeleton->data->cookies;

	for (size_t i = 0; i < hooks->functions; i++) {
		/* Another module may come to the addresses of one that has gone. */
		if (*hooks->items[i].module)
			continue;
		put_cookie(cookies, hooks->items[i].address, hooks->items[i].cookie);
		if (hooks->items[i].behind)
			put_cookie(cookies, hooks->items[i].behind, hooks->items[i].cookie);
	}
}

static void leave_out(struct bpf_program *program, uint32_t hook)
{
	bpf_program__set_autoload(program, hook != 0);
}

static void leave_out_programs(struct packet_trail_bpf *skeleton, const struct load *load)
{
	leave_out(skeleton->progs.on_tc_entry, load->programs);
	leave_out(skeleton->progs.on_tc_verdict, load->programs);
	leave_out(skeleton->progs.on_xdp_entry, load->programs);
	leave_out(skeleton->progs.on_xdp_verdict, load->programs);
	leave_out(skeleton->progs.on_before_xdp, load->programs);
	leave_out(skeleton->progs.on_new_skb, load->programs);
	leave_out(skeleton->progs.on_each_program, load->programs && load->program_iterator);
}

static uint32_t extent_of(const struct filters *filters)
{
	uint32_t ethernet = filters->ethernet.extent, ip = filters->ip.extent;

	return ethernet > ip ? ethernet : ip;
}

/* Longer ones stand in one place alone: the verifier's time for each is part of the start. */
#define QUICK_INSNS 256

static bool is_quick(const struct filters *filters)
{
	return !filters->every && filters->ethernet.cnt + filters->ip.cnt <= QUICK_INSNS;
}

/* What the programs must know of the filter beside its instructions. */
static void tell_filter(struct packet_trail_bpf *skeleton, const struct filters *filters)
{
	skeleton->data->filter_extent = extent_of(filters);
	skeleton->data->match_all = filters->every;
}

/* What the kernel side may only read is ours to write until it is loaded. */
static void set_constant(const volatile __u64 *constant, uint64_t value)
{
	memcpy((void *)constant, &value, sizeof(value));
}

static int configure(struct packet_trail_bpf *skeleton, const struct load *load)
{
	enum bpf_attach_type type =
		load->backend == BACKEND_KPROBE_MULTI ? BPF_TRACE_KPROBE_MULTI : 0;
	struct settings *settings = (struct settings *)&skeleton->rodata->settings;
	struct bpf_program *program;
	struct bpf_program *functions[] = {
		skeleton->progs.on_function,
		skeleton->progs.on_match,
		skeleton->progs.on_followed,
	};
	struct bpf_program *placed[] = {
		skeleton->progs.on_first,
		skeleton->progs.on_second,
		skeleton->progs.on_third,
	};

	*settings = load->settings;
	settings->places = (load->packets < PLACES ? load->packets : PLACES) - 1;
	settings->multi = load->backend == BACKEND_KPROBE_MULTI;
	settings->quick = is_quick(&load->filters);
	settings->extent = extent_of(&load->filters);
	settings->fixed = settings->extent <= FIXED_EXTENT && !load->filters.ethernet.loose &&
			  !load->filters.ip.loose;
	settings->wire = load->filters.ethernet.wire || load->filters.ip.wire;
	*(uint32_t *)&skeleton->rodata->drop_hook = load->drop_hook;
	*(uint32_t *)&skeleton->rodata->consume_hook = load->consume_hook;
	set_constant(&skeleton->rodata->redirect_info_at, load->redirect_info);
	set_constant(&skeleton->rodata->prog_active_at, load->prog_active);
	set_constant(&skeleton->rodata->current_kprobe_at, load->current_kprobe);
	set_constant(&skeleton->rodata->cpu_offsets_at, load->cpu_offsets);
	memcpy((void *)skeleton->rodata->point_hooks, load->point_hooks, sizeof(load->point_hooks));
	leave_out(skeleton->progs.on_receive, load->point_hooks[POINT_RECEIVE]);
	leave_out(skeleton->progs.on_rx, load->point_hooks[POINT_RX]);
	leave_out(skeleton->progs.on_queue, load->point_hooks[POINT_QUEUE]);
	leave_out(skeleton->progs.on_start_xmit, load->point_hooks[POINT_START_XMIT]);
	leave_out(skeleton->progs.on_drop, load->drop_hook);
	leave_out(skeleton->progs.on_drop_match, load->drop_hook);
	leave_out(skeleton->progs.on_consume, load->consume_hook);
	leave_out(skeleton->progs.on_end, load->drop_hook | load->consume_hook);
	leave_out(skeleton->progs.on_release, load->release);
	leave_out_programs(skeleton, load);
	leave_out(skeleton->progs.on_copy, load->copy_hook);
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		leave_out(functions[i], load->backend != BACKEND_TRACEPOINTS);
		if (bpf_program__set_expected_attach_type(functions[i], type))
			return -1;
	}
	for (size_t i = 0; i < sizeof(placed) / sizeof(*placed); i++) {
		leave_out(placed[i], load->backend != BACKEND_TRACEPOINTS);
		if (bpf_program__set_expected_attach_type(placed[i], type))
			return -1;
	}
	bpf_object__for_each_program (program, skeleton->obj)
		if (load_refused(load, bpf_program__name(program)))
			bpf_program__set_autoload(program, false);
	tell_filter(skeleton, &load->filters);
	if (!exchange_works())
		without_exchange(skeleton->obj);
	if (bpf_map__set_max_entries(skeleton->maps.probe_cookies, load->places) ||
	    bpf_map__set_max_entries(skeleton->maps.counters, settings->cpus) ||
	    bpf_map__set_max_entries(skeleton->maps.packets, load->packets))
		return -1;
	return bpf_map__set_max_entries(skeleton->maps.ring, load->buffer);
}

/* Puts a program into its place in a program array; what wasn't loaded has none. 0 or -errno. */
static int put_program(const struct bpf_map *map, uint32_t at, int program)
{
	if (program < 0)
		return 0;
	return bpf_map_update_elem(bpf_map__fd(map), &at, &program, BPF_ANY);
}

/* Numbers of bpf/function.h and bpf/drop.h. */
enum { FUNCTION_MATCH = 0, FUNCTION_FOLLOWED = 1, END_MATCH = 0, END_SEND = 1 };

static int link_programs(const struct packet_trail_bpf *skeleton)
{
	const struct {
		const struct bpf_map *map;
		uint32_t at;
		const struct bpf_program *program;
	} places[] = {
		{skeleton->maps.function_programs, FUNCTION_MATCH, skeleton->progs.on_match},
		{skeleton->maps.function_programs, FUNCTION_FOLLOWED, skeleton->progs.on_followed},
		{skeleton->maps.end_programs, END_MATCH, skeleton->progs.on_drop_match},
		{skeleton->maps.end_programs, END_SEND, skeleton->progs.on_end},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(places) / sizeof(*places); i++)
		err = put_program(places[i].map, places[i].at, bpf_program__fd(places[i].program));
	return err;
}

/*
 * Static variables, which are the kernel side's alone, begin as zeros, as a new map does. libbpf
 * would copy 3 MB of them there. 0 or -errno.
 */
static int make_statics(struct bpf_map *statics)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "statics", sizeof(uint32_t),
				 bpf_map__value_size(statics), 1, NULL);
	int err;

	if (map < 0)
		return map;
	err = bpf_map__reuse_fd(statics, map);
	close(map);
	return err;
}

struct packet_trail_bpf *load_programs(const struct load *load, char *log, size_t log_size)
{
	struct packet_trail_bpf *skeleton;
	int err;

	*log = 0;
	forget_patterns();
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
	err = configure(skeleton, load) ? -errno : make_statics(skeleton->maps.bss);
	if (!err)
		err = packet_trail_bpf__load(skeleton);
	if (!err)
		err = link_programs(skeleton);
	last_log_size = 0;
	if (err) {
		packet_trail_bpf__destroy(skeleton);
		errno = -err;
		return NULL;
	}
	return skeleton;
}

/* Loads a pattern with a filter: descriptor, or -errno; `log` then has the verifier's last line. */
static int load_pattern(struct pattern *pattern, const struct filters *filters, int btf, char *log,
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
	if (put_filters(filters, pattern->insns, pattern->count, &insns, &count, func_info,
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

/* The program array from whose first place it is called, NULL for the hooks on BPF programs. */
static const struct bpf_map *place_of(const struct packet_trail_bpf *skeleton,
				      const struct pattern *pattern)
{
	if (pattern->program == skeleton->progs.on_match)
		return skeleton->maps.function_programs;
	if (pattern->program == skeleton->progs.on_drop_match)
		return skeleton->maps.end_programs;
	return NULL;
}

int load_change_filter(struct load *load, struct packet_trail_bpf *skeleton, const char *expression,
		       char *error, size_t error_size)
{
	int btf = bpf_object__btf_fd(skeleton->obj), err = 0;
	int programs[sizeof(patterns) / sizeof(*patterns)];
	struct filters filters;
	char log[256] = "";
	size_t loaded = 0;
	uint32_t extent;

	if (compile_both(&filters, expression, load->never, error, error_size))
		return -1;
	for (; !err && loaded < pattern_count; loaded++) {
		programs[loaded] = -1;
		if (!place_of(skeleton, &patterns[loaded]))
			continue;
		programs[loaded] = load_pattern(&patterns[loaded], &filters, btf, log, sizeof(log));
		if (programs[loaded] < 0)
			err = programs[loaded];
	}
	if (!err) {
		/* While the programs are changed, both filters find what they look at. */
		extent = skeleton->data->filter_extent;
		tell_filter(skeleton, &filters);
		if (skeleton->data->filter_extent < extent)
			skeleton->data->filter_extent = extent;
	}
	for (size_t i = 0; i < loaded; i++) {
		if (programs[i] < 0)
			continue;
		if (!err)
			err = put_program(place_of(skeleton, &patterns[i]), 0, programs[i]);
		close(programs[i]);
	}
	if (err) {
		snprintf(error, error_size,
			 "the kernel doesn't take it (%s) %s: give a shorter one", strerror(-err),
			 log);
		filters_free(&filters);
		return -1;
	}
	filters_free(&load->filters);
	load->filters = filters;
	load->filter_number++;
	tell_filter(skeleton, &filters);
	return 0;
}

struct bpf_insn *load_pattern_insns(const struct load *load, const struct bpf_program *program,
				    size_t *count)
{
	struct bpf_insn *insns = NULL;

	for (size_t i = 0; i < pattern_count; i++)
		if (patterns[i].program == program &&
		    put_filters(&load->filters, patterns[i].insns, patterns[i].count, &insns, count,
				NULL, 0, 0))
			return NULL;
	return insns;
}
