/* SPDX-License-Identifier: Apache-2.0 */
/* Names that events need: network namespaces, tasks, and functions that hold an address. Each goes
 * to the sink once. */
#ifndef PACKET_TRAIL_NAMES_H
#define PACKET_TRAIL_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
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
};

/* Tells the sink the names that this event needs and it doesn't know yet. */
void names_of_event(struct names *names, struct sink *sink, const struct event *event,
		    const uint64_t *stack);

/*
 * The namespace that a person names: an inode number, a path such as /proc/1/ns/net, or a name in
 * /run/netns. Returns its inode number, 0 after it said what is wrong.
 */
uint32_t netns_resolve(const char *spec);

/*
 * `NAME`, `NETNS/NAME` or an ifindex; `netns` NULL = the helper's own. On return *inum is the
 * namespace that the index belongs to, 0 = any (an index without --netns). Returns the ifindex, 0
 * after it said what is wrong.
 */
uint32_t interface_resolve(const char *spec, const char *netns, uint32_t *inum);

/* Name in /run/netns of a namespace, "init_net" for the machine's own, "" when it has none. */
void netns_name(uint32_t inum, char *name, size_t size);

#endif
