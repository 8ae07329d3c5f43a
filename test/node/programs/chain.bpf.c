// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A tail-call chain of five: link0 is attached, link1 … link4 run by tail call, each calls a helper with its packet.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} links SEC(".maps");

#define LINK(number)                                                                               \
	SEC("tc/link" #number)                                                                     \
	int link##number(struct __sk_buff *skb)                                                    \
	{                                                                                          \
		bpf_skb_pull_data(skb, 0);                                                         \
		bpf_tail_call(skb, &links, number + 1);                                            \
		return TC_ACT_OK;                                                                  \
	}

LINK(0)
LINK(1)
LINK(2)
LINK(3)
LINK(4)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
