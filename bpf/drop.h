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
	struct counters *counters = my_counters();
	struct view *view;

	if (paused || !counters)
		return 0;
	view = enter(SCRATCH_DROP);
	if (view) {
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
	}
	leave(SCRATCH_DROP);
	return 0;
}

/* The filter, and where it matches the packet's begin. */
SEC("end")
int on_drop_match(u64 *ctx)
{
	struct view *view = innermost(SCRATCH_DROP);
	struct counters *counters = my_counters();
	u64 skb;

	if (view && counters) {
		skb = view->hit.skb;
		if (matches(view, skb) && (packet_of(skb) || packet_met(view, skb, counters)))
			bpf_tail_call(ctx, &end_programs, END_SEND);
	}
	leave(SCRATCH_DROP);
	return 0;
}

/* TP_PROTO(skb, …): include/trace/events/skb.h */
SEC("raw_tp/consume_skb")
int on_consume(u64 *ctx)
{
	struct counters *counters = my_counters();
	struct view *view;

	if (paused || !counters || !packet_here(ctx[0], counters))
		return 0;
	view = enter(SCRATCH_CONSUME);
	if (view) {
		view->hit = (struct hit){.skb = ctx[0], .hook = consume_hook};
		bpf_tail_call(ctx, &end_programs, END_SEND);
		view->hit.skb = 0;
	}
	leave(SCRATCH_CONSUME);
	return 0;
}

/* Which tracepoint goes on here: the one whose innermost run is about this skb. */
static __always_inline u32 scratch_of_end(u64 skb)
{
	const struct view *consumed = innermost(SCRATCH_CONSUME);

	return consumed && consumed->hit.skb == skb ? SCRATCH_CONSUME : SCRATCH_DROP;
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
	u32 scratch = scratch_of_end(ctx[0]);
	struct view *view = innermost(scratch);
	struct counters *counters = my_counters();

	if (view && counters) {
		tell_end(ctx, view, counters);
		view->hit.skb = 0;
	}
	leave(scratch);
	return 0;
}

#endif
