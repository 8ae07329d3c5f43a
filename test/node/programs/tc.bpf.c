// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// tc programs of the test node's scenarios: one that lets packets pass, one that marks them, one that drops ICMP.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The mark that scenarios look for. */
#define TRAIL_MARK 0x7a11

SEC("tc/pass")
int trail_pass(struct __sk_buff *skb)
{
	return skb->len ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc/mark")
int trail_mark(struct __sk_buff *skb)
{
	skb->mark = TRAIL_MARK;
	return TC_ACT_OK;
}

SEC("tc/drop_icmp")
int trail_drop_icmp(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	return ip->protocol == IPPROTO_ICMP ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
