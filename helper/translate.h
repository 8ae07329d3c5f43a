/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF, which libpcap compiles a filter to, as eBPF, which the kernel's programs hold. */
#ifndef PACKET_TRAIL_TRANSLATE_H
#define PACKET_TRAIL_TRANSLATE_H

#include <stddef.h>

#include "filter.h"

struct bpf_program;

/*
 * libpcap's program for Ethernet, for packets that begin with `link`. 0, or -1 with the reason in
 * `err`; free with filter_free().
 */
int translate(const struct bpf_program *program, enum filter_link link, struct filter_insns *out,
	      char *err, size_t err_size);

#endif
