/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hooks on other people's BPF programs: entry and verdict of tc programs here and of XDP programs
 * in xdp.h, and of freplace programs in them. What is loaded from here are patterns: the helper
 * copies a pattern's instructions for each program it hooks, writes the hook's id and the place of
 * the return value into the copy, and loads that as fentry or fexit of the one program
 * (helper/program_hooks.c). A pattern is a raw tracepoint program, since that needs no place to
 * attach to.
 */
#ifndef PACKET_TRAIL_PROGRAM_H
#define PACKET_TRAIL_PROGRAM_H

#include "function.h"
#include "identity.h"
#include "send.h"
#include "slot.h"
#include "state.h"
#include "tuple.h"

/* Both in one block, so that they stay side by side, as the helper looks for them. */
#define HOOK_AND_VERDICT(ctx, hook, verdict)                                                       \
	asm volatile("%[h] = " EXPAND(PROGRAM_HOOK) " ll\n\t"                                      \
						    "%[v] = *(u64 *)(%[c] + " EXPAND(              \
							    PROGRAM_VERDICT) ")\n\t"               \
		     : [h] "=&r"(hook), [v] "=&r"(verdict)                                         \
		     : [c] "r"(ctx))

/*
 * Set by the helper: copies that were made with another filter than the one of now do nothing, so
 * that new ones can be attached beside the old before these go.
 */
SHARED __u32 program_filter = 0;

/*
 * Is it this hook's filter that is in force? While one takes the place of another, hooks with
 * either run one after the other at the same point of a program, those attached last first
 * (hlist_add_head() in bpf_trampoline_link_prog(), kernel/bpf/trampoline.c). What the first sees
 * holds for those after it: would each look for itself, the change between two looks would let both
 * act, or neither.
 */
static __always_inline bool in_force(u64 hook)
{
	struct hits *mine = my_hits();
	u32 number = hook >> PROGRAM_FILTER_SHIFT;

	if (mine->newest <= number) {
		mine->newest = number;
		mine->in_force = program_filter;
	}
	return mine->in_force == number;
}

/* ---- where a verdict redirects to ---- */

#define TC_REDIRECT 7 /* TC_ACT_REDIRECT, include/uapi/linux/pkt_cls.h */

/* Before 6.11 (401cb7dae813) a variable of each CPU, since then on the task's stack. */
extern const struct bpf_redirect_info bpf_redirect_info __ksym __weak;

/* The programs' own map_type since 5.13 (ee75aef23afe), the map itself before. */
struct bpf_redirect_info___map {
	struct bpf_map *map;
} __attribute__((preserve_access_index));

/* Ifindex, 0 when it is no interface or not known. Runs when the program has returned. */
static __always_inline u32 redirect_target(void)
{
	const struct bpf_redirect_info *info = NULL;
	const struct bpf_dtab_netdev *slot = NULL;
	const struct net_device *dev = NULL;
	const struct task_struct *task = (const void *)bpf_get_current_task();
	u32 type = 0, ifindex = 0;

	if (bpf_core_field_exists(task->bpf_net_context)) {
		const struct bpf_net_context *context = NULL;

		bpf_probe_read_kernel(&context, sizeof(context), &task->bpf_net_context);
		if (context)
			info = &context->ri;
	} else if (&bpf_redirect_info) {
		info = bpf_this_cpu_ptr(&bpf_redirect_info);
	} else {
		info = (const void *)on_this_cpu(redirect_info_at);
	}
	if (!info)
		return 0;
	if (bpf_core_field_exists(info->map_type)) {
		bpf_probe_read_kernel(&type, sizeof(type), &info->map_type);
	} else {
		const struct bpf_redirect_info___map *old = (const void *)info;
		const struct bpf_map *map = NULL;

		bpf_probe_read_kernel(&map, sizeof(map), &old->map);
		if (map)
			bpf_probe_read_kernel(&type, sizeof(type), &map->map_type);
	}
	if (!type) {
		/* u32 or u64; the lower half comes first */
		bpf_probe_read_kernel(&ifindex, sizeof(ifindex), &info->tgt_index);
		return ifindex;
	}
	if (type != BPF_MAP_TYPE_DEVMAP && type != BPF_MAP_TYPE_DEVMAP_HASH)
		return 0;
	bpf_probe_read_kernel(&slot, sizeof(slot), &info->tgt_value);
	if (slot)
		bpf_probe_read_kernel(&dev, sizeof(dev), &slot->dev);
	if (dev)
		bpf_probe_read_kernel(&ifindex, sizeof(ifindex), &dev->ifindex);
	return ifindex;
}

/* ---- tc ---- */

/*
 * Which way an skb is going as a tc or tcx program returns. netkit's skbs are always on their way
 * out. include/linux/skbuff.h; set in net/core/dev.c, sch_handle_ingress(), tcx_run().
 */
static __always_inline u8 direction_of(u64 address)
{
	const struct sk_buff *skb = (const void *)address;

	if (!bpf_core_field_exists(skb->tc_at_ingress))
		return PROGRAM_ANYWHERE;
	return BPF_CORE_READ_BITFIELD_PROBED(skb, tc_at_ingress) ? PROGRAM_INGRESS : PROGRAM_EGRESS;
}

/* The context is the skb: what holds for function hooks holds here. */
static __always_inline int tc_hook(u64 *ctx, u64 hook, bool returned, u64 verdict)
{
	struct counters *counters = my_counters();
	struct view *view = view_of(SCRATCH_PROGRAM);
	struct packet *packet;
	struct hit hit = {.hook = (u32)hook};
	u64 skb;

	if (paused || !counters || !view || !in_force(hook))
		return 0;
	ADD(my_hits()->programs);
	skb = hit.skb = plain(view, ctx[0]);
	packet = packet_here(skb, counters);
	if (!packet || !settings.follow) {
		if (!matches(view, skb))
			return 0;
		if (!packet)
			packet = packet_met(view, skb, counters);
	}
	if (!packet || !read_skb(view, skb))
		return 0;
	read_packet(view, skb, packet);
	read_place(view);
	read_headers(view);
	if (returned) {
		hit.flags = EVENT_VERDICT;
		hit.reason = (u32)verdict;
		hit.direction = direction_of(skb);
		if ((u32)verdict == TC_REDIRECT)
			hit.redirect = redirect_target();
	}
	send_event(ctx, view, &hit, counters);
	return 0;
}

SEC("program")
int on_tc_entry(u64 *ctx)
{
	u64 hook, none;

	HOOK_AND_VERDICT(ctx, hook, none);
	return tc_hook(ctx, hook, false, 0);
}

SEC("program")
int on_tc_verdict(u64 *ctx)
{
	u64 hook, verdict;

	HOOK_AND_VERDICT(ctx, hook, verdict);
	return tc_hook(ctx, hook, true, verdict);
}

#endif
