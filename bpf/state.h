/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the programs share: settings, counters, per-CPU scratch, and the ring buffer. */
#ifndef PACKET_TRAIL_STATE_H
#define PACKET_TRAIL_STATE_H

#include "kernel.h"
#include "event.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* struct sk_buff has 232 … 256 bytes, by configuration. */
#define SKB_COPY    320
#define SKB_PART    128			 /* from its length to its data, which are 104 bytes */
#define HEADER_COPY (2 * FILTER_SCRATCH) /* read_fragments() */

const struct settings settings = {};

/* So that the compiler doesn't take the zeros for granted, and still reads each but once. */
static __always_inline const struct settings *settings_as_loaded(void)
{
	const struct settings *pointer = &settings;

	asm("" : "+r"(pointer));
	return pointer;
}

#define settings (*settings_as_loaded())

/* A pointer to a kernel type at this address; only where settings.direct. */
#define POINTER(type, address)                                                                     \
	((const type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)))

struct words {
	u64 word[18]; /* as many as struct rusage has */
};

static __always_inline u64 read_word(u64 address)
{
	u64 word = 0;

	if (settings.direct)
		return ((const struct words *)POINTER(struct rusage, address))->word[0];
	bpf_probe_read_kernel(&word, sizeof(word), (const void *)address);
	return word;
}

/* Keeps the compiler from moving a bound away from its use, where the verifier needs it. */
#define bounded(value, mask)                                                                       \
	({                                                                                         \
		u32 bounded_ = (value);                                                            \
		asm volatile("" : "+r"(bounded_));                                                 \
		bounded_ &= (mask);                                                                \
		bounded_;                                                                          \
	})

/* A variable that is the helper's, too, and begins with zeros. */
#define SHARED SEC(".data")

/* Set by the helper: hooks stay attached and send nothing. */
bool paused = true;

/*
 * Set by the helper: the filter that stands in the function programs is the one that holds, and
 * events are sent.
 */
SHARED bool quick = false;

/* Set by the helper when it goes to sleep until there is an event; who wakes it clears it. */
SHARED bool asleep = false;

/* Bytes of a packet that the filter can look at: set by the helper, with the filter. */
__u32 filter_extent = FILTER_SCRATCH;

/* Set by the helper, with the filter: it looks at the VLAN tag beside the bytes. */
SHARED bool filter_tag = false;

/* Set by the helper: trampolines tell where packets end, and where their bytes move (ends.h). */
SHARED bool ends = false;
SHARED bool heads = false;

/* Set by the helper: some gate is shut. */
SHARED bool any_shut = false;

/* Set by the helper: there is no filter, and packets without readable headers match, too. */
SHARED bool match_all = false;

/* What a hook adds to the packet's own fields. */
struct hit {
	u64 skb;
	u64 caller;
	u32 hook;
	u32 reason; /* the verdict with EVENT_VERDICT */
	u32 redirect;
	u8 flags;
	u8 direction;
};

/* A packet as one hook sees it. */
struct view {
	u8 header[HEADER_COPY]; /* from the MAC header, or from the network header without one */
	u64 bytes;		/* where the linear part has them */
	u32 captured;		/* bytes in header */
	u32 wire;		/* bytes of the packet from there on */
	u32 tag;		/* VLAN tag beside the bytes: tag_beside(), for the filter */
	u32 network;		/* offset of the network header in header, < 64 */
	u8 ethernet;		/* header begins with an Ethernet header */
	u8 ip;			/* network is valid */
	u8 matched;		/* the filter's answer, from one program to the next */
	u8 scratch;		/* enum scratch */
	u64 cookie;		/* of the function hook; 0 = not looked up yet */
	u64 births;		/* packets that began in this scratch */
	u32 depth;		/* programs inside of each other that have it and those behind it */
	/* Of a packet whose fragments are joined on this CPU (fragments.h), in SCRATCH_COPY alone:
	 */
	u64 whole;	/* the skb that becomes a copy of the first of its fragments */
	u64 first;	/* the skb that is the first of its fragments, and came last */
	struct hit hit; /* from one program to the next */
	u32 netns;
	u32 ifindex;
	u64 dev;
	u64 net; /* what netns is the number of */
	/* Of struct packet: read_packet(). */
	u64 key; /* the address that it is */
	u64 id;
	u64 parent;
	u64 parent_head;
	u64 last_dev; /* where it was */
	u32 last_netns;
	u32 last_ifindex;
	/* Of struct sk_buff: read_skb(). */
	u64 skb; /* its address */
	u64 head;
	u64 data;
	u32 tail;
	u32 len;
	u32 data_len; /* bytes of it that aren't in the linear part */
	u32 end;
	u32 mark;
	u16 protocol; /* network order */
	u16 network_header;
	u16 mac_header;
	u64 skb_dev;
	u64 skb_sk;
	u8 copy[SKB_COPY]; /* where it can't be read by plain loads */
};

/* A task's run of a program, a softirq's in it, an interrupt's in that. */
#define NESTED 3

