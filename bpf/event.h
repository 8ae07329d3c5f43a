/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header that both sides share: the records on the ring buffer, the counters and the
 * settings. Plain C types only.
 */
#ifndef PACKET_TRAIL_EVENT_H
#define PACKET_TRAIL_EVENT_H

#include <linux/types.h>

/* Bytes of a packet that a filter may read, and what a filter program's buffer holds at least. */
#define FILTER_SCRATCH 256

/* What a filter says: 0 = no. */
#define FILTER_YES   1
#define FILTER_SHORT 2 /* not by these bytes: it looks behind them */

/* Bytes that a short filter finds on a program's stack. */
#define FIXED_EXTENT 80

/* The 64-bit immediates that mark a filter slot in the compiled program: `r0 = … ll`, two
 * instructions. */
#define SLOT_ETHERNET 0x746f6c532074654eULL
#define SLOT_IP	      0x746f6c5320205049ULL

/*
 * The same marks where the id of a BPF program's hook goes; a load at this offset of the context
 * follows it where the program's return value is wanted.
 */
#define PROGRAM_HOOK	0x6b6f6f4820464250
#define PROGRAM_VERDICT 88
/* Beside the id: */
#define PROGRAM_INNER	     (1ULL << 32) /* it runs inside another program (freplace) */
#define PROGRAM_FILTER_SHIFT 33		  /* which filter it was made with: the bits from here on */

/* A function hook's cookie: hook id, 1-based position of the skb argument, and these. */
#define COOKIE_POSITION_SHIFT 32
#define COOKIE_FREE	      (1ULL << 40) /* the skb is over when this function is entered */
#define COOKIE_NO_BIRTH	      (1ULL << 41) /* the skb's end has begun: follow no new packet */
#define COOKIE_NO_BYTES	      (1ULL << 42) /* its bytes may be another's: see no_bytes_at() */
#define COOKIE_DOUBTFUL	      (1ULL << 43) /* any argument may be the skb: look at what is there */
#define COOKIE_FRAGMENT	      (1ULL << 44) /* the first argument becomes a fragment of the skb */
#define COOKIE_WHOLE	      (1ULL << 45) /* the skb becomes what fragments are put together to */
#define COOKIE_SILENT	      (1ULL << 46) /* the hook sends no events */
#define COOKIE_QUEUED	      (1ULL << 47) /* the skb waits in the first argument, a queue of fragments */
#define COOKIE_JOINED	      (1ULL << 48) /* the skb is what was put together from that queue */
/* Part of packets' identity: never shed. */
#define COOKIE_IDENTITY                                                                            \
	(COOKIE_FREE | COOKIE_FRAGMENT | COOKIE_WHOLE | COOKIE_QUEUED | COOKIE_JOINED)

/* A place of the table of cookies: that of an address, or those of addresses that came before. */
struct cookie {
	__u64 address;
	__u64 cookie; /* 0 = not there */
};

#define COOKIES		      8192 /* places, a power of two */
#define COOKIE_PROBES	      4	   /* places after its own where an address may be */
#define COOKIE_PLACE(address) ((__u32)(((address)*0x9e3779b97f4a7c15ULL) >> 40) % COOKIES)

/* What the helper and the function programs tell each other of a hook, when there is a budget. */
struct gate {
	__u64 hits; /* sampled: one of GATE_SAMPLE on each CPU */
	__u64 shut; /* the hook does nothing any more */
};

/* Runs of programs on one CPU; those beyond the last share, and are counted still. */
struct hits {
	__u64 functions;
	__u64 programs; /* hooks on BPF programs */
	__u32 newest; /* number of the filter of the hook that last looked which is in force … */
	__u32 in_force; /* … and what it saw */
	__u64 apart[5]; /* from another CPU's, in the cache */
};

#define PLACES	    65536 /* packets that are found by one look: bpf/identity.h */
#define HIT_COUNTS  512	  /* a power of two */

#define GATES	    8192 /* hook ids that have one; others are never shut */
#define GATE_SAMPLE 8

/* Tracepoints that packets pass. */
enum point { POINT_RECEIVE, POINT_RX, POINT_QUEUE, POINT_START_XMIT, POINTS };

enum record_type {
	RECORD_EVENT = 1,   /* struct event */
	RECORD_STACK = 2,   /* struct event_with_stack */
	RECORD_IFACE = 3,   /* struct iface_record */
	RECORD_PARENTS = 4, /* struct event_with_parents */
	RECORD_NETNS = 5,   /* struct netns_record */
};

enum event_flag {
	EVENT_FREE = 1,	   /* the packet's last event */
	EVENT_DROP = 2,	   /* reason and location (in caller) are set */
	EVENT_TUPLE = 4,   /* family … l4_flags were read from the packet */
	EVENT_VERDICT = 8, /* a BPF program returned: verdict is set */
};

