/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where an skb's identity ends, and where its bytes move: at the entries and exits of the few
 * functions that each way of freeing, reusing and moving passes (net/core/skbuff.c and gro.c, 5.10
 * … 7.2). They run where kprobes don't: in an interrupt of another hook.
 *
 * Nearly every free begins with skb_release_head_state(); since 6.19 skb_attempt_defer_free() comes
 * between it and the rest. Skbs that live on pass it, too, to become something else (skb_morph(),
 * skb_segment()): their old identity ends. Three begin without it: skb_consume_udp(), where nothing
 * of the head is left to release, with kfree_skbmem(); GRO, whose merged packet has taken the
 * bytes, with napi_skb_free_stolen_head(); and GRO again, which gives the driver the same skb for
 * the next packet, with napi_reuse_skb().
 *
 * The memory may be given back once skb_release_data() or kfree_skb_partial() has returned, or
 * kfree_skbmem() begins.
 */
#ifndef PACKET_TRAIL_ENDS_H
#define PACKET_TRAIL_ENDS_H

#include "identity.h"
#include "state.h"

/* An argument of a tracing program, read as memory, which is no typed pointer then. */
static __always_inline u64 argument_of(const u64 *ctx, u32 at)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), &ctx[at]);
	return value;
}

/* void skb_release_head_state(struct sk_buff *skb) */
SEC("fentry/skb_release_head_state")
int on_release(u64 *ctx)
{
	struct counters *counters = my_counters();

	if (counters)
		packet_ends(argument_of(ctx, 0), counters);
	return 0;
}

static __always_inline int tombstone_left(u64 skb)
{
	const struct packet *entry = entry_of(skb);

	if (entry && entry->id & PACKET_OVER)
		packet_left(skb);
	return 0;
}

/* void skb_release_data(struct sk_buff *skb, …): of skbs that live on, too (pskb_expand_head()) */
SEC("fexit/skb_release_data")
int on_released(u64 *ctx)
{
	return tombstone_left(argument_of(ctx, 0));
}

/*
 * void kfree_skb_partial(struct sk_buff *skb, bool head_stolen): gives the memory back itself when
 * another skb has taken the bytes. A new packet that has the address by now is no tombstone.
 */
SEC("fexit/kfree_skb_partial")
int on_partial(u64 *ctx)
{
	return tombstone_left(argument_of(ctx, 0));
}

static __always_inline int memory_given_back(u64 skb)
{
	struct counters *counters = my_counters();

	if (counters)
		packet_over(skb, counters);
	return 0;
}

/* void kfree_skbmem(struct sk_buff *skb) */
SEC("fentry/kfree_skbmem")
int on_memory(u64 *ctx)
{
	return memory_given_back(argument_of(ctx, 0));
}

/* void napi_skb_free_stolen_head(struct sk_buff *skb) */
SEC("fentry/napi_skb_free_stolen_head")
int on_stolen(u64 *ctx)
{
	return memory_given_back(argument_of(ctx, 0));
}

/* void napi_reuse_skb(struct napi_struct *napi, struct sk_buff *skb) */
SEC("fentry/napi_reuse_skb")
int on_reuse(u64 *ctx)
{
	return memory_given_back(argument_of(ctx, 1));
}

/*
 * int pskb_expand_head(struct sk_buff *skb, …): with the new bytes it calls nothing but
 * skb_headers_offset_update(), where nobody looks at them
 */
SEC("fexit/pskb_expand_head")
int on_expanded(u64 *ctx)
{
	u64 skb = argument_of(ctx, 0);
	struct packet *packet = packet_of(skb);

	if (packet)
		packet->head = head_of(skb);
	return 0;
}

#endif
