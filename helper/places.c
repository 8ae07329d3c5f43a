// SPDX-License-Identifier: Apache-2.0
/*
 * Where programs are attached: see places.h. It is long since each kind of place is asked for in a
 * way of its own, each some lines.
 */
#include "places.h"
#include "netlink.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any machine has; what is beyond isn't told. */
#define MOST_PLACES 65536
#define MOST_QUERY  64 /* BPF_MPROG_MAX, include/linux/bpf_mprog.h */

/* enum bpf_attach_type, newer than this machine's header: include/uapi/linux/bpf.h */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, NETKIT_PRIMARY = 54, NETKIT_PEER = 55 };

struct device {
	uint32_t ifindex;
	uint32_t peer; /* of a netkit device */
	bool netkit;
};

struct qdisc {
	uint32_t ifindex;
	uint32_t handle;
	bool clsact; /* or ingress, which has one half of it */
};

/* One namespace while it is asked. */
struct asked {
	struct places *places;
	uint32_t netns;
	struct netlink netlink;
	struct device *devices;
	size_t device_count;
	struct qdisc *qdiscs;
	size_t qdisc_count;
	/* of the filters that are being read */
	uint32_t ifindex;
	enum direction direction;
	int error;
};

static struct place *add_place(struct places *places)
{
	if (places->count == places->room) {
		size_t room = places->room ? 2 * places->room : 64;
		struct place *more;

		if (room > MOST_PLACES)
			return NULL;
		more = realloc(places->items, room * sizeof(*more));
		if (!more)
			return NULL;
		places->items = more;
		places->room = room;
	}
	memset(&places->items[places->count], 0, sizeof(*places->items));
	return &places->items[places->count++];
}

void places_free(struct places *places)
{
	free(places->items);
	memset(places, 0, sizeof(*places));
}

/* ---- devices and XDP ---- */

static void add_xdp(struct asked *asked, uint32_t ifindex, const char *kind, uint32_t program)
{
	struct place *place;

	if (!program)
		return;
	place = add_place(asked->places);
	if (!place) {
		asked->error = -ENOMEM;
		return;
	}
	place->program = program;
	place->kind = kind;
	place->direction = DIRECTION_INGRESS;
	place->netns = asked->netns;
	place->ifindex = ifindex;
}

static void on_device(void *context, const struct nlmsghdr *message)
{
	struct asked *asked = context;
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const struct rtattr *table[IFLA_XDP + 1], *xdp[IFLA_XDP_MAX + 1], *kind[IFLA_INFO_KIND + 1];
	struct device *devices;

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return;
	devices = realloc(asked->devices, (asked->device_count + 1) * sizeof(*devices));
	if (!devices) {
		asked->error = -ENOMEM;
		return;
	}
	asked->devices = devices;
	devices[asked->device_count++] = (struct device){.ifindex = info->ifi_index};
	netlink_attributes(IFLA_RTA(info), (int)IFLA_PAYLOAD(message), table, IFLA_XDP);
	if (table[IFLA_LINKINFO]) {
		netlink_attributes(RTA_DATA(table[IFLA_LINKINFO]),
				   (int)RTA_PAYLOAD(table[IFLA_LINKINFO]), kind, IFLA_INFO_KIND);
		devices[asked->device_count - 1].netkit =
			netlink_is(kind[IFLA_INFO_KIND], "netkit");
		devices[asked->device_count - 1].peer = netlink_number(table[IFLA_LINK]);
	}
	if (!table[IFLA_XDP])
		return;
	netlink_attributes(RTA_DATA(table[IFLA_XDP]), (int)RTA_PAYLOAD(table[IFLA_XDP]), xdp,
			   IFLA_XDP_MAX);
	add_xdp(asked, info->ifi_index, "xdp", netlink_number(xdp[IFLA_XDP_DRV_PROG_ID]));
	add_xdp(asked, info->ifi_index, "xdp generic", netlink_number(xdp[IFLA_XDP_SKB_PROG_ID]));
	add_xdp(asked, info->ifi_index, "xdp offload", netlink_number(xdp[IFLA_XDP_HW_PROG_ID]));
}

