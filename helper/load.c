// SPDX-License-Identifier: Apache-2.0
/* Opens and loads the kernel side: see load.h. */
#include "load.h"
#include "exchange.h"
#include "hooks.h"
#include "log.h"
#include "patterns.h"
#include "refused.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where libbpf's first warning of the load that runs goes: its hook carries no context of ours. */
static char *last_log;
static size_t last_log_size;

static int hear(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	if (level == LIBBPF_WARN && last_log_size && !*last_log)
		vsnprintf(last_log, last_log_size, format, again);
	va_end(again);
	if (level <= LIBBPF_INFO)
		say_lines(format, args);
	return 0;
}

void load_hear(void)
{
	libbpf_set_print(hear);
}

int load_filter(struct load *load, const char *expression)
{
	char error[256];

	if (filters_compile(&load->filters, expression, load->never, error, sizeof(error))) {
		complain("bad filter: %s: %s", expression, error);
		return -1;
	}
	return 0;
}

void load_free(struct load *load)
{
	filters_free(&load->filters);
	patterns_forget();
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
	skeleton->data->filter_tag = filters->ethernet.tag || filters->ip.tag;
}

/* What the kernel side may only read is ours to write until it is loaded. */
static void set_constant(const volatile __u64 *constant, uint64_t value)
{
	memcpy((void *)constant, &value, sizeof(value));
}

