// SPDX-License-Identifier: Apache-2.0
/* Kernel modules that come and go: see modules.h. */
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS	    200
#define MAX_MODULES 8192

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

void modules_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

char **modules_read(FILE *file, size_t *count)
{
	char **names = malloc(sizeof(*names)), **more;
	char line[4096], name[64];

	*count = 0;
	while (names && *count < MAX_MODULES && fgets(line, sizeof(line), file)) {
		/* name size users used-by state address: kernel/module/procfs.c */
		if (!strstr(line, " Live ") || sscanf(line, "%63s", name) != 1)
			continue;
		more = realloc(names, (*count + 1) * sizeof(*names));
		if (more) {
			names = more;
			names[*count] = strdup(name);
		}
		if (!more || !names[*count]) {
			modules_free(names, *count);
			return NULL;
		}
		++*count;
	}
	if (names)
		qsort(names, *count, sizeof(*names), by_name);
	return names;
}

static char **read_now(size_t *count)
{
	FILE *file = fopen("/proc/modules", "re");
	char **names;

	if (!file)
		return NULL;
	names = modules_read(file, count);
	fclose(file);
	return names;
}

void modules_open(struct modules *modules)
{
	*modules = (struct modules){0};
	modules->names = read_now(&modules->count);
	if (!modules->names)
		modules->count = 0;
}

void modules_step(struct modules *modules, uint64_t now_ms,
		  void (*changed)(const char *name, bool loaded, void *context), void *context)
{
	char **before = modules->names, **after;
	size_t old = 0, new = 0, count;

	if (now_ms - modules->looked_ms < LOOK_MS)
		return;
	modules->looked_ms = now_ms;
	after = read_now(&count);
	if (!after)
		return;
	while (old < modules->count || new < count) {
		int order = old == modules->count ? 1
			    : new == count	  ? -1
						  : strcmp(before[old], after[new]);

		if (order < 0)
			changed(before[old], false, context);
		else if (order > 0)
			changed(after[new], true, context);
		old += order <= 0;
		new += order >= 0;
	}
	modules_free(before, modules->count);
	modules->names = after;
	modules->count = count;
}

void modules_close(struct modules *modules)
{
	modules_free(modules->names, modules->count);
	*modules = (struct modules){0};
}
