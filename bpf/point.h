/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tracepoints that packets pass, for kernels without kprobes: where an skb is received, queued and
 * given to a driver. There the tracepoints of its end (drop.h) end its identity, too.
 */
#ifndef PACKET_TRAIL_POINT_H
#define PACKET_TRAIL_POINT_H

#include "function.h"
#include "identity.h"
#include "send.h"
#include "state.h"
#include "tuple.h"

/* Hook ids, by enum point; 0 = not in this trace. */
volatile const __u32 point_hooks[POINTS] = {};

static __always_inline void send_point(u64 *ctx, struct view *view, u32 point)
{
	struct counters *counters = my_counters();
	struct hit hit = {.hook = point_hooks[point]};
	struct packet *packet;

	if (!counters)
		return;
	hit.skb = plain(view, ctx[0]);
	packet = packet_here(hit.skb, counters);
	if (!(packet && settings.follow) && !matches(view, hit.skb))
		return;
	if (!packet)
		packet = packet_met(view, hit.skb, counters);
	if (!packet || !read_skb(view, hit.skb))
		return;
	read_packet(view, hit.skb, packet);
	read_place(view);
	read_headers(view);
	send_event(ctx, view, &hit, counters);
}

static __always_inline int point_passed(u64 *ctx, u32 point)
{
	u32 scratch = SCRATCH_POINT + NESTED * point;
	struct view *view;

	if (paused)
		return 0;
	view = enter(scratch);
	if (view)
		send_point(ctx, view, point);
	leave(scratch);
	return 0;
}

/* TP_PROTO(skb, …) each: include/trace/events/net.h */
SEC("point")
int on_receive(u64 *ctx)
{
	return point_passed(ctx, POINT_RECEIVE);
}

SEC("point")
int on_rx(u64 *ctx)
{
	return point_passed(ctx, POINT_RX);
}

SEC("point")
int on_queue(u64 *ctx)
{
	return point_passed(ctx, POINT_QUEUE);
}

SEC("point")
int on_start_xmit(u64 *ctx)
{
	return point_passed(ctx, POINT_START_XMIT);
}

#endif
