// SPDX-License-Identifier: Apache-2.0
/* Which symbol holds an address, and how far it reaches: see kallsyms.h. */
#include "kallsyms.h"

#include <unistd.h>

int kallsyms_place(struct kallsyms *kallsyms, struct sections *sections)
{
	const uint64_t own[][2] = {
		{kallsyms->text_base, kallsyms->text_end},
		{kallsyms->init_begin, kallsyms->init_end},
	};
	int err = 0;

	sections_free(&kallsyms->sections);
	kallsyms->sections = *sections;
	*sections = (struct sections){0};
	for (size_t i = 0; !err && i < sizeof(own) / sizeof(*own); i++)
		if (own[i][0] < own[i][1])
			err = sections_add(&kallsyms->sections, own[i][0], own[i][1] - own[i][0]);
	sections_sort(&kallsyms->sections);
	return err;
}

struct symbol *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address)
{
	size_t low = 0, high = kallsyms->count;
	struct symbol *symbol;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kallsyms->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	symbol = &kallsyms->symbols[low - 1];
	while (symbol > kallsyms->symbols && symbol[-1].address == symbol->address)
		symbol--;
	return address - symbol->address < symbol_size(kallsyms, symbol) ? symbol : NULL;
}

const char *symbol_name(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	return kallsyms->text + symbol->name;
}

const char *symbol_module(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	return symbol->module ? kallsyms->modules[symbol->module] : "";
}

/*
 * Where the symbol's code ends at the latest. What is in no section has a page at most, as the
 * kernel gives it: trampolines and dispatchers of BPF (bpf_image_ksym_add(), kernel/bpf), ftrace's
 * trampolines (create_trampoline(), arch/x86/kernel/ftrace.c), pages of kprobes (__get_insn_slot(),
 * kernel/kprobes.c), and a module's code that came since, or goes once it is loaded.
 */
static uint64_t end_of(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	uint64_t end = sections_end(&kallsyms->sections, symbol->address);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (end)
		return end;
	/* Marks such as _etext, and the kernel's .exit.text, which nobody runs. */
	if (!symbol->module && kallsyms->text_end)
		return symbol->address;
	return symbol->address < UINT64_MAX - page ? symbol->address + page : UINT64_MAX;
}

uint64_t symbol_size(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	const struct symbol *end = kallsyms->symbols + kallsyms->count;
	uint64_t limit = end_of(kallsyms, symbol) - symbol->address, size;
	const struct symbol *next = symbol + 1;

	while (next < end && next->address == symbol->address)
		next++;
	if (next == end)
		return limit;
	size = next->address - symbol->address;
	/* Padding that is another's in a table that isn't in order. */
	if (size > next->padding)
		size -= next->padding;
	return size < limit ? size : limit;
}
