// SPDX-License-Identifier: Apache-2.0
/* What can be traced: see traceable.h. */
#include "traceable.h"
#include "arch.h"
#include "functions.h"
#include "text.h"
#include "tracefs.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Marks what the kernel lists. Returns false when the list can't be read. */
static bool mark_by_list(struct functions *functions, bool *traceable)
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

bool traceable_mark(struct functions *functions, bool *traceable)
{
	return mark_by_text(functions, traceable) || mark_by_list(functions, traceable);
}
