/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which skbs are followed packets. An skb's address is a packet only between birth (it matched, or
 * was made from a packet) and the begin of its release (ends.h); the next packet at that address is
 * another one. From its end until its memory is given back an address stays here as a tombstone:
 * destructors and what else is called with the skb then begin no packet. As an end may go unseen,
 * an address alone is not believed: the same skb has the same bytes.
 */
#ifndef PACKET_TRAIL_IDENTITY_H
#define PACKET_TRAIL_IDENTITY_H

#include "frame.h"
#include "state.h"

struct packet {
	u64 id;		 /* and PACKET_OVER */
	u64 head;	 /* where its bytes begin: skb->head, 0 = not looked yet */
	u64 parent;	 /* id << EDGE_BITS | enum edge, until an event has told it; 0 = none */
	u64 parent_head; /* where its parent's bytes began, when it was made */
	u64 dev;	 /* where it was last; 0 = at none */
	u32 netns;	 /* of dev or of its socket; the place's names were sent */
	u32 ifindex;
};

/*
 * In an id: a tombstone. Of this packet, until its end has been told; of any or none with nothing
 * else in it.
 */
#define PACKET_OVER (1ULL << 63)

#define EDGE_BITS   4

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

/* What is kept of this address, be it a packet or a tombstone; NULL = nothing. */
static __always_inline struct packet *entry_of(u64 skb)
{
	struct place *place = place_of(skb);

	if (place->skb == skb)
		return &place->packet;
	return place->others ? bpf_map_lookup_elem(&packets, &skb) : NULL;
}

/* The packet that this address is; NULL when it isn't followed. */
static __always_inline struct packet *packet_of(u64 skb)
{
	struct packet *entry = entry_of(skb);

	return entry && !(entry->id & PACKET_OVER) ? entry : NULL;
}

/* This address is no packet any more; the packet itself may go on. Was it one? */
static __always_inline bool packet_left(u64 skb)
{
	struct place *place = place_of(skb);
	struct packet *entry;
	bool was;

	if (place->skb == skb) {
		was = !(place->packet.id & PACKET_OVER);
		*(volatile u64 *)&place->skb = 0;
		return was;
	}
	entry = place->others ? bpf_map_lookup_elem(&packets, &skb) : NULL;
	if (!entry)
		return false;
	was = !(entry->id & PACKET_OVER);
	if (bpf_map_delete_elem(&packets, &skb))
		return false;
	__sync_fetch_and_sub(&place->others, 1);
	return was;
}

static __always_inline void packet_over(u64 skb, struct counters *counters)
{
	if (packet_left(skb))
		ADD(counters->ended);
}

static __always_inline u64 head_of(u64 skb)
{
	u64 head = 0;

	if (settings.direct)
		return (u64)POINTER(struct sk_buff, skb)->head;
	bpf_probe_read_kernel(&head, sizeof(head), &((const struct sk_buff *)skb)->head);
	return head;
}

/*
 * As packet_of(), of an skb that is looked at: when its bytes aren't where they were, and nobody
 * moved them, the packet has ended unseen, and this is another one.
 */
static __always_inline struct packet *packet_here(u64 skb, struct counters *counters)
{
	struct packet *packet = packet_of(skb);
	u64 head;

	if (!packet || !heads)
		return packet;
	head = head_of(skb);
	if (packet->head && packet->head != head) {
		packet_over(skb, counters);
		return NULL;
	}
	packet->head = head;
	return packet;
}

/* Is this skb being released? A tombstone of other bytes is one that was left behind. */
static __always_inline bool is_released(u64 skb)
{
	const struct packet *entry = entry_of(skb);

	if (!entry || !(entry->id & PACKET_OVER))
		return false;
	if (entry->head == head_of(skb))
		return true;
	packet_left(skb);
	return false;
}

/*
 * The release of this skb begins: its packet, if it was one, has ended, and none begins there until
 * packet_over(). Where another packet has the place, skbs that nobody followed leave no tombstone.
 */
static __always_inline void packet_ends(u64 skb, struct counters *counters)
{
	struct place *place = place_of(skb);
	struct packet *entry = entry_of(skb);
	struct packet tombstone = {.id = PACKET_OVER, .head = head_of(skb)};

	if (entry) {
		if (entry->id & PACKET_OVER)
			entry->id = 0;
		else
			ADD(counters->ended);
		entry->id |= PACKET_OVER;
		entry->head = tombstone.head;
		return;
	}
	if (settings.exchange ? __sync_val_compare_and_swap(&place->skb, 0, PLACE_CLAIMED)
			      : place->skb)
		return;
	place->packet = tombstone;
	barrier();
	*(volatile u64 *)&place->skb = skb;
}

/* The packet whose release has begun, when that has not been told yet. */
static __always_inline struct packet *packet_ended(u64 skb)
{
	struct packet *entry = entry_of(skb);

	return entry && entry->id > PACKET_OVER ? entry : NULL;
}

/* The end of this packet has been told. */
static __always_inline void end_told(u64 skb, struct counters *counters)
{
	struct packet *entry;

	if (packet_of(skb))
		packet_ends(skb, counters);
	entry = entry_of(skb);
	if (entry)
		entry->id = PACKET_OVER;
}

/* Lets this address, which is nothing yet, be the packet `id`. NULL when the table is full. */
static __always_inline struct packet *packet_continued(u64 skb, u64 id)
{
	struct packet fresh = {.id = id};
	struct place *place = place_of(skb);

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
	struct packet *packet;

	packet_over(skb, counters);
	packet = packet_continued(skb, id);
	if (!packet) {
		ADD(counters->sent);
		ADD(counters->lost_table);
		ADD(counters->ended);
	}
	return packet;
}

/* The packet at this address goes on at another one, with all that is known of it. */
static __always_inline void packet_moves(u64 from, u64 to, struct counters *counters)
{
	const struct packet *packet = packet_of(from);
	struct packet moved;

	if (!packet)
		return;
	moved = *packet;
	moved.head = 0;
	packet_left(from);
	packet = packet_moved(to, moved.id, counters);
	if (packet)
		*(struct packet *)packet = moved;
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
	struct packet *packet;

	packet_over(skb, counters);
	packet = packet_continued(skb, id);
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

#endif
