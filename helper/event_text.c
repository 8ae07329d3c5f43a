// SPDX-License-Identifier: Apache-2.0
/* An event as a person or a program reads it: see event_text.h. */
#include "event_text.h"
#include "escape.h"
#include "hooks.h"
#include "json.h"
#include "program.h"
#include "reasons.h"
#include "sink.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case 1:
		return "ICMP";
	case 6:
		return "TCP";
	case 17:
		return "UDP";
	case 58:
		return "ICMPv6";
	case 132:
		return "SCTP";
	default:
		return NULL;
	}
}

struct addresses {
	char source[INET6_ADDRSTRLEN];
	char target[INET6_ADDRSTRLEN];
};

static void addresses_of(const struct event *event, struct addresses *text)
{
	int family = event->family == 4 ? AF_INET : AF_INET6;

	if (!inet_ntop(family, event->saddr, text->source, sizeof(text->source)))
		text->source[0] = 0;
	if (!inet_ntop(family, event->daddr, text->target, sizeof(text->target)))
		text->target[0] = 0;
}

static void tcp_flags(uint8_t flags, char *text)
{
	static const char letters[] = "FSRPAUEC";

	for (int i = 0; i < 8; i++)
		if (flags & 1 << i)
			*text++ = letters[i];
	*text = 0;
}

static void tuple_text(const struct event *event, char *text, size_t size)
{
	const char *name = protocol_name(event->l4_protocol);
	struct addresses addresses;
	char protocol[16], flags[9] = "";

	if (!(event->flags & EVENT_TUPLE)) {
		snprintf(text, size, "protocol 0x%04x", event->protocol);
		return;
	}
	addresses_of(event, &addresses);
	snprintf(protocol, sizeof(protocol), "IP %u", event->l4_protocol);
	if (event->l4_protocol == 1 || event->l4_protocol == 58) {
		snprintf(text, size, "%s %s > %s type %u code %u id %u", name, addresses.source,
			 addresses.target, event->sport >> 8, event->sport & 0xff, event->dport);
		return;
	}
	if (event->l4_protocol == 6)
		tcp_flags(event->l4_flags, flags);
	if (name)
		snprintf(text, size, "%s %s:%u > %s:%u%s%s", name, addresses.source, event->sport,
			 addresses.target, event->dport, *flags ? " " : "", flags);
	else
		snprintf(text, size, "%s %s > %s", protocol, addresses.source, addresses.target);
}

static void wall_text(uint64_t wall, char *text, size_t size, bool date)
{
	time_t seconds = (time_t)(wall / 1000000000);
	struct tm tm;
	char head[32];

	if (date) {
		gmtime_r(&seconds, &tm);
		strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
	} else {
		localtime_r(&seconds, &tm);
		strftime(head, sizeof(head), "%H:%M:%S", &tm);
	}
	snprintf(text, size, "%s.%09u%s", head, (unsigned)(wall % 1000000000), date ? "Z" : "");
}

static const char *const edges[] = {
	[EDGE_NONE] = "",	    [EDGE_CLONE] = "clone",	  [EDGE_COPY] = "copy",
	[EDGE_SEGMENT] = "segment", [EDGE_FRAGMENT] = "fragment", [EDGE_REASSEMBLY] = "reassembled",
	[EDGE_MERGE] = "merged",
};

static const char *edge_name(uint8_t edge)
{
	return edge < sizeof(edges) / sizeof(*edges) && edges[edge] ? edges[edge] : "";
}

static void line(FILE *out, struct event_text *with, const struct event *event,
		 const struct hook *hook)
{
	const char *netns = netns_of(&with->names, event);
	char wall[48], tuple[160], where[160], number[16];

	wall_text(event->time + with->wall_offset, wall, sizeof(wall), false);
	tuple_text(event, tuple, sizeof(tuple));
	place_text(&with->names, event->caller, false, where, sizeof(where));
	snprintf(number, sizeof(number), "%u", event->netns);
	fprintf(out, "%s %3u ", wall, event->cpu);
	escape_print(out, *netns ? netns : number, 12);
	fputc(' ', out);
	escape_print(out, iface_of(&with->names, event), 15);
	fprintf(out, " #%-6llu ", event->packet);
	escape_print(out, hook->function, 32);
	fprintf(out, " %s", tuple);
	if (event->flags & EVENT_DROP) {
		const char *reason = reason_name(with->reasons, event->reason);

		/* Kernels before 5.17 give none, which is 0. */
		if (reason || !event->reason) {
			fprintf(out, "  DROP ");
			escape_print(out, reason ? reason : "(no reason given)", 0);
		} else {
			fprintf(out, "  DROP %u", event->reason);
		}
		fprintf(out, " at ");
		escape_print(out, where, 0);
	}
	if (event->flags & EVENT_VERDICT)
		fprintf(out, "  returns %d", event->verdict);
	if (event->redirect)
		fprintf(out, " to interface %u", event->redirect);
	if (event->edge)
		fprintf(out, "  %s of #%llu", edge_name(event->edge), event->parent);
	if (event->flags & EVENT_FREE)
		fprintf(out, "  end");
	fputc('\n', out);
}