/* ---- tc filters ---- */

static void on_qdisc(void *context, const struct nlmsghdr *message)
{
	struct asked *asked = context;
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *table[TCA_MAX + 1];
	struct qdisc *qdiscs;
	bool clsact;

	if (message->nlmsg_type != RTM_NEWQDISC || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return;
	netlink_attributes(TCA_RTA(info), (int)TCA_PAYLOAD(message), table, TCA_MAX);
	clsact = netlink_is(table[TCA_KIND], "clsact") || netlink_is(table[TCA_KIND], "ingress");
	/* A qdisc without a handle has no filters. */
	if (!clsact && !info->tcm_handle)
		return;
	qdiscs = realloc(asked->qdiscs, (asked->qdisc_count + 1) * sizeof(*qdiscs));
	if (!qdiscs) {
		asked->error = -ENOMEM;
		return;
	}
	asked->qdiscs = qdiscs;
	qdiscs[asked->qdisc_count++] = (struct qdisc){
		.ifindex = info->tcm_ifindex, .handle = info->tcm_handle, .clsact = clsact};
}

/* A program of the filter that is being read; NULL without memory. */
static struct place *add_filter(struct asked *asked, const struct tcmsg *info,
				const struct rtattr *chain, uint32_t program, const char *kind)
{
	struct place *place = add_place(asked->places);

	if (!place) {
		asked->error = -ENOMEM;
		return NULL;
	}
	place->program = program;
	place->kind = kind;
	place->direction = asked->direction;
	place->netns = asked->netns;
	/* A filter in a block that devices share names the block instead of the device. */
	place->ifindex = asked->ifindex;
	if (info->tcm_ifindex == (int)TCM_IFINDEX_MAGIC_BLOCK)
		place->block = info->tcm_block_index;
	place->priority = TC_H_MAJ(info->tcm_info) >> 16;
	place->handle = info->tcm_handle;
	place->chain = netlink_number(chain);
	return place;
}

/* Which of a filter's options has its actions: include/uapi/linux/pkt_cls.h. */
static int actions_of(const struct rtattr *kind)
{
	static const struct {
		const char *kind;
		int option;
	} kinds[] = {
		{"basic", TCA_BASIC_ACT},	{"bpf", TCA_BPF_ACT},
		{"cgroup", TCA_CGROUP_ACT},	{"flow", TCA_FLOW_ACT},
		{"flower", TCA_FLOWER_ACT},	{"fw", TCA_FW_ACT},
		{"matchall", TCA_MATCHALL_ACT}, {"route", TCA_ROUTE4_ACT},
		{"u32", TCA_U32_ACT},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (netlink_is(kind, kinds[i].kind))
			return kinds[i].option;
	return 0;
}

/* Programs that run as a filter's actions: net/sched/act_bpf.c. */
static void add_actions(struct asked *asked, const struct tcmsg *info, const struct rtattr **table)
{
	const struct rtattr *actions[TCA_ACT_MAX_PRIO + 1], *action[TCA_ACT_MAX + 1];
	const struct rtattr *bpf[TCA_ACT_BPF_MAX + 1];
	/* More than any filter's options: those beyond are left out. */
	const struct rtattr *options[64];
	int option = actions_of(table[TCA_KIND]);

	if (!option)
		return;
	netlink_attributes(RTA_DATA(table[TCA_OPTIONS]), (int)RTA_PAYLOAD(table[TCA_OPTIONS]),
			   options, 63);
	if (!options[option])
		return;
	netlink_attributes(RTA_DATA(options[option]), (int)RTA_PAYLOAD(options[option]), actions,
			   TCA_ACT_MAX_PRIO);
	for (int i = 1; i <= TCA_ACT_MAX_PRIO; i++) {
		struct place *place;

		if (!actions[i])
			continue;
		netlink_attributes(RTA_DATA(actions[i]), (int)RTA_PAYLOAD(actions[i]), action,
				   TCA_ACT_MAX);
		if (!netlink_is(action[TCA_ACT_KIND], "bpf") || !action[TCA_ACT_OPTIONS])
			continue;
		netlink_attributes(RTA_DATA(action[TCA_ACT_OPTIONS]),
				   (int)RTA_PAYLOAD(action[TCA_ACT_OPTIONS]), bpf, TCA_ACT_BPF_MAX);
		if (!netlink_number(bpf[TCA_ACT_BPF_ID]))
			continue;
		place = add_filter(asked, info, table[TCA_CHAIN],
				   netlink_number(bpf[TCA_ACT_BPF_ID]), "tc action");
		if (place)
			netlink_text(bpf[TCA_ACT_BPF_NAME], place->label, sizeof(place->label));
	}
}

static void on_filter(void *context, const struct nlmsghdr *message)
{
	struct asked *asked = context;
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *table[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1];
	struct place *place;

	if (message->nlmsg_type != RTM_NEWTFILTER ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return;
	netlink_attributes(TCA_RTA(info), (int)TCA_PAYLOAD(message), table, TCA_MAX);
	if (!table[TCA_OPTIONS])
		return;
	add_actions(asked, info, table);
	if (!netlink_is(table[TCA_KIND], "bpf"))
		return;
	netlink_attributes(RTA_DATA(table[TCA_OPTIONS]), (int)RTA_PAYLOAD(table[TCA_OPTIONS]), bpf,
			   TCA_BPF_MAX);
	if (!netlink_number(bpf[TCA_BPF_ID]))
		return;
	place = add_filter(asked, info, table[TCA_CHAIN], netlink_number(bpf[TCA_BPF_ID]), "tc");
	if (!place)
		return;
	place->direct = netlink_number(bpf[TCA_BPF_FLAGS]) & TCA_BPF_FLAG_ACT_DIRECT;
	netlink_text(bpf[TCA_BPF_NAME], place->label, sizeof(place->label));
}

static void read_filters(struct asked *asked, uint32_t ifindex, uint32_t parent,
			 enum direction direction)
{
	struct tcmsg request = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent};

	asked->ifindex = ifindex;
	asked->direction = direction;
	netlink_dump(&asked->netlink, RTM_GETTFILTER, &request, sizeof(request), on_filter, asked);
}

/* ---- tcx and netkit ---- */

/* bpf(BPF_PROG_QUERY) with links, which this machine's libbpf doesn't know. */
struct query {
	uint32_t ifindex;
	uint32_t type;
	uint32_t flags;
	uint32_t attach_flags;
	uint64_t programs;
	uint32_t count;
	uint32_t padding;
	uint64_t program_flags;
	uint64_t links;
	uint64_t link_flags;
	uint64_t revision;
};

static void read_chain(struct asked *asked, const struct device *device, uint32_t type,
		       const char *kind, enum direction direction)
{
	uint32_t programs[MOST_QUERY] = {0}, links[MOST_QUERY] = {0};
	struct query query = {
		.ifindex = device->ifindex,
		.type = type,
		.programs = (uintptr_t)programs,
		.links = (uintptr_t)links,
		.count = MOST_QUERY,
	};

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)))
		return; /* the kernel has none of this kind, or the device has not */
	for (uint32_t i = 0; i < query.count && i < MOST_QUERY; i++) {
		struct place *place = add_place(asked->places);

		if (!place) {
			asked->error = -ENOMEM;
			return;
		}
		place->program = programs[i];
		place->kind = kind;
		place->direction = direction;
		place->netns = asked->netns;
		place->ifindex = device->ifindex;
		place->peer = device->netkit && type >= NETKIT_PRIMARY ? device->peer : 0;
		place->link = links[i];
	}
}

