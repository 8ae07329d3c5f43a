// SPDX-License-Identifier: Apache-2.0
/* Which kernel functions are hooked: see functions.h. */
#include "functions.h"
#include "btf.h"
#include "glob.h"
#include "log.h"
#include "options.h"
#include "policy.h"
#include "traceable.h"
#include "vmlinux.h"
#include "wanted.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the set holds ---- */

#define STRING_BLOCK 65536

const char *functions_keep(struct functions *functions, const char *text)
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

int functions_skip(struct functions *functions, const char *name, const char *module,
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

/* ---- addresses ---- */

static int add_function(struct functions *functions, const struct wanted *wanted, const char *name,
			uint64_t address)
{
	const struct identity *identity = identity_of(wanted->name, wanted->module);

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
		.module = wanted->module,
		.prototype = wanted->prototype,
		.position = wanted->position,
		.rank = rank_of(wanted->name, wanted->module),
		.part = identity ? identity->part : PART_NONE,
		.no_birth = no_birth_at(wanted->name, wanted->module),
		.no_bytes = no_bytes_at(wanted->name, wanted->module),
		.quiet = wanted->quiet,
		.helper = wanted->helper,
	};
	return 0;
}

/*
 * The compiler's variants of a function have its name and more: .isra, .constprop and .part are
 * functions whose arguments may have moved; .cold is a piece that its function jumps into.
 */
static int add_variant(struct wanted_list *list, struct wanted *wanted, const struct symbol *symbol,
		       const char *name)
{
	const char *own = functions_keep(list->functions, name);

	if (!own)
		return -ENOMEM;
	if (strstr(name, ".cold"))
		return functions_skip(list->functions, own, wanted->module,
				      "a part that its function jumps into: it is never called");
	wanted->variants++;
	if (add_function(list->functions, wanted, own, symbol->address))
		return -ENOMEM;
	list->functions->items[list->functions->count - 1].doubtful = true;
	return 0;
}

/* How many hooked functions bear this very name: the compiler may give two statics' variants one.
 */
static size_t namesakes(const struct functions *functions, const struct function *function)
{
	size_t count = 0;

	for (size_t i = 0; i < functions->count; i++)
		count += strcmp(functions->items[i].name, function->name) == 0 &&
			 strcmp(functions->items[i].module, function->module) == 0;
	return count;
}

/* Which of several functions of one name a declaration is of isn't known: it is shown for none, and
 * their skb may be elsewhere than it says. */
static void doubt(struct wanted_list *list, struct function *function)
{
	size_t length = strcspn(function->name, ".");
	const struct wanted *wanted = wanted_find(list, function->name, length, function->module);

	if (!wanted)
		return;
	if (wanted->unclear || wanted->found > 1)
		function->doubtful = true;
	if (wanted->several || wanted->found > 1 ||
	    (function->name[length] && wanted->variants > 1 &&
	     namesakes(list->functions, function) > 1))
		function->prototype = "";
}

/* Of what the person names, that which BTF has no function for that takes a packet. */
static int read_unmet(const struct wanted_list *list, struct globs *unmet)
{
	const struct globs *asked = &list->options->functions;

	unmet->items = calloc(asked->count + 1, sizeof(*unmet->items));
	if (!unmet->items)
		return -ENOMEM;
	for (size_t i = 0; i < asked->count; i++)
		if (!wanted_find(list, asked->items[i], strlen(asked->items[i]), ""))
			unmet->items[unmet->count++] = asked->items[i];
	return 0;
}

static bool is_named(const struct globs *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	return false;
}

static bool is_skipped(const struct functions *functions, const char *name, const char *module)
{
	for (size_t i = 0; i < functions->skipped_count; i++)
		if (strcmp(functions->skipped[i].name, name) == 0 &&
		    strcmp(functions->skipped[i].module, module) == 0)
			return true;
	return false;
}

/*
 * What the person names may be in the kernel's text and not in its BTF: pahole leaves out a variant
 * that the compiler made, when no declaration fits its arguments (its option optimized_func), and
 * functions of one name that it can't tell apart. A variant is told for a pattern, too; the rest of
 * what matches one is mostly functions that take no packet.
 */
static int note_undescribed(struct wanted_list *list, const struct globs *unmet,
			    const struct btf *vmlinux, const char *name, size_t length)
{
	const struct globs *asked = &list->options->functions;
	bool variant = name[length];
	char base[128];

	if (!asked->count || length >= sizeof(base))
		return 0;
	memcpy(base, name, length);
	base[length] = 0;
	if (!(variant ? glob_any(asked->items, asked->count, base) : is_named(unmet, base)) ||
	    btf_has_function(vmlinux, base) || is_skipped(list->functions, name, ""))
		return 0;
	name = functions_keep(list->functions, name);
	if (!name)
		return -ENOMEM;
	return functions_skip(list->functions, name, "",
			      variant ? "a variant that the compiler made, which BTF doesn't "
					"describe: what it takes isn't known"
				      : "BTF doesn't describe it: what it takes isn't known");
}

