// SPDX-License-Identifier: Apache-2.0
/* Names that events need: see names.h. */
#include "names.h"
#include "kallsyms.h"
#include "netns.h"
#include "sink.h"

#include <string.h>

static void learn_address(struct names *names, struct sink *sink, uint64_t address)
{
	uint64_t *known = &names->addresses[(address * 0x9e3779b97f4a7c15ULL) >> 54];
	struct symbol *symbol;

	if (!address || *known == address)
		return;
	*known = address;
	names->renew(address, names->context);
	symbol = kallsyms_find(names->kallsyms, address);
	if (!symbol || symbol->sent)
		return;
	symbol->sent = 1;
	sink_symbol(sink, symbol->address, symbol_size(names->kallsyms, symbol),
		    symbol_name(names->kallsyms, symbol), symbol_module(names->kallsyms, symbol));
}

void names_of_event(struct names *names, struct sink *sink, const struct event *event,
		    const uint64_t *stack)
{
	uint32_t task = event->pid % NAMED_TASKS, netns = event->netns % NAMED_NETNS;

	if (event->pid && (names->tasks[task].pid != event->pid ||
			   memcmp(names->tasks[task].comm, event->comm, sizeof(event->comm)))) {
		char comm[sizeof(event->comm) + 1] = {0};

		memcpy(comm, event->comm, sizeof(event->comm));
		names->tasks[task].pid = event->pid;
		memcpy(names->tasks[task].comm, event->comm, sizeof(event->comm));
		sink_task(sink, event->pid, comm);
	}
	if (event->netns && names->netns[netns] != event->netns) {
		char name[256];

		names->netns[netns] = event->netns;
		netns_name(event->netns, name, sizeof(name));
		sink->netns(sink, event->netns, name);
	}
	learn_address(names, sink, event->caller);
	for (int i = 0; stack && i < STACK_DEPTH && stack[i]; i++)
		learn_address(names, sink, stack[i]);
}
