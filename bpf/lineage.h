/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packets made from packets. Each program runs when the function returns, gives the new skb an
 * identity of its own and sends one event with the edge to its parent.
 */
#ifndef PACKET_TRAIL_LINEAGE_H
#define PACKET_TRAIL_LINEAGE_H

/* Hook ids; 0 = not in this trace. */
volatile const __u32 clone_hook = 0;
volatile const __u32 copy_hook = 0;
volatile const __u32 pskb_copy_hook = 0;
volatile const __u32 segment_hook = 0;

#define MAX_SEGMENTS 128

static __always_inline void child_born(void *ctx, u64 child, u64 parent_id, u32 hook, u8 edge,
				       struct view *view, struct counters *counters)
{
	struct packet *packet;
	struct hit hit = {.skb = child, .parent = parent_id, .hook = hook, .edge = edge};

	if (!read_skb(view, child))
		return;
	packet = packet_born(child, counters);
	if (!packet)
		return;
	read_device(view);
	read_headers(view);
	hit.packet = packet->id;
	send_iface(view, packet);
	send_event(ctx, view, &hit, counters);
}

static __always_inline int one_child(void *ctx, u64 parent, u64 child, u32 hook, u8 edge,
				     u32 scratch)
{
	struct counters *counters = count();
	struct view *view = view_of(scratch);
	struct packet *packet = packet_of(parent);

	if (paused || !packet || !child || !counters || !view || !settings.follow)
		return 0;
	child_born(ctx, child, packet->id, hook, edge, view, counters);
	return 0;
}

/* struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t gfp_mask) */
SEC("fexit/skb_clone")
int on_clone(u64 *ctx)
{
	return one_child(ctx, ctx[0], ctx[2], clone_hook, EDGE_CLONE, SCRATCH_CLONE);
}

/* struct sk_buff *skb_copy(const struct sk_buff *skb, gfp_t gfp_mask) */
SEC("fexit/skb_copy")
int on_copy(u64 *ctx)
{
	return one_child(ctx, ctx[0], ctx[2], copy_hook, EDGE_COPY, SCRATCH_COPY);
}

/* struct sk_buff *__pskb_copy_fclone(struct sk_buff *skb, int headroom, gfp_t gfp_mask, bool
 * fclone) */
SEC("fexit/__pskb_copy_fclone")
int on_pskb_copy(u64 *ctx)
{
	return one_child(ctx, ctx[0], ctx[4], pskb_copy_hook, EDGE_COPY, SCRATCH_PSKB_COPY);
}

/* struct sk_buff *skb_segment(struct sk_buff *head_skb, netdev_features_t features): a list, or an
 * error */
SEC("fexit/skb_segment")
int on_segment(u64 *ctx)
{
	struct counters *counters = count();
	struct view *view = view_of(SCRATCH_SEGMENT);
	struct packet *packet = packet_of(ctx[0]);
	u64 child = ctx[2], parent_id;

	if (paused || !packet || !counters || !view || !settings.follow)
		return 0;
	parent_id = packet->id;
	for (int i = 0; i < MAX_SEGMENTS; i++) {
		const struct sk_buff *segment = (const void *)child;

		/* ERR_PTR is in the last page of the address space */
		if (!child || child >= (u64)-4095)
			break;
		child_born(ctx, child, parent_id, segment_hook, EDGE_SEGMENT, view, counters);
		if (bpf_probe_read_kernel(&child, sizeof(child), &segment->next))
			break;
	}
	return 0;
}

#endif
