/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The filter slots: two functions into which the helper writes before load. In each a marker stands
 * where the filter goes, which finds data, wire and captured length in r1 … r3 and leaves its
 * answer in r0. Above the wire length, from bit 32 on, is the VLAN tag beside the data.
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

/* Do the packet's bytes match the filter? Needs the first filter_extent of them to be read. */
static __always_inline bool filter_matches(struct view *view)
{
	u64 wire = (u64)view->tag << 32 | view->wire;

	if (!view->ip)
		return match_all;
	if (view->ethernet)
		return slot_ethernet(view->header, wire, view->captured) == FILTER_YES;
	return slot_ip(view->header, wire, view->captured) == FILTER_YES;
}

#endif
