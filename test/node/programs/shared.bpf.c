// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Several programs that share one BTF. Its first FUNC is a subprogram that one of them calls and another one,
// which is the one that tests hook, does not have.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* A static subprogram comes first, which one of them calls and the other one does not have. */
__attribute__((noinline)) __attribute__((visibility("hidden"))) int drop_short(struct __sk_buff *skb)
{
	skb->mark = 0xd109;
	return TC_ACT_SHOT;
}

/* In both programs. */
static __attribute__((noinline)) int is_short(struct __sk_buff *skb)
{
	return skb->len < 14;
}

SEC("tc/notifying")
int notifying(struct __sk_buff *skb)
{
	return is_short(skb) ? drop_short(skb) : TC_ACT_OK;
}

SEC("tc/quiet")
int quiet(struct __sk_buff *skb)
{
	return is_short(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
