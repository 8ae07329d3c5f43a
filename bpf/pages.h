/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A packet's bytes that lie in pages: those behind the linear part, in the skb's first fragments.
 * The payload that a program sends is there, and headers too, where a device put the whole frame
 * into a page (virtio_net, of frames above 128 bytes) and nobody has pulled them yet.
 */
#ifndef PACKET_TRAIL_PAGES_H
#define PACKET_TRAIL_PAGES_H

#include "state.h"

/* Of so many of a packet's fragments. */
#define FRAGMENTS 3

/* skb_frag_t: a page of the kernel's, or something else with the lowest bit set (netmem.h). */
struct fragment {
	u64 page;
	u32 length;
	u32 offset;
};

/*
 * The variables that tell where the kernel has its pages, and what describes them
 * (arch/x86/mm/kaslr.c); 0 = not known: on arm64 they are constants that the kernel doesn't tell.
 */
volatile const __u64 page_offset_base_at = 0;
volatile const __u64 vmemmap_base_at = 0;

#define PAGE_BYTES 4096 /* x86 */

/* page_address(): where the bytes of a page are; 0 = not known. */
static __always_inline u64 address_of_page(u64 page)
{
	u64 pages = 0, descriptions = 0;

	if (!page_offset_base_at || !vmemmap_base_at || page & 1 ||
	    bpf_probe_read_kernel(&pages, sizeof(pages), (const void *)page_offset_base_at) ||
	    bpf_probe_read_kernel(&descriptions, sizeof(descriptions),
				  (const void *)vmemmap_base_at))
		return 0;
	return pages + (page - descriptions) / bpf_core_type_size(struct page) * PAGE_BYTES;
}

/*
 * Reads on behind the bytes that the view has, until there are `extent` of them, at most
 * FILTER_SCRATCH; its header has room for twice as many. How many there are is in memory all the
 * time: the verifier doesn't follow it there, so that what comes next is one way to it, not one a
 * fragment.
 */
static __always_inline void read_fragments(struct view *view, u32 extent)
{
	u64 end = view->head + view->end, address;
	const struct skb_shared_info *info = (const void *)end;
	u64 fragments = end + bpf_core_field_offset(struct skb_shared_info, frags);
	volatile u32 *captured = &view->captured;
	struct fragment fragment;
	u32 size, have;
	u8 count = 0;

	bpf_probe_read_kernel(&count, sizeof(count), &info->nr_frags);
#pragma unroll
	for (u32 i = 0; i < FRAGMENTS; i++) {
		have = *captured;
		if (have >= extent || i >= count ||
		    bpf_probe_read_kernel(&fragment, sizeof(fragment),
					  (const void *)(fragments + i * sizeof(fragment))))
			break;
		address = address_of_page(fragment.page);
		size = extent - have < fragment.length ? extent - have : fragment.length;
		size = bounded(size, 0x1ff);
		if (!address || size > FILTER_SCRATCH ||
		    bpf_probe_read_kernel(view->header + bounded(have, 0xff), size,
					  (const void *)(address + fragment.offset)))
			break;
		*captured = have + size;
	}
}

#endif