/* Function hooks' programs: all are of one kind. */
static int choose_function_programs(struct packet_trail_bpf *skeleton, enum backend backend)
{
	enum bpf_attach_type type = backend == BACKEND_KPROBE_MULTI ? BPF_TRACE_KPROBE_MULTI : 0;
	struct bpf_program *const programs[] = {
		skeleton->progs.on_function, skeleton->progs.on_match,	  skeleton->progs.on_met,
		skeleton->progs.on_followed, skeleton->progs.on_fragment, skeleton->progs.on_first,
		skeleton->progs.on_second,   skeleton->progs.on_third,
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (bpf_program__set_autoload(programs[i], backend != BACKEND_TRACEPOINTS) ||
		    bpf_program__set_expected_attach_type(programs[i], type))
			return -1;
	return 0;
}

/* Which programs are loaded at all; -1 with errno. */
static int choose_programs(struct packet_trail_bpf *skeleton, const struct load *load)
{
	const struct {
		struct bpf_program *program;
		bool wanted;
	} programs[] = {
		{skeleton->progs.on_receive, load->point_hooks[POINT_RECEIVE]},
		{skeleton->progs.on_rx, load->point_hooks[POINT_RX]},
		{skeleton->progs.on_queue, load->point_hooks[POINT_QUEUE]},
		{skeleton->progs.on_start_xmit, load->point_hooks[POINT_START_XMIT]},
		{skeleton->progs.on_drop, load->drop_hook},
		{skeleton->progs.on_drop_match, load->drop_hook},
		{skeleton->progs.on_consume, load->consume_hook},
		{skeleton->progs.on_end, load->drop_hook || load->consume_hook},
		{skeleton->progs.on_release, load->lineage_hooks[LINEAGE_RELEASE]},
		{skeleton->progs.on_released, load->lineage_hooks[LINEAGE_RELEASED]},
		{skeleton->progs.on_partial, load->lineage_hooks[LINEAGE_PARTIAL]},
		{skeleton->progs.on_memory, load->lineage_hooks[LINEAGE_MEMORY]},
		{skeleton->progs.on_stolen, load->lineage_hooks[LINEAGE_STOLEN]},
		{skeleton->progs.on_reuse, load->lineage_hooks[LINEAGE_REUSE]},
		{skeleton->progs.on_expanded, load->lineage_hooks[LINEAGE_EXPANDED]},
		{skeleton->progs.on_copy, load->lineage_hooks[LINEAGE_COPY]},
		{skeleton->progs.on_merge, load->lineage_hooks[LINEAGE_MERGE]},
		{skeleton->progs.on_tc_entry, load->programs},
		{skeleton->progs.on_tc_verdict, load->programs},
		{skeleton->progs.on_xdp_entry, load->programs},
		{skeleton->progs.on_xdp_verdict, load->programs},
		{skeleton->progs.on_before_xdp, load->programs},
		{skeleton->progs.on_new_skb, load->programs},
		{skeleton->progs.on_each_program, load->programs && load->program_iterator},
	};
	struct bpf_program *program;

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (bpf_program__set_autoload(programs[i].program, programs[i].wanted))
			return -1;
	if (choose_function_programs(skeleton, load->backend))
		return -1;
	bpf_object__for_each_program (program, skeleton->obj)
		if (load_refused(load, bpf_program__name(program)) &&
		    bpf_program__set_autoload(program, false))
			return -1;
	return 0;
}

/* -1 with errno. */
static int configure(struct packet_trail_bpf *skeleton, const struct load *load)
{
	struct settings *settings = (struct settings *)&skeleton->rodata->settings;

	*settings = load->settings;
	settings->places = (load->packets < PLACES ? load->packets : PLACES) - 1;
	settings->multi = load->backend == BACKEND_KPROBE_MULTI;
	settings->quick = is_quick(&load->filters);
	settings->extent = extent_of(&load->filters);
	settings->fixed = settings->extent <= FIXED_EXTENT && !load->filters.ethernet.loose &&
			  !load->filters.ip.loose;
	settings->wire = load->filters.ethernet.wire || load->filters.ip.wire;
	settings->tag = load->filters.ethernet.tag || load->filters.ip.tag;
	*(uint32_t *)&skeleton->rodata->drop_hook = load->drop_hook;
	*(uint32_t *)&skeleton->rodata->consume_hook = load->consume_hook;
	*(uint32_t *)&skeleton->rodata->merge_hook = load->lineage_hooks[LINEAGE_MERGE];
	set_constant(&skeleton->rodata->redirect_info_at, load->redirect_info);
	set_constant(&skeleton->rodata->prog_active_at, load->prog_active);
	set_constant(&skeleton->rodata->current_kprobe_at, load->current_kprobe);
	set_constant(&skeleton->rodata->cpu_offsets_at, load->cpu_offsets);
	set_constant(&skeleton->rodata->page_offset_base_at, load->page_offset);
	set_constant(&skeleton->rodata->vmemmap_base_at, load->page_map);
	memcpy((void *)skeleton->rodata->point_hooks, load->point_hooks, sizeof(load->point_hooks));
	tell_filter(skeleton, &load->filters);
	if (choose_programs(skeleton, load))
		return -1;
	settings->exchange = exchange_works();
	if (!settings->exchange)
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
enum { FUNCTION_MATCH, FUNCTION_MET, FUNCTION_FOLLOWED, FUNCTION_FRAGMENT };
enum { END_MATCH, END_SEND };

static int link_programs(const struct packet_trail_bpf *skeleton)
{
	const struct {
		const struct bpf_map *map;
		uint32_t at;
		const struct bpf_program *program;
	} places[] = {
		{skeleton->maps.function_programs, FUNCTION_MATCH, skeleton->progs.on_match},
		{skeleton->maps.function_programs, FUNCTION_MET, skeleton->progs.on_met},
		{skeleton->maps.function_programs, FUNCTION_FOLLOWED, skeleton->progs.on_followed},
		{skeleton->maps.function_programs, FUNCTION_FRAGMENT, skeleton->progs.on_fragment},
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
	last_log = log;
	last_log_size = log_size;
	if (patterns_begin(&load->filters)) {
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

int load_change_filter(struct load *load, struct packet_trail_bpf *skeleton, const char *expression,
		       char *error, size_t error_size)
{
	/* What is called through the first place of a program array, for the filter alone. */
	struct {
		const struct bpf_program *program;
		const struct bpf_map *array;
		int loaded;
	} parts[] = {
		{skeleton->progs.on_match, skeleton->maps.function_programs, -1},
		{skeleton->progs.on_drop_match, skeleton->maps.end_programs, -1},
	};
	const size_t count = sizeof(parts) / sizeof(*parts);
	int btf = bpf_object__btf_fd(skeleton->obj), err = 0;
	struct filters filters;
	char log[256] = "";
	uint32_t extent;
	bool tag;

	if (filters_compile(&filters, expression, load->never, error, error_size))
		return -1;
	for (size_t i = 0; !err && i < count; i++) {
		const struct pattern *pattern = pattern_of(parts[i].program);

		if (!pattern)
			continue;
		parts[i].loaded = pattern_load(pattern, &filters, btf, log, sizeof(log));
		if (parts[i].loaded < 0)
			err = parts[i].loaded;
	}
	if (!err) {
		/* While the programs are changed, both filters find what they look at. */
		extent = skeleton->data->filter_extent;
		tag = skeleton->data->filter_tag;
		tell_filter(skeleton, &filters);
		skeleton->data->filter_tag |= tag;
		if (skeleton->data->filter_extent < extent)
			skeleton->data->filter_extent = extent;
	}
	for (size_t i = 0; i < count; i++) {
		if (parts[i].loaded < 0)
			continue;
		if (!err)
			err = put_program(parts[i].array, 0, parts[i].loaded);
		close(parts[i].loaded);
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
	const struct pattern *pattern = pattern_of(program);

	return pattern ? pattern_insns(pattern, &load->filters, count) : NULL;
}
