/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reading an skb: its fields, its device, its namespace. Where the kernel allows it
 * (settings.direct) by plain loads, each some instructions; elsewhere by one copy of the skb.
 */
#ifndef PACKET_TRAIL_SKB_H
#define PACKET_TRAIL_SKB_H

#include "state.h"

/* Namespace inodes are handed out from PROC_DYNAMIC_FIRST (fs/proc/generic.c) up; fixed ones sit
 * just below. */
#define FIRST_INUM 0xefffff00U

/* The skb as its fields can be read: itself, or the copy. NULL when it can't be read. */
static __always_inline const struct sk_buff *skb_fields(struct view *view, u64 skb)
{
	u32 size = bpf_core_type_size(struct sk_buff);

	if (settings.direct)
		return POINTER(struct sk_buff, skb);
	if (size > SKB_COPY)
		size = SKB_COPY;
	if (bpf_probe_read_kernel(view->copy, size, (const void *)skb))
		return NULL;
	return (const struct sk_buff *)view->copy;
}

/*
 * The VLAN tag that a device took out of the frame, or puts into it: its Ethernet type and below it
 * the tag, as skb_vlan_tag_present() and skb_vlan_tag_get() say it (include/linux/if_vlan.h); 0 =
 * none.
 */
static __always_inline u32 tag_beside(u64 address)
{
	const struct sk_buff___present *bit = (const void *)address;
	const struct sk_buff *skb = (const void *)address;
	u16 type = 0, tag = 0;

	if (bpf_core_field_exists(bit->vlan_present) &&
	    !BPF_CORE_READ_BITFIELD_PROBED(bit, vlan_present))
		return 0;
	bpf_probe_read_kernel(&type, sizeof(type), &skb->vlan_proto);
	bpf_probe_read_kernel(&tag, sizeof(tag), &skb->vlan_tci);
	return type ? (u32)bpf_ntohs(type) << 16 | tag : 0;
}

/* What a filter needs: where the bytes are. False when that is no skb. */
static __always_inline bool read_shape(struct view *view, const struct sk_buff *skb)
{
	view->head = (u64)skb->head;
	view->data = (u64)skb->data;
	view->tail = skb->tail;
	view->len = skb->len;
	view->data_len = skb->data_len;
	view->end = skb->end;
	view->network_header = skb->network_header;
	view->mac_header = skb->mac_header;
	/* Kernel addresses have their top bit set; loads that fault give 0. */
	return view->head >> 63;
}

static __always_inline void read_owner(struct view *view, const struct sk_buff *skb)
{
	view->skb_dev = (u64)skb->dev;
	view->skb_sk = (u64)skb->sk;
}

/* Reads the skb's fields. False when it can't be read. */
static __always_inline bool read_skb(struct view *view, u64 address)
{
	const struct sk_buff *skb = skb_fields(view, address);

	if (!skb || !read_shape(view, skb))
		return false;
	read_owner(view, skb);
	view->mark = skb->mark;
	view->protocol = skb->protocol;
	return true;
}

static __always_inline u32 inum_of(const struct net *net)
{
	u32 inum = 0;

	if (settings.direct)
		inum = POINTER(struct net, net)->ns.inum;
	else
		bpf_probe_read_kernel(&inum, sizeof(inum), &net->ns.inum);
	return inum >= FIRST_INUM ? inum : 0;
}

static __always_inline const struct net *net_of_device(const struct net_device *dev)
{
	const struct net *net = NULL;

	if (settings.direct)
		net = POINTER(struct net_device, dev)->nd_net.net;
	else
		bpf_probe_read_kernel(&net, sizeof(net), &dev->nd_net.net);
	return net;
}

static __always_inline const struct net *net_of_socket(const struct sock *sk)
{
	const struct net *net = NULL;

	if (settings.direct)
		net = POINTER(struct sock, sk)->__sk_common.skc_net.net;
	else
		bpf_probe_read_kernel(&net, sizeof(net), &sk->__sk_common.skc_net.net);
	return net;
}

/* Sets the namespace, if it is one. */
static __always_inline bool read_netns(struct view *view, const struct net *net)
{
	u32 inum = net ? inum_of(net) : 0;

	view->netns = inum;
	view->net = inum ? (u64)net : 0;
	return inum;
}

/*
 * Device and namespace. skb->dev shares its place with an rb-tree node and with dev_scratch
 * (sk_buff's first union), so what it leads to is believed only when it ends in a namespace's
 * inode number. The socket's namespace stands in.
 */
static __always_inline void read_device(struct view *view)
{
	const struct net_device *dev = (const void *)view->skb_dev;
	const struct sock *sk = (const void *)view->skb_sk;

	view->ifindex = 0;
	view->dev = 0;
	if (dev && read_netns(view, net_of_device(dev))) {
		if (settings.direct)
			view->ifindex = POINTER(struct net_device, dev)->ifindex;
		else
			bpf_probe_read_kernel(&view->ifindex, sizeof(view->ifindex), &dev->ifindex);
		view->dev = (u64)dev;
	} else {
		read_netns(view, sk ? net_of_socket(sk) : NULL);
	}
	barrier();
}

#endif
