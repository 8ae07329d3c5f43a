// SPDX-License-Identifier: Apache-2.0
/* Which kernel functions are hooked: see functions.h. */
#include "functions.h"
#include "arch.h"
#include "glob.h"
#include "log.h"
#include "options.h"
#include "reasons.h"
#include "text.h"
#include "tracefs.h"
#include "vmlinux.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BTF_FOLDER "/sys/kernel/btf"

/*
 * The functions that packets' identity needs, which are hooked always, and where the skb is if not
 * in its first place: those at which an skb ends, whatever way it is freed (bpf/identity.h says why
 * these); those that make a fragment (void ip_copy_metadata(struct sk_buff *to, struct sk_buff
 * *from), net/ipv4/ip_output.c, and the same of IPv6; of a packet that was made as a list of
 * fragments, `from` is the one before); and that which puts fragments together (void
 * *inet_frag_reasm_prepare(struct inet_frag_queue *q, struct sk_buff *skb, struct sk_buff *parent),
 * net/ipv4/inet_fragment.c, since 5.1, c23f35d19db3): skb, which came last, becomes the whole
 * packet as a copy of the first one (skb_morph); that ends what it was.
 */
static const struct identity {
	const char *name;
	enum part part;
	uint8_t position;
} identities[] = {
	{"skb_release_head_state", PART_END, 0}, {"kfree_skbmem", PART_END, 0},
	{"napi_skb_cache_put", PART_END, 0},	 {"ip_copy_metadata", PART_FRAGMENT, 2},
	{"ip6_copy_metadata", PART_FRAGMENT, 2}, {"inet_frag_reasm_prepare", PART_WHOLE, 0},
};

/*
 * What runs between an skb's end and its memory's, destructors included (skb->destructor is called
 * by skb_release_head_state): a new packet is never born here.
 */
static const char *const no_birth[] = {
	"skb_release_head_state",
	"kfree_skbmem",
	"napi_skb_cache_put",
	"skb_release_data",
	"skb_release_all",
	"skb_free_head",
	"skb_pp_recycle",
	"__kfree_skb",
	"skb_unref",
	"sock_wfree",
	"__sock_wfree",
	"sock_rfree",
	"sock_efree",
	"sock_pfree",
	"sock_ofree",
	"sock_edemux",
	"tcp_wfree",
	"sctp_wfree",
	"skb_free_datagram",
	"unix_destruct_scm",
	"netlink_skb_destructor",
};

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
	"icmp_send",
	"__icmp_send",
	"ping_rcv",
	"raw_local_deliver",
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

/* ---- text ---- */

#define STRING_BLOCK 65536

/* A copy that lives as long as the set; NULL without memory. */
static const char *keep(struct functions *functions, const char *text)
{
	size_t length = strlen(text) + 1;
	char *at;

	if (!functions->string_count || functions->string_used + length > STRING_BLOCK) {
		char **blocks = realloc(functions->strings,
					(functions->string_count + 1) * sizeof(*blocks));

		if (!blocks)
			return NULL;
		functions->strings = blocks;
		blocks[functions->string_count] =
			malloc(length > STRING_BLOCK ? length : STRING_BLOCK);
		if (!blocks[functions->string_count])
			return NULL;
		functions->string_count++;
		functions->string_used = 0;
	}
	at = functions->strings[functions->string_count - 1] + functions->string_used;
	memcpy(at, text, length);
	functions->string_used += length;
	return at;
}

/* ---- BTF ---- */

static const struct btf_type *skip_modifiers(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	/* A crafted BTF may hold a cycle; no real one nests this deep. */
	for (int i = 0; type && i < 32; i++) {
		if (!btf_is_mod(type) && !btf_is_typedef(type))
			return type;
		type = btf__type_by_id(btf, type->type);
	}
	return NULL;
}

static bool is_skb_pointer(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = skip_modifiers(btf, id);
	const char *name;

	if (!type || !btf_is_ptr(type))
		return false;
	type = skip_modifiers(btf, type->type);
	if (!type || (!btf_is_struct(type) && !btf_is_fwd(type)))
		return false;
	name = btf__name_by_offset(btf, type->name_off);
	return name && strcmp(name, "sk_buff") == 0;
}

