/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reading a packet's first bytes: where they are, and one copy of them, plain loads as in skb.h. */
#ifndef PACKET_TRAIL_HEADERS_H
#define PACKET_TRAIL_HEADERS_H

#include "pages.h"
#include "skb.h"

#define ETHERNET_BYTES 14
#define UNSET_MAC      0xffff /* skb_mac_header_was_set() */

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

/* For a view of no bytes: where there are none, or they aren't the skb's. */
static __always_inline void no_headers(struct view *view)
{
	view->ethernet = false;
	view->ip = false;
	view->network = 0;
	view->captured = 0;
	view->wire = 0;
}

/* At least `extent` of those bytes that the linear part has. */
static __always_inline bool read_linear(struct view *view, u32 extent)
{
	return read_header(view->header, FILTER_SCRATCH, view->bytes, view->captured, extent);
}

/* Finds the first header and reads `extent` bytes from there, as far as the linear part goes. */
static __always_inline void begin_headers(struct view *view, u32 extent)
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

	no_headers(view);
	if (!find_header(&shape))
		return;
	size = shape.tail - shape.start;
	view->captured = size < FILTER_SCRATCH ? size : FILTER_SCRATCH;
	view->bytes = shape.head + shape.start;
	view->ethernet = shape.ethernet;
	view->ip = true;
	view->network = shape.network - shape.start;
	view->wire = shape.wire;
	if (size && !read_linear(view, extent))
		no_headers(view);
	barrier();
}

/* Reads on in fragments, where the linear part is shorter than `extent`. */
static __always_inline void end_headers(struct view *view, u32 extent)
{
	if (view->ip && view->captured < extent && view->data_len)
		read_fragments(view, extent);
	if (view->captured <= view->network)
		no_headers(view);
	barrier();
}

#endif
