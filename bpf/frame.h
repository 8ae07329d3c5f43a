/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * XDP frames between one program and the next, or the skb. While programs run for it, a frame is a
 * packet by the address where its memory begins. After them it waits here until it is met again: as
 * an skb that is built around it, whose head that address is (or, where a driver lets the head
 * begin elsewhere, whose data begins where the frame's did), or as a frame at the device it was
 * sent to. The least recently used is forgotten.
 */
#ifndef PACKET_TRAIL_FRAME_H
#define PACKET_TRAIL_FRAME_H

#include "state.h"

struct frame {
	u64 packet;
	u64 time;
	u64 device; /* struct net_device: where the program ran */
	u64 passed; /* an skb is made of it at this device; else it goes on to another one */
	u64 other;  /* its other address in this table; 0 = none */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64); /* address of its memory, of its data */
	__type(value, struct frame);
} frames SEC(".maps");

/* A frame that nobody took up for so long has gone, ns. */
#define FRAME_AGE 1000000000ULL

static __always_inline void frame_waits(u64 start, u64 data, u64 packet, u64 device, bool passed)
{
	struct frame frame = {
		.packet = packet,
		.time = bpf_ktime_get_ns(),
		.device = device,
		.passed = passed,
		.other = passed && data != start ? data : 0,
	};

	bpf_map_update_elem(&frames, &start, &frame, BPF_ANY);
	if (frame.other) {
		frame.other = start;
		bpf_map_update_elem(&frames, &data, &frame, BPF_ANY);
	}
}

/* Takes the frame that waits at this address, if it is one that may go on here: packet id or 0. */
static __always_inline u64 frame_taken(u64 address, u64 device, struct counters *counters)
{
	struct frame *frame = bpf_map_lookup_elem(&frames, &address);
	u64 packet, other;

	if (!frame)
		return 0;
	packet = frame->packet;
	other = frame->other;
	/* Memory that comes back to the device that sent it away holds another packet. */
	if (bpf_ktime_get_ns() - frame->time > FRAME_AGE ||
	    (!frame->passed && frame->device == device))
		packet = 0;
	/* It was counted as ended when it was sent away. */
	if (packet && !frame->passed)
		__sync_fetch_and_sub(&counters->ended, 1);
	bpf_map_delete_elem(&frames, &address);
	if (other)
		bpf_map_delete_elem(&frames, &other);
	return packet;
}

/*
 * A frame that was in an skb (veth) and is sent on leaves that skb behind, to be freed: that one is
 * no packet any more.
 */
#define FRAME_ELSEWHERE (~0ULL)

static __always_inline bool frame_left(u64 address, u64 device)
{
	const struct frame *frame = bpf_map_lookup_elem(&frames, &address);

	return frame && !frame->passed && frame->device == device;
}

/*
 * Packet id of the frame that an skb is built around, 0 = of none that waits, FRAME_ELSEWHERE = the
 * frame has left it.
 */
static __always_inline u64 frame_of_skb(u64 address, struct counters *counters)
{
	const struct sk_buff *skb = (const void *)address;
	u64 head = 0, data = 0, device = 0, packet;

	bpf_probe_read_kernel(&head, sizeof(head), &skb->head);
	bpf_probe_read_kernel(&data, sizeof(data), &skb->data);
	bpf_probe_read_kernel(&device, sizeof(device), &skb->dev);
	if (frame_left(head, device))
		return FRAME_ELSEWHERE;
	packet = frame_taken(head, device, counters);
	return packet ? packet : frame_taken(data, device, counters);
}

/* What was about to be given to an XDP program on this CPU: generic XDP and veth run it for an skb.
 */
struct before_xdp {
	u64 skb;
	u64 packet; /* that it is, 0 = not followed */
	u64 device;
	u64 copy; /* the frame that veth copied the skb into */
	u64 made; /* the skb that veth makes around that frame, and fills before the program runs */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct before_xdp);
} before_xdp SEC(".maps");

static __always_inline struct before_xdp *before(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&before_xdp, &zero);
}

#endif
