/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reading a packet: the skb, its device, its first bytes, its tuple. Where the kernel allows it
 * (settings.direct) by plain loads, each some instructions; elsewhere by one copy of the skb and
 * one of the bytes.
 */
#ifndef PACKET_TRAIL_HEADERS_H
#define PACKET_TRAIL_HEADERS_H

#include "pages.h"
#include "state.h"

#define ETHERNET_BYTES 14
#define UNSET_MAC      0xffff /* skb_mac_header_was_set() */

/* Namespace inodes are handed out from PROC_DYNAMIC_FIRST (fs/proc/generic.c) up; fixed ones sit
 * just below. */
#define FIRST_INUM 0xefffff00U

/* The skb as its fields can be read: itself, or the copy. NULL when it can't be read. */
static __always_inline const struct sk_buff *skb_fields(struct view *view, u64 skb)
{
	u32 size = bpf_core_type_size(struct sk_buff);

	if (settings.direct)
		return POINTER(struct sk_buff, skb);
	if (size > SKB_COPY)
		size = SKB_COPY;
	if (bpf_probe_read_kernel(view->copy, size, (const void *)skb))
		return NULL;
	return (const struct sk_buff *)view->copy;
}

/*
 * The VLAN tag that a device took out of the frame, or puts into it: its Ethernet type and below it
 * the tag, as skb_vlan_tag_present() and skb_vlan_tag_get() say it (include/linux/if_vlan.h); 0 =
 * none.
 */
static __always_inline u32 tag_beside(u64 address)
{
	const struct sk_buff___present *bit = (const void *)address;
	const struct sk_buff *skb = (const void *)address;
	u16 type = 0, tag = 0;

	if (bpf_core_field_exists(bit->vlan_present) &&
	    !BPF_CORE_READ_BITFIELD_PROBED(bit, vlan_present))
		return 0;
	bpf_probe_read_kernel(&type, sizeof(type), &skb->vlan_proto);
	bpf_probe_read_kernel(&tag, sizeof(tag), &skb->vlan_tci);
	return type ? (u32)bpf_ntohs(type) << 16 | tag : 0;
}

/* What a filter needs: where the bytes are. False when that is no skb. */
static __always_inline bool read_shape(struct view *view, const struct sk_buff *skb)
{
	view->head = (u64)skb->head;
	view->data = (u64)skb->data;
	view->tail = skb->tail;
	view->len = skb->len;
	view->data_len = skb->data_len;
	view->end = skb->end;
	view->network_header = skb->network_header;
	view->mac_header = skb->mac_header;
	/* Kernel addresses have their top bit set; loads that fault give 0. */
	return view->head >> 63;
}

static __always_inline void read_owner(struct view *view, const struct sk_buff *skb)
{
	view->skb_dev = (u64)skb->dev;
	view->skb_sk = (u64)skb->sk;
}

/* Reads the skb's fields. False when it can't be read. */
static __always_inline bool read_skb(struct view *view, u64 address)
{
	const struct sk_buff *skb = skb_fields(view, address);

	if (!skb || !read_shape(view, skb))
		return false;
	read_owner(view, skb);
	view->mark = skb->mark;
	view->protocol = skb->protocol;
	return true;
}

static __always_inline u32 inum_of(const struct net *net)
{
	u32 inum = 0;

	if (settings.direct)
		inum = POINTER(struct net, net)->ns.inum;
	else
		bpf_probe_read_kernel(&inum, sizeof(inum), &net->ns.inum);
	return inum >= FIRST_INUM ? inum : 0;
}

static __always_inline const struct net *net_of_device(const struct net_device *dev)
{
	const struct net *net = NULL;

	if (settings.direct)
		net = POINTER(struct net_device, dev)->nd_net.net;
	else
		bpf_probe_read_kernel(&net, sizeof(net), &dev->nd_net.net);
	return net;
}

static __always_inline const struct net *net_of_socket(const struct sock *sk)
{
	const struct net *net = NULL;

	if (settings.direct)
		net = POINTER(struct sock, sk)->__sk_common.skc_net.net;
	else
		bpf_probe_read_kernel(&net, sizeof(net), &sk->__sk_common.skc_net.net);
	return net;
}

/* Sets the namespace, if it is one. */
static __always_inline bool read_netns(struct view *view, const struct net *net)
{
	u32 inum = net ? inum_of(net) : 0;

	view->netns = inum;
	view->net = inum ? (u64)net : 0;
	return inum;
}

/*
 * Device and namespace. skb->dev shares its place with an rb-tree node and with dev_scratch
 * (sk_buff's first union), so what it leads to is believed only when it ends in a namespace's
 * inode number. The socket's namespace stands in.
 */
