// SPDX-License-Identifier: Apache-2.0
/* The names that a terminal's lines have: see print_names.h. */
#include "print_names.h"
#include "kallsyms.h"
#include "names.h"

#include <inttypes.h>
#include <stdio.h>

/* More than the kernel side remembers having told (bpf/send.h). */
#define KNOWN_IFACES 65536

struct iface_text {
	char name[16];
};

struct netns_text {
	char name[256]; /* of a file, so no longer */
};

void print_names_open(struct print_names *names)
{
	*names = (struct print_names){
		.ifaces = {.size = sizeof(struct iface_text), .most = KNOWN_IFACES},
		.netns = {.size = sizeof(struct netns_text), .most = KNOWN_NETNS},
	};
}

void print_names_close(struct print_names *names)
{
	recent_free(&names->ifaces);
	recent_free(&names->netns);
}

void print_names_netns(struct print_names *names, uint32_t inum, const char *name)
{
	struct netns_text *known = recent_find(&names->netns, inum);

	if (!known)
		known = recent_add(&names->netns, inum);
	if (known)
		snprintf(known->name, sizeof(known->name), "%s", name);
}

static uint64_t iface_key(uint32_t netns, uint32_t ifindex)
{
	return (uint64_t)netns << 32 | ifindex;
}

void print_names_iface(struct print_names *names, uint32_t netns, uint32_t ifindex,
		       const char *name)
{
	uint64_t key = iface_key(netns, ifindex);
	struct iface_text *known = recent_find(&names->ifaces, key);

	if (!known)
		known = recent_add(&names->ifaces, key);
	if (known)
		snprintf(known->name, sizeof(known->name), "%s", name);
}

const char *iface_of(struct print_names *names, const struct event *event)
{
	const struct iface_text *known =
		recent_find(&names->ifaces, iface_key(event->netns, event->ifindex));

	return known ? known->name : "";
}

const char *netns_of(struct print_names *names, const struct event *event)
{
	const struct netns_text *known = recent_find(&names->netns, event->netns);

	return known ? known->name : "";
}

void place_text(const struct print_names *names, uint64_t address, bool returns, char *text,
		size_t size)
{
	const struct symbol *symbol =
		address ? kallsyms_find(names->kallsyms, address - returns) : NULL;

	if (symbol)
		snprintf(text, size, "%s+0x%" PRIx64, symbol_name(names->kallsyms, symbol),
			 address - symbol->address);
	else if (address)
		snprintf(text, size, "0x%" PRIx64, address);
	else
		*text = 0;
}
