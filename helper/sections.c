// SPDX-License-Identifier: Apache-2.0
/* Where the kernel has code: see sections.h. */
#include "sections.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_IMAGES 1024 /* functions of a program */

int sections_add(struct sections *sections, uint64_t begin, uint64_t size)
{
	if (!begin || !size)
		return 0;
	if (sections->count == sections->room) {
		size_t room = sections->room ? 2 * sections->room : 64;
		struct section *items = realloc(sections->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		sections->items = items;
		sections->room = room;
	}
	if (size > UINT64_MAX - begin)
		size = UINT64_MAX - begin;
	sections->items[sections->count++] = (struct section){begin, begin + size};
	return 0;
}

static uint64_t mixed(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 1099511628211ULL;
}

int sections_add_modules(struct sections *sections, FILE *modules, uint64_t *hash)
{
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	*hash = 14695981039346656037ULL;
	/* A line is as long as the list of the modules that use this one. */
	while (!err && getline(&line, &room, modules) > 0) {
		uint64_t size, address;
		char name[64], state[16];

		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %15s %" SCNx64, name, &size, state,
			   &address) != 4)
			continue;
		for (const char *at = name; *at; at++)
			*hash = mixed(*hash, (unsigned char)*at);
		*hash = mixed(mixed(*hash, (unsigned char)*state), address);
		err = sections_add(sections, address, size);
	}
	free(line);
	return err;
}

static int add_program(struct sections *sections, int program)
{
	uint64_t addresses[MOST_IMAGES] = {0};
	uint32_t lengths[MOST_IMAGES] = {0};
	struct bpf_prog_info info;
	__u32 size = sizeof(info);
	int err = 0;

	memset(&info, 0, sizeof(info));
	info.nr_jited_ksyms = info.nr_jited_func_lens = MOST_IMAGES;
	info.jited_ksyms = (uintptr_t)addresses;
	info.jited_func_lens = (uintptr_t)lengths;
	if (bpf_obj_get_info_by_fd(program, &info, &size))
		return 0;
	/* The kernel tells how many there are, not how many it wrote. */
	for (uint32_t i = 0; !err && i < info.nr_jited_ksyms && i < MOST_IMAGES; i++)
		err = sections_add(sections, addresses[i], lengths[i]);
	return err;
}

int sections_add_programs(struct sections *sections)
{
	uint32_t id = 0;
	int err = 0;

	while (!err && bpf_prog_get_next_id(id, &id) == 0) {
		int program = bpf_prog_get_fd_by_id(id);

		if (program < 0)
			continue;
		err = add_program(sections, program);
		close(program);
	}
	return err;
}

static int by_begin(const void *left, const void *right)
{
	const struct section *a = left, *b = right;

	return a->begin < b->begin ? -1 : a->begin > b->begin;
}

void sections_sort(struct sections *sections)
{
	if (sections->count)
		qsort(sections->items, sections->count, sizeof(*sections->items), by_begin);
	for (size_t i = 1; i < sections->count; i++)
		if (sections->items[i - 1].end > sections->items[i].begin)
			sections->items[i - 1].end = sections->items[i].begin;
}

uint64_t sections_end(const struct sections *sections, uint64_t address)
{
	size_t low = 0, high = sections->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sections->items[middle].begin <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < sections->items[low - 1].end ? sections->items[low - 1].end : 0;
}

void sections_free(struct sections *sections)
{
	free(sections->items);
	*sections = (struct sections){0};
}
