/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF, which libpcap compiles a filter to, as eBPF, which the kernel's programs hold. */
#ifndef PACKET_TRAIL_TRANSLATE_H
#define PACKET_TRAIL_TRANSLATE_H

#include <stddef.h>

struct bpf_program;
struct filter_insns;

/* libpcap's program. 0, or -1 with the reason in `err`; free with filter_free(). */
int translate(const struct bpf_program *program, struct filter_insns *out, char *err,
	      size_t err_size);

#endif
