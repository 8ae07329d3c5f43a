// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What Cilium 1.11 loads for a container, in its structure only: a program at the interface leaves by tail calls for those that do the
// work, and a dropped packet's verdict comes from yet another one, which is the first FUNC in the BTF that they all share.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { CALL_DROP_NOTIFY = 1, CALL_IPV4 = 7 };

/* The container's own number. */
#define ENDPOINT 42

/* The word of the packet's scratch memory in which one program leaves the verdict for another. */
#define CB_VERDICT 4

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 0);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

SEC("2/1")
int __send_drop_notify(struct __sk_buff *skb)
{
	__u32 reason = skb->cb[0];

	bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &reason, sizeof(reason));
	return (int)skb->cb[CB_VERDICT];
}

static __attribute__((always_inline)) int drop(struct __sk_buff *skb)
{
	skb->cb[CB_VERDICT] = TC_ACT_SHOT;
	bpf_tail_call(skb, &calls, CALL_DROP_NOTIFY);
	return TC_ACT_SHOT;
}

SEC("2/7")
int tail_handle_ipv4(struct __sk_buff *skb)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return drop(skb);
	if (ip.protocol == IPPROTO_UDP)
		return drop(skb);
	bpf_tail_call(skb, &policies, ENDPOINT);
	return drop(skb);
}

SEC("1/42")
int handle_policy(struct __sk_buff *skb)
{
	bpf_skb_pull_data(skb, 0);
	return TC_ACT_OK;
}

SEC("from-container")
int handle_xgress(struct __sk_buff *skb)
{
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	bpf_tail_call(skb, &calls, CALL_IPV4);
	return TC_ACT_SHOT;
}

SEC("to-container")
int handle_to_container(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