/* Does an argument of this type take exactly one place in the calling convention? */
static bool one_place(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = skip_modifiers(btf, id);

	return type && (btf_is_ptr(type) || ((btf_is_int(type) || btf_is_any_enum(type)) &&
					     type->size <= sizeof(uint64_t)));
}

/* Position of the first skb, 0 = there is one but what stands before it hides its place, -1 = none.
 */
static int skb_position(const struct btf *btf, const struct btf_type *proto)
{
	const struct btf_param *params = btf_params(proto);
	bool certain = true;

	for (int i = 0; i < btf_vlen(proto); i++) {
		if (is_skb_pointer(btf, params[i].type))
			return certain ? i + 1 : 0;
		if (!one_place(btf, params[i].type))
			certain = false;
	}
	return -1;
}

/*
 * A function that BPF programs call with their packet: BPF_CALL_… (include/linux/filter.h) declares
 * it with registers for arguments, of which the first is named skb.
 */
static bool is_program_helper(const struct btf *btf, const struct btf_type *proto, const char *name)
{
	const struct btf_param *params = btf_params(proto);
	const struct btf_type *type;
	const char *first;

	if (!name || strncmp(name, "bpf_", 4) != 0 || !btf_vlen(proto))
		return false;
	first = btf__name_by_offset(btf, params[0].name_off);
	type = skip_modifiers(btf, params[0].type);
	return first && strcmp(first, "skb") == 0 && type && btf_is_int(type) &&
	       type->size == sizeof(uint64_t);
}

int btf_each_candidate(const struct btf *btf, uint32_t first,
		       int (*each)(const struct candidate *candidate, void *context), void *context)
{
	uint32_t count = btf__type_cnt(btf);

	for (uint32_t id = first; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const struct btf_type *proto;
		struct candidate candidate;
		int err;

		if (!type || !btf_is_func(type))
			continue;
		proto = btf__type_by_id(btf, type->type);
		if (!proto || !btf_is_func_proto(proto))
			continue;
		candidate.name = btf__name_by_offset(btf, type->name_off);
		candidate.helper = is_program_helper(btf, proto, candidate.name);
		candidate.position = candidate.helper ? 1 : skb_position(btf, proto);
		candidate.proto = type->type;
		if (candidate.position < 0 || !candidate.name || !*candidate.name)
			continue;
		err = each(&candidate, context);
		if (err)
			return err;
	}
	return 0;
}

struct text {
	char *at;
	size_t left; /* the final zero included */
};

static void add_text(struct text *text, const char *more)
{
	size_t length = strlen(more);

	if (length >= text->left)
		length = text->left - 1;
	memcpy(text->at, more, length);
	text->at += length;
	text->left -= length;
	*text->at = 0;
}

static void add_type(const struct btf *btf, uint32_t id, struct text *text, int depth)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;

	if (!id || depth > 16 || !type) {
		add_text(text, id ? "?" : "void");
		return;
	}
	name = btf__name_by_offset(btf, type->name_off);
	if (!name || !*name)
		name = "{…}";
	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
		add_type(btf, type->type, text, depth + 1);
		if (text->at[-1] != '*')
			add_text(text, " ");
		add_text(text, "*");
		return;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE: {
		const struct btf_type *inner = btf__type_by_id(btf, type->type);
		const char *word = btf_is_const(type) ? "const" : "volatile";

		if (inner && btf_is_ptr(inner)) {
			add_type(btf, type->type, text, depth + 1);
			add_text(text, word);
			return;
		}
		add_text(text, word);
		add_text(text, " ");
		add_type(btf, type->type, text, depth + 1);
		return;
	}
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		add_type(btf, type->type, text, depth + 1);
		return;
	case BTF_KIND_STRUCT:
		add_text(text, "struct ");
		break;
	case BTF_KIND_UNION:
		add_text(text, "union ");
		break;
	case BTF_KIND_FWD:
		add_text(text, btf_kflag(type) ? "union " : "struct ");
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		add_text(text, "enum ");
		break;
	case BTF_KIND_FUNC_PROTO:
		add_type(btf, type->type, text, depth + 1);
		add_text(text, " (…)");
		return;
	case BTF_KIND_ARRAY:
		add_type(btf, btf_array(type)->type, text, depth + 1);
		add_text(text, "[]");
		return;
	default:
		break;
	}
	add_text(text, name);
}

