/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel has code: its own, that of modules, that of BPF programs. A symbol reaches no
 * further than the end of the section that it begins in.
 */
#ifndef PACKET_TRAIL_SECTIONS_H
#define PACKET_TRAIL_SECTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sections {
	struct section {
		uint64_t begin, end;
	} * items;
	size_t count;
	size_t room;
};

/* 0 or -ENOMEM. An empty one is none, nor is one whose address is hidden. */
int sections_add(struct sections *sections, uint64_t begin, uint64_t size);

/*
 * Adds a section for each module of /proc/modules: name size users used-by state address
 * (m_show(), kernel/module/procfs.c). Up to 6.3 the two are the base and the size of its one block
 * of memory, which has code first and data behind it (core_layout; that of a module that is still
 * being loaded counts its init code, which is elsewhere, too). Since 6.4 (ac3b43283923) each part
 * has a block of its own: the address is that of the code, and the size that of all parts together,
 * so that the section may reach beyond the code by as much as the module has data. What other code
 * is there ends it: it has a section of its own, or symbols. Returns 0 or -ENOMEM; *hash changes
 * when a module comes, goes, or changes its state.
 */
int sections_add_modules(struct sections *sections, FILE *modules, uint64_t *hash);

/* Adds a section for each function of each BPF program that is loaded. 0 or -ENOMEM. */
int sections_add_programs(struct sections *sections);

/* Sorts them, and ends each where the next one begins: once all are there. */
void sections_sort(struct sections *sections);

/* The end of the section that the address is in, 0 when it is in none. */
uint64_t sections_end(const struct sections *sections, uint64_t address);

void sections_free(struct sections *sections);

#endif
