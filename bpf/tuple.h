/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A packet's tuple: addresses, ports and what stands for them, out of its first bytes. */
#ifndef PACKET_TRAIL_TUPLE_H
#define PACKET_TRAIL_TUPLE_H

#include "headers.h"

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

/* Reads the first bytes: all that read_tuple() may look at. Needs read_skb() first. */
static __always_inline void read_headers(struct view *view)
{
	u32 extent = FILTER_SCRATCH;

	begin_headers(view, USUAL_EXTENT);
	if (view->captured >= USUAL_EXTENT) {
		extent = headers_extent(view);
		if (extent != USUAL_EXTENT)
			read_linear(view, extent);
	}
	end_headers(view, extent);
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
