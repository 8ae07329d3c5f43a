/* SPDX-License-Identifier: Apache-2.0 */
/* An event of an ICMP packet, for tests. */
#ifndef PACKET_TRAIL_SOME_EVENT_H
#define PACKET_TRAIL_SOME_EVENT_H

#include "../../bpf/event.h"

static inline struct event some_event(void)
{
	struct event event = {
		.type = RECORD_EVENT,
		.cpu = 1,
		.hook = 5,
		.time = 1000,
		.packet = 7,
		.skb = 0x1122334455667788,
		.caller = 0x1010,
		.pid = 42,
		.netns = 2,
		.ifindex = 3,
		.len = 84,
		.protocol = 0x0800,
		.flags = EVENT_TUPLE,
		.family = 4,
		.l4_protocol = 1,
		.sport = 0x0800,
		.dport = 9,
		.saddr = {10, 0, 0, 1},
		.daddr = {10, 0, 0, 2},
	};

	return event;
}

#endif
