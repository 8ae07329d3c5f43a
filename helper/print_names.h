/* SPDX-License-Identifier: Apache-2.0 */
/* The names that a terminal's lines have beside their numbers: as they were told last. */
#ifndef PACKET_TRAIL_PRINT_NAMES_H
#define PACKET_TRAIL_PRINT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "recent.h"

struct event;
struct kallsyms;

struct print_names {
	struct recent ifaces; /* by namespace and index */
	struct recent netns;
	const struct kallsyms *kallsyms;
};

void print_names_open(struct print_names *names);
void print_names_close(struct print_names *names);

void print_names_netns(struct print_names *names, uint32_t inum, const char *name);
void print_names_iface(struct print_names *names, uint32_t netns, uint32_t ifindex,
		       const char *name);

/* Of an event; "" when they have none. */
const char *iface_of(struct print_names *names, const struct event *event);
const char *netns_of(struct print_names *names, const struct event *event);

/*
 * "function+0x12", or the bare address; "" for none. `returns`: a call returns there, which may be
 * behind its function's end.
 */
void place_text(const struct print_names *names, uint64_t address, bool returns, char *text,
		size_t size);

#endif
