/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Fragments: packets that are cut, each fragment an skb that ip_copy_metadata() fills, and put
 * together. They wait in a queue until the last has come, and the skb of that one becomes the whole
 * packet (net/ipv4/inet_fragment.c, since 5.1, c23f35d19db3):
 *
 *   inet_frag_queue_insert(q, skb, …)       another one waits
 *   inet_frag_reasm_prepare(q, skb, parent) skb came last. Unless it is the first of the packet, it
 *                                           goes on in a clone, and becomes a copy of the first
 *                                           (skb_clone(), skb_morph())
 *   inet_frag_reasm_finish(q, head, …)      the others are hung to it, or into it
 *
 * All of it under the queue's lock. The whole is a packet of its own, with an edge from each of its
 * fragments: that from the first is told as every parent is, the others by one record.
 */
#ifndef PACKET_TRAIL_FRAGMENTS_H
#define PACKET_TRAIL_FRAGMENTS_H

#include "identity.h"
#include "lineage.h"
#include "send.h"
#include "state.h"

/* Of one packet, those that are followed; the rest of more is left out. */
struct fragments {
	u64 count;
	u64 last; /* the skb of the last of them */
	u64 ids[PARENTS];
};

static const struct fragments no_fragments = {};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64); /* address of the queue */
	__type(value, struct fragments);
} fragment_queues SEC(".maps");

static __always_inline void fragment_waits(u64 queue, u64 skb, u64 id)
{
	const struct inet_frag_queue *q = (const void *)queue;
	struct fragments *fragments = bpf_map_lookup_elem(&fragment_queues, &queue);
	const struct packet *there;
	u64 tail = 0, at;

	bpf_probe_read_kernel(&tail, sizeof(tail), &q->fragments_tail);
	if (!fragments) {
		bpf_map_update_elem(&fragment_queues, &queue, &no_fragments, BPF_ANY);
		fragments = bpf_map_lookup_elem(&fragment_queues, &queue);
		if (!fragments)
			return;
	}
	/* The first in a queue; what is known of its address is of another one. */
	if (!tail)
		fragments->count = 0;
	at = fragments->count;
	/* A fragment that was there already was freed at once. */
	if (at) {
		there = packet_of(fragments->last);
		if (!there || there->id != fragments->ids[bounded(at - 1, PARENTS - 1)])
			at--;
	}
	if (at >= PARENTS)
		return;
	fragments->ids[bounded(at, PARENTS - 1)] = id;
	fragments->last = skb;
	fragments->count = at + 1;
}

#define TREE_DEPTH 16 /* of more fragments than a packet has */

/* The first fragment in a queue: the leftmost in a tree of skbs, which begin with their node. */
static __always_inline u64 first_in(u64 queue)
{
	const struct inet_frag_queue *q = (const void *)queue;
	struct rb_node *node = NULL, *left = NULL;

	bpf_probe_read_kernel(&node, sizeof(node), &q->rb_fragments.rb_node);
	for (u32 i = 0; node && i < TREE_DEPTH; i++) {
		if (bpf_probe_read_kernel(&left, sizeof(left), &node->rb_left) || !left)
			break;
		node = left;
	}
	return (u64)node;
}

/* This skb becomes the whole packet: on_copy() is next, unless it is its first fragment itself. */
static __always_inline void whole_begins(u64 queue, u64 skb)
{
	struct view *joining = view_of(SCRATCH_COPY);
	bool first = first_in(queue) == skb;

	if (!joining)
		return;
	joining->whole = first ? 0 : skb;
	joining->first = first ? skb : 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64);   /* id of a fragment from which the next one will be copied */
	__type(value, u64); /* of the packet that is cut */
} fragment_chains SEC(".maps");

static __always_inline bool has_next(u64 skb)
{
	u64 next = 0;

	bpf_probe_read_kernel(&next, sizeof(next), &((const struct sk_buff *)skb)->next);
	return next;
}

/*
 * A packet is cut: `child` becomes a fragment of what `skb` is. Where its skbs were made
 * beforehand, they hang at each other, and the kernel copies from each to the next
 * (ip_fraglist_prepare(), net/ipv4/ip_output.c, ip6_fraglist_prepare()): all are fragments of the
 * first. What is known of that goes with the fragment and not with the CPU: the task that cuts may
 * be preempted, by the answer too, and go on elsewhere.
 */
static __always_inline void fragment_born(struct view *view, u64 child, u64 skb,
					  struct counters *counters)
{
	struct packet *packet = packet_of(skb);
	u64 cut, id, *known;

	if (!packet)
		return;
	id = cut = packet->id;
	known = bpf_map_lookup_elem(&fragment_chains, &id);
	if (known) {
		cut = *known;
		bpf_map_delete_elem(&fragment_chains, &id);
	}
	packet = child_born(view, child, skb, EDGE_FRAGMENT, counters);
	if (!packet)
		return;
	packet->parent = cut << EDGE_BITS | EDGE_FRAGMENT;
	id = packet->id;
	if (has_next(child))
		bpf_map_update_elem(&fragment_chains, &id, &cut, BPF_ANY);
}

/*
 * The whole packet is there, in this skb. Where the first fragment came last, nothing was copied:
 * the whole takes its place here. NULL when there is no room for it.
 */
static __always_inline struct packet *whole_here(struct view *view, u64 skb, struct packet *packet,
						 struct counters *counters)
{
	struct view *joining = view_of(SCRATCH_COPY);
	u64 id = packet->id;

	if (!joining || joining->first != skb)
		return packet;
	joining->first = 0;
	packet = packet_born(view, skb, counters);
	if (packet)
		packet->parent = id << EDGE_BITS | EDGE_REASSEMBLY;
	return packet;
}

/* Is `id` one of these? */
static __always_inline bool is_among(const struct fragments *fragments, u64 id)
{
	for (u32 i = 0; i < PARENTS; i++)
		if (fragments->ids[i] == id)
			return true;
	return false;
}

/* Tells which fragments the whole packet is made of; that which it has its fields of was told. */
static __always_inline void send_fragments(const struct view *view, u64 queue,
					   struct counters *counters)
{
	u64 first = view->parent >> EDGE_BITS;
	const struct fragments *fragments = bpf_map_lookup_elem(&fragment_queues, &queue);
	struct event_with_parents *record;
	u64 others;

	if (!fragments || !fragments->count)
		return;
	others = fragments->count - (first && is_among(fragments, first));
	__sync_fetch_and_add(&counters->sent, others);
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (record) {
		fill(&record->event, view, &view->hit, counters);
		record->event.type = RECORD_PARENTS;
		record->event.parent = first;
		record->event.edge = EDGE_REASSEMBLY;
		record->count = fragments->count;
		bpf_probe_read_kernel(record->parents, sizeof(record->parents), fragments->ids);
		bpf_ringbuf_submit(record, wakeup(counters));
	} else {
		__sync_fetch_and_add(&counters->lost_ring, others);
	}
	bpf_map_delete_elem(&fragment_queues, &queue);
}

#endif
