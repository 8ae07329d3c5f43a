// SPDX-License-Identifier: Apache-2.0
/* Dumps of rtnetlink: see netlink.h. */
#include "netlink.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int netlink_open(struct netlink *netlink)
{
	/* The kernel answers at once; a wait without end would hold the trace's end up. */
	struct timeval patience = {.tv_sec = 2};

	netlink->sequence = 0;
	netlink->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink->socket < 0)
		return -1;
	if (setsockopt(netlink->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))) {
		close(netlink->socket);
		return -1;
	}
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	close(netlink->socket);
}

void netlink_attributes(const struct rtattr *at, int length, const struct rtattr **table, int most)
{
	memset(table, 0, (most + 1) * sizeof(*table));
	for (; RTA_OK(at, length); at = RTA_NEXT(at, length)) {
		int type = at->rta_type & NLA_TYPE_MASK;

		if (type <= most)
			table[type] = at;
	}
}

uint32_t netlink_number(const struct rtattr *attribute)
{
	uint32_t value = 0;

	if (attribute && RTA_PAYLOAD(attribute) >= sizeof(value))
		memcpy(&value, RTA_DATA(attribute), sizeof(value));
	return value;
}

void netlink_text(const struct rtattr *attribute, char *out, size_t size)
{
	size_t length = attribute ? RTA_PAYLOAD(attribute) : 0;

	if (length > size - 1)
		length = size - 1;
	if (length)
		memcpy(out, RTA_DATA(attribute), length);
	out[length] = 0;
}

bool netlink_is(const struct rtattr *attribute, const char *wanted)
{
	char value[32];

	netlink_text(attribute, value, sizeof(value));
	return strcmp(value, wanted) == 0;
}

void netlink_dump(struct netlink *netlink, uint16_t type, const void *body, size_t size,
		  void (*each)(void *context, const struct nlmsghdr *message), void *context)
{
	struct {
		struct nlmsghdr header;
		char body[64];
	} request = {
		.header =
			{
				.nlmsg_len = NLMSG_LENGTH(size),
				.nlmsg_type = type,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
				.nlmsg_seq = ++netlink->sequence,
			},
	};
	static _Thread_local char answer[65536];

	memcpy(request.body, body, size);
	if (send(netlink->socket, &request, request.header.nlmsg_len, 0) < 0)
		return;
	for (;;) {
		ssize_t got = recv(netlink->socket, answer, sizeof(answer), 0);
		unsigned int length = got > 0 ? (unsigned int)got : 0;
		const struct nlmsghdr *message = (const void *)answer;

		if (got <= 0)
			return;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_seq != netlink->sequence)
				continue; /* a late answer to what was asked before */
			if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
				return;
			each(context, message);
		}
	}
}
