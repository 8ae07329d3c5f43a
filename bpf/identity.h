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

#include "frame.h"
#include "headers.h"
#include "state.h"

struct packet {
	u64 id;
	u64 parent; /* id << EDGE_BITS | enum edge, until an event has told it; 0 = none */
	u64 head;   /* of the parent's bytes, when it was made */
	u64 dev;    /* where it was last; 0 = nowhere yet */
	u32 netns;  /* of dev, and its name was sent */
	u32 ifindex;
};

#define EDGE_BITS 3

/*
 * Each address has one place; whoever comes first has it, the others of that place are in the
 * table, and counted. So most packets are found, and most other skbs known to be none, by a look
 * at one place.
 */
struct place {
	u64 skb; /* 0 = free */
	struct packet packet;
	u64 others;
};

#define PLACE_CLAIMED 1 /* no address: being filled */

/* Apart from what the helper sets and reads: a section of static variables isn't mapped there. */
static struct place places[PLACES] = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLACES); /* the helper sets it */
	__type(key, u64);	     /* address of the skb */
	__type(value, struct packet);
} packets SEC(".maps");

static __always_inline struct place *place_of(u64 skb)
{
	/* skbs are 256 bytes apart; the upper bits tell slabs from each other. */
	return &places[bounded((u32)(skb >> 8) ^ (u32)(skb >> 24), settings.places)];
}

/* The packet that this skb is; NULL when it isn't followed. */
static __always_inline struct packet *packet_of(u64 skb)
{
	struct place *place = place_of(skb);

	if (place->skb == skb)
		return &place->packet;
	return place->others ? bpf_map_lookup_elem(&packets, &skb) : NULL;
}

/* This address is no packet any more; the packet itself may go on. Was it one? */
static __always_inline bool packet_left(u64 skb)
{
	struct place *place = place_of(skb);

	if (place->skb == skb) {
		*(volatile u64 *)&place->skb = 0;
		return true;
	}
	if (!place->others || bpf_map_delete_elem(&packets, &skb))
		return false;
	__sync_fetch_and_sub(&place->others, 1);
	return true;
}

/* Lets this address be the packet `id` from here on. NULL when the table is full. */
static __always_inline struct packet *packet_continued(u64 skb, u64 id)
{
	struct packet fresh = {.id = id};
	struct place *place = place_of(skb);

	packet_left(skb);
	/* Where the kernel can't (before 5.12), the helper makes of it one that never succeeds. */
	if (!__sync_val_compare_and_swap(&place->skb, 0, PLACE_CLAIMED)) {
		place->packet = fresh;
		barrier();
		*(volatile u64 *)&place->skb = skb;
		return &place->packet;
	}
	/* Counted before it can be found, so that no one who should find it looks away. */
	__sync_fetch_and_add(&place->others, 1);
	if (bpf_map_update_elem(&packets, &skb, &fresh, BPF_NOEXIST)) {
		__sync_fetch_and_sub(&place->others, 1);
		return NULL;
	}
	return bpf_map_lookup_elem(&packets, &skb);
}

/*
 * As packet_continued(), of a packet that has been followed elsewhere: without room it ends here,
 * and the event that it would have had is counted as lost.
 */
static __always_inline struct packet *packet_moved(u64 skb, u64 id, struct counters *counters)
{
	struct packet *packet = packet_continued(skb, id);

	if (!packet) {
		ADD(counters->sent);
		ADD(counters->lost_table);
		ADD(counters->ended);
	}
	return packet;
}

/*
 * Starts to follow an skb. Without room the loss is counted and NULL returned. No two packets have
 * one id: CPUs and scratches interleave, and no program shares its scratch with one it interrupts.
 */
static __always_inline struct packet *packet_born(struct view *view, u64 skb,
						  struct counters *counters)
{
	u64 id = (view->births++ * settings.cpus + bpf_get_smp_processor_id()) * SCRATCHES +
		 view->scratch + 1;
	struct packet *packet = packet_continued(skb, id);

	if (!packet) {
		ADD(counters->sent);
		ADD(counters->lost_table);
		return NULL;
	}
	ADD(counters->packets);
	return packet;
}

/* An skb that matched and isn't followed: new, or what an XDP program has seen as a frame. */
static __always_inline struct packet *packet_met(struct view *view, u64 skb,
						 struct counters *counters)
{
	u64 frame = settings.programs ? frame_of_skb(skb, counters) : 0;

	if (frame == FRAME_ELSEWHERE)
		return NULL;
	return frame ? packet_moved(skb, frame, counters) : packet_born(view, skb, counters);
}

static __always_inline void packet_over(u64 skb, struct counters *counters)
{
	if (packet_left(skb))
		ADD(counters->ended);
}

#endif