int places_of_netns(struct places *places, uint32_t inum)
{
	struct asked asked = {.places = places, .netns = inum};
	struct ifinfomsg devices = {.ifi_family = AF_UNSPEC};
	struct tcmsg qdiscs = {.tcm_family = AF_UNSPEC};

	if (netlink_open(&asked.netlink))
		return 0;
	netlink_dump(&asked.netlink, RTM_GETLINK, &devices, sizeof(devices), on_device, &asked);
	netlink_dump(&asked.netlink, RTM_GETQDISC, &qdiscs, sizeof(qdiscs), on_qdisc, &asked);
	for (size_t i = 0; i < asked.qdisc_count; i++) {
		const struct qdisc *qdisc = &asked.qdiscs[i];

		if (!qdisc->clsact) {
			read_filters(&asked, qdisc->ifindex, qdisc->handle, DIRECTION_EGRESS);
			continue;
		}
		read_filters(&asked, qdisc->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
			     DIRECTION_INGRESS);
		read_filters(&asked, qdisc->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
			     DIRECTION_EGRESS);
	}
	for (size_t i = 0; i < asked.device_count; i++) {
		const struct device *device = &asked.devices[i];

		read_chain(&asked, device, TCX_INGRESS, "tcx", DIRECTION_INGRESS);
		read_chain(&asked, device, TCX_EGRESS, "tcx", DIRECTION_EGRESS);
		if (!device->netkit)
			continue;
		read_chain(&asked, device, NETKIT_PRIMARY, "netkit", DIRECTION_EGRESS);
		read_chain(&asked, device, NETKIT_PEER, "netkit", DIRECTION_INGRESS);
	}
	netlink_close(&asked.netlink);
	free(asked.devices);
	free(asked.qdiscs);
	return asked.error;
}

