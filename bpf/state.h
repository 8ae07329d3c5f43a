/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the programs share: settings, counters, per-CPU scratch, and the ring buffer. */
#ifndef PACKET_TRAIL_STATE_H
#define PACKET_TRAIL_STATE_H

#include "event.h"

/* struct sk_buff has 232 … 256 bytes, by configuration. */
#define SKB_COPY    320
#define HEADER_COPY (FILTER_SCRATCH + 64)

volatile const struct settings settings = {};

/* Set by the helper: hooks stay attached and send nothing. */
bool paused = true;

/* A packet as one hook sees it. */
struct view {
	u8 skb[SKB_COPY];
	u8 header[HEADER_COPY]; /* from the MAC header, or from the network header without one */
	u32 captured;		/* bytes in header */
	u32 wire;		/* bytes of the packet from there on */
	u32 network;		/* offset of the network header in header, < 64 */
	u8 ethernet;		/* header begins with an Ethernet header */
	u8 ip;			/* network is valid */
	u32 netns;
	u32 ifindex;
	u64 dev;
};

/*
 * One scratch a program: a kprobe program never runs inside another one on a CPU
 * (bpf_prog_active, kernel/trace/bpf_trace.c), and a tracing program never inside itself
 * (prog->active, kernel/bpf/trampoline.c and __bpf_trace_run), but they nest in each other.
 */
enum scratch {
	SCRATCH_FUNCTION,
	SCRATCH_DROP,
	SCRATCH_CONSUME,
	SCRATCH_CLONE,
	SCRATCH_COPY,
	SCRATCH_PSKB_COPY,
	SCRATCH_SEGMENT,
	SCRATCHES,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, struct view);
} views SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

static __always_inline struct counters *count(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline struct view *view_of(u32 scratch)
{
	return bpf_map_lookup_elem(&views, &scratch);
}

/* The counters are this CPU's own, but tracing programs nest in function programs: atomic. */
#define ADD(counter) __sync_fetch_and_add(&(counter), 1)

/* The reader sleeps until enough is there (or its own timeout), not once an event. */
static __always_inline u64 wakeup(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= settings.wakeup ? BPF_RB_FORCE_WAKEUP
									      : BPF_RB_NO_WAKEUP;
}

#endif
