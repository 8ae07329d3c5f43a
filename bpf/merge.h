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
	u64 into = argument_of(ctx, 0), skb = argument_of(ctx, 1), id;
	struct hit hit = {.skb = into, .hook = merge_hook};
	const struct packet *merged;
	struct packet *packet;

	if (paused || !counters || !view || !settings.follow || (u32)argument_of(ctx, 2))
		return 0;
	merged = packet_of(skb);
	if (!merged)
		return 0;
	id = merged->id;
	packet = packet_here(into, counters);
	if (!packet) {
		child_born(view, into, skb, EDGE_MERGE, counters);
		return 0;
	}
	if (!read_skb(view, into))
		return 0;
	read_packet(view, into, packet);
	read_place(view);
	read_headers(view);
	/* What the other was made from itself is for its next event. */
	view->parent = id << EDGE_BITS | EDGE_MERGE;
	send_event(ctx, view, &hit, counters);
	return 0;
}

#endif
