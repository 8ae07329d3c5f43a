/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reading a packet: the skb in one read, its device, its first bytes in one read, its tuple. */
#ifndef PACKET_TRAIL_HEADERS_H
#define PACKET_TRAIL_HEADERS_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define ETHERNET_BYTES 14
#define UNSET_MAC      0xffff /* skb_mac_header_was_set() */

/* Namespace inodes are handed out from PROC_DYNAMIC_FIRST (fs/proc/generic.c) up; fixed ones sit
 * just below. */
#define FIRST_INUM 0xefffff00U

#define SKB(view)  ((const struct sk_buff *)(view)->skb)

/* Keeps the compiler from moving a bound away from its use, where the verifier needs it. */
#define bounded(value, mask)                                                                       \
	({                                                                                         \
		u32 bounded_ = (value);                                                            \
		asm volatile("" : "+r"(bounded_));                                                 \
		bounded_ &= (mask);                                                                \
		bounded_;                                                                          \
	})

static __always_inline bool read_skb(struct view *view, u64 skb)
{
	u32 size = bpf_core_type_size(struct sk_buff);

	if (size > SKB_COPY)
		size = SKB_COPY;
	return bpf_probe_read_kernel(view->skb, size, (const void *)skb) == 0;
}

static __always_inline u32 inum_of(const struct net *net)
{
	u32 inum = 0;

	bpf_probe_read_kernel(&inum, sizeof(inum), &net->ns.inum);
	return inum >= FIRST_INUM ? inum : 0;
}

/*
 * Device and namespace. skb->dev shares its place with an rb-tree node and with dev_scratch
 * (sk_buff's first union), so what it leads to is believed only when it ends in a namespace's
 * inode number. The socket's namespace stands in.
 */
static __always_inline void read_device(struct view *view)
{
	const struct net_device *dev = SKB(view)->dev;
	const struct sock *sk = SKB(view)->sk;
	const struct net *net = NULL;
	u32 inum = 0;

	view->ifindex = 0;
	view->dev = 0;
	if (dev) {
		if (!bpf_probe_read_kernel(&net, sizeof(net), &dev->nd_net.net) && net)
			inum = inum_of(net);
		if (inum) {
			bpf_probe_read_kernel(&view->ifindex, sizeof(view->ifindex), &dev->ifindex);
			view->dev = (u64)dev;
		}
	}
	if (!inum && sk) {
		net = NULL;
		if (!bpf_probe_read_kernel(&net, sizeof(net), &sk->__sk_common.skc_net.net) && net)
			inum = inum_of(net);
	}
	view->netns = inum;
}

/*
 * The first bytes, linear part only. Which header is where is the skb's word; a receive path that
 * has not set the network header yet (0 since allocation) has its data pointer there.
 */
static __always_inline void read_headers(struct view *view)
{
	const struct sk_buff *skb = SKB(view);
	u32 mac = skb->mac_header, network = skb->network_header;
	u32 data = (u32)(skb->data - skb->head), tail = skb->tail;
	u32 start, size;

	view->ethernet = false;
	view->ip = false;
	view->network = 0;
	view->captured = 0;
	view->wire = 0;
	if (network == 0 && mac != UNSET_MAC && mac + ETHERNET_BYTES <= data)
		network = data;
	if (network == 0 || network >= tail)
		return;
	if (mac != UNSET_MAC && mac + ETHERNET_BYTES <= network && network - mac < 64) {
		view->ethernet = true;
		start = mac;
	} else {
		start = network;
	}
	size = tail - start;
	if (size > FILTER_SCRATCH)
		size = FILTER_SCRATCH;
	size = bounded(size, 0x1ff);
	if (size > FILTER_SCRATCH ||
	    bpf_probe_read_kernel(view->header, size, skb->head + start) != 0) {
		view->ethernet = false;
		return;
	}
	view->ip = true;
	view->captured = size;
	view->network = network - start;
	view->wire = skb->len + data - start;
}

static __always_inline u8 load8(const struct view *view, u32 offset)
{
	return view->header[bounded(offset, 0xff)];
}

static __always_inline u16 load16(const struct view *view, u32 offset)
{
	return (u16)load8(view, offset) << 8 | load8(view, offset + 1);
}

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58, SCTP = 132, UDPLITE = 136, DCCP = 33 };

static __always_inline void read_ports(const struct view *view, u32 offset, struct event *event)
{
	u8 protocol = event->l4_protocol;

	if (offset + 8 > view->captured)
		return;
	if (protocol == TCP || protocol == UDP || protocol == SCTP || protocol == UDPLITE ||
	    protocol == DCCP) {
		event->sport = load16(view, offset);
		event->dport = load16(view, offset + 2);
		if (protocol == TCP && offset + 14 <= view->captured)
			event->l4_flags = load8(view, offset + 13);
	} else if (protocol == ICMP || protocol == ICMP6) {
		u8 type = load8(view, offset);

		event->sport = load16(view, offset);
		if (protocol == ICMP ? type == 0 || type == 8 || type == 13 || type == 14
				     : type == 128 || type == 129)
			event->dport = load16(view, offset + 4);
	}
}

/* Fills family … daddr of an event whose fields are zero. EVENT_TUPLE says that it could be read.
 */
static __always_inline void read_tuple(const struct view *view, struct event *event)
{
	u32 at = view->network, captured = view->captured;
	u16 protocol = event->protocol;
	u8 version;

	if (!view->ip || at + 20 > captured)
		return;
	version = load8(view, at) >> 4;
	if (version == 4 && (protocol == 0x0800 || protocol == 0)) {
		u32 header = (load8(view, at) & 0xf) * 4;

		if (header < 20)
			return;
		event->family = 4;
		event->l4_protocol = load8(view, at + 9);
		__builtin_memcpy(event->saddr, view->header + bounded(at + 12, 0xff), 4);
		__builtin_memcpy(event->daddr, view->header + bounded(at + 16, 0xff), 4);
		/* Later fragments carry no L4 header. */
		if ((load16(view, at + 6) & 0x1fff) == 0)
			read_ports(view, at + header, event);
		event->flags |= EVENT_TUPLE;
	} else if (version == 6 && (protocol == 0x86dd || protocol == 0) && at + 40 <= captured) {
		u32 offset = at + 40;
		u8 next = load8(view, at + 6);

		event->family = 6;
		__builtin_memcpy(event->saddr, view->header + bounded(at + 8, 0xff), 16);
		__builtin_memcpy(event->daddr, view->header + bounded(at + 24, 0xff), 16);
#pragma unroll
		for (int i = 0; i < 4; i++) {
			/* hop-by-hop, routing, fragment, destination options */
			if (next != 0 && next != 43 && next != 44 && next != 60)
				break;
			if (offset + 8 > captured)
				break;
			if (next == 44 && (load16(view, offset + 2) & 0xfff8) != 0) {
				next = load8(view, offset);
				offset = captured;
				break;
			}
			u32 size = next == 44 ? 8 : (load8(view, offset + 1) + 1) * 8;

			next = load8(view, offset);
			offset += size;
		}
		event->l4_protocol = next;
		read_ports(view, offset, event);
		event->flags |= EVENT_TUPLE;
	}
}

#endif
