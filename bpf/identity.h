/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which skbs are followed packets. An skb's address is a packet only between birth (it matched,
 * or was made from a packet) and the begin of its release; the next packet at that address is
 * another one. Every free path passes skb_release_head_state (kfree_skb, consume_skb,
 * napi_consume_skb, bulk free, kfree_skb_partial), kfree_skbmem (skb_consume_udp's stateless free)
 * or napi_skb_cache_put (napi_skb_free_stolen_head): net/core/skbuff.c, 5.10 … 6.12.
 */
#ifndef PACKET_TRAIL_IDENTITY_H
#define PACKET_TRAIL_IDENTITY_H

struct packet {
	u64 id;
	u32 netns; /* of the last interface whose name was sent */
	u32 ifindex;
};

#define MAX_PACKETS 65536

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PACKETS);
	__type(key, u64); /* address of the skb */
	__type(value, struct packet);
} packets SEC(".maps");

/* Last id given on this CPU; ids of all CPUs interleave, so that no two are the same. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} births SEC(".maps");

static __always_inline struct packet *packet_of(u64 skb)
{
	return bpf_map_lookup_elem(&packets, &skb);
}

/* Starts to follow an skb. Without room the loss is counted and NULL returned. */
static __always_inline struct packet *packet_born(u64 skb, struct counters *counters)
{
	struct packet fresh = {};
	u32 zero = 0;
	u64 *last = bpf_map_lookup_elem(&births, &zero);

	if (!last)
		return NULL;
	/* Read, then add: an interrupt's program may come between, so the sum decides. */
	fresh.id = (__sync_fetch_and_add(last, 1)) * settings.cpus + bpf_get_smp_processor_id() + 1;
	if (bpf_map_update_elem(&packets, &skb, &fresh, BPF_ANY)) {
		ADD(counters->sent);
		ADD(counters->lost_table);
		return NULL;
	}
	ADD(counters->packets);
	return packet_of(skb);
}

static __always_inline void packet_over(u64 skb, struct counters *counters)
{
	if (bpf_map_delete_elem(&packets, &skb) == 0)
		ADD(counters->ended);
}

#endif