void btf_prototype(const struct btf *btf, uint32_t proto, const char *name, char *out, size_t size)
{
	const struct btf_type *type = btf__type_by_id(btf, proto);
	const struct btf_param *params;
	struct text text = {.at = out + 1, .left = size - 1};

	/* One character in front, so that add_type() may look back. */
	out[0] = ' ';
	out[1] = 0;
	if (type && btf_is_func_proto(type)) {
		params = btf_params(type);
		add_type(btf, type->type, &text, 0);
		if (text.at[-1] != '*')
			add_text(&text, " ");
		add_text(&text, name);
		add_text(&text, "(");
		for (int i = 0; i < btf_vlen(type); i++) {
			const char *param = btf__name_by_offset(btf, params[i].name_off);

			if (i)
				add_text(&text, ", ");
			if (i == btf_vlen(type) - 1 && !params[i].type && !params[i].name_off) {
				add_text(&text, "...");
				break;
			}
			add_type(btf, params[i].type, &text, 0);
			if (param && *param) {
				if (text.at[-1] != '*')
					add_text(&text, " ");
				add_text(&text, param);
			}
		}
		add_text(&text, btf_vlen(type) ? ")" : "void)");
	}
	memmove(out, out + 1, strlen(out + 1) + 1);
}

/* ---- candidates: what BTF says, before it is known where they are ---- */

struct entry {
	const char *name;
	const char *module;
	const char *prototype;
	int next; /* of the same hash; -1 = last */
	uint8_t position;
	bool helper;
	bool unclear; /* the skb's place can't be told */
	bool quiet;
	bool initial;	/* it is among the kernel's start, whose memory is free */
	uint16_t found; /* addresses of this very name */
	uint16_t variants;
};

#define BUCKETS 8192

struct chooser {
	struct functions *functions;
	const struct options *options;
	struct reasons *reasons;
	const struct btf *btf;
	const char *module;
	const char *only; /* this module's functions alone; NULL = all */
	struct entry *entries;
	int count;
	int capacity;
	int buckets[BUCKETS];
	bool no_memory;
};

static uint32_t hash_of(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash % BUCKETS;
}

static struct entry *entry_of(struct chooser *chooser, const char *name, size_t length,
			      const char *module)
{
	for (int at = chooser->buckets[hash_of(name, length)]; at >= 0;
	     at = chooser->entries[at].next) {
		struct entry *entry = &chooser->entries[at];

		if (strncmp(entry->name, name, length) == 0 && !entry->name[length] &&
		    strcmp(entry->module, module) == 0)
			return entry;
	}
	return NULL;
}

