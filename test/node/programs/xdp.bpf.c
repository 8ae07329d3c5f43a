// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// XDP programs of the test node: UDP to port 9 is dropped, to port 10 aborted, to port 11 sent back, to port 12
// redirected; all else passes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Where packets are redirected to. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

static __attribute__((noinline)) int udp_port(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return 0;
	return bpf_ntohs(udp->dest);
}

SEC("xdp")
int sort_udp(struct xdp_md *ctx)
{
	__u32 zero = 0, *ifindex;

	switch (udp_port(ctx)) {
	case 9:
		return XDP_DROP;
	case 10:
		return XDP_ABORTED;
	case 11:
		return XDP_TX;
	case 12:
		ifindex = bpf_map_lookup_elem(&target, &zero);
		return ifindex ? bpf_redirect(*ifindex, 0) : XDP_PASS;
	default:
		return XDP_PASS;
	}
}

/* For the other end of a veth pair, which must have a program so that frames can be sent to it. */
SEC("xdp")
int pass_all(struct xdp_md *ctx)
{
	return ctx->data_end > ctx->data ? XDP_PASS : XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
