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
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 20 /* between two looks at what is loaded */

/* Modules and where they are, as a number: name size users used-by state address
 * (kernel/module/procfs.c). */
static uint64_t modules_now(void)
{
	FILE *file = fopen("/proc/modules", "re");
	char line[4096], name[64], state[16];
	uint64_t address, hash = 14695981039346656037ULL;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %*s %*s %*s %15s %" SCNx64, name, state, &address) != 3)
			continue;
		for (const char *at = name; *at; at++)
			hash = (hash ^ (unsigned char)*at) * 1099511628211ULL;
		hash = (hash ^ (unsigned char)*state) * 1099511628211ULL;
		hash = (hash ^ address) * 1099511628211ULL;
	}
	if (file)
		fclose(file);
	return hash;
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
	struct kallsyms symbols;
	/* Before they are read: what is loaded between is looked at again. */
	uint64_t modules = modules_now();
	uint32_t program = newest_program(trace->symbols.program);
	int err = kallsyms_open(&symbols, "/proc/kallsyms");

	/* Also when they can't be read: it is said once, not at each address to come. */
	trace->symbols.modules = modules;
	trace->symbols.program = program;
	if (!err) {
		kallsyms_close(&trace->kallsyms);
		trace->kallsyms = symbols;
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

void trace_renew_symbols(uint64_t address, void *context)
{
	struct trace *trace = context;
	uint64_t now;

	if (address >= trace->kallsyms.text_base && address < trace->kallsyms.text_end)
		return;
	now = clock_ms();
	if (now - trace->symbols.looked_ms < LOOK_MS)
		return;
	trace->symbols.looked_ms = now;
	if (modules_now() == trace->symbols.modules &&
	    newest_program(trace->symbols.program) == trace->symbols.program)
		return;
	trace_read_symbols(trace);
}
