/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks at tracepoints, and at the functions of the kernel that tell which skb is which packet
 * (lineage.h): without kprobes they are all there is.
 */
#ifndef PACKET_TRAIL_ATTACH_TRACEPOINTS_H
#define PACKET_TRAIL_ATTACH_TRACEPOINTS_H

#include "../bpf/event.h"

/* One that packets pass. */
struct tracepoint {
	const char *hook;    /* its name in the table */
	const char *name;    /* the kernel's */
	const char *program; /* ours */
};

/* By enum point. */
extern const struct tracepoint tracepoints[POINTS];

#endif
