// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A program with a subprogram that the verifier eliminates, since it knows that it is never called, before one that it keeps.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* In read-only data, whose values the verifier knows. */
const volatile int never = 0;

static __attribute__((noinline)) int eliminated(struct __sk_buff *skb)
{
	skb->mark = 1;
	return TC_ACT_SHOT;
}

static __attribute__((noinline)) int kept(struct __sk_buff *skb)
{
	return skb->len ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc/eliminating")
int eliminating(struct __sk_buff *skb)
{
	return never ? eliminated(skb) : kept(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
