/* SPDX-License-Identifier: Apache-2.0 */
/* Names that events need: network namespaces, tasks, and functions that hold an address. Each goes
 * to the sink once. */
#ifndef PACKET_TRAIL_NAMES_H
#define PACKET_TRAIL_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include "../bpf/event.h"

struct kallsyms;
struct sink;

#define NAMED_TASKS	1024
#define NAMED_ADDRESSES 1024
#define NAMED_NETNS	256

/* Direct-mapped memories of what the reader knows: bounded, and a forgotten name is only sent
 * again. */
struct names {
	struct {
		uint32_t pid;
		char comm[16];
	} tasks[NAMED_TASKS];
	uint64_t addresses[NAMED_ADDRESSES];
	uint32_t netns[NAMED_NETNS];
	struct kallsyms *kallsyms;
	/* Called before a name is looked up: symbols may have to be read again. */
	void (*renew)(uint64_t address, void *context);
	void *context;
};

/* Tells the sink the names that this event needs and it doesn't know yet. */
void names_of_event(struct names *names, struct sink *sink, const struct event *event,
		    const uint64_t *stack);

#endif
