/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps of rtnetlink(7), and the attributes of what they give. */
#ifndef PACKET_TRAIL_NETLINK_H
#define PACKET_TRAIL_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink {
	int socket;
	uint32_t sequence;
};

/* In the network namespace of the calling thread. 0, or -1 with errno. */
int netlink_open(struct netlink *netlink);
void netlink_close(struct netlink *netlink);

/* Sends a dump request and gives each answer to `each`; one that fails gives none. */
void netlink_dump(struct netlink *netlink, uint16_t type, const void *body, size_t size,
		  void (*each)(void *context, const struct nlmsghdr *message), void *context);

/* Attributes by type, in a table of `most` + 1; those beyond `most` are left out. */
void netlink_attributes(const struct rtattr *at, int length, const struct rtattr **table, int most);

/* An attribute's value; 0 or "" for none, which is NULL. */
uint32_t netlink_number(const struct rtattr *attribute);
void netlink_text(const struct rtattr *attribute, char *out, size_t size);
bool netlink_is(const struct rtattr *attribute, const char *wanted);

#endif