/* ---- links ---- */

/* Name of a function of a program, by its BTF. */
static void function_of(uint32_t program, uint32_t type, char *name, size_t size)
{
	struct bpf_prog_info info;
	__u32 info_size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program);
	const struct btf_type *function;
	struct btf *btf = NULL;

	*name = 0;
	if (fd < 0)
		return;
	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(fd, &info, &info_size) == 0 && info.btf_id)
		btf = btf__load_from_kernel_by_id(info.btf_id);
	close(fd);
	function = btf ? btf__type_by_id(btf, type) : NULL;
	if (function && btf_is_func(function))
		snprintf(name, size, "%s", btf__name_by_offset(btf, function->name_off));
	btf__free(btf);
}

static int on_link(struct places *places, const struct bpf_link_info *info)
{
	struct place *place;

	if (info->type == BPF_LINK_TYPE_XDP) {
		for (size_t i = 0; i < places->count; i++)
			if (places->items[i].program == info->prog_id &&
			    places->items[i].ifindex == info->xdp.ifindex &&
			    strncmp(places->items[i].kind, "xdp", 3) == 0)
				places->items[i].link = info->id;
		return 0;
	}
	/* The attach type tells freplace from fentry and fexit, ours among them. */
	if (info->type != BPF_LINK_TYPE_TRACING || info->tracing.attach_type)
		return 0;
	place = add_place(places);
	if (!place)
		return -ENOMEM;
	place->program = info->prog_id;
	place->kind = "freplace";
	place->link = info->id;
	place->target = info->tracing.target_obj_id;
	if (place->target)
		function_of(place->target, info->tracing.target_btf_id, place->label,
			    sizeof(place->label));
	return 0;
}

int places_of_links(struct places *places)
{
	uint32_t id = 0;
	int err = 0;

	while (!err && bpf_link_get_next_id(id, &id) == 0) {
		union {
			struct bpf_link_info known;
			char room[256];
		} info;
		__u32 size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			err = on_link(places, &info.known);
		close(fd);
	}
	return err;
}
