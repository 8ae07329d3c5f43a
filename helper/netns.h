/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces and interfaces by the names that people give them. */
#ifndef PACKET_TRAIL_NETNS_H
#define PACKET_TRAIL_NETNS_H

#include <stdint.h>

/* Where `ip netns` keeps its names (ip-netns(8)). */
#define NETNS_FOLDER "/run/netns"

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

#endif