static __always_inline void read_device(struct view *view)
{
	const struct net_device *dev = (const void *)view->skb_dev;
	const struct sock *sk = (const void *)view->skb_sk;

	view->ifindex = 0;
	view->dev = 0;
	if (dev && read_netns(view, net_of_device(dev))) {
		if (settings.direct)
			view->ifindex = POINTER(struct net_device, dev)->ifindex;
		else
			bpf_probe_read_kernel(&view->ifindex, sizeof(view->ifindex), &dev->ifindex);
		view->dev = (u64)dev;
		return;
	}
	read_netns(view, sk ? net_of_socket(sk) : NULL);
}

/* Copies at least `extent` bytes, which are at most FILTER_SCRATCH, by plain loads. */
static __always_inline void copy_words(u64 *to, u64 from, u32 extent)
{
	const struct words *words = (const void *)POINTER(struct rusage, from);

#pragma unroll
	for (int i = 0; i < 3; i++)
		to[i] = words->word[i];
	if (extent <= 24)
		return;
#pragma unroll
	for (int i = 3; i < 6; i++)
		to[i] = words->word[i];
	if (extent <= 48)
		return;
#pragma unroll
	for (int i = 6; i < 10; i++)
		to[i] = words->word[i];
	if (extent <= 80)
		return;
#pragma unroll
	for (int i = 10; i < 18; i++)
		to[i] = words->word[i];
	if (extent <= 144)
		return;
	words = (const void *)POINTER(struct rusage, from + 144);
#pragma unroll
	for (int i = 0; i < 14; i++)
		to[i + 18] = words->word[i];
}

/* Where a packet's first bytes are: offsets from the skb's head. */
struct shape {
	u64 head;
	u32 data;
	u32 tail;
	u32 len;
	u32 network;
	u32 mac;
	u32 start; /* of the first header that is there */
	u32 wire;  /* bytes of the packet from there on */
	u32 tag;   /* tag_beside() */
	bool ethernet;
};

/*
 * Sets start, ethernet and wire. Which header is where is the skb's word; a receive path that has
 * not set the network header yet (0 since allocation) has its data pointer there. False when there
 * is none, or it isn't in the linear part, nor right behind that.
 */
static __always_inline bool find_header(struct shape *shape)
{
	u32 mac = shape->mac, network = shape->network;

	if (network == 0 && mac != UNSET_MAC && mac + ETHERNET_BYTES <= shape->data)
		network = shape->data;
	if (network == 0 || network > shape->tail)
		return false;
	shape->network = network;
	shape->ethernet = mac != UNSET_MAC && mac + ETHERNET_BYTES <= network && network - mac < 64;
	shape->start = shape->ethernet ? mac : network;
	shape->wire = shape->len + shape->data - shape->start;
	return true;
}

static __always_inline bool is_nonlinear(u64 address)
{
	const struct sk_buff *skb = (const void *)address;
	u32 data_len = 0;

	bpf_probe_read_kernel(&data_len, sizeof(data_len), &skb->data_len);
	return data_len != 0;
}

/* A field of struct sk_buff in a copy that begins at this offset of it. */
#define PART_OF(copy, begin, field)                                                                \
	({                                                                                         \
		u32 at_ = bpf_core_field_offset(struct sk_buff, field) - (begin);                  \
		asm volatile("" : "+r"(at_));                                                      \
		*(typeof(((struct sk_buff *)0)->field) *)((u8 *)(copy) + at_);                     \
	})

/* What a filter needs of an skb that nobody knows yet, by plain loads. */
static __always_inline void read_quick_shape_direct(struct shape *shape, u64 address)
{
	const struct sk_buff *skb = POINTER(struct sk_buff, address);
	u32 network = bpf_core_field_offset(struct sk_buff, network_header);

	shape->head = (u64)skb->head;
	shape->data = (u32)((u64)skb->data - shape->head);
	shape->tail = skb->tail;
	shape->len = settings.wire ? skb->len : 0;
	/* Side by side on every kernel so far: one load for both. */
	if (bpf_core_field_offset(struct sk_buff, mac_header) == network + 2) {
		u64 both = read_word(address + network);

		shape->network = (u16)both;
		shape->mac = (u16)(both >> 16);
	} else {
		shape->network = skb->network_header;
		shape->mac = skb->mac_header;
	}
}

