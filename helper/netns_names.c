// SPDX-License-Identifier: Apache-2.0
/* The names of all network namespaces: see netns_names.h. */
#include "netns_names.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_NAMES 65536 /* more than any machine has; what is beyond isn't told */

static uint32_t machine; /* its own namespace; 0 = not known */

void netns_names_learn(void)
{
	struct stat info;

	machine = stat("/proc/1/ns/net", &info) == 0 ? (uint32_t)info.st_ino : 0;
}

static bool add(struct netns_names *names, uint32_t inum, const char *name)
{
	struct netns_label *labels = names->labels;

	if (names->count >= MOST_NAMES)
		return false;
	/* A power of two of them has no room for one more. */
	if (!(names->count & (names->count - 1))) {
		size_t room = names->count ? 2 * names->count : 1;

		labels = realloc(labels, room * sizeof(*labels));
		if (!labels)
			return false;
		names->labels = labels;
	}
	labels[names->count].inum = inum;
	labels[names->count].name = strdup(name);
	if (!labels[names->count].name)
		return false;
	names->count++;
	return true;
}

/* By name, too, since a folder's order changes with each name that comes. */
static int by_inum(const void *left, const void *right)
{
	const struct netns_label *a = left, *b = right;

	if (a->inum != b->inum)
		return a->inum < b->inum ? -1 : 1;
	return strcmp(a->name, b->name);
}

void netns_names_read(struct netns_names *names, const char *folder)
{
	DIR *open = opendir(folder);
	struct dirent *file;
	struct stat info;

	netns_names_free(names);
	while (open && (file = readdir(open))) {
		if (file->d_name[0] == '.' || fstatat(dirfd(open), file->d_name, &info, 0))
			continue;
		if (!add(names, (uint32_t)info.st_ino, file->d_name))
			break;
	}
	if (open)
		closedir(open);
	if (names->count)
		qsort(names->labels, names->count, sizeof(*names->labels), by_inum);
	if (machine && !*netns_names_find(names, machine) && add(names, machine, "init_net"))
		qsort(names->labels, names->count, sizeof(*names->labels), by_inum);
}

const char *netns_names_find(const struct netns_names *names, uint32_t inum)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->labels[middle].inum < inum)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->count && names->labels[low].inum == inum ? names->labels[low].name : "";
}

void netns_names_free(struct netns_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->labels[i].name);
	free(names->labels);
	*names = (struct netns_names){0};
}
