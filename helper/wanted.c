// SPDX-License-Identifier: Apache-2.0
/* Functions by name: see wanted.h. */
#include "wanted.h"
#include "btf.h"
#include "functions.h"
#include "options.h"
#include "policy.h"
#include "reasons.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BTF_FOLDER "/sys/kernel/btf"

static uint32_t hash_of(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash % WANTED_BUCKETS;
}

struct wanted *wanted_find(const struct wanted_list *list, const char *name, size_t length,
			   const char *module)
{
	for (int at = list->buckets[hash_of(name, length)]; at >= 0; at = list->items[at].next) {
		struct wanted *wanted = &list->items[at];

		if (strncmp(wanted->name, name, length) == 0 && !wanted->name[length] &&
		    strcmp(wanted->module, module) == 0)
			return wanted;
	}
	return NULL;
}

static int add_candidate(const struct candidate *candidate, void *context)
{
	struct wanted_list *list = context;
	const struct identity *identity = identity_of(candidate->name, list->module);
	bool asked = asked_for(list->options, candidate, list->module);
	uint8_t position = position_at(candidate->name, list->module);
	bool needed = identity && (identity->part == PART_END || !list->options->no_follow);
	char prototype[512];
	struct wanted *wanted;
	uint32_t bucket;

	if (!asked && !needed)
		return 0;
	wanted = wanted_find(list, candidate->name, strlen(candidate->name), list->module);
	btf_prototype(list->btf, candidate->proto, candidate->name, prototype, sizeof(prototype));
	if (wanted) {
		/* Statics of one name with different declarations: which address is whose is not
		 * known. */
		wanted->several |= strcmp(wanted->prototype, prototype) != 0;
		wanted->unclear |= wanted->position != candidate->position;
		return 0;
	}
	if (list->count == list->capacity) {
		int capacity = list->capacity ? list->capacity * 2 : 1024;
		struct wanted *items = realloc(list->items, capacity * sizeof(*list->items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	bucket = hash_of(candidate->name, strlen(candidate->name));
	wanted = &list->items[list->count];
	*wanted = (struct wanted){
		.name = functions_keep(list->functions, candidate->name),
		.module = list->module,
		.prototype = functions_keep(list->functions, prototype),
		.next = list->buckets[bucket],
		.position = position ? position : candidate->position,
		.helper = candidate->helper,
		.unclear = candidate->position == 0,
		.quiet = !asked,
	};
	if (!wanted->name || !wanted->prototype)
		return -ENOMEM;
	list->buckets[bucket] = list->count++;
	return 0;
}

/* Reads the BTF of each loaded module. One that can't be read costs its functions, not the trace.
 */
static int add_modules(struct wanted_list *list, struct btf *vmlinux)
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
		    !module_wanted(list->options, file->d_name) ||
		    (list->only && strcmp(list->only, file->d_name) != 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", BTF_FOLDER, file->d_name);
		list->module = functions_keep(list->functions, file->d_name);
		if (!list->module) {
			err = -ENOMEM;
			break;
		}
		btf = btf__parse_split(path, vmlinux);
		if (!btf) {
			err = functions_skip(list->functions, "*", list->module,
					     "the module's BTF can't be read");
			continue;
		}
		list->btf = btf;
		err = btf_each_candidate(btf, btf__type_cnt(vmlinux), add_candidate, list);
		if (!err)
			err = reasons_add(list->reasons, btf, btf__type_cnt(vmlinux));
		btf__free(btf);
	}
	closedir(folder);
	return err;
}

int wanted_read(struct wanted_list *list, struct btf *vmlinux)
{
	int err = 0;

	memset(list->buckets, 0xff, sizeof(list->buckets));
	list->btf = vmlinux;
	list->module = "";
	if (!list->only) {
		err = btf_each_candidate(vmlinux, 1, add_candidate, list);
		if (!err)
			err = reasons_add(list->reasons, vmlinux, 1);
	}
	if (!err && !list->options->no_modules)
		err = add_modules(list, vmlinux);
	return err;
}
