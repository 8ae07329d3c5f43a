/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's text symbols, read once, in two compact arrays: address → symbol. */
#ifndef PACKET_TRAIL_KALLSYMS_H
#define PACKET_TRAIL_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "sections.h"

struct symbol {
	uint64_t address;
	uint32_t name;	 /* offset in `text` */
	uint16_t module; /* index in `modules`; 0 = vmlinux */
	uint8_t sent;	 /* its place in the stream was announced */
	uint8_t padding; /* bytes before it that are no function's */
};

struct kallsyms {
	struct symbol *symbols; /* by address */
	size_t count;
	size_t capacity;
	char *text;
	size_t text_length;
	size_t text_capacity;
	char **modules;
	size_t module_count;
	struct sections sections;
	uint64_t text_base; /* _stext … _etext: the kernel proper */
	uint64_t text_end;
	uint64_t init_begin; /* _sinittext … _einittext: gone after boot */
	uint64_t init_end;
	/* Variables; 0 = not listed. The first three are relative to each CPU's own. */
	uint64_t redirect_info;	 /* bpf_redirect_info */
	uint64_t prog_active;	 /* bpf_prog_active */
	uint64_t current_kprobe; /* current_kprobe */
	uint64_t cpu_offsets;	 /* __per_cpu_offset */
	uint64_t page_offset;	 /* page_offset_base */
	uint64_t page_map;	 /* vmemmap_base */
};

/*
 * Reads /proc/kallsyms, or what looks like it. 0, -ENOMEM, -EPERM when every address reads as
 * zero (kernel.kptr_restrict), -EINVAL when there is no symbol in it.
 */
int kallsyms_read(struct kallsyms *kallsyms, FILE *file);
int kallsyms_open(struct kallsyms *kallsyms, const char *path);
void kallsyms_close(struct kallsyms *kallsyms);

/*
 * Takes over where modules and BPF programs have code, beside the kernel's own. A symbol that is in
 * no section holds a page at most. 0 or -ENOMEM.
 */
int kallsyms_place(struct kallsyms *kallsyms, struct sections *sections);

/* The symbol that holds the address, NULL when none does. */
struct symbol *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address);

const char *symbol_name(const struct kallsyms *kallsyms, const struct symbol *symbol);
/* "" = vmlinux */
const char *symbol_module(const struct kallsyms *kallsyms, const struct symbol *symbol);
/* Bytes up to the next symbol, or to the end of the section; 0 = it is a mark, and holds nothing.
 */
uint64_t symbol_size(const struct kallsyms *kallsyms, const struct symbol *symbol);

#endif
