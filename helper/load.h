/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side, opened with the person's settings, the filter in its slots, and loaded. */
#ifndef PACKET_TRAIL_LOAD_H
#define PACKET_TRAIL_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include "../bpf/event.h"
#include "filter.h"
#include "lineage.h"
#include "options.h"

struct bpf_insn;
struct bpf_program;
struct hooks;
struct packet_trail_bpf;

/* What goes into the kernel side before load. */
struct load {
	struct settings settings;
	struct filters filters;
	const char *never; /* an expression: packets to leave out whatever the filter says; or "" */
	uint32_t filter_number; /* of those that were in force, counted up from 0 */
	enum backend backend;	/* not AUTO */
	uint32_t buffer;
	uint32_t packets; /* that are followed at once: a power of two */
	uint32_t places;  /* function hooks that are found by their address */
	/* Hook ids; 0 = leave this program out. */
	uint32_t drop_hook;
	uint32_t consume_hook;
	uint32_t lineage_hooks[LINEAGES];
	uint32_t point_hooks[POINTS];
	/* Variables as kallsyms.h has them; 0 = not known. */
	uint64_t redirect_info;
	uint64_t prog_active;
	uint64_t current_kprobe;
	uint64_t cpu_offsets;
	uint64_t page_offset;
	uint64_t page_map;
	bool programs;	       /* with the patterns for hooks on BPF programs */
	bool program_iterator; /* the kernel has it (bpf_iter_bpf_prog in its BTF) */
	uint32_t refused;      /* programs of ours that the kernel didn't take: see refused.h */
};

/* What libbpf says is told from here on as ours is: with --verbose only, as lines of text. */
void load_hear(void);

/* Compiles the filter for both links; an empty one matches every packet. 0, or -1 after it said
 * why. */
int load_filter(struct load *load, const char *expression);
void load_free(struct load *load);

/* Tells the programs the cookies of vmlinux's function hooks, before these are attached. */
void load_cookies(struct packet_trail_bpf *skeleton, const struct hooks *hooks);

/*
 * Puts another filter into the programs that run, which stay attached. 0, or -1 with the reason in
 * `error`, and the filter before stays.
 */
int load_change_filter(struct load *load, struct packet_trail_bpf *skeleton, const char *expression,
		       char *error, size_t error_size);

/*
 * The instructions of a program that is loaded once for each BPF program that it hooks, with the
 * filter of now in them. NULL without memory; to be freed.
 */
struct bpf_insn *load_pattern_insns(const struct load *load, const struct bpf_program *program,
				    size_t *count);

/*
 * Opens and loads. Programs whose hook id is 0 stay out, and those that are refused. NULL with
 * errno; `log` gets what libbpf said first, which names the program that the kernel didn't take.
 */
struct packet_trail_bpf *load_programs(const struct load *load, char *log, size_t log_size);

#endif
