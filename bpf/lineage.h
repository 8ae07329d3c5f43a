/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packets made from packets. A new one gets an identity of its own where the kernel copies the
 * fields of one skb to another; what it was made from is told with its first event, wherever that
 * is (send.h). So there is no event that could be lost before it, and no packet without a hop.
 */
#ifndef PACKET_TRAIL_LINEAGE_H
#define PACKET_TRAIL_LINEAGE_H

#include "frame.h"
#include "identity.h"
#include "state.h"

/* `child` is made from the packet that `parent` is; NULL when that is none, or there is no room. */
static __always_inline struct packet *child_born(struct view *view, u64 child, u64 parent, u8 edge,
						 struct counters *counters)
{
	const struct packet *from = packet_of(parent);
	struct packet *packet;
	u64 id;

	if (!from)
		return NULL;
	id = from->id;
	packet = packet_born(view, child, counters);
	if (!packet)
		return NULL;
	packet->parent_head = head_of(parent);
	packet->parent = id << EDGE_BITS | edge;
	return packet;
}

static __always_inline u32 length_of(u64 skb)
{
	u32 length = 0;

	bpf_probe_read_kernel(&length, sizeof(length), &((const struct sk_buff *)skb)->len);
	return length;
}

/*
 * void __copy_skb_header(struct sk_buff *new, const struct sk_buff *old), net/core/skbuff.c:
 * clones, copies and segments all pass here. A copy has its length by then, or nothing
 * (skb_pp_cow_data(), for XDP), a segment its headers; a clone whatever was there before, and shows
 * by its bytes, which are its parent's (send.h).
 */
static __always_inline void copied(const u64 *ctx, struct view *view)
{
	struct counters *counters = my_counters();
	struct view *joining = view_of(SCRATCH_COPY);
	struct before_xdp *earlier = before();
	bool whole, moves;
	u64 child, parent;
	u32 length;
	u8 edge;

	if (!counters || !joining)
		return;
	child = plain(view, ctx[0]);
	parent = plain(view, ctx[1]);
	whole = joining->whole == child;
	moves = joining->whole == parent;
	if (whole)
		joining->whole = 0;
	/* skb_segment() and skb_morph() release what an skb was, and it lives on. */
	packet_over(child, counters);
	if (!packet_here(parent, counters))
		return;
	if (moves) {
		packet_moves(parent, child, counters);
		return;
	}
	length = length_of(child);
	edge = !length || length == length_of(parent) ? EDGE_COPY : EDGE_SEGMENT;
	if (whole)
		edge = EDGE_REASSEMBLY;
	child_born(view, child, parent, edge, counters);
	if (earlier && earlier->skb == parent)
		earlier->made = child;
}

SEC("fentry/__copy_skb_header")
int on_copy(u64 *ctx)
{
	struct view *view;

	if (paused || !settings.follow)
		return 0;
	view = enter(SCRATCH_COPY);
	if (view)
		copied(ctx, view);
	leave(SCRATCH_COPY);
	return 0;
}

#endif
