/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header that both sides share: the records on the ring buffer, the counters and the
 * settings. Plain C types only. Include <linux/types.h> (helper) or kernel.h (BPF) first.
 */
#ifndef PACKET_TRAIL_EVENT_H
#define PACKET_TRAIL_EVENT_H

/* Bytes of a packet that a filter may read, and what a filter program's buffer holds at least. */
#define FILTER_SCRATCH 256

/* The 64-bit immediates that mark a filter slot in the compiled program: `r0 = … ll`, two
 * instructions. */
#define SLOT_ETHERNET 0x746f6c532074654eULL
#define SLOT_IP	      0x746f6c5320205049ULL

/* A function hook's cookie: hook id, 1-based position of the skb argument, and these. */
#define COOKIE_POSITION_SHIFT 32
#define COOKIE_FREE	      (1ULL << 40) /* the skb is over when this function is entered */
#define COOKIE_NO_BIRTH	      (1ULL << 41) /* the skb's bytes may be gone: follow no new packet */
#define COOKIE_QUIET	      (1ULL << 42) /* here for identity alone */

enum record_type {
	RECORD_EVENT = 1, /* struct event */
	RECORD_STACK = 2, /* struct event_with_stack */
	RECORD_IFACE = 3, /* struct iface_record */
};

enum event_flag {
	EVENT_FREE = 1,	 /* the packet's last event */
	EVENT_DROP = 2,	 /* reason and location (in caller) are set */
	EVENT_TUPLE = 4, /* family … l4_flags were read from the packet */
};

/* Numbers of the stream format's parent part. */
enum edge {
	EDGE_NONE = 0,
	EDGE_CLONE = 1,
	EDGE_COPY = 2,
	EDGE_SEGMENT = 3,
	EDGE_FRAGMENT = 4,
};

#define STACK_DEPTH 24

/* One hit of a hook. */
struct event {
	__u16 type; /* enum record_type */
	__u16 cpu;
	__u32 hook;
	__u64 time; /* CLOCK_MONOTONIC, ns */
	__u64 packet;
	__u64 parent; /* packet id; 0 = none */
	__u64 skb;
	__u64 caller; /* return address of the hooked function, or the drop's location */
	__u32 pid;    /* thread id */
	__u32 netns;  /* inode number; 0 = unknown */
	__u32 ifindex;
	__u32 mark;
	__u32 len;
	__u32 reason;
	__u16 protocol; /* EtherType, host order */
	__u8 flags;	/* enum event_flag */
	__u8 edge;	/* enum edge */
	__u8 family;	/* 4, 6, 0 = not IP */
	__u8 l4_protocol;
	__u8 l4_flags;
	__u8 reserved;
	__u16 sport; /* host order; ICMP: type << 8 | code */
	__u16 dport; /* host order; ICMP echo: identifier */
	__u8 saddr[16];
	__u8 daddr[16];
	char comm[16];
	__u8 padding[4];
};
_Static_assert(sizeof(struct event) == 136, "both sides agree on the event's size");

struct event_with_stack {
	struct event event;
	__u64 stack[STACK_DEPTH]; /* innermost first, 0 ends it */
};
_Static_assert(sizeof(struct event_with_stack) == 136 + 8 * STACK_DEPTH, "no padding");

/* The name of an interface, before the first event that carries it. */
struct iface_record {
	__u16 type;
	__u16 reserved;
	__u32 netns;
	__u32 ifindex;
	char name[16];
};
_Static_assert(sizeof(struct iface_record) == 28, "no padding");

/* Per CPU, only ever growing. */
struct counters {
	__u64 sent;	  /* events wanted: delivered to the ring buffer or lost */
	__u64 lost_ring;  /* no room in the ring buffer */
	__u64 lost_table; /* a packet matched and could not be followed */
	__u64 packets;	  /* packets followed so far */
	__u64 ended;	  /* of them, freed */
	__u64 hits;	  /* runs of the function programs */
};

/* What the person asked for; in read-only data, fixed before load. */
struct settings {
	__u32 netns; /* 0 = any */
	__u32 ifindex;
	__u32 mark;
	__u32 mark_mask; /* 0 = any mark */
	__u32 cpus;	 /* possible CPUs */
	__u32 wakeup;	 /* bytes in the ring buffer that wake the reader */
	__u8 match_all;	 /* the filter is empty: packets without readable headers match too */
	__u8 follow;
	__u8 stack;
	__u8 drop_reason; /* the kfree_skb tracepoint has a reason argument */
};

#endif
