// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An XDP dispatcher: functions that do nothing, to be replaced by the components of component.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int place0(struct xdp_md *ctx)
{
	volatile int verdict = XDP_PASS;

	return ctx ? verdict : XDP_ABORTED;
}

__attribute__((noinline)) int place1(struct xdp_md *ctx)
{
	volatile int verdict = XDP_PASS;

	return ctx ? verdict : XDP_ABORTED;
}

SEC("xdp")
int dispatch(struct xdp_md *ctx)
{
	int verdict = place0(ctx);

	return verdict == XDP_PASS ? place1(ctx) : verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