/* Numbers of the stream format's Direction. */
enum program_direction { PROGRAM_ANYWHERE = 0, PROGRAM_INGRESS = 1, PROGRAM_EGRESS = 2 };

/* Numbers of the stream format's parent part. */
enum edge {
	EDGE_NONE = 0,
	EDGE_CLONE = 1,
	EDGE_COPY = 2,
	EDGE_SEGMENT = 3,
	EDGE_FRAGMENT = 4,
	EDGE_REASSEMBLY = 5,
	EDGE_MERGE = 7,
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
	union {
		__u32 reason;  /* with EVENT_DROP */
		__s32 verdict; /* with EVENT_VERDICT */
	};
	__u16 protocol; /* EtherType, host order */
	__u8 flags;	/* enum event_flag */
	__u8 edge;	/* enum edge */
	__u8 family;	/* 4, 6, 0 = not IP */
	__u8 l4_protocol;
	__u8 l4_flags;
	__u8 direction; /* with EVENT_VERDICT: enum program_direction */
	__u16 sport;	/* host order; ICMP: type << 8 | code */
	__u16 dport;	/* host order; ICMP echo: identifier */
	__u8 saddr[16];
	__u8 daddr[16];
	char comm[16];	/* empty: that of the event of this CPU before */
	__u32 redirect; /* ifindex that the program redirects to; 0 = none or unknown */
};
_Static_assert(sizeof(struct event) == 136, "both sides agree on the event's size");

struct event_with_stack {
	struct event event;
	__u64 stack[STACK_DEPTH]; /* innermost first, 0 ends it */
};
_Static_assert(sizeof(struct event_with_stack) == 136 + 8 * STACK_DEPTH, "no padding");

#define PARENTS 64 /* a power of two */

/* An event for each parent but that of `event`, which is told; they differ in nothing else. */
struct event_with_parents {
	struct event event;
	__u64 count;
	__u64 parents[PARENTS];
};
_Static_assert(sizeof(struct event_with_parents) == 136 + 8 + 8 * PARENTS, "no padding");

/* The name of an interface, before the first event that carries it, and once it has another. */
struct iface_record {
	__u16 type;
	__u16 renamed;
	__u32 netns;
	__u32 ifindex;
	char name[16];
};
_Static_assert(sizeof(struct iface_record) == 28, "no padding");

/*
 * Which namespace has an inode number, before the first event that carries it, and once another
 * has. The cookie tells them apart: the kernel's own, or where it has none for each of them (before
 * 5.12) a random number of the namespace.
 */
struct netns_record {
	__u16 type;
	__u16 reserved;
	__u32 netns;
	__u64 cookie; /* 0 = not known */
};
_Static_assert(sizeof(struct netns_record) == 16, "no padding");

/* A BPF program of the kernel, as the iterator tells it. */
struct program_record {
	__u32 id;
	__u32 type;    /* enum bpf_prog_type */
	__u64 holders; /* references, ours included */
};

/* A CPU's own. */
struct counters {
	__u64 sent;	  /* events wanted: delivered to the ring buffer or lost */
	__u64 lost_ring;  /* no room in the ring buffer */
	__u64 lost_table; /* a packet matched and could not be followed */
	__u64 packets;	  /* packets followed so far */
	__u64 ended;	  /* of them, freed */
	__u64 pid;	  /* of this CPU's last event: the only one that comes and goes */
	__u64 apart[2];	  /* from another CPU's, in the cache */
};

/* What the person asked for; in read-only data, fixed before load. */
struct settings {
	__u32 netns; /* 0 = any */
	__u32 ifindex;
	__u32 mark;
	__u32 mark_mask; /* 0 = any mark */
	__u32 cpus;	 /* possible CPUs */
	__u32 places;	 /* of PLACES, those that are used, less 1: a power of two less 1 */
	__u32 wakeup;	 /* bytes in the ring buffer that wake the reader */
	__u8 follow;
	__u8 stack;
	__u8 drop_reason; /* the kfree_skb tracepoint has a reason argument */
	__u8 programs;	  /* BPF programs are hooked, XDP among them */
	__u8 direct;	  /* kernel memory can be read by plain loads: bpf_rdonly_cast() */
	__u8 multi;	  /* function hooks are kprobe.multi */
	__u8 budget;	  /* hooks are counted, and may be shut */
	__u8 points;	  /* no function hooks: tracepoints tell where packets pass and end */
	__u8 exchange;	  /* the kernel can exchange a value if it is as it should be (5.12) */
	__u8 quick; /* the filter is short enough to stand in each function program, too; there … */
	__u8 fixed;   /* … it looks at the same of each packet's first FIXED_EXTENT bytes … */
	__u8 wire;    /* … and at the packet's length … */
	__u8 tag;     /* … and at the VLAN tag beside the bytes … */
	__u32 extent; /* … and no further than this, bytes */
};

#endif
