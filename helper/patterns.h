/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of ours as libbpf would load them, kept to be loaded again: those with filter slots,
 * with another filter; those for hooks on BPF programs, once for each of these.
 */
#ifndef PACKET_TRAIL_PATTERNS_H
#define PACKET_TRAIL_PATTERNS_H

#include <stddef.h>

struct bpf_insn;
struct bpf_program;
struct filters;
struct pattern;

/*
 * Forgets those that are kept, and keeps those of the object that is loaded next, whose slots get
 * these filters, which live until it is loaded. 0, or -1 when libbpf doesn't let us.
 */
int patterns_begin(const struct filters *filters);
void patterns_forget(void);

/* NULL when none is kept of this program. */
const struct pattern *pattern_of(const struct bpf_program *program);

/* Loads it with a filter: descriptor, or -errno; `log` then has the verifier's last line. */
int pattern_load(const struct pattern *pattern, const struct filters *filters, int btf, char *log,
		 size_t log_size);

/* Its instructions with a filter, to be freed; NULL without memory. */
struct bpf_insn *pattern_insns(const struct pattern *pattern, const struct filters *filters,
			       size_t *count);

#endif
