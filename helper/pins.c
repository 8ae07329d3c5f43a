// SPDX-License-Identifier: Apache-2.0
/* Pinned programs: see pins.h. */
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIN_FOLDER "/sys/fs/bpf"
#define MOST_DEPTH 16
#define MOST_FILES 16384 /* that are looked at */

/* The program that an object is or, as a link, holds; 0 for others. */
static uint32_t program_of(int fd)
{
	union {
		struct bpf_prog_info program;
		struct bpf_link_info link;
	} info;
	__u32 size = sizeof(info);
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return 0;
	memset(&info, 0, sizeof(info));
	/* The kernel's own names: kernel/bpf/syscall.c, "bpf-prog", "bpf_link" ("bpf-link" before).
	 */
	if (strcmp(target, "anon_inode:bpf-prog") == 0)
		return bpf_obj_get_info_by_fd(fd, &info.program, &size) ? 0 : info.program.id;
	if (strcmp(target, "anon_inode:bpf_link") == 0 ||
	    strcmp(target, "anon_inode:bpf-link") == 0)
		return bpf_obj_get_info_by_fd(fd, &info.link, &size) ? 0 : info.link.prog_id;
	return 0;
}

static void look_at(struct pins *pins, const char *path)
{
	int fd = bpf_obj_get(path);
	uint32_t program = fd < 0 ? 0 : program_of(fd);
	struct pin *items;

	if (fd >= 0)
		close(fd);
	if (!program)
		return;
	items = realloc(pins->items, (pins->count + 1) * sizeof(*items));
	if (!items)
		return;
	pins->items = items;
	items[pins->count].path = strdup(path);
	items[pins->count].program = program;
	if (items[pins->count].path)
		pins->count++;
}

static void walk(struct pins *pins, const char *path, int depth, int *files)
{
	DIR *folder = opendir(path);
	struct dirent *file;

	while (folder && *files < MOST_FILES && (file = readdir(folder))) {
		char inner[4096];
		struct stat info;

		if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0 ||
		    snprintf(inner, sizeof(inner), "%s/%s", path, file->d_name) >=
			    (int)sizeof(inner) ||
		    lstat(inner, &info))
			continue;
		++*files;
		if (S_ISDIR(info.st_mode) && depth < MOST_DEPTH)
			walk(pins, inner, depth + 1, files);
		else if (S_ISREG(info.st_mode))
			look_at(pins, inner);
	}
	if (folder)
		closedir(folder);
}

void pins_read(struct pins *pins)
{
	int files = 0;

	memset(pins, 0, sizeof(*pins));
	walk(pins, PIN_FOLDER, 0, &files);
}

void pins_free(struct pins *pins)
{
	for (size_t i = 0; i < pins->count; i++)
		free(pins->items[i].path);
	free(pins->items);
	memset(pins, 0, sizeof(*pins));
}