static int find_addresses(struct wanted_list *list, const struct kallsyms *kallsyms,
			  const struct btf *vmlinux)
{
	struct functions *functions = list->functions;
	struct globs unmet = {0};
	int err = read_unmet(list, &unmet);

	for (size_t i = 0; i < kallsyms->count && !err; i++) {
		const struct symbol *symbol = &kallsyms->symbols[i];
		const char *name = symbol_name(kallsyms, symbol);
		const char *module = symbol_module(kallsyms, symbol);
		size_t length = strcspn(name, ".");
		struct wanted *wanted = wanted_find(list, name, length, module);

		if (!wanted) {
			if (!*module)
				err = note_undescribed(list, &unmet, vmlinux, name, length);
			continue;
		}
		if (symbol->address >= kallsyms->init_begin &&
		    symbol->address < kallsyms->init_end) {
			wanted->initial = true;
			continue;
		}
		if (name[length]) {
			err = add_variant(list, wanted, symbol, name);
			continue;
		}
		wanted->found++;
		err = add_function(functions, wanted, wanted->name, symbol->address);
	}
	free(unmet.items);
	for (int i = 0; i < list->count && !err; i++) {
		const struct wanted *wanted = &list->items[i];

		if (!wanted->found && !wanted->variants)
			err = functions_skip(functions, wanted->name, wanted->module,
					     wanted->initial
						     ? "it was of the kernel's start, and is gone"
						     : "it has no address: inlined everywhere");
	}
	for (size_t i = 0; i < functions->count; i++)
		doubt(list, &functions->items[i]);
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
			if (functions_skip(functions, item->name, item->module,
					   "another name for a function that is hooked"))
				return -ENOMEM;
			continue;
		}
		functions->items[kept++] = *item;
	}
	functions->count = kept;
	return 0;
}

static int drop_untraceable(struct functions *functions)
{
	bool *traceable = calloc(functions->count + 1, sizeof(*traceable));
	size_t kept = 0;
	int err = 0;

	if (!traceable)
		return -ENOMEM;
	if (!traceable_mark(functions, traceable)) {
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
			err = functions_skip(functions, item->name, item->module,
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
	complain("no BTF: %s (%s): %s", path ? path : "/sys/kernel/btf/vmlinux",
		 vmlinux_error(path),
		 path ? "give --btf a BTF file of the running kernel"
		      : "use a kernel with CONFIG_DEBUG_INFO_BTF, or give its BTF with --btf");
	return NULL;
}

static int miss(struct functions *functions, const char *name)
{
	return functions_skip(functions, name, "",
			      "BTF doesn't describe it: packets that end or are made there may be "
			      "taken for others");
}

/* What packets' identity needs and isn't there is told, unless this is about one module. */
static int find_lineage(struct functions *functions, const struct btf *vmlinux, bool tell)
{
	const struct identity *identity;
	int err = 0;

	for (size_t i = 0; !err && i < LINEAGES; i++) {
		const char *name = lineage_hooks[i].function;

		functions->lineage[i] = btf_has_function(vmlinux, name);
		if (tell && !functions->lineage[i] && !identity_of(name, "") &&
		    !(i && strcmp(lineage_hooks[i - 1].function, name) == 0))
			err = miss(functions, name);
	}
	for (size_t i = 0; tell && !err && (identity = identity_at(i)); i++)
		if (!btf_has_function(vmlinux, identity->name))
			err = miss(functions, identity->name);
	return err;
}

int functions_choose(struct functions *functions, const struct options *options, const char *only,
		     const struct kallsyms *kallsyms, struct reasons *reasons)
{
	struct wanted_list *list = calloc(1, sizeof(*list));
	struct btf *vmlinux = open_btf(options->btf);
	int err = -ENOMEM;

	memset(functions, 0, sizeof(*functions));
	if (!vmlinux) {
		free(list);
		return -1;
	}
	if (!list)
		goto cleanup;
	list->functions = functions;
	list->options = options;
	list->only = only;
	list->reasons = reasons;
	functions->drop_reason = btf_has_drop_reason(vmlinux);
	functions->program_iterator = btf_has_function(vmlinux, "bpf_iter_bpf_prog");
	functions->plain_loads = btf_has_function(vmlinux, "bpf_rdonly_cast");
	err = find_lineage(functions, vmlinux, !only);
	if (!err)
		err = wanted_read(list, vmlinux);
	if (!err)
		err = find_addresses(list, kallsyms, vmlinux);
	vmlinux_keep(vmlinux);
	vmlinux = NULL;
	if (!err)
		err = drop_aliases(functions);
	if (!err)
		err = drop_untraceable(functions);
	if (!err)
		qsort(functions->items, functions->count, sizeof(*functions->items), by_rank);
cleanup:
	if (err)
		complain("can't choose functions: BTF: %s", strerror(-err));
	btf__free(vmlinux);
	if (list)
		free(list->items);
	free(list);
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
