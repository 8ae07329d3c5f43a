/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Putting an event on the ring buffer, and before it what the names of its place are: of the
 * namespace and of the interface, when they are new or have changed. That is looked at when a
 * packet comes to a place, so that it costs those nothing that stay.
 */
#ifndef PACKET_TRAIL_SEND_H
#define PACKET_TRAIL_SEND_H

#include "identity.h"
#include "state.h"
#include "tuple.h"

struct iface_key {
	u32 netns;
	u32 ifindex;
};

struct iface_name {
	u64 words[2]; /* as the kernel has it, with what is behind the end */
};

/* Interfaces' names as they were sent; of more than there is room for, some are sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct iface_key);
	__type(value, struct iface_name);
} ifaces SEC(".maps");

/* The same of namespaces: their cookies by inode number. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} namespaces SEC(".maps");

/* 0 = not known. */
static __always_inline u64 cookie_of_net(const struct net *net)
{
	u64 cookie = 0;
	u32 mix = 0;

	if (bpf_core_field_exists(net->net_cookie)) {
		bpf_probe_read_kernel(&cookie, sizeof(cookie), &net->net_cookie);
		return cookie;
	}
	if (bpf_core_field_exists(net->hash_mix))
		bpf_probe_read_kernel(&mix, sizeof(mix), &net->hash_mix);
	return mix;
}

static __always_inline void send_netns(const struct view *view)
{
	struct netns_record *record;
	u64 cookie, *sent;
	u32 key = view->netns;

	if (!key)
		return;
	cookie = cookie_of_net((const void *)view->net);
	sent = bpf_map_lookup_elem(&namespaces, &key);
	if (sent && *sent == cookie)
		return;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return;
	record->type = RECORD_NETNS;
	record->reserved = 0;
	record->netns = key;
	record->cookie = cookie;
	/* An event follows, which wakes the reader. */
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	bpf_map_update_elem(&namespaces, &key, &cookie, BPF_ANY);
}

static __always_inline void send_iface(const struct view *view)
{
	struct iface_key key = {view->netns, view->ifindex};
	const struct net_device *dev = (const void *)view->dev;
	struct iface_name name = {}, *sent;
	struct iface_record *record;

	if (!dev || bpf_probe_read_kernel(&name, sizeof(name), dev->name))
		return;
	sent = bpf_map_lookup_elem(&ifaces, &key);
	if (sent && sent->words[0] == name.words[0] && sent->words[1] == name.words[1])
		return;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return;
	record->type = RECORD_IFACE;
	record->renamed = sent != NULL;
	record->netns = key.netns;
	record->ifindex = key.ifindex;
	__builtin_memcpy(record->name, &name, sizeof(record->name));
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	bpf_map_update_elem(&ifaces, &key, &name, BPF_ANY);
}

/*
 * What events say of the packet that this address is. Its entry is in one of two places, which the
 * verifier keeps apart: used beyond this, it would double all that comes.
 */
static __always_inline void read_packet(struct view *view, u64 key, const struct packet *packet)
{
	view->key = key;
	view->id = packet->id & ~PACKET_OVER;
	view->parent = packet->parent;
	view->parent_head = packet->parent_head;
	view->last_dev = packet->dev;
	view->last_netns = packet->netns;
	view->last_ifindex = packet->ifindex;
	barrier();
}

/* Remembers where the packet is, and tells the names of that place. */
static __always_inline void send_place(const struct view *view)
{
	bool there = view->last_ifindex == view->ifindex && view->last_netns == view->netns;
	struct packet *packet;

	if (there && view->last_dev == view->dev)
		return;
	packet = entry_of(view->key);
	if (packet) {
		packet->dev = view->dev;
		packet->ifindex = view->ifindex;
		packet->netns = view->netns;
	}
	if (there)
		return;
	send_netns(view);
	send_iface(view);
}

/*
 * read_device() and send_place() of a followed packet, of which nothing has to be read while it is
 * at the same device: one that moves to another namespace takes no packets along
 * (__dev_change_net_namespace(), net/core/dev.c).
 */
static __always_inline void read_place(struct view *view)
{
	if (view->last_dev && view->last_dev == view->skb_dev) {
		view->netns = view->last_netns;
		view->ifindex = view->last_ifindex;
		return;
	}
	read_device(view);
	send_place(view);
}

/* What the packet was made from. A clone's bytes are its parent's. */
static __always_inline void fill_parent(struct event *event, const struct view *view)
{
	u8 edge = view->parent & ((1 << EDGE_BITS) - 1);

	event->parent = 0;
	event->edge = EDGE_NONE;
	if (!edge)
		return;
	if ((edge == EDGE_COPY || edge == EDGE_SEGMENT) && view->parent_head == view->head)
		edge = EDGE_CLONE;
	event->parent = view->parent >> EDGE_BITS;
	event->edge = edge;
}

static __always_inline void fill(struct event *event, const struct view *view,
				 const struct hit *hit, struct counters *counters)
{
	u32 pid = (u32)bpf_get_current_pid_tgid();

	__builtin_memset(&event->family, 0,
			 offsetof(struct event, redirect) - offsetof(struct event, family));
	event->cpu = bpf_get_smp_processor_id();
	event->hook = hit->hook;
	event->time = bpf_ktime_get_ns();
	event->packet = view->id;
	fill_parent(event, view);
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

/* What the packet was made from has been told, and is not told again. */
static __always_inline void parent_told(const struct view *view)
{
	struct packet *entry = view->parent ? entry_of(view->key) : NULL;

	if (entry && entry->parent == view->parent)
		entry->parent = 0;
}

/* Sends one event, or counts it as lost. Needs read_packet(), its place and read_headers() first.
 */
static __always_inline void send_event(void *ctx, const struct view *view, const struct hit *hit,
				       struct counters *counters)
{
	ADD(counters->sent);
	if (settings.stack) {
		struct event_with_stack *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

		if (!record) {
			ADD(counters->lost_ring);
			return;
		}
		fill(&record->event, view, hit, counters);
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
		fill(record, view, hit, counters);
		record->type = RECORD_EVENT;
		bpf_ringbuf_submit(record, wakeup(counters));
	}
	parent_told(view);
}

#endif
