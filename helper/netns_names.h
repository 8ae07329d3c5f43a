/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of all network namespaces, read together: one look at the folder of `ip netns` for all
 * that are asked for until the next.
 */
#ifndef PACKET_TRAIL_NETNS_NAMES_H
#define PACKET_TRAIL_NETNS_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct netns_names {
	struct netns_label {
		uint32_t inum;
		char *name;
	} * labels; /* by inode number, then by name */
	size_t count;
};

/* Learns which is the machine's own, which takes a capability that a trace may give up. */
void netns_names_learn(void);

/* Reads them anew. What can't be read has no name, and the machine's own is "init_net". */
void netns_names_read(struct netns_names *names, const char *folder);

/* The name of a namespace, the first where it has several; "" when it has none. */
const char *netns_names_find(const struct netns_names *names, uint32_t inum);

void netns_names_free(struct netns_names *names);

#endif
