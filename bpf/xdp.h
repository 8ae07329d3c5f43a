/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hooks on XDP programs, by the patterns that program.h tells of: a frame is a packet by the
 * address where its memory begins (frame.h), or by the skb that the program runs for.
 */
#ifndef PACKET_TRAIL_XDP_H
#define PACKET_TRAIL_XDP_H

#include "frame.h"
#include "function.h"
#include "identity.h"
#include "program.h"
#include "send.h"
#include "slot.h"
#include "state.h"
#include "tuple.h"

/* The skb that the program runs for, 0 = none. */
static __always_inline u64 skb_of_frame(const struct before_xdp *before, u64 start)
{
	unsigned char *head = NULL;

	if (!before->skb)
		return 0;
	bpf_probe_read_kernel(&head, sizeof(head), &((const struct sk_buff *)before->skb)->head);
	return (u64)head == start ? before->skb : 0;
}

/* Does the frame go on to another device? */
static __always_inline bool frame_leaves(u32 verdict)
{
	return verdict == XDP_TX || verdict == XDP_REDIRECT;
}

/*
 * Does it end with the outermost program's verdict? One that veth copied from an skb ends with the
 * skb that the copy is in.
 */
static __always_inline bool frame_ends(u32 verdict, bool copy)
{
	return !frame_leaves(verdict) && !copy && verdict != XDP_PASS;
}

/* The program is done with the frame of this packet. */
static __always_inline void frame_done(const struct view *view, u64 start, u64 data, u64 id,
				       u32 verdict, bool copy, struct counters *counters)
{
	packet_left(start);
	if (!frame_ends(verdict, copy))
		frame_waits(start, data, id, view->dev, !frame_leaves(verdict));
	if (frame_leaves(verdict) || frame_ends(verdict, copy))
		ADD(counters->ended);
}

/*
 * The frame that veth copied an skb into: the packet that the skb around it began as (lineage.h),
 * where the kernel makes that by then, else a new one.
 */
static __always_inline struct packet *frame_born(struct view *view, u64 start,
						 const struct before_xdp *earlier,
						 struct counters *counters)
{
	const struct sk_buff *made = (const void *)earlier->made;
	struct packet *packet = earlier->made ? packet_of(earlier->made) : NULL;
	u64 head = 0, id, parent;

	if (packet && !bpf_probe_read_kernel(&head, sizeof(head), &made->head) && head == start) {
		id = packet->id;
		parent = packet->parent;
		packet_left(earlier->made);
		packet = packet_moved(start, id, counters);
	} else {
		parent = earlier->packet << EDGE_BITS | EDGE_COPY;
		packet = packet_born(view, start, counters);
	}
	if (packet)
		packet->parent = parent;
	return packet;
}

#define HAS_FRAGS   1 /* XDP_FLAGS_HAS_FRAGS, include/net/xdp.h */
#define CACHE_BYTES 64

/* Bytes beyond the frame's first buffer: xdp_get_buff_len(), since 5.18 (0165cc817075). */
static __always_inline u32 frags_size(const struct xdp_buff *xdp, u64 start)
{
	const struct skb_shared_info *shared = NULL;
	u32 flags = 0, room = 0, size = 0, type;

	if (!bpf_core_field_exists(xdp->flags) || !bpf_core_field_exists(shared->xdp_frags_size) ||
	    bpf_probe_read_kernel(&flags, sizeof(flags), &xdp->flags) || !(flags & HAS_FRAGS) ||
	    bpf_probe_read_kernel(&room, sizeof(room), &xdp->frame_sz))
		return 0;
	type = (bpf_core_type_size(struct skb_shared_info) + CACHE_BYTES - 1) & ~(CACHE_BYTES - 1);
	shared = (const void *)(start + room - type);
	bpf_probe_read_kernel(&size, sizeof(size), &shared->xdp_frags_size);
	return size;
}

/* Makes of a frame what read_skb(), read_device() and read_headers() make of an skb. */
static __always_inline bool read_frame(struct view *view, const struct xdp_buff *xdp, u64 start,
				       u64 data)
{
	const struct xdp_rxq_info *queue;
	const struct net_device *dev;
	const struct net *net = NULL;
	void *end;
	u32 size;

	if (bpf_probe_read_kernel(&end, sizeof(end), &xdp->data_end) ||
	    bpf_probe_read_kernel(&queue, sizeof(queue), &xdp->rxq) ||
	    bpf_probe_read_kernel(&dev, sizeof(dev), &queue->dev))
		return false;
	view->ifindex = 0;
	view->dev = (u64)dev;
	bpf_probe_read_kernel(&net, sizeof(net), &dev->nd_net.net);
	read_netns(view, net);
	bpf_probe_read_kernel(&view->ifindex, sizeof(view->ifindex), &dev->ifindex);
	size = (u32)((u64)end - data);
	view->wire = view->len = size + frags_size(xdp, start);
	view->tag = 0;
	view->captured = 0;
	view->network = ETHERNET_BYTES;
	view->ethernet = false;
	view->ip = false;
	view->mark = 0;
	view->protocol = 0;
	if (size > FILTER_SCRATCH)
		size = FILTER_SCRATCH;
	size = bounded(size, 0x1ff);
	if (size < ETHERNET_BYTES || size > FILTER_SCRATCH ||
	    bpf_probe_read_kernel(view->header, size, (const void *)data))
		return true;
	view->captured = size;
	view->ethernet = true;
	view->ip = true;
	view->protocol = bpf_htons(load16(view, 12));
	return true;
}

