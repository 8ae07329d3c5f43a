/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Function hooks: one body for every kernel function that takes an skb. Most hits are of skbs that
 * nobody follows and that don't match, so those cost least:
 *
 *   on_first …   where the skb is the first, second or third argument: nothing has to be looked up
 *   on_function  finds it wherever it is
 *                These refuse by the filter that they hold, and go to
 *   on_match     when that filter doesn't hold any more: the new one, alone, so that it is one
 *                small program put into one place; or to
 *   on_followed  which sends the event of a packet that is followed.
 *   on_met       begins to follow what just matched, and goes on there.
 *   on_fragment  does what is left to do where packets are cut and put together.
 *
 * Each is verified by itself, from one state: with on_met in it, on_followed cost the kernel's
 * verifier half as much again as both do.
 */
#ifndef PACKET_TRAIL_FUNCTION_H
#define PACKET_TRAIL_FUNCTION_H

#include "arch.h"
#include "fragments.h"
#include "identity.h"
#include "lineage.h"
#include "send.h"
#include "slot.h"
#include "state.h"
#include "tuple.h"

#include <bpf/bpf_tracing.h>

enum { FUNCTION_MATCH, FUNCTION_MET, FUNCTION_FOLLOWED, FUNCTION_FRAGMENT, FUNCTION_PROGRAMS };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, FUNCTION_PROGRAMS);
	__type(key, u32);
	__type(value, u32);
} function_programs SEC(".maps");

static __always_inline bool wanted(const struct view *view)
{
	if (settings.mark_mask && (view->mark & settings.mark_mask) != settings.mark)
		return false;
	if (settings.netns && view->netns != settings.netns)
		return false;
	return !settings.ifindex || view->ifindex == settings.ifindex;
}

/* Is this skb one that the person asked for? Cheap tests first; reads no more than they need. */
static __always_inline bool matches(struct view *view, u64 address)
{
	const struct sk_buff *skb = skb_fields(view, address);

	if (!skb || !read_shape(view, skb))
		return false;
	if (settings.mark_mask)
		view->mark = skb->mark;
	if (settings.netns || settings.ifindex) {
		read_owner(view, skb);
		read_device(view);
	}
	if (!wanted(view))
		return false;
	begin_headers(view, filter_extent);
	end_headers(view, filter_extent);
	view->tag = filter_tag ? tag_beside(address) : 0;
	view->matched = filter_matches(view);
	return view->matched;
}

/* Cookies of kprobes by address: links that carry one are newer (5.15), and slow to close. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, u64);
} probe_cookies SEC(".maps");

static __always_inline u64 function_address(struct pt_regs *ctx)
{
	return settings.multi ? bpf_get_func_ip(ctx) : probe_address(ctx);
}

static __always_inline u64 cookie_of(struct pt_regs *ctx)
{
	u64 address = function_address(ctx), *cookie;

#pragma unroll
	for (u32 i = 0; i < COOKIE_PROBES; i++) {
		struct cookie *at = &cookies[bounded(COOKIE_PLACE(address) + i, COOKIES - 1)];

		if (at->address == address && at->cookie)
			return at->cookie;
	}
	if (settings.multi)
		return bpf_get_attach_cookie(ctx);
	cookie = bpf_map_lookup_elem(&probe_cookies, &address);
	return cookie ? *cookie : 0;
}

static __always_inline u32 position_of(u64 cookie)
{
	return (cookie >> COOKIE_POSITION_SHIFT) & 0xff;
}

/*
 * Is this an skb that is in use? Beside pointers into the kernel it must fulfil what every skb
 * does: its linear bytes end at its tail (skb_headlen() and skb_tail_pointer(),
 * include/linux/skbuff.h).
 */
static __always_inline bool looks_like_skb(u64 address)
{
	const struct sk_buff *skb = (const void *)address;
	u64 head = 0, data = 0;
	u32 len = 0, data_len = 0, tail = 0;

	if ((s64)address >= 0 || address & 7 ||
	    bpf_probe_read_kernel(&head, sizeof(head), &skb->head) ||
	    bpf_probe_read_kernel(&data, sizeof(data), &skb->data) ||
	    bpf_probe_read_kernel(&len, sizeof(len), &skb->len) ||
	    bpf_probe_read_kernel(&data_len, sizeof(data_len), &skb->data_len) ||
	    bpf_probe_read_kernel(&tail, sizeof(tail), &skb->tail))
		return false;
	return (s64)head < 0 && data >= head && data - head <= tail && len >= data_len &&
	       data - head + (len - data_len) == tail;
}

