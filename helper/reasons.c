// SPDX-License-Identifier: Apache-2.0
/* Drop reasons by BTF: see reasons.h. */
#include "reasons.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* enum skb_drop_reason (include/net/dropreason-core.h), and enum mac80211_drop_reason and its like.
 */
#define CORE   "skb_drop_reason"
#define SUFFIX "_drop_reason"
#define PREFIX "SKB_DROP_REASON_"

/* Reasons of a subsystem have its number in the upper half (include/net/dropreason.h). */
#define SUBSYSTEM_SHIFT 16

static bool ends_with(const char *text, const char *suffix)
{
	size_t length = strlen(text), tail = strlen(suffix);

	return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

static int add(struct reasons *reasons, uint32_t value, const char *name)
{
	struct reason *items;
	size_t at = 0;

	while (at < reasons->count && reasons->items[at].value < value)
		at++;
	/* Of two names for one value the first counts: the second is a mark such as …_MAX. */
	if (at < reasons->count && reasons->items[at].value == value)
		return 0;
	items = realloc(reasons->items, (reasons->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	reasons->items = items;
	name = strdup(name);
	if (!name)
		return -ENOMEM;
	memmove(items + at + 1, items + at, (reasons->count - at) * sizeof(*items));
	items[at] = (struct reason){.value = value, .name = (char *)name};
	reasons->count++;
	return 0;
}

static int add_value(struct reasons *reasons, const struct btf *btf, bool core, uint32_t name_off,
		     uint64_t value)
{
	const char *name = btf__name_by_offset(btf, name_off);

	if (!name || !*name || ends_with(name, "_MAX") || ends_with(name, "_MASK"))
		return 0;
	if (core == (value >> SUBSYSTEM_SHIFT != 0) || value > UINT32_MAX)
		return 0;
	if (core && strncmp(name, PREFIX, strlen(PREFIX)) == 0)
		name += strlen(PREFIX);
	return add(reasons, (uint32_t)value, name);
}

int reasons_add(struct reasons *reasons, const struct btf *btf, uint32_t first)
{
	uint32_t count = btf__type_cnt(btf);

	for (uint32_t id = first; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *name;
		bool core;
		int err = 0;

		if (!type || !btf_is_any_enum(type))
			continue;
		name = btf__name_by_offset(btf, type->name_off);
		if (!name || !ends_with(name, SUFFIX))
			continue;
		core = strcmp(name, CORE) == 0;
		for (int i = 0; i < btf_vlen(type) && !err; i++) {
			if (btf_is_enum(type))
				err = add_value(reasons, btf, core, btf_enum(type)[i].name_off,
						(uint32_t)btf_enum(type)[i].val);
			else
				err = add_value(reasons, btf, core, btf_enum64(type)[i].name_off,
						btf_enum64_value(&btf_enum64(type)[i]));
		}
		if (err)
			return err;
	}
	return 0;
}

const char *reason_name(const struct reasons *reasons, uint32_t value)
{
	size_t low = 0, high = reasons->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (reasons->items[middle].value == value)
			return reasons->items[middle].name;
		if (reasons->items[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void reasons_free(struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		free(reasons->items[i].name);
	free(reasons->items);
	memset(reasons, 0, sizeof(*reasons));
}
