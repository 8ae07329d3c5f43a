/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Function hooks: one body for every kernel function that takes an skb. The entry program is
 * small: who is it, cheap tests. An skb that is not followed and passes them goes by tail call to
 * the match program, which alone holds the filter: a new filter is one program put into one place.
 */
#ifndef PACKET_TRAIL_FUNCTION_H
#define PACKET_TRAIL_FUNCTION_H

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} match_program SEC(".maps");

static __always_inline bool wanted(const struct view *view)
{
	if (settings.mark_mask && (SKB(view)->mark & settings.mark_mask) != settings.mark)
		return false;
	if (settings.netns && view->netns != settings.netns)
		return false;
	return !settings.ifindex || view->ifindex == settings.ifindex;
}

static __always_inline u32 position_of(u64 cookie)
{
	return (cookie >> COOKIE_POSITION_SHIFT) & 0xff;
}

/* Sends the event of a followed packet, and ends the packet where the hook is its end. */
static __always_inline void function_event(struct pt_regs *ctx, struct view *view, u64 skb,
					   u64 cookie, struct packet *packet,
					   struct counters *counters)
{
	struct hit hit = {
		.skb = skb,
		.packet = packet->id,
		.hook = (u32)cookie,
		.flags = cookie & COOKIE_FREE ? EVENT_FREE : 0,
	};

	hit.caller = caller_address(ctx);
	send_iface(view, packet);
	read_headers(view);
	send_event(ctx, view, &hit, counters);
}

static __always_inline int function_entered(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u64 skb = argument(ctx, position_of(cookie));
	struct counters *counters = count();
	struct view *view = view_of(SCRATCH_FUNCTION);
	struct packet *packet;

	if (!skb || !counters || !view)
		return 0;
	ADD(counters->hits);
	packet = packet_of(skb);
	if (paused) {
		if (packet && cookie & COOKIE_FREE)
			packet_over(skb, counters);
		return 0;
	}
	if (packet && (settings.follow || cookie & COOKIE_FREE)) {
		if (!(cookie & COOKIE_QUIET) && read_skb(view, skb)) {
			read_device(view);
			function_event(ctx, view, skb, cookie, packet, counters);
		}
		if (cookie & COOKIE_FREE)
			packet_over(skb, counters);
		return 0;
	}
	if (cookie & COOKIE_NO_BIRTH)
		return 0;
	if (!read_skb(view, skb))
		return 0;
	if (settings.netns || settings.ifindex)
		read_device(view);
	if (wanted(view))
		bpf_tail_call(ctx, &match_program, 0);
	return 0;
}

/* Runs after function_entered() on the same CPU, in the same hit: the skb's copy is still there. */
static __always_inline int function_match(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u64 skb = argument(ctx, position_of(cookie));
	struct counters *counters = count();
	struct view *view = view_of(SCRATCH_FUNCTION);
	struct packet *packet;

	if (!skb || !counters || !view)
		return 0;
	read_headers(view);
	if (!filter_matches(view))
		return 0;
	packet = packet_of(skb);
	if (!packet)
		packet = packet_born(skb, counters);
	if (!packet)
		return 0;
	read_device(view);
	function_event(ctx, view, skb, cookie, packet, counters);
	return 0;
}

/* The helper loads them for kprobe.multi where the kernel has it; both must be of one kind. */
SEC("kprobe")
int on_function(struct pt_regs *ctx)
{
	return function_entered(ctx);
}

SEC("match")
int on_match(struct pt_regs *ctx)
{
	return function_match(ctx);
}

#endif
