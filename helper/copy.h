/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of one of our patterns that is attached to a BPF program or a kernel function: its link,
 * its program, and what the kernel counted of it.
 */
#ifndef PACKET_TRAIL_COPY_H
#define PACKET_TRAIL_COPY_H

#include <stdbool.h>
#include <stdint.h>

/* Sums of bpf_prog_info (include/uapi/linux/bpf.h), only ever growing. */
struct account {
	uint64_t misses; /* hits that the kernel kept from it because it ran on that CPU already */
	uint64_t runs;	 /* grows, as the next one, while bpf_stats are on */
	uint64_t run_ns;
};

struct copy {
	int link; /* 0 = it isn't attached; no descriptor of ours is 0, which is standard input */
	int program;
	struct account told; /* of it so far */
	uint64_t looked;     /* when, CLOCK_MONOTONIC ns */
	uint64_t rate;	     /* runs a second between the last two looks */
};

/*
 * Attaches a tracing program that is loaded: the descriptor is the copy's from now on. 0 or -errno,
 * and then it is closed.
 */
int copy_attach(struct copy *copy, int program);

/* Looks at what the kernel counted, and adds what is new since the last look. */
void copy_look(struct copy *copy, uint64_t now, struct account *account);

/* Takes it away, which waits for the kernel's grace periods, and adds what it did until then. */
void copy_close(struct copy *copy, struct account *account);

static inline bool copy_attached(const struct copy *copy)
{
	return copy->link > 0;
}

#endif
