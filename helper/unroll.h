/* SPDX-License-Identifier: Apache-2.0 */
/* Loops of classic BPF laid out flat: pcap-filter(7)'s `protochain` walks a chain of headers. */
#ifndef PACKET_TRAIL_UNROLL_H
#define PACKET_TRAIL_UNROLL_H

#include <stddef.h>
#include <linux/types.h>

struct bpf_program;

/* An instruction of classic BPF whose jumps are spelled out. */
struct step {
	__u16 code;
	__u32 k;
	size_t yes; /* jumps: the step to go to; `length` of the whole = no match */
	size_t no;
};

/*
 * The program without backward jumps, NULL without memory. A loop becomes as many copies of its
 * body as a chain of headers can have in the bytes that a filter may read: each header has 8 bytes
 * or more, so who goes round once more reads beyond them, which is no match anyway.
 */
struct step *unroll(const struct bpf_program *program, size_t *length);

#endif
