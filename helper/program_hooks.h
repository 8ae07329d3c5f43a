/* SPDX-License-Identifier: Apache-2.0 */
/* Puts our hooks on a BPF program: a copy of our pattern as its fentry, another as its fexit. */
#ifndef PACKET_TRAIL_PROGRAM_HOOKS_H
#define PACKET_TRAIL_PROGRAM_HOOKS_H

#include "program.h"

struct bpf_program;
struct load;
struct packet_trail_bpf;

/*
 * Loads and attaches entry and verdict hooks with these ids (program->copies). Where
 * one is refused the other stands alone; program->reason and log say why.
 */
void program_hooks_attach(const struct load *load, struct program *program, int fd,
			  const struct packet_trail_bpf *skeleton, uint32_t entry_hook,
			  uint32_t verdict_hook);

/*
 * Attaches new copies, with the filter of now in them, beside those that are attached; which of
 * them act, program_filter of the kernel side says. One that is refused isn't attached, and
 * program->reason says why.
 */
void program_hooks_renew(const struct load *load, struct program *program, int fd,
			 const struct packet_trail_bpf *skeleton, struct copy next[2]);

/*
 * Attaches a copy of a pattern as fentry of a kernel function, with the place of an argument (from
 * 0). `btf` is a descriptor of the module's BTF, 0 = vmlinux. 0 or -errno.
 */
int kernel_hook_attach(struct copy *copy, const struct load *load,
		       const struct bpf_program *pattern, int btf, uint32_t function,
		       uint32_t argument);

#endif
