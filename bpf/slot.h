/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The filter slots: two functions into which the helper writes before load. In each a marker stands
 * where the filter goes, which finds data, wire and captured length in r1 … r3 and leaves its
 * answer in r0.
 */
#ifndef PACKET_TRAIL_SLOT_H
#define PACKET_TRAIL_SLOT_H

#include "state.h"

#define STRING(x) #x
#define EXPAND(x) STRING(x)
#define SLOT(name, marker)                                                                         \
	static __attribute__((noinline)) u64 name(const u8 *data, u64 wire, u64 captured)          \
	{                                                                                          \
		register const u8 *first asm("r1") = data;                                         \
		register u64 second asm("r2") = wire;                                              \
		register u64 third asm("r3") = captured;                                           \
		register u64 matched asm("r0");                                                    \
		asm volatile("r0 = " EXPAND(marker) " ll"                                          \
			     : "=r"(matched), "+r"(first), "+r"(second), "+r"(third)               \
			     :                                                                     \
			     : "r4", "r5", "memory");                                              \
		return matched;                                                                    \
	}

SLOT(slot_ethernet, 0x746f6c532074654e)
SLOT(slot_ip, 0x746f6c5320205049)

/* Does the packet's text match the filter? Needs read_bytes() with filter_extent first. */
static __always_inline bool filter_matches(struct view *view)
{
	if (!view->ip)
		return match_all;
	if (view->ethernet)
		return slot_ethernet(view->header, view->wire, view->captured) != 0;
	return slot_ip(view->header, view->wire, view->captured) != 0;
}

#endif