/* The skb among the arguments, 0 = none. */
static __always_inline u64 skb_of(struct pt_regs *ctx, u64 cookie)
{
	u32 position = position_of(cookie);
	u64 skb = position ? argument(ctx, position) : 0;

	if (!(cookie & COOKIE_DOUBTFUL) || looks_like_skb(skb))
		return skb;
		/* The compiler moved it, or this is a function of the same name that has it
		 * elsewhere. */
#pragma unroll
	for (u32 i = 1; i <= REGISTER_ARGUMENTS; i++) {
		skb = register_argument(ctx, i);
		if (looks_like_skb(skb))
			return skb;
	}
	return 0;
}

#define BEHIND_ENTRY 16 /* endbr and ftrace's call are shorter */

/*
 * Is the function the skb's own destructor? Its socket lets go of it then, mostly at its end (also
 * before that: tcp_eat_recv_skb(), skb_orphan()): no place for a packet to begin.
 */
static __always_inline bool is_destructor(struct pt_regs *ctx, u64 address)
{
	const struct sk_buff *skb = (const void *)address;
	u64 destructor = 0;

	bpf_probe_read_kernel(&destructor, sizeof(destructor), &skb->destructor);
	return destructor && function_address(ctx) - destructor < BEHIND_ENTRY;
}

/* Counts the hook's hits, some of them for all; is it shut? */
static __always_inline bool is_shut(u64 cookie, u64 count)
{
	bool sample = count % GATE_SAMPLE == 0;
	u32 id = (u32)cookie;
	struct gate *gate;

	if (!sample && !any_shut)
		return false;
	gate = bpf_map_lookup_elem(&gates, &id);
	if (!gate)
		return false;
	if (sample)
		gate->hits++;
	return gate->shut;
}

SEC("match")
int on_match(struct pt_regs *ctx)
{
	struct view *view = view_of(SCRATCH_FUNCTION);

	if (view && matches(view, view->skb))
		bpf_tail_call(ctx, &function_programs, FUNCTION_MET);
	return 0;
}

SEC("kprobe")
int on_met(struct pt_regs *ctx)
{
	struct view *view = view_of(SCRATCH_FUNCTION);
	struct counters *counters = my_counters();
	u64 skb;

	if (!view || !counters)
		return 0;
	skb = view->skb;
	if (!view->cookie)
		view->cookie = cookie_of(ctx);
	if (view->cookie & (COOKIE_NO_BIRTH | COOKIE_SILENT))
		return 0;
	if (packet_of(skb) ||
	    (!is_released(skb) && !is_destructor(ctx, skb) && packet_met(view, skb, counters)))
		bpf_tail_call(ctx, &function_programs, FUNCTION_FOLLOWED);
	return 0;
}

SEC("kprobe")
int on_followed(struct pt_regs *ctx)
{
	struct view *view = view_of(SCRATCH_FUNCTION);
	struct counters *counters = my_counters();
	struct packet *packet;
	u64 cookie, skb;
	bool over;

	if (!view || !counters)
		return 0;
	skb = view->skb;
	cookie = view->cookie ? view->cookie : cookie_of(ctx);
	/* Its bytes are new in pskb_expand_head(): on_expanded(). */
	packet = cookie & COOKIE_NO_BIRTH ? packet_of(skb) : packet_here(skb, counters);
	/* A trampoline at this function (ends.h) ended it before, or will next. */
	if (!packet && cookie & COOKIE_FREE)
		packet = packet_ended(skb);
	over = packet && cookie & COOKIE_FREE;
	if (paused)
		goto seen;
	if (!packet || !(settings.follow || cookie & COOKIE_FREE)) {
		if (cookie & (COOKIE_NO_BIRTH | COOKIE_SILENT))
			return 0;
		if (!view->matched) {
			bpf_tail_call(ctx, &function_programs, FUNCTION_MATCH);
			return 0;
		}
	} else if (cookie & COOKIE_JOINED && !view->matched) {
		packet = whole_here(view, skb, packet, counters);
	}
	if (!packet || !read_skb(view, skb))
		return 0;
	read_packet(view, skb, packet);
	view->hit = (struct hit){
		.skb = skb,
		.caller = caller_address(ctx),
		.hook = (u32)cookie,
		.flags = cookie & COOKIE_FREE ? EVENT_FREE : 0,
	};
	if ((cookie & (COOKIE_SILENT | COOKIE_JOINED)) != COOKIE_SILENT) {
		read_place(view);
		if (cookie & COOKIE_NO_BYTES)
			no_headers(view);
		else
			read_headers(view);
	}
	if (!(cookie & COOKIE_SILENT))
		send_event(ctx, view, &view->hit, counters);
	if (cookie & (COOKIE_QUEUED | COOKIE_JOINED | COOKIE_FRAGMENT)) {
		view->cookie = cookie;
		bpf_tail_call(ctx, &function_programs, FUNCTION_FRAGMENT);
	}
seen:
	if (over && ends)
		end_told(skb, counters);
	else if (over)
		packet_over(skb, counters);
	return 0;
}

