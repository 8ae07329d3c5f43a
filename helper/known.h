/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a classic BPF program's state before an instruction, whatever the packet is: so
 * that no test is emitted twice, and a filter that no packet can match is told from one that some
 * can.
 */
#ifndef PACKET_TRAIL_KNOWN_H
#define PACKET_TRAIL_KNOWN_H

#include <stdbool.h>
#include <linux/types.h>

/* How far A is the packet's: the addresses of an Ethernet header that isn't there yet aren't. */
enum truth {
	TRUE,
	TRUE_FIRST, /* a byte of which the lowest bit is: to one, or to a group */
	TRUE_ALL,   /* it is known whether all bits are set: to all */
	UNKNOWN,
};

struct known {
	bool reached;
	__u16 tested; /* bytes known to be captured */
	enum truth truth;
	__u32 low; /* A is in low … high */
	__u32 high;
};

/* Of an instruction to which one more way leads. */
void known_merge(struct known *known, const struct known *way);

/* A is any value of so many bytes. */
void known_load(struct known *known, unsigned int size);

/* A = A op k, an operation of BPF_ALU; `from_x`: by X instead. */
void known_alu(struct known *known, __u8 operation, bool from_x, __u32 k);

/*
 * What is known where a comparison of A with k says yes, and where it says no; `reached` is false
 * where it never does.
 */
void known_jump(const struct known *known, __u8 operation, bool with_x, __u32 k, struct known *yes,
		struct known *no);

/* Does this comparison say what it will say of the whole packet? */
bool known_certain(const struct known *known, __u8 operation, bool with_x, __u32 k);

#endif
