// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A program whose BTF the loader gives to the kernel with lines and without func_info.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("lines")
int lines_only(struct __sk_buff *skb)
{
	return skb->len ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
