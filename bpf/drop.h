/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ends of packets that have a tracepoint: dropped (skb:kfree_skb) and consumed
 * (skb:consume_skb). */
#ifndef PACKET_TRAIL_DROP_H
#define PACKET_TRAIL_DROP_H

#include "function.h"
#include "identity.h"
#include "send.h"
#include "state.h"
#include "tuple.h"

/* Hook ids of the tracepoints; 0 = not in this trace. */
volatile const __u32 drop_hook = 0;
volatile const __u32 consume_hook = 0;

/* This CPU runs a program of a probe, or handles a kprobe: until that goes on, it runs no other. */
extern const int bpf_prog_active __ksym __weak;
extern struct kprobe *const current_kprobe __ksym __weak;

/*
 * Is this the last that will be seen of a packet which ends? Function hooks go on to its release,
 * but not in an interrupt of one.
 */
static __always_inline bool ends_here(void)
{
	u64 at, kprobe = 0;
	int active = 0;

	if (settings.points)
		return true;
	if (&bpf_prog_active) {
		active = *(const int *)bpf_this_cpu_ptr(&bpf_prog_active);
	} else {
		at = on_this_cpu(prog_active_at);
		if (at)
			bpf_probe_read_kernel(&active, sizeof(active), (const void *)at);
	}
	if (&current_kprobe) {
		kprobe = *(const u64 *)bpf_this_cpu_ptr(&current_kprobe);
	} else {
		at = on_this_cpu(current_kprobe_at);
		if (at)
			bpf_probe_read_kernel(&kprobe, sizeof(kprobe), (const void *)at);
	}
	return active || kprobe;
}

/* What they go on to. */
enum { END_MATCH, END_SEND, END_PROGRAMS };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, END_PROGRAMS);
	__type(key, u32);
	__type(value, u32);
} end_programs SEC(".maps");

/* TP_PROTO(skb, location, reason, …): include/trace/events/skb.h; reason since 5.17 (c504e5c2f964)
 */
SEC("raw_tp/kfree_skb")
int on_drop(u64 *ctx)
{
	struct view *view = view_of(SCRATCH_DROP);
	struct counters *counters = my_counters();

	if (paused || !view || !counters)
		return 0;
	view->matched = false;
	view->hit = (struct hit){
		.skb = ctx[0],
		.caller = ctx[1],
		.hook = drop_hook,
		.flags = EVENT_DROP,
		.reason = settings.drop_reason ? (u32)ctx[2] : 0,
	};
	if (packet_here(ctx[0], counters) && settings.follow)
		bpf_tail_call(ctx, &end_programs, END_SEND);
	else
		bpf_tail_call(ctx, &end_programs, END_MATCH);
	return 0;
}

/* The filter, and where it matches the packet's begin. */
SEC("end")
int on_drop_match(u64 *ctx)
{
	struct view *view = view_of(SCRATCH_DROP);
	struct counters *counters = my_counters();
	u64 skb;

	if (!view || !counters)
		return 0;
	skb = view->hit.skb;
	if (matches(view, skb) && (packet_of(skb) || packet_met(view, skb, counters)))
		bpf_tail_call(ctx, &end_programs, END_SEND);
	return 0;
}

/* TP_PROTO(skb, …): include/trace/events/skb.h */
SEC("raw_tp/consume_skb")
int on_consume(u64 *ctx)
{
	struct view *view = view_of(SCRATCH_CONSUME);
	struct counters *counters = my_counters();

	if (paused || !view || !counters || !packet_here(ctx[0], counters))
		return 0;
	view->hit = (struct hit){.skb = ctx[0], .hook = consume_hook};
	bpf_tail_call(ctx, &end_programs, END_SEND);
	view->hit.skb = 0;
	return 0;
}

/*
 * The scratch of the tracepoint that goes on here. It is the tracepoint's own, and on a CPU its
 * program never runs inside of itself; not even where a program is preempted by another task.
 */
static __always_inline struct view *view_of_end(u64 skb)
{
	u32 scratch = SCRATCH_DROP;
	const struct view *consumed = view_of(SCRATCH_CONSUME);

	if (consumed && consumed->hit.skb == skb)
		scratch = SCRATCH_CONSUME;
	return view_of(scratch);
}

/* Sends the end that view->hit is, of the packet that its skb is. */
static __always_inline void tell_end(void *ctx, struct view *view, struct counters *counters)
{
	u64 skb = view->hit.skb;
	const struct packet *packet = packet_of(skb);

	if (!packet || !read_skb(view, skb))
		return;
	read_packet(view, skb, packet);
	read_place(view);
	read_headers(view);
	if (ends_here())
		view->hit.flags |= EVENT_FREE;
	send_event(ctx, view, &view->hit, counters);
	if (view->hit.flags & EVENT_FREE)
		packet_over(skb, counters);
}

/* One body for both, as it is what the kernel's verifier has most to do with. */
SEC("raw_tp")
int on_end(u64 *ctx)
{
	struct view *view = view_of_end(ctx[0]);
	struct counters *counters = my_counters();

	if (!view || !counters || view->hit.skb != ctx[0])
		return 0;
	tell_end(ctx, view, counters);
	view->hit.skb = 0;
	return 0;
}

#endif