static __always_inline int xdp_hook(u64 *ctx, u64 hook, bool returned, u64 verdict)
{
	const struct xdp_buff *xdp = (const void *)ctx[0];
	struct counters *counters = my_counters();
	struct view *view = view_of(SCRATCH_PROGRAM);
	struct before_xdp *earlier = before();
	struct hit hit = {.hook = (u32)hook};
	u64 start = 0, data = 0, key, waiting;
	bool outer = !(hook & PROGRAM_INNER);
	struct packet *packet;

	if (paused || !counters || !view || !earlier || !in_force(hook))
		return 0;
	ADD(my_hits()->programs);
	if (bpf_probe_read_kernel(&start, sizeof(start), &xdp->data_hard_start) ||
	    bpf_probe_read_kernel(&data, sizeof(data), &xdp->data) ||
	    !read_frame(view, xdp, start, data))
		return 0;
	hit.skb = skb_of_frame(earlier, start);
	key = hit.skb ? hit.skb : start;
	packet = packet_of(key);
	if (outer && !returned && !hit.skb) {
		if (packet) {
			/* Its verdict was never seen, and its memory is another packet's now. */
			packet_over(start, counters);
			packet = NULL;
		}
		waiting = frame_taken(start, view->dev, counters);
		if (waiting) {
			packet = packet_moved(start, waiting, counters);
			if (!packet)
				return 0;
		}
		earlier->copy = 0;
		if (earlier->skb && earlier->device == view->dev) {
			earlier->copy = start;
			if (earlier->packet && settings.follow && !packet)
				packet = frame_born(view, start, earlier, counters);
		}
		earlier->skb = 0;
	}
	if (!packet || !settings.follow) {
		if (!wanted(view) || !filter_matches(view))
			return 0;
		if (!packet)
			packet = packet_born(view, key, counters);
		if (!packet)
			return 0;
	}
	read_packet(view, key, packet);
	send_place(view);
	if (returned) {
		hit.flags = EVENT_VERDICT;
		hit.reason = (u32)verdict;
		if ((u32)verdict == XDP_REDIRECT)
			hit.redirect = redirect_target();
		if (outer && !hit.skb && frame_ends((u32)verdict, earlier->copy == start))
			hit.flags |= EVENT_FREE;
	}
	send_event(ctx, view, &hit, counters);
	if (returned && outer && !hit.skb)
		frame_done(view, start, data, view->id, (u32)verdict, earlier->copy == start,
			   counters);
	return 0;
}

SEC("program")
int on_xdp_entry(u64 *ctx)
{
	u64 hook, none;

	HOOK_AND_VERDICT(ctx, hook, none);
	return xdp_hook(ctx, hook, false, 0);
}

SEC("program")
int on_xdp_verdict(u64 *ctx)
{
	u64 hook, verdict;

	HOOK_AND_VERDICT(ctx, hook, verdict);
	return xdp_hook(ctx, hook, true, verdict);
}

/*
 * An skb that an XDP program runs for next: an argument of bpf_prog_run_generic_xdp()
 * (net/core/dev.c; netif_receive_generic_xdp() before 5.14) or veth_xdp_rcv_skb()
 * (drivers/net/veth.c). The helper writes the argument's place where a return value's goes.
 */
SEC("program")
int on_before_xdp(u64 *ctx)
{
	struct before_xdp *earlier = before();
	struct view *view;
	const struct packet *packet;
	const struct net_device *dev = NULL;
	u64 none, skb;

	HOOK_AND_VERDICT(ctx, none, skb);
	if (paused || !earlier)
		return 0;
	view = enter(SCRATCH_NEW_SKB);
	skb = view ? plain(view, skb) : 0;
	leave(SCRATCH_NEW_SKB);
	packet = packet_of(skb);
	bpf_probe_read_kernel(&dev, sizeof(dev), &((const struct sk_buff *)skb)->dev);
	earlier->skb = skb;
	earlier->packet = packet ? packet->id : 0;
	earlier->device = (u64)dev;
	earlier->copy = 0;
	earlier->made = 0;
	return 0;
}

/*
 * A new skb; drivers call it for each. It goes on with the packet of the frame that it is built
 * around. __be16 eth_type_trans(struct sk_buff *skb, struct net_device *dev), net/ethernet/eth.c
 */
SEC("program")
int on_new_skb(u64 *ctx)
{
	struct counters *counters = my_counters();
	struct view *view;
	u64 skb, packet, none;

	HOOK_AND_VERDICT(ctx, none, skb);
	if (paused || !counters || !settings.follow)
		return 0;
	view = enter(SCRATCH_NEW_SKB);
	skb = view ? plain(view, skb) : 0;
	leave(SCRATCH_NEW_SKB);
	if (!skb || packet_of(skb))
		return 0;
	packet = frame_of_skb(skb, counters);
	if (packet && packet != FRAME_ELSEWHERE)
		packet_moved(skb, packet, counters);
	return 0;
}

#endif
