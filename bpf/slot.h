/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The filter slots: two functions into which the helper writes before load. In each a marker stands
 * where the filter goes, which leaves its answer in r0. A filter may use r6 … r9 as well: nothing
 * here needs them afterwards, and the caller's own are saved by the call.
 */
#ifndef PACKET_TRAIL_SLOT_H
#define PACKET_TRAIL_SLOT_H

#define STRING(x) #x
#define EXPAND(x) STRING(x)
#define SLOT(name, marker)                                                                         \
	static __attribute__((noinline)) u64 name(const u8 *data, u64 wire, u64 captured)          \
	{                                                                                          \
		u64 matched;                                                                       \
		asm volatile("r1 = %[data]\n\t"                                                    \
			     "r2 = %[wire]\n\t"                                                    \
			     "r3 = %[captured]\n\t"                                                \
			     "r0 = " EXPAND(marker) " ll\n\t"                                      \
						    "%[matched] = r0\n\t"                          \
			     : [matched] "=r"(matched)                                             \
			     : [data] "r"(data), [wire] "r"(wire), [captured] "r"(captured)        \
			     : "r0", "r1", "r2", "r3", "r4", "r5", "memory");                      \
		return matched;                                                                    \
	}

SLOT(slot_ethernet, 0x746f6c532074654e)
SLOT(slot_ip, 0x746f6c5320205049)

/* Does the packet's text match the filter? Needs read_headers() first. */
static __always_inline bool filter_matches(struct view *view)
{
	if (!view->ip)
		return settings.match_all;
	if (view->ethernet)
		return slot_ethernet(view->header, view->wire, view->captured) != 0;
	return slot_ip(view->header, view->wire, view->captured) != 0;
}

#endif