/* The first argument is the queue, or the skb that becomes a fragment. */
SEC("kprobe")
int on_fragment(struct pt_regs *ctx)
{
	struct view *view = view_of(SCRATCH_FUNCTION);
	struct counters *counters = my_counters();

	if (!view || !counters)
		return 0;
	if (view->cookie & COOKIE_JOINED)
		send_fragments(view, PT_REGS_PARM1(ctx), counters);
	else if (view->cookie & COOKIE_QUEUED)
		fragment_waits(PT_REGS_PARM1(ctx), view->skb, view->id);
	else
		fragment_born(view, PT_REGS_PARM1(ctx), view->skb, counters);
	return 0;
}

/* The filter's answer by the linear part alone, of which `header` gets what it looks at. */
static __always_inline u64 quick_filter(void *header, u32 room, const struct shape *shape)
{
	u32 captured = shape->tail - shape->start;
	u64 wire = (u64)shape->tag << 32 | shape->wire;

	if (captured > FILTER_SCRATCH)
		captured = FILTER_SCRATCH;
	if (!captured)
		return FILTER_SHORT;
	if (!read_header(header, room, shape->head + shape->start, captured, settings.extent))
		return 0;
	if (shape->ethernet)
		return slot_ethernet(header, wire, captured);
	return slot_ip(header, wire, captured);
}

/*
 * Does the filter that was given at the start refuse this skb? As matches() says it, with nothing
 * read or kept that it doesn't need. Not where it takes more than the linear part to say so.
 */
static __always_inline bool refused(u64 address)
{
	struct shape shape;
	u64 verdict;

	if (!read_quick_shape(&shape, address) || !find_header(&shape))
		return true;
	if (settings.fixed) {
		u64 header[FIXED_EXTENT / 8];

		verdict = quick_filter(header, sizeof(header), &shape);
	} else {
		struct view *view = view_of(SCRATCH_FUNCTION);

		if (!view)
			return true;
		verdict = quick_filter(view->header, FILTER_SCRATCH, &shape);
	}
	return verdict == FILTER_SHORT ? !is_nonlinear(address) : verdict != FILTER_YES;
}

/* `cookie`: 0 = not looked up yet. */
static __always_inline int skb_passes(struct pt_regs *ctx, u64 skb, u64 cookie)
{
	const struct place *place = place_of(skb);
	struct hits *mine = my_hits();
	struct view *view;
	bool known;

	ADD(mine->functions);
	if (!skb)
		return 0;
	if (settings.budget) {
		if (!cookie)
			cookie = cookie_of(ctx);
		if (is_shut(cookie, mine->functions))
			return 0;
	}
	known = place->skb == skb || place->others;
	if (settings.quick && quick && !known && refused(skb))
		return 0;
	view = view_of(SCRATCH_FUNCTION);
	if (!view)
		return 0;
	view->skb = skb;
	view->cookie = cookie;
	view->matched = false;
	if (known)
		bpf_tail_call(ctx, &function_programs, FUNCTION_FOLLOWED);
	else if (!paused)
		bpf_tail_call(ctx, &function_programs, FUNCTION_MATCH);
	return 0;
}

/* The helper loads them for kprobe.multi where the kernel has it; all must be of one kind. */
SEC("match")
int on_function(struct pt_regs *ctx)
{
	u64 cookie = cookie_of(ctx), skb = skb_of(ctx, cookie);

	/* Its first fragment may be followed where the last isn't: a filter by port takes no other.
	 */
	if (cookie & COOKIE_WHOLE)
		whole_begins(PT_REGS_PARM1(ctx), skb);
	return skb_passes(ctx, skb, cookie);
}

SEC("match")
int BPF_KPROBE(on_first, struct sk_buff *skb)
{
	return skb_passes(ctx, (u64)skb, 0);
}

SEC("match")
int BPF_KPROBE(on_second, void *first, struct sk_buff *skb)
{
	(void)first;
	return skb_passes(ctx, (u64)skb, 0);
}

SEC("match")
int BPF_KPROBE(on_third, void *first, void *second, struct sk_buff *skb)
{
	(void)first, (void)second;
	return skb_passes(ctx, (u64)skb, 0);
}

#endif
