/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that events need: network namespaces, tasks, and functions that hold an address. Each goes
 * to the sink before the first event that needs it, and again when it has changed: then the sink is
 * flushed first, so that the events before keep the name that was theirs.
 */
#ifndef PACKET_TRAIL_NAMES_H
#define PACKET_TRAIL_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include "../bpf/event.h"
#include "netns_names.h"
#include "recent.h"

struct kallsyms;
struct sink;

#define KNOWN_NETNS 16384 /* namespaces that are remembered at once */

struct names {
	/* What the reader knows; a forgotten name is only sent again. */
	struct recent tasks, addresses, netns;
	struct kallsyms *kallsyms;
	uint32_t symbols; /* how often they were read */
	/* Called before a name outside of the kernel proper is looked up: symbols may have to be
	 * read again. */
	void (*renew)(void *context);
	void *context;
	uint64_t now_ms;
	uint64_t renewed_ms; /* for an address that had no name before */
	const char *folder;  /* where namespaces have their names … */
	struct netns_names labels;
	uint32_t looks; /* … how often they were read … */
	uint64_t read_ms;
	uint64_t took_ms; /* … and how long that takes */
};

/* `folder` is NETNS_FOLDER, but in tests. */
void names_open(struct names *names, struct kallsyms *kallsyms, const char *folder);
void names_close(struct names *names);

/* The time of the events that come now: names that were read are believed for a while. */
void names_at(struct names *names, uint64_t now_ms);

/* The symbols were read again: addresses may have other names. */
void names_symbols_read(struct names *names);

/* The kernel side met a namespace by this inode number, with this cookie (bpf/event.h). */
void names_of_netns(struct names *names, struct sink *sink, uint32_t inum, uint64_t cookie);

/* Tells the sink the names that this event needs and it doesn't know yet; an event that carries no
 * task's name is of one that is known. */
void names_of_event(struct names *names, struct sink *sink, const struct event *event,
		    const uint64_t *stack);

#endif
