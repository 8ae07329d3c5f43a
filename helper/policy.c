// SPDX-License-Identifier: Apache-2.0
/* What is worth a hook: see policy.h. */
#include "policy.h"
#include "btf.h"
#include "glob.h"
#include "options.h"

#include <string.h>

/*
 * The functions that packets' identity needs, which are hooked always, and where the skb is if not
 * in its first place: those at which an skb ends, whatever way it is freed (bpf/ends.h says why
 * these); those that make a fragment (void ip_copy_metadata(struct sk_buff *to, struct sk_buff
 * *from), net/ipv4/ip_output.c, and the same of IPv6; of a packet that was made as a list of
 * fragments, `from` is the one before); and those that put fragments together (bpf/fragments.h).
 */
static const struct identity identities[] = {
	{"skb_release_head_state", PART_END, 0},    {"kfree_skbmem", PART_END, 0},
	{"napi_skb_free_stolen_head", PART_END, 0}, {"napi_reuse_skb", PART_END, 2},
	{"ip_copy_metadata", PART_FRAGMENT, 2},	    {"ip6_copy_metadata", PART_FRAGMENT, 2},
	{"inet_frag_queue_insert", PART_QUEUED, 0}, {"inet_frag_reasm_prepare", PART_WHOLE, 0},
	{"inet_frag_reasm_finish", PART_JOINED, 0},
};

/*
 * Where an skb's end begins, and what runs once its memory may be given back: a new packet is never
 * born here, and never in between (bpf/identity.h). Nor while pskb_expand_head() has put in new
 * bytes. `bytes`: what the skb points to is still its own. Elsewhere it may be another packet's
 * already, or the headers' offsets aren't those of the new bytes yet.
 */
static const struct {
	const char *name;
	bool bytes;
} no_birth[] = {
	{"__kfree_skb", true},
	{"skb_attempt_defer_free", true},
	{"skb_release_head_state", true},
	{"skb_release_data", true},
	{"kfree_skbmem", false},
	{"napi_skb_free_stolen_head", true},
	{"napi_skb_cache_put", false},
	{"napi_reuse_skb", true},
	{"skb_headers_offset_update", false},
};

/*
 * The first skb of these is one that is being made, with nothing of a packet in it yet: the packet
 * is the second, of which a copy is made.
 */
static const char *const copies[] = {"__copy_skb_header", "skb_copy_header", "__skb_clone"};