/* The same by one copy of what lies between the length and the data pointer. */
static __always_inline bool read_quick_shape_copied(struct shape *shape, u64 address)
{
	u32 begin = bpf_core_field_offset(struct sk_buff, len) & ~7U;
	u32 end = bpf_core_field_offset(struct sk_buff, data) + sizeof(u64);
	u64 copy[SKB_PART / 8];

	if (end - begin > SKB_PART ||
	    bpf_probe_read_kernel(copy, end - begin, (const void *)address + begin))
		return false;
	shape->head = (u64)PART_OF(copy, begin, head);
	shape->data = (u32)((u64)PART_OF(copy, begin, data) - shape->head);
	shape->tail = PART_OF(copy, begin, tail);
	shape->len = PART_OF(copy, begin, len);
	shape->network = PART_OF(copy, begin, network_header);
	shape->mac = PART_OF(copy, begin, mac_header);
	return true;
}

/* False when that is no skb. */
static __always_inline bool read_quick_shape(struct shape *shape, u64 address)
{
	if (settings.direct)
		read_quick_shape_direct(shape, address);
	else if (!read_quick_shape_copied(shape, address))
		return false;
	shape->tag = settings.tag ? tag_beside(address) : 0;
	/* Kernel addresses have their top bit set; loads that fault give 0. */
	return shape->head >> 63;
}

/*
 * At least `extent` of a packet's `captured` bytes; what follows is not for use. `room` is a
 * constant, at least `extent`.
 */
static __always_inline bool read_header(void *to, u32 room, u64 from, u32 captured, u32 extent)
{
	u32 size;

	if (settings.direct) {
		copy_words(to, from, extent);
		return true;
	}
	size = bounded(captured < extent ? captured : extent, 0x1ff);
	return size <= room && !bpf_probe_read_kernel(to, size, (const void *)from);
}

/*
 * The first bytes: `extent` of them are there where the packet has as many, the rest of `captured`
 * is not.
 */
static __always_inline void read_bytes(struct view *view, u32 extent)
{
	struct shape shape = {
		.head = view->head,
		.data = (u32)(view->data - view->head),
		.tail = view->tail,
		.len = view->len,
		.network = view->network_header,
		.mac = view->mac_header,
	};
	u32 size;

	view->ethernet = false;
	view->ip = false;
	view->network = 0;
	view->captured = 0;
	view->wire = 0;
	if (!find_header(&shape))
		return;
	size = shape.tail - shape.start;
	if (size > FILTER_SCRATCH)
		size = FILTER_SCRATCH;
	if (size &&
	    !read_header(view->header, FILTER_SCRATCH, shape.head + shape.start, size, extent))
		return;
	if (size < extent && view->data_len)
		size = read_fragments(view->header, size, extent, view->head + view->end);
	if (shape.start + size <= shape.network)
		return;
	view->ethernet = shape.ethernet;
	view->ip = true;
	view->captured = size;
	view->network = shape.network - shape.start;
	view->wire = shape.wire;
}

static __always_inline u8 load8(const struct view *view, u32 offset)
{
	return view->header[bounded(offset, 0xff)];
}

/* Both processors load from any address. */
static __always_inline u16 load16(const struct view *view, u32 offset)
{
	return bpf_ntohs(*(const u16 *)&view->header[bounded(offset, 0xff)]);
}

/* Is an IPv6 header of this type one that others follow? */
static __always_inline bool is_extension(u8 next)
{
	/* hop-by-hop, routing, fragment, destination options */
	return next == 0 || next == 43 || next == 44 || next == 60;
}

/* Enough for an Ethernet header, IPv4 without options, and TCP as far as its flags; and for a
 * VLAN's Ethernet header and IPv6. */
#define USUAL_EXTENT 48
#define IPV6_EXTENT  80

/* How many bytes read_tuple() may look at, by the first USUAL_EXTENT of them. */
static __always_inline u32 headers_extent(const struct view *view)
{
	u8 first = load8(view, view->network);

	if (first == 0x45 && view->network <= USUAL_EXTENT - 20 - 14)
		return USUAL_EXTENT;
	if (first >> 4 == 6 && view->network <= IPV6_EXTENT - 40 - 14 &&
	    !is_extension(load8(view, view->network + 6)))
		return IPV6_EXTENT;
	return FILTER_SCRATCH;
}

/* Instead of read_headers(), where the bytes aren't the skb's. */
static __always_inline void no_headers(struct view *view)
{
	view->ip = false;
	view->captured = 0;
}

/* Reads the first bytes: all that read_tuple() may look at. Needs read_skb() first. */
static __always_inline void read_headers(struct view *view)
{
	u32 extent;

	read_bytes(view, USUAL_EXTENT);
	if (view->captured < USUAL_EXTENT)
		return;
	extent = headers_extent(view);
	if (extent != USUAL_EXTENT)
		read_bytes(view, extent);
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

/* Fills family … daddr of an event whose fields are zero. EVENT_TUPLE: they could be read. */
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
			if (!is_extension(next))
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