/*
 * One scratch a program, since programs nest in each other. Inside itself a kprobe program never
 * runs, nor any other one of these (bpf_prog_active, kernel/trace/bpf_trace.c); a tracing program
 * doesn't since 5.12 (prog->active, kernel/bpf/trampoline.c), one of a tracepoint since 6.1
 * (__bpf_trace_run, kernel/trace/bpf_trace.c): those have a scratch for each time, by enter().
 */
enum scratch {
	SCRATCH_FUNCTION,
	SCRATCH_PROGRAM, /* tc and XDP programs run with softirqs off, one at a time */
	SCRATCH_MERGE,	 /* GRO, too */
	SCRATCH_DROP,
	SCRATCH_CONSUME = SCRATCH_DROP + NESTED,
	SCRATCH_COPY = SCRATCH_CONSUME + NESTED,
	SCRATCH_NEW_SKB = SCRATCH_COPY + NESTED,
	SCRATCH_POINT = SCRATCH_NEW_SKB + NESTED, /* so many for each tracepoint */
	SCRATCHES = SCRATCH_POINT + POINTS * NESTED,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, struct view);
} views SEC(".maps");

/*
 * By CPU. The helper reads them as memory: while it looked into a map by the bpf system call, the
 * kernel would run no function hook on that CPU (bpf_disable_instrumentation, include/linux/bpf.h).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the helper sets how many CPUs there may be */
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/*
 * Cookies of function hooks by address: with kprobe.multi the kernel looks for a cookie by halving
 * a list of all addresses, which costs more than all else that a hit does.
 */
SHARED struct cookie cookies[COOKIES] = {};

SHARED struct hits hits[HIT_COUNTS] = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GATES);
	__type(key, u32);
	__type(value, struct gate);
} gates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

static __always_inline struct counters *my_counters(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &cpu);
}

static __always_inline struct view *view_of(u32 scratch)
{
	struct view *view = bpf_map_lookup_elem(&views, &scratch);

	if (view)
		view->scratch = scratch;
	return view;
}

/* `first` is what view_of() says. */
static __always_inline struct view *view_at_depth(u32 scratch, const struct view *first)
{
	u32 depth = *(const volatile u32 *)&first->depth;

	return depth && depth <= NESTED ? view_of(scratch + depth - 1) : NULL;
}

/* Of runs inside of each other the innermost one's: what enter() said. */
static __always_inline struct view *innermost(u32 scratch)
{
	const struct view *first = view_of(scratch);

	return first ? view_at_depth(scratch, first) : NULL;
}

/*
 * The scratch of a run that may be inside of another one of the same program. Between the two steps
 * here others come and go, and leave the depth as they found it. Whoever enters leaves.
 */
static __always_inline struct view *enter(u32 scratch)
{
	struct view *first = view_of(scratch);

	if (!first)
		return NULL;
	__sync_fetch_and_add(&first->depth, 1);
	return view_at_depth(scratch, first);
}

static __always_inline void leave(u32 scratch)
{
	struct view *first = view_of(scratch);

	if (first)
		__sync_fetch_and_add(&first->depth, -1);
}

/*
 * The address that a tracing program got as a typed pointer, which can't be calculated with: memory
 * forgets the type.
 */
static __always_inline u64 plain(struct view *view, u64 pointer)
{
	volatile u64 *memory = &view->skb;

	*memory = pointer;
	return *memory;
}

/* The counters are this CPU's own, but tracing programs nest in function programs: atomic. */
#define ADD(counter) __sync_fetch_and_add(&(counter), 1)

static __always_inline struct hits *my_hits(void)
{
	return &hits[bpf_get_smp_processor_id() & (HIT_COUNTS - 1)];
}

/* Events of a CPU between looks at how full the ring buffer is; a power of two. */
#define LOOK_EVERY 64

/*
 * The reader is woken by the first event after it went to sleep. While events flow it comes by
 * itself, and is called only when the ring buffer fills faster than that.
 */
static __always_inline u64 wakeup(const struct counters *counters)
{
	if (asleep) {
		asleep = false;
		return BPF_RB_FORCE_WAKEUP;
	}
	if (counters->sent % LOOK_EVERY == 0 &&
	    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= settings.wakeup)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/*
 * Where the kernel's BTF has no variables of CPUs (5.10): the addresses of some among each CPU's
 * own, and that of the array of what is added to it there (__per_cpu_offset). From kallsyms; 0 =
 * not known.
 */
volatile const __u64 cpu_offsets_at = 0;
volatile const __u64 redirect_info_at = 0;
volatile const __u64 prog_active_at = 0;
volatile const __u64 current_kprobe_at = 0;

/* This CPU's own of such a variable; 0 = not known. Only bpf_probe_read_kernel() may read there. */
static __always_inline u64 on_this_cpu(u64 variable_at)
{
	u64 offset;

	if (!variable_at || !cpu_offsets_at ||
	    bpf_probe_read_kernel(&offset, sizeof(offset),
				  (const u64 *)cpu_offsets_at + bpf_get_smp_processor_id()))
		return 0;
	return variable_at + offset;
}

#endif