/* What tells most of a packet's way; where hooks are attached one by one, these come first. */
static const char *const telling[] = {
	"__netif_receive_skb_core*",
	"__netif_receive_skb_one_core",
	"netif_receive_skb*",
	"netif_rx*",
	"napi_gro_receive",
	"enqueue_to_backlog",
	"ip_rcv",
	"ip_rcv_core",
	"ip_rcv_finish",
	"ip_rcv_finish_core",
	"ip_local_deliver",
	"ip_local_deliver_finish",
	"ip_protocol_deliver_rcu",
	"ip_route_input_noref",
	"ip_forward",
	"ip_forward_finish",
	"ip_error",
	"ip_local_out",
	"__ip_local_out",
	"ip_output",
	"ip_mc_output",
	"ip_finish_output",
	"__ip_finish_output",
	"ip_finish_output2",
	"ip_fragment",
	"ip_do_fragment",
	"ip_defrag",
	"ip_send_skb",
	"ip_push_pending_frames",
	"ip_queue_xmit",
	"__ip_queue_xmit",
	"ipv6_rcv",
	"ip6_rcv_core",
	"ip6_rcv_finish",
	"ip6_input",
	"ip6_input_finish",
	"ip6_forward",
	"ip6_output",
	"ip6_finish_output",
	"ip6_finish_output2",
	"ip6_xmit",
	"ip6_protocol_deliver_rcu",
	"tcp_v4_rcv",
	"tcp_v6_rcv",
	"tcp_v4_do_rcv",
	"tcp_rcv_established",
	"tcp_rcv_state_process",
	"tcp_queue_rcv",
	"tcp_filter",
	"tcp_timewait_state_process",
	"tcp_v4_send_ack",
	"tcp_v6_send_ack",
	"__tcp_transmit_skb",
	"udp_rcv",
	"udpv6_rcv",
	"__udp4_lib_rcv",
	"udp_queue_rcv_skb",
	"udp_queue_rcv_one_skb",
	"udp_send_skb*",
	"icmp_rcv",
	"icmpv6_rcv",
	"icmp_echo",
	"icmpv6_echo_reply",
	"raw6_icmp_error",
	"icmp_send",
	"__icmp_send",
	"ping_rcv",
	"raw_local_deliver",
	"raw_rcv",
	"rawv6_rcv",
	"sctp_rcv",
	"arp_rcv",
	"sk_filter_trim_cap",
	"sock_queue_rcv_skb_reason",
	"skb_consume_udp",
	"nf_hook_slow",
	"nf_nat_manip_pkt",
	"nf_nat_inet_fn",
	"nf_conntrack_in",
	"nft_do_chain*",
	"ipt_do_table",
	"br_handle_frame",
	"br_handle_frame_finish",
	"br_forward",
	"__br_forward",
	"br_forward_finish",
	"br_dev_queue_push_xmit",
	"br_dev_xmit",
	"br_pass_frame_up",
	"br_nf_pre_routing",
	"__dev_queue_xmit",
	"dev_hard_start_xmit",
	"__dev_forward_skb",
	"dev_forward_skb",
	"validate_xmit_skb",
	"sch_direct_xmit",
	"tcf_classify",
	"cls_bpf_classify",
	"veth_xmit",
	"loopback_xmit",
	"tun_net_xmit",
	"vxlan_xmit",
	"vxlan_rcv",
	"ipvlan_start_xmit",
	"macvlan_start_xmit",
	"do_xdp_generic",
	"neigh_resolve_output",
	"neigh_connected_output",
	"skb_checksum_help",
	"kfree_skb_reason",
	"sk_skb_reason_drop",
	"kfree_skb_list_reason",
	"consume_skb",
};

static bool listed(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

const struct identity *identity_at(size_t index)
{
	return index < sizeof(identities) / sizeof(*identities) ? &identities[index] : NULL;
}

const struct identity *identity_of(const char *name, const char *module)
{
	const struct identity *identity;

	for (size_t i = 0; (identity = identity_at(i)); i++)
		if (!*module && strcmp(identity->name, name) == 0)
			return identity;
	return NULL;
}

bool asked_for(const struct options *options, const struct candidate *candidate, const char *module)
{
	const struct globs *functions = &options->functions, *excludes = &options->excludes;
	const char *name = candidate->name;

	if (candidate->helper ? options->no_programs : options->programs_only)
		return false;
	if (options->telling && rank_of(name, module) > 1)
		return false;
	if (functions->count && !glob_any(functions->items, functions->count, name))
		return false;
	return !glob_any(excludes->items, excludes->count, name);
}

bool module_wanted(const struct options *options, const char *module)
{
	if (options->no_modules)
		return false;
	return !options->modules.count ||
	       glob_any(options->modules.items, options->modules.count, module);
}

uint8_t rank_of(const char *name, const char *module)
{
	if (identity_of(name, module))
		return 0;
	return glob_any(telling, sizeof(telling) / sizeof(*telling), name) ? 1 : 2;
}

static int no_birth_of(const char *name, const char *module)
{
	for (size_t i = 0; !*module && i < sizeof(no_birth) / sizeof(*no_birth); i++)
		if (strcmp(no_birth[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool no_birth_at(const char *name, const char *module)
{
	return no_birth_of(name, module) >= 0;
}

bool no_bytes_at(const char *name, const char *module)
{
	int at = no_birth_of(name, module);

	return at >= 0 && !no_birth[at].bytes;
}

uint8_t position_at(const char *name, const char *module)
{
	const struct identity *identity = identity_of(name, module);

	if (identity)
		return identity->position;
	return !*module && listed(copies, sizeof(copies) / sizeof(*copies), name) ? 2 : 0;
}
