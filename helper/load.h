/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side, opened with the person's settings, the filter in its slots, and loaded. */
#ifndef PACKET_TRAIL_LOAD_H
#define PACKET_TRAIL_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include "../bpf/event.h"
#include "filter.h"
#include "options.h"

struct packet_trail_bpf;

/* What goes into the kernel side before load. */
struct load {
	struct settings settings;
	struct filter_insns ethernet;
	struct filter_insns ip;
	enum backend backend; /* not AUTO */
	uint32_t buffer;
	/* Hook ids; 0 = leave this program out. */
	uint32_t drop_hook;
	uint32_t consume_hook;
	uint32_t clone_hook;
	uint32_t copy_hook;
	uint32_t pskb_copy_hook;
	uint32_t segment_hook;
};

/* Compiles the filter for both links; an empty one matches every packet. 0, or -1 after it said
 * why. */
int load_filter(struct load *load, const char *expression);
void load_free(struct load *load);

/* Does kprobe.multi work on this kernel? `address` is of a function that can be traced. */
bool kprobe_multi_works(uint64_t address);

/*
 * Opens and loads. Programs whose hook id is 0 stay out. NULL with errno; `log` gets the verifier's
 * last words.
 */
struct packet_trail_bpf *load_programs(const struct load *load, char *log, size_t log_size);

#endif
