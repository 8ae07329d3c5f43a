// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's symbols, and those of what is loaded while a trace runs: see trace.h. Reading them
 * takes a while, so they are read again only for an address outside of the kernel proper, and only
 * when modules or BPF programs have come since.
 */
#include "trace.h"
#include "clock.h"
#include "log.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 20 /* between two looks at what is loaded */

/* Where modules have code, and all of that as a number. 0 or -ENOMEM. */
static int modules_now(struct sections *sections, uint64_t *number)
{
	FILE *file = fopen("/proc/modules", "re");
	int err;

	*number = 0;
	if (!file)
		return 0; /* a kernel without modules */
	err = sections_add_modules(sections, file, number);
	fclose(file);
	return err;
}

/* The id of the newest BPF program; ids grow. */
static uint32_t newest_program(uint32_t id)
{
	while (bpf_prog_get_next_id(id, &id) == 0)
		;
	return id;
}

int trace_read_symbols(struct trace *trace)
{
	struct sections sections = {0};
	struct kallsyms symbols;
	int err;

	/* Before the symbols: what is loaded between is looked at again. Also when they can't be
	 * read: it is said once, not at each address to come. */
	err = modules_now(&sections, &trace->symbols.modules);
	trace->symbols.program = newest_program(trace->symbols.program);
	if (!err)
		err = sections_add_programs(&sections);
	memset(&symbols, 0, sizeof(symbols));
	if (!err)
		err = kallsyms_open(&symbols, "/proc/kallsyms");
	if (!err)
		err = kallsyms_place(&symbols, &sections);
	sections_free(&sections);
	if (!err) {
		kallsyms_close(&trace->kallsyms);
		trace->kallsyms = symbols;
		names_symbols_read(&trace->names);
		return 0;
	}
	kallsyms_close(&symbols);
	if (err == -EPERM)
		complain("kernel addresses are hidden: /proc/kallsyms: run as root, or set "
			 "kernel.kptr_restrict to 1 or less");
	else
		complain("can't read the kernel's symbols: /proc/kallsyms (%s): use a kernel with "
			 "CONFIG_KALLSYMS",
			 strerror(-err));
	return -1;
}

void trace_know_own_programs(struct trace *trace)
{
	trace->symbols.program = newest_program(trace->symbols.program);
}

void trace_renew_symbols(void *context)
{
	struct trace *trace = context;
	struct sections sections = {0};
	uint64_t now = clock_ms(), modules;

	if (now - trace->symbols.looked_ms < LOOK_MS)
		return;
	trace->symbols.looked_ms = now;
	if (modules_now(&sections, &modules) || modules != trace->symbols.modules ||
	    newest_program(trace->symbols.program) != trace->symbols.program)
		trace_read_symbols(trace);
	sections_free(&sections);
}
