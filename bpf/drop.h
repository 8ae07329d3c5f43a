/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ends of packets that have a tracepoint: dropped (skb:kfree_skb) and consumed
 * (skb:consume_skb). */
#ifndef PACKET_TRAIL_DROP_H
#define PACKET_TRAIL_DROP_H

/* Hook ids of the tracepoints; 0 = not in this trace. */
volatile const __u32 drop_hook = 0;
volatile const __u32 consume_hook = 0;

/* TP_PROTO(skb, location, reason, …): include/trace/events/skb.h; reason since 5.17 (c504e5c2f964)
 */
SEC("drop")
int on_drop(u64 *ctx)
{
	struct counters *counters = count();
	struct view *view = view_of(SCRATCH_DROP);
	struct packet *packet;
	u64 skb = ctx[0];
	struct hit hit = {
		.skb = skb,
		.caller = ctx[1],
		.hook = drop_hook,
		.flags = EVENT_DROP,
	};

	if (paused || !counters || !view || !read_skb(view, skb))
		return 0;
	if (settings.drop_reason)
		hit.reason = (u32)ctx[2];
	read_device(view);
	read_headers(view);
	packet = packet_of(skb);
	if (!packet || !settings.follow) {
		if (!wanted(view) || !filter_matches(view))
			return 0;
		if (!packet)
			packet = packet_born(skb, counters);
		if (!packet)
			return 0;
	}
	hit.packet = packet->id;
	send_iface(view, packet);
	send_event(ctx, view, &hit, counters);
	return 0;
}

/* TP_PROTO(skb, …): include/trace/events/skb.h */
SEC("tp_btf/consume_skb")
int on_consume(u64 *ctx)
{
	struct counters *counters = count();
	struct view *view = view_of(SCRATCH_CONSUME);
	u64 skb = ctx[0];
	struct packet *packet = packet_of(skb);
	struct hit hit = {.skb = skb, .hook = consume_hook};

	if (paused || !packet || !counters || !view || !read_skb(view, skb))
		return 0;
	read_device(view);
	read_headers(view);
	hit.packet = packet->id;
	send_iface(view, packet);
	send_event(ctx, view, &hit, counters);
	return 0;
}

#endif
