// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A program that is compiled without BTF: nothing can hook it.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc/stripped")
int stripped(struct __sk_buff *skb)
{
	return skb->len ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
