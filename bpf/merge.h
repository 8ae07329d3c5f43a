/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packets that GRO merges into another one. The merged skb lives on until its memory is given back,
 * or hangs in the other's frag_list; its data goes on in the other.
 */
#ifndef PACKET_TRAIL_MERGE_H
#define PACKET_TRAIL_MERGE_H

#include "ends.h"
#include "identity.h"
#include "lineage.h"
#include "send.h"
#include "state.h"
#include "tuple.h"

/* Hook id; 0 = not in this trace. */
volatile const __u32 merge_hook = 0;

/* int skb_gro_receive(struct sk_buff *p, struct sk_buff *skb), net/core/gro.c: 0 = merged into p */
SEC("fexit/skb_gro_receive")
int on_merge(u64 *ctx)
{
	struct counters *counters = my_counters();
	struct view *view = view_of(SCRATCH_MERGE);
	u64 into = argument_of(ctx, 0), skb = argument_of(ctx, 1), untold;
	struct hit hit = {.skb = into, .hook = merge_hook};
	struct packet *packet;
	const struct packet *merged;

	if (paused || !counters || !view || !settings.follow || (u32)argument_of(ctx, 2))
		return 0;
	merged = packet_of(skb);
	if (!merged)
		return 0;
	packet = packet_here(into, counters);
	if (!packet) {
		child_born(view, into, skb, EDGE_MERGE, counters);
		return 0;
	}
	if (!read_skb(view, into))
		return 0;
	read_place(view, packet);
	read_headers(view);
	/* What the other was made from itself is for its next event. */
	untold = packet->parent;
	packet->parent = merged->id << EDGE_BITS | EDGE_MERGE;
	send_event(ctx, view, packet, &hit, counters);
	packet->parent = untold;
	return 0;
}

#endif
