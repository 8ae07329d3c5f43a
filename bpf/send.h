/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Putting an event on the ring buffer, and an interface's name before the first event there. */
#ifndef PACKET_TRAIL_SEND_H
#define PACKET_TRAIL_SEND_H

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

static __always_inline void send_iface(const struct view *view, struct packet *packet)
{
	struct iface_key key = {view->netns, view->ifindex};
	const struct net_device *dev = (const void *)view->dev;
	struct iface_record *record;
	u8 one = 1;

	if (!dev || (packet->ifindex == key.ifindex && packet->netns == key.netns))
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
	bpf_ringbuf_submit(record, wakeup());
	bpf_map_update_elem(&ifaces, &key, &one, BPF_ANY);
}

/* What a hook adds to the packet's own fields. */
struct hit {
	u64 skb;
	u64 packet;
	u64 parent;
	u64 caller;
	u32 hook;
	u32 reason;
	u8 edge;
	u8 flags;
};

static __always_inline void fill(struct event *event, const struct view *view,
				 const struct hit *hit)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->cpu = bpf_get_smp_processor_id();
	event->hook = hit->hook;
	event->time = bpf_ktime_get_ns();
	event->packet = hit->packet;
	event->parent = hit->parent;
	event->skb = hit->skb;
	event->caller = hit->caller;
	event->reason = hit->reason;
	event->edge = hit->edge;
	event->flags = hit->flags;
	event->pid = (u32)bpf_get_current_pid_tgid();
	event->netns = view->netns;
	event->ifindex = view->ifindex;
	event->mark = SKB(view)->mark;
	event->len = SKB(view)->len;
	event->protocol = bpf_ntohs(SKB(view)->protocol);
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	read_tuple(view, event);
}

/* Sends one event, or counts it as lost. Needs read_device() and read_headers() first. */
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
		fill(&record->event, view, hit);
		record->event.type = RECORD_STACK;
		__builtin_memset(record->stack, 0, sizeof(record->stack));
		bpf_get_stack(ctx, record->stack, sizeof(record->stack), 0);
		bpf_ringbuf_submit(record, wakeup());
	} else {
		struct event *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

		if (!record) {
			ADD(counters->lost_ring);
			return;
		}
		fill(record, view, hit);
		record->type = RECORD_EVENT;
		bpf_ringbuf_submit(record, wakeup());
	}
}

#endif
