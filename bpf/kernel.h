/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's types, as far as the programs read them. Offsets are relocated at load (CO-RE) by
 * the node's own BTF, so only names and types count here, never the order.
 */
#ifndef PACKET_TRAIL_KERNEL_H
#define PACKET_TRAIL_KERNEL_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/ns_common.h */
struct ns_common {
	unsigned int inum;
};

/*
 * include/net/net_namespace.h. Before 5.12 net_cookie is an atomic64_t, which is no field of this
 * name to CO-RE, and zero until somebody asks for it (3d368ab87cf6).
 */
struct net {
	struct ns_common ns;
	u32 hash_mix; /* random: setup_net(), net/core/net_namespace.c */
	u64 net_cookie;
};
typedef struct {
	struct net *net;
} possible_net_t;

/* include/net/sock.h */
struct sock_common {
	possible_net_t skc_net;
};
struct sock {
	struct sock_common __sk_common;
};

/* include/linux/kprobes.h; only whether there is one */
struct kprobe {
	void *addr;
};

/* include/linux/netdevice.h */
struct net_device {
	char name[16];
	int ifindex;
	possible_net_t nd_net;
};

/* include/linux/skbuff.h; sk_buff_data_t is an offset from head on 64-bit kernels */
struct sk_buff {
	struct sk_buff *next;
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
	__be16 protocol;
	__be16 vlan_proto;
	__u16 vlan_tci;
	__u16 network_header;
	__u16 mac_header;
	unsigned int tail;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
	__u32 mark;
	void (*destructor)(struct sk_buff *skb);
	__u8 tc_at_ingress : 1;
};

struct page {
	unsigned long flags;
};
typedef struct {
	u64 page; /* or netmem, or bv_page */
} skb_frag_t;
struct skb_shared_info {
	__u8 nr_frags;
	u32 xdp_frags_size;
	skb_frag_t frags[17];
};

/* Up to 6.1 a bit says whether there is a VLAN tag; then it is the tag's type (354259fa73e2). */
struct sk_buff___present {
	__u8 vlan_present : 1;
};

/* include/linux/rbtree_types.h */
struct rb_node {
	struct rb_node *rb_left;
};
struct rb_root {
	struct rb_node *rb_node;
};

/* include/net/inet_frag.h */
struct inet_frag_queue {
	struct rb_root rb_fragments;
	struct sk_buff *fragments_tail;
};

/* include/linux/filter.h */
struct bpf_redirect_info {
	__u64 tgt_index;
	void *tgt_value;
	enum bpf_map_type map_type;
};
struct bpf_net_context {
	struct bpf_redirect_info ri;
};

/* kernel/bpf/devmap.c */
struct bpf_dtab_netdev {
	struct net_device *dev;
};

/* include/net/xdp.h */
struct xdp_rxq_info {
	struct net_device *dev;
};
struct xdp_buff {
	void *data;
	void *data_end;
	void *data_hard_start;
	struct xdp_rxq_info *rxq;
	u32 frame_sz;
	u32 flags;
};

/* include/linux/sched.h */
struct task_struct {
	struct bpf_net_context *bpf_net_context;
};

/* include/linux/bpf.h, include/linux/bpf_types.h */
struct bpf_map {
	enum bpf_map_type map_type;
};
typedef struct {
	__s64 counter;
} atomic64_t;
struct bpf_prog_aux {
	atomic64_t refcnt;
	__u32 id;
};
struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
};
struct bpf_iter_meta {
	struct seq_file *seq;
};

/* include/uapi/linux/resource.h: 144 bytes of 64-bit numbers on every 64-bit kernel, nothing else
 */
struct rusage {
};

#pragma clang attribute pop

/*
 * Makes of an address a pointer to a kernel type that can be read by plain loads; one that faults
 * gives 0. kernel/bpf/helpers.c, since 6.2 (a35b9af4ec2c).
 */
extern void *bpf_rdonly_cast(void *address, __u32 type) __ksym __weak;

#endif
