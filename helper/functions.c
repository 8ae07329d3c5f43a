// SPDX-License-Identifier: Apache-2.0
/* Which kernel functions are hooked: see functions.h. */
#include "functions.h"
#include "glob.h"
#include "log.h"
#include "options.h"
#include "reasons.h"
#include "tracefs.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BTF_FOLDER "/sys/kernel/btf"

/*
 * The functions at which an skb ends, whatever way it is freed: bpf/identity.h says why these.
 * They are hooked always.
 */
static const char *const ends[] = {
	"skb_release_head_state",
	"kfree_skbmem",
	"napi_skb_cache_put",
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
		candidate.position = skb_position(btf, proto);
		candidate.name = btf__name_by_offset(btf, type->name_off);
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
	bool unclear; /* the skb's place can't be told */
	bool quiet;
	bool variant;	/* kallsyms has a compiler's variant of it */
	uint16_t found; /* addresses */
};

#define BUCKETS 8192

struct chooser {
	struct functions *functions;
	const struct options *options;
	struct reasons *reasons;
	const struct btf *btf;
	const char *module;
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

static bool asked_for(const struct options *options, const char *name)
{
	const struct patterns *functions = &options->functions, *excludes = &options->excludes;

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

static int add_candidate(const struct candidate *candidate, void *context)
{
	struct chooser *chooser = context;
	bool end = !*chooser->module && LISTED(ends, candidate->name);
	bool asked = asked_for(chooser->options, candidate->name);
	char prototype[512];
	struct entry *entry;
	uint32_t bucket;

	if (!asked && !end)
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
		.position = candidate->position,
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
		    !module_wanted(chooser->options, file->d_name))
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
	if (!*entry->module && LISTED(ends, entry->name))
		return 0;
	return glob_any(telling, sizeof(telling) / sizeof(*telling), entry->name) ? 1 : 2;
}

static int add_function(struct functions *functions, const struct entry *entry, uint64_t address)
{
	bool end = !*entry->module && LISTED(ends, entry->name);

	if (functions->count % 512 == 0) {
		struct function *items =
			realloc(functions->items, (functions->count + 512) * sizeof(*items));

		if (!items)
			return -ENOMEM;
		functions->items = items;
	}
	functions->items[functions->count++] = (struct function){
		.address = address,
		.name = entry->name,
		.module = entry->module,
		.prototype = entry->prototype,
		.position = entry->position,
		.rank = rank_of(entry),
		.ends = end,
		.no_birth = !*entry->module && LISTED(no_birth, entry->name),
		.quiet = entry->quiet,
	};
	return 0;
}

static int find_addresses(struct chooser *chooser, const struct kallsyms *kallsyms)
{
	for (size_t i = 0; i < kallsyms->count; i++) {
		const struct symbol *symbol = &kallsyms->symbols[i];
		const char *name = symbol_name(kallsyms, symbol);
		size_t length = strcspn(name, ".");
		struct entry *entry;

		entry = entry_of(chooser, name, length, symbol_module(kallsyms, symbol));
		if (!entry)
			continue;
		if (name[length]) {
			entry->variant = true;
			continue;
		}
		if (symbol->address >= kallsyms->init_begin && symbol->address < kallsyms->init_end)
			continue;
		entry->found++;
		if (!entry->unclear && add_function(chooser->functions, entry, symbol->address))
			return -ENOMEM;
	}
	for (int i = 0; i < chooser->count; i++) {
		const struct entry *entry = &chooser->entries[i];
		const char *reason;

		if (entry->unclear && entry->found)
			reason = "which argument is the skb can't be told";
		else if (entry->found)
			continue;
		else if (entry->variant)
			reason = "only a variant made by the compiler exists, its arguments are "
				 "not certain";
		else
			reason = "it has no address: inlined, or of the kernel's start";
		if (skip(chooser->functions, entry->name, entry->module, reason))
			return -ENOMEM;
	}
	return 0;
}

static int by_address(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

static int by_rank(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	return a->rank != b->rank ? a->rank - b->rank : by_address(left, right);
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

/* Marks what the kernel lists. Returns false when the list can't be read: then every one may be
 * tried. */
static bool mark_traceable(struct chooser *chooser, bool *traceable)
{
	struct functions *functions = chooser->functions;
	bool with_addresses = true;
	char line[1024];
	size_t lines = 0;
	FILE *file;

	/* With addresses since 6.5 (83f74441bcb1). */
	file = tracefs_open("available_filter_functions_addrs");
	if (!file) {
		with_addresses = false;
		file = tracefs_open("available_filter_functions");
	}
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		lines++;
		if (with_addresses) {
			struct function key = {.address = strtoull(line, NULL, 16)}, *found;

			found = functions->count ? bsearch(&key, functions->items, functions->count,
							   sizeof(key), by_address)
						 : NULL;
			if (!found) {
				/* With IBT the traced place is behind the 4 bytes of ENDBR64. */
				key.address -= 4;
				found = functions->count
						? bsearch(&key, functions->items, functions->count,
							  sizeof(key), by_address)
						: NULL;
			}
			if (found)
				traceable[found - functions->items] = true;
		} else {
			size_t length = strcspn(line, " \t\n");
			char *open = strchr(line + length, '[');
			char *close = open ? strchr(open, ']') : NULL;
			const char *module = "";
			struct entry *entry;

			if (close) {
				*close = 0;
				module = open + 1;
			}
			entry = entry_of(chooser, line, length, module);
			/* "found" is over; from here it says that the name is listed. */
			if (entry)
				entry->found = UINT16_MAX;
		}
	}
	fclose(file);
	if (!with_addresses)
		for (size_t i = 0; i < functions->count; i++) {
			const struct function *item = &functions->items[i];
			const struct entry *entry =
				entry_of(chooser, item->name, strlen(item->name), item->module);

			traceable[i] = entry && entry->found == UINT16_MAX;
		}
	return lines > 0;
}

static int drop_untraceable(struct chooser *chooser)
{
	struct functions *functions = chooser->functions;
	bool *traceable = calloc(functions->count + 1, sizeof(*traceable));
	size_t kept = 0;
	int err = 0;

	if (!traceable)
		return -ENOMEM;
	if (!mark_traceable(chooser, traceable)) {
		say("no list of traceable functions: tracefs: every function is tried");
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
	struct btf *btf = btf__parse(path ? path : BTF_FOLDER "/vmlinux", NULL);

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

int functions_choose(struct functions *functions, const struct options *options,
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
	chooser->reasons = reasons;
	functions->drop_reason = has_drop_reason(vmlinux);
	chooser->btf = vmlinux;
	chooser->module = "";
	memset(chooser->buckets, 0xff, sizeof(chooser->buckets));
	err = btf_each_candidate(vmlinux, 1, add_candidate, chooser);
	if (!err)
		err = reasons_add(reasons, vmlinux, 1);
	if (!err && !options->no_modules)
		err = add_modules(chooser, vmlinux);
	/* 6 MB that are not needed while the rest is read. */
	btf__free(vmlinux);
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
