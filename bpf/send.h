/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Putting an event on the ring buffer, and an interface's name before the first event there. */
#ifndef PACKET_TRAIL_SEND_H
#define PACKET_TRAIL_SEND_H

#include "headers.h"
#include "identity.h"
#include "state.h"

struct iface_key {
	u32 netns;
	u32 ifindex;
};

/* Interfaces whose name was sent; one that doesn't fit has its name sent again and again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct iface_key);
	__type(value, u8);
} ifaces SEC(".maps");

/* Remembers where the packet is, and tells that interface's name. */
static __always_inline void send_iface(const struct view *view, struct packet *packet)
{
	struct iface_key key = {view->netns, view->ifindex};
	const struct net_device *dev = (const void *)view->dev;
	struct iface_record *record;
	u8 one = 1;

	if (!dev)
		return;
	packet->dev = view->dev;
	if (packet->ifindex == key.ifindex && packet->netns == key.netns)
		return;
	packet->ifindex = key.ifindex;
	packet->netns = key.netns;
	if (bpf_map_lookup_elem(&ifaces, &key))
		return;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return;
	record->type = RECORD_IFACE;
	record->reserved = 0;
	record->netns = key.netns;
	record->ifindex = key.ifindex;
	__builtin_memset(record->name, 0, sizeof(record->name));
	bpf_probe_read_kernel_str(record->name, sizeof(record->name), dev->name);
	/* An event follows, which wakes the reader. */
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	bpf_map_update_elem(&ifaces, &key, &one, BPF_ANY);
}

/*
 * read_device() and send_iface() of a followed packet, of which nothing has to be read while it is
 * at the same device: one that moves to another namespace takes no packets along
 * (__dev_change_net_namespace(), net/core/dev.c).
 */
static __always_inline void read_place(struct view *view, struct packet *packet)
{
	if (packet->dev && packet->dev == view->skb_dev) {
		view->netns = packet->netns;
		view->ifindex = packet->ifindex;
		return;
	}
	read_device(view);
	send_iface(view, packet);
}

/* What the packet was made from. A clone's bytes are its parent's. */
static __always_inline void fill_parent(struct event *event, const struct view *view,
					const struct packet *packet)
{
	u8 edge = packet->parent & ((1 << EDGE_BITS) - 1);

	event->parent = 0;
	event->edge = EDGE_NONE;
	if (!edge)
		return;
	if ((edge == EDGE_COPY || edge == EDGE_SEGMENT) && packet->parent_head == view->head)
		edge = EDGE_CLONE;
	event->parent = packet->parent >> EDGE_BITS;
	event->edge = edge;
}

static __always_inline void fill(struct event *event, const struct view *view,
				 const struct packet *packet, const struct hit *hit,
				 struct counters *counters)
{
	u32 pid = (u32)bpf_get_current_pid_tgid();

	__builtin_memset(&event->family, 0,
			 offsetof(struct event, redirect) - offsetof(struct event, family));
	event->cpu = bpf_get_smp_processor_id();
	event->hook = hit->hook;
	event->time = bpf_ktime_get_ns();
	event->packet = packet->id & ~PACKET_OVER;
	fill_parent(event, view, packet);
	event->skb = hit->skb;
	event->caller = hit->caller;
	event->reason = hit->reason;
	event->redirect = hit->redirect;
	event->flags = hit->flags;
	event->direction = hit->direction;
	event->pid = pid;
	event->netns = view->netns;
	event->ifindex = view->ifindex;
	event->mark = view->mark;
	event->len = view->len;
	event->protocol = bpf_ntohs(view->protocol);
	/* A task may change its name, so it is told again now and then. */
	if (counters->pid != pid || counters->sent % LOOK_EVERY == 0) {
		counters->pid = pid;
		bpf_get_current_comm(event->comm, sizeof(event->comm));
	}
	read_tuple(view, event);
}

/* Sends one event, or counts it as lost. Needs its place and read_headers() first. */
static __always_inline void send_event(void *ctx, const struct view *view, struct packet *packet,
				       const struct hit *hit, struct counters *counters)
{
	ADD(counters->sent);
	if (settings.stack) {
		struct event_with_stack *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

		if (!record) {
			ADD(counters->lost_ring);
			return;
		}
		fill(&record->event, view, packet, hit, counters);
		record->event.type = RECORD_STACK;
		__builtin_memset(record->stack, 0, sizeof(record->stack));
		bpf_get_stack(ctx, record->stack, sizeof(record->stack), 0);
		bpf_ringbuf_submit(record, wakeup(counters));
	} else {
		struct event *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

		if (!record) {
			ADD(counters->lost_ring);
			return;
		}
		fill(record, view, packet, hit, counters);
		record->type = RECORD_EVENT;
		bpf_ringbuf_submit(record, wakeup(counters));
	}
	packet->parent = 0;
}

#endif
