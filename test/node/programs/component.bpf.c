// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Components of the dispatcher of dispatcher.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("freplace/place0")
int component(struct xdp_md *ctx)
{
	return ctx->data_end > ctx->data ? XDP_PASS : XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