void event_json(FILE *out, struct event_text *with, const struct event *event,
		const struct hook *hook, const uint64_t *stack)
{
	struct addresses addresses = {0};
	char wall[48], where[160];
	char comm[sizeof(event->comm) + 1] = {0};

	wall_text(event->time + with->wall_offset, wall, sizeof(wall), true);
	place_text(&with->names, event->caller, false, where, sizeof(where));
	memcpy(comm, event->comm, sizeof(event->comm));
	if (event->flags & EVENT_TUPLE)
		addresses_of(event, &addresses);
	fprintf(out, "{\"time\":\"%s\",\"mono_ns\":%llu,\"packet\":%llu,\"function\":", wall,
		event->time, event->packet);
	json_string(out, hook->function);
	fprintf(out, ",\"module\":");
	json_string(out, hook->module);
	fprintf(out, ",\"skb\":\"0x%llx\",\"cpu\":%u,\"pid\":%u,\"comm\":", event->skb, event->cpu,
		event->pid);
	json_string(out, comm);
	fprintf(out, ",\"netns\":%u,\"netns_name\":", event->netns);
	json_string(out, netns_of(&with->names, event));
	fprintf(out, ",\"ifindex\":%u,\"interface\":", event->ifindex);
	json_string(out, iface_of(&with->names, event));
	fprintf(out,
		",\"mark\":%u,\"len\":%u,\"protocol\":%u,\"family\":%u,\"l4_protocol\":%u,"
		"\"saddr\":\"%s\",\"sport\":%u,\"daddr\":\"%s\",\"dport\":%u,\"tcp_flags\":%u",
		event->mark, event->len, event->protocol, event->family, event->l4_protocol,
		addresses.source, event->sport, addresses.target, event->dport, event->l4_flags);
	fprintf(out, ",\"caller\":");
	json_string(out, event->flags & EVENT_DROP ? "" : where);
	fprintf(out, ",\"drop\":");
	if (event->flags & EVENT_DROP) {
		const char *reason = reason_name(with->reasons, event->reason);

		fprintf(out, "{\"reason\":");
		json_string(out, reason ? reason : "");
		fprintf(out, ",\"value\":%u,\"location\":", event->reason);
		json_string(out, where);
		fputc('}', out);
	} else {
		fprintf(out, "null");
	}
	fprintf(out, ",\"program\":%u,\"verdict\":", hook->program);
	if (event->flags & EVENT_VERDICT)
		fprintf(out, "%d", event->verdict);
	else
		fprintf(out, "null");
	fprintf(out, ",\"redirect\":%u,\"direction\":\"%s\"", event->redirect,
		event->direction == PROGRAM_INGRESS  ? "ingress"
		: event->direction == PROGRAM_EGRESS ? "egress"
						     : "");
	fprintf(out, ",\"parent\":%llu,\"edge\":\"%s\",\"free\":%s", event->parent,
		edge_name(event->edge), event->flags & EVENT_FREE ? "true" : "false");
	if (stack) {
		fprintf(out, ",\"stack\":[");
		for (int i = 0; i < STACK_DEPTH && stack[i]; i++) {
			place_text(&with->names, stack[i], i > 0, where, sizeof(where));
			if (i)
				fputc(',', out);
			json_string(out, where);
		}
		fputc(']', out);
	}
	fprintf(out, "}\n");
}

void event_lines(FILE *out, struct event_text *with, const struct event *event,
		 const struct hook *hook, const uint64_t *stack)
{
	line(out, with, event, hook);
	for (int i = 0; stack && i < STACK_DEPTH && stack[i]; i++) {
		char where[160];

		place_text(&with->names, stack[i], i > 0, where, sizeof(where));
		fprintf(out, "    ");
		escape_print(out, where, 0);
		fputc('\n', out);
	}
}