static bool listed(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

#define LISTED(list, name) listed(list, sizeof(list) / sizeof(*(list)), name)

static bool asked_for(const struct options *options, const struct candidate *candidate)
{
	const struct patterns *functions = &options->functions, *excludes = &options->excludes;
	const char *name = candidate->name;

	if (candidate->helper ? options->no_programs : options->programs_only)
		return false;
	if (functions->count && !glob_any(functions->items, functions->count, name))
		return false;
	return !glob_any(excludes->items, excludes->count, name);
}

static int skip(struct functions *functions, const char *name, const char *module,
		const char *reason)
{
	struct skipped *skipped;

	if (functions->skipped_count % 256 == 0) {
		skipped = realloc(functions->skipped,
				  (functions->skipped_count + 256) * sizeof(*skipped));
		if (!skipped)
			return -ENOMEM;
		functions->skipped = skipped;
	}
	functions->skipped[functions->skipped_count++] =
		(struct skipped){.name = name, .module = module, .reason = reason};
	return 0;
}

/* What this function is to packets' identity, NULL = nothing. */
static const struct identity *identity_of(const char *name, const char *module)
{
	for (size_t i = 0; i < sizeof(identities) / sizeof(*identities); i++)
		if (!*module && strcmp(identities[i].name, name) == 0)
			return &identities[i];
	return NULL;
}

static int add_candidate(const struct candidate *candidate, void *context)
{
	struct chooser *chooser = context;
	const struct identity *identity = identity_of(candidate->name, chooser->module);
	bool asked = asked_for(chooser->options, candidate);
	bool needed = identity && (identity->part == PART_END || !chooser->options->no_follow);
	char prototype[512];
	struct entry *entry;
	uint32_t bucket;

	if (!asked && !needed)
		return 0;
	entry = entry_of(chooser, candidate->name, strlen(candidate->name), chooser->module);
	if (entry) {
		/* Statics of one name with different declarations: which address is whose is not
		 * known. */
		if (entry->position != candidate->position)
			entry->unclear = true;
		return 0;
	}
	if (chooser->count == chooser->capacity) {
		int capacity = chooser->capacity ? chooser->capacity * 2 : 1024;
		struct entry *entries =
			realloc(chooser->entries, capacity * sizeof(*chooser->entries));

		if (!entries)
			return -ENOMEM;
		chooser->entries = entries;
		chooser->capacity = capacity;
	}
	bucket = hash_of(candidate->name, strlen(candidate->name));
	btf_prototype(chooser->btf, candidate->proto, candidate->name, prototype,
		      sizeof(prototype));
	entry = &chooser->entries[chooser->count];
	*entry = (struct entry){
		.name = keep(chooser->functions, candidate->name),
		.module = chooser->module,
		.prototype = keep(chooser->functions, prototype),
		.next = chooser->buckets[bucket],
		.position =
			identity && identity->position ? identity->position : candidate->position,
		.helper = candidate->helper,
		.unclear = candidate->position == 0,
		.quiet = !asked,
	};
	if (!entry->name || !entry->prototype)
		return -ENOMEM;
	chooser->buckets[bucket] = chooser->count++;
	return 0;
}

static bool module_wanted(const struct options *options, const char *module)
{
	if (options->no_modules)
		return false;
	return !options->modules.count ||
	       glob_any(options->modules.items, options->modules.count, module);
}

/* Reads the BTF of each loaded module. One that can't be read costs its functions, not the trace.
 */
static int add_modules(struct chooser *chooser, struct btf *vmlinux)
{
	DIR *folder;
	struct dirent *file;
	int err = 0;

	folder = opendir(BTF_FOLDER);
	if (!folder)
		return 0;
	while (!err && (file = readdir(folder))) {
		char path[sizeof(BTF_FOLDER) + sizeof(file->d_name) + 1];
		struct btf *btf;

		if (file->d_name[0] == '.' || strcmp(file->d_name, "vmlinux") == 0 ||
		    !module_wanted(chooser->options, file->d_name) ||
		    (chooser->only && strcmp(chooser->only, file->d_name) != 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", BTF_FOLDER, file->d_name);
		chooser->module = keep(chooser->functions, file->d_name);
		if (!chooser->module) {
			err = -ENOMEM;
			break;
		}
		btf = btf__parse_split(path, vmlinux);
		if (!btf) {
			err = skip(chooser->functions, "*", chooser->module,
				   "the module's BTF can't be read");
			continue;
		}
		chooser->btf = btf;
		err = btf_each_candidate(btf, btf__type_cnt(vmlinux), add_candidate, chooser);
		if (!err)
			err = reasons_add(chooser->reasons, btf, btf__type_cnt(vmlinux));
		btf__free(btf);
	}
	closedir(folder);
	return err;
}

/* ---- addresses ---- */

static uint8_t rank_of(const struct entry *entry)
{
	if (identity_of(entry->name, entry->module))
		return 0;
	return glob_any(telling, sizeof(telling) / sizeof(*telling), entry->name) ? 1 : 2;
}

static int add_function(struct functions *functions, const struct entry *entry, const char *name,
			uint64_t address)
{
	const struct identity *identity = identity_of(entry->name, entry->module);

	if (functions->count % 512 == 0) {
		struct function *items =
			realloc(functions->items, (functions->count + 512) * sizeof(*items));

		if (!items)
			return -ENOMEM;
		functions->items = items;
	}
	functions->items[functions->count++] = (struct function){
		.address = address,
		.name = name,
		.module = entry->module,
		.prototype = entry->prototype,
		.position = entry->position,
		.rank = rank_of(entry),
		.part = identity ? identity->part : PART_NONE,
		.no_birth = !*entry->module && LISTED(no_birth, entry->name),
		.quiet = entry->quiet,
		.helper = entry->helper,
	};
	return 0;
}

/*
 * The compiler's variants of a function have its name and more: .isra, .constprop and .part are
 * functions whose arguments may have moved; .cold is a piece that its function jumps into.
 */
static int add_variant(struct chooser *chooser, struct entry *entry, const struct symbol *symbol,
		       const char *name)
{
	const char *own = keep(chooser->functions, name);

	if (!own)
		return -ENOMEM;
	if (strstr(name, ".cold"))
		return skip(chooser->functions, own, entry->module,
			    "a part that its function jumps into: it is never called");
	entry->variants++;
	if (add_function(chooser->functions, entry, own, symbol->address))
		return -ENOMEM;
	chooser->functions->items[chooser->functions->count - 1].doubtful = true;
	return 0;
}

/* May its skb be elsewhere than the declaration says? Which of several functions of one name the
 * declaration is of isn't known. */
static bool doubtful(struct chooser *chooser, const struct function *function)
{
	const struct entry *entry =
		entry_of(chooser, function->name, strlen(function->name), function->module);

	return function->doubtful || (entry && (entry->unclear || entry->found > 1));
}

static int find_addresses(struct chooser *chooser, const struct kallsyms *kallsyms)
{
	struct functions *functions = chooser->functions;
	int err = 0;

	for (size_t i = 0; i < kallsyms->count && !err; i++) {
		const struct symbol *symbol = &kallsyms->symbols[i];
		const char *name = symbol_name(kallsyms, symbol);
		size_t length = strcspn(name, ".");
		struct entry *entry;

		entry = entry_of(chooser, name, length, symbol_module(kallsyms, symbol));
		if (!entry)
			continue;
		if (symbol->address >= kallsyms->init_begin &&
		    symbol->address < kallsyms->init_end) {
			entry->initial = true;
			continue;
		}
		if (name[length]) {
			err = add_variant(chooser, entry, symbol, name);
			continue;
		}
		entry->found++;
		err = add_function(functions, entry, entry->name, symbol->address);
	}
	for (int i = 0; i < chooser->count && !err; i++) {
		const struct entry *entry = &chooser->entries[i];

		if (!entry->found && !entry->variants)
			err = skip(functions, entry->name, entry->module,
				   entry->initial ? "it was of the kernel's start, and is gone"
						  : "it has no address: inlined everywhere");
	}
	for (size_t i = 0; i < functions->count; i++)
		functions->items[i].doubtful = doubtful(chooser, &functions->items[i]);
	return err;
}

static int by_address(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* Side by side where the skb is at the same place: one program serves several kprobes. */
static int by_rank(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank - b->rank;
	if (a->doubtful != b->doubtful)
		return a->doubtful - b->doubtful;
	return a->position != b->position ? a->position - b->position : by_address(left, right);
}

/* Two names of one address would be two hits of one call: the first is kept. */
static int drop_aliases(struct functions *functions)
{
	size_t kept = 0;

	qsort(functions->items, functions->count, sizeof(*functions->items), by_address);
	for (size_t i = 0; i < functions->count; i++) {
		struct function *item = &functions->items[i];

		if (kept && functions->items[kept - 1].address == item->address) {
			if (skip(functions, item->name, item->module,
				 "another name for a function that is hooked"))
				return -ENOMEM;
			continue;
		}
		functions->items[kept++] = *item;
	}
	functions->count = kept;
	return 0;
}

/* ---- what ftrace can trace ---- */

/*
 * What ftrace changes is at a function's begin, or a few bytes behind it: after ENDBR64 on x86-64
 * with IBT, after BTI and what saves the link register on arm64.
 */
#define SITE_WITHIN 16

/* The function whose site this is; NULL when none of ours. They are sorted by address. */
static struct function *function_of_site(struct functions *functions, uint64_t site)
{
	size_t low = 0, high = functions->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (functions->items[middle].address <= site)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || site - functions->items[low - 1].address > SITE_WITHIN)
		return NULL;
	return &functions->items[low - 1];
}

static int by_name(const void *left, const void *right)
{
	const struct function *const *a = left, *const *b = right;
	int order = strcmp((*a)->name, (*b)->name);

	return order ? order : strcmp((*a)->module, (*b)->module);
}

/* NULL without memory. */
static const struct function **sort_names(const struct functions *functions)
{
	const struct function **names = calloc(functions->count + 1, sizeof(struct function *));

	if (!names)
		return NULL;
	for (size_t i = 0; i < functions->count; i++)
		names[i] = &functions->items[i];
	qsort(names, functions->count, sizeof(struct function *), by_name);
	return names;
}

/* Marks the functions that a line of the list names: `name` or `name [module]`. */
static void mark_named(struct functions *functions, const struct function **names, char *line,
		       bool *traceable)
{
	size_t length = strcspn(line, " \t\n"), low = 0, high = functions->count;
	char *open = strchr(line + length, '['), *close = open ? strchr(open, ']') : NULL;
	struct function key = {.name = line, .module = ""}, *one = &key;

	if (close) {
		*close = 0;
		key.module = open + 1;
	}
	line[length] = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_name(&names[middle], &one) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < functions->count && by_name(&names[low], &one) == 0; low++) {
		size_t at = names[low] - functions->items;

		traceable[at] = true;
		if (BEHIND_FTRACE)
			functions->items[at].behind = names[low]->address + BEHIND_FTRACE;
	}
}

/* Marks what the kernel lists. Returns false when the list can't be read: then every one may be
 * tried. */
static bool mark_traceable(struct functions *functions, bool *traceable)
{
	bool with_addresses = true;
	char line[1024];
	size_t lines = 0;
	const struct function **names = NULL;
	FILE *file;

	/* With addresses since 6.5 (83f74441bcb1). */
	file = tracefs_open("available_filter_functions_addrs");
	if (!file) {
		with_addresses = false;
		file = tracefs_open("available_filter_functions");
	}
	if (file && !with_addresses)
		names = sort_names(functions);
	if (!file || (!with_addresses && !names)) {
		if (file)
			fclose(file);
		return false;
	}
	while (fgets(line, sizeof(line), file)) {
		lines++;
		if (with_addresses) {
			uint64_t site = strtoull(line, NULL, 16);
			struct function *found = function_of_site(functions, site);

			if (found) {
				traceable[found - functions->items] = true;
				found->behind = BEHIND_FTRACE ? site + BEHIND_FTRACE : 0;
			}
		} else {
			mark_named(functions, names, line, traceable);
		}
	}
	fclose(file);
	free(names);
	return lines > 0;
}

/* The same by the functions' own code. Returns false when that can't be told here. */
static bool mark_by_text(struct functions *functions, bool *traceable)
{
	size_t count = 0;
	int found = 0;

	for (size_t i = 0; i < functions->count && found >= 0; i++) {
		uint64_t site;

		found = text_site(functions->items[i].address, &site);
		traceable[i] = found > 0;
		functions->items[i].behind = found > 0 && BEHIND_FTRACE ? site + BEHIND_FTRACE : 0;
		count += traceable[i];
	}
	/* Most of them can; else this kernel's compiler has another way. */
	if (found >= 0 && count > functions->count / 2)
		return true;
	memset(traceable, 0, functions->count * sizeof(*traceable));
	return false;
}

static int drop_untraceable(struct chooser *chooser)
{
	struct functions *functions = chooser->functions;
	bool *traceable = calloc(functions->count + 1, sizeof(*traceable));
	size_t kept = 0;
	int err = 0;

	if (!traceable)
		return -ENOMEM;
	if (!mark_by_text(functions, traceable) && !mark_traceable(functions, traceable)) {
		say("no list of traceable functions: tracefs: every function is tried");
		functions->unlisted = true;
		free(traceable);
		return 0;
	}
	for (size_t i = 0; i < functions->count && !err; i++) {
		struct function *item = &functions->items[i];

		if (traceable[i])
			functions->items[kept++] = *item;
		else
			err = skip(functions, item->name, item->module,
				   "the kernel doesn't let it be traced (notrace)");
	}
	functions->count = kept;
	free(traceable);
	return err;
}

/* ---- all together ---- */

static struct btf *open_btf(const char *path)
{
	struct btf *btf = vmlinux_take(path);

	if (btf)
		return btf;
	complain("no BTF: %s (%s): %s", path ? path : BTF_FOLDER "/vmlinux", strerror(errno),
		 path ? "give --btf a BTF file of the running kernel"
		      : "use a kernel with CONFIG_DEBUG_INFO_BTF, or give its BTF with --btf");
	return NULL;
}

/* Has the tracepoint skb:kfree_skb a reason? (void *, skb, location, reason …): since 5.17,
 * c504e5c2f964. */
static bool has_drop_reason(const struct btf *btf)
{
	int32_t id = btf__find_by_name_kind(btf, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);
	const struct btf_type *type = id > 0 ? skip_modifiers(btf, id) : NULL;

	if (type && btf_is_ptr(type))
		type = skip_modifiers(btf, type->type);
	return type && btf_is_func_proto(type) && btf_vlen(type) >= 4;
}

int functions_choose(struct functions *functions, const struct options *options, const char *only,
		     const struct kallsyms *kallsyms, struct reasons *reasons)
{
	struct chooser *chooser = calloc(1, sizeof(*chooser));
	struct btf *vmlinux = open_btf(options->btf);
	int err = -ENOMEM;

	memset(functions, 0, sizeof(*functions));
	if (!vmlinux) {
		free(chooser);
		return -1;
	}
	if (!chooser)
		goto cleanup;
	chooser->functions = functions;
	chooser->options = options;
	chooser->only = only;
	chooser->reasons = reasons;
	functions->drop_reason = has_drop_reason(vmlinux);
	functions->copies = btf__find_by_name_kind(vmlinux, "__copy_skb_header", BTF_KIND_FUNC) > 0;
	functions->release =
		btf__find_by_name_kind(vmlinux, "skb_release_head_state", BTF_KIND_FUNC) > 0;
	functions->program_iterator =
		btf__find_by_name_kind(vmlinux, "bpf_iter_bpf_prog", BTF_KIND_FUNC) > 0;
	functions->plain_loads =
		btf__find_by_name_kind(vmlinux, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	chooser->btf = vmlinux;
	chooser->module = "";
	memset(chooser->buckets, 0xff, sizeof(chooser->buckets));
	err = only ? 0 : btf_each_candidate(vmlinux, 1, add_candidate, chooser);
	if (!err && !only)
		err = reasons_add(reasons, vmlinux, 1);
	if (!err && !options->no_modules)
		err = add_modules(chooser, vmlinux);
	vmlinux_keep(vmlinux);
	vmlinux = NULL;
	if (!err)
		err = find_addresses(chooser, kallsyms);
	if (!err)
		err = drop_aliases(functions);
	if (!err)
		err = drop_untraceable(chooser);
	if (!err)
		qsort(functions->items, functions->count, sizeof(*functions->items), by_rank);
cleanup:
	if (err)
		complain("can't choose functions: BTF: %s", strerror(-err));
	btf__free(vmlinux);
	if (chooser)
		free(chooser->entries);
	free(chooser);
	return err ? -1 : 0;
}

void functions_free(struct functions *functions)
{
	for (size_t i = 0; i < functions->string_count; i++)
		free(functions->strings[i]);
	free(functions->strings);
	free(functions->items);
	free(functions->skipped);
	memset(functions, 0, sizeof(*functions));
}
