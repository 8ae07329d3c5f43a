// SPDX-License-Identifier: Apache-2.0
/* The sink for a terminal: aligned lines, or one JSON object an event and a line. */
#include "sink.h"
#include "clock.h"
#include "escape.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "print_names.h"
#include "program.h"
#include "reasons.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct print {
	struct sink sink;
	bool json;
	bool closed;
	const struct hooks *hooks;
	const struct reasons *reasons;
	struct print_names names;
	int64_t wall_offset; /* wall − monotonic, ns */
	uint64_t lost;
};

static struct print *print_of(struct sink *sink)
{
	return (struct print *)sink;
}

static void print_hello(struct sink *sink, const struct options *options,
			const struct kallsyms *kallsyms)
{
	uint64_t monotonic, wall;

	(void)options;
	clock_pair(&monotonic, &wall);
	print_of(sink)->wall_offset = (int64_t)(wall - monotonic);
	print_of(sink)->names.kallsyms = kallsyms;
}

static void print_hooks(struct sink *sink, const struct hook *hooks, size_t count)
{
	(void)sink;
	(void)hooks;
	say("hooks: %zu: attaching", count);
}

static void print_status(struct sink *sink, uint32_t id, enum hook_state state, const char *reason,
			 const char *function, const char *module)
{
	(void)sink;
	(void)id;
	if (state != STATE_ATTACHED)
		say("hook skipped: %s%s%s: %s", function, *module ? " of " : "", module,
		    reason ? reason : "no reason given");
}

static void print_progress(struct sink *sink, const char *phase, uint32_t done, uint32_t total)
{
	(void)sink;
	if (strcmp(phase, "live") == 0)
		fprintf(stderr, "packet-trail-helper: live: %u hooks: stop with Ctrl-C\n", total);
	else
		say("%s: %u of %u: wait", phase, done, total);
}

static void print_reasons(struct sink *sink, const struct reasons *reasons)
{
	print_of(sink)->reasons = reasons;
}

static void print_program(struct sink *sink, const struct program *program)
{
	(void)sink;
	if (program->state == PROGRAM_REPORTED)
		say("program not hooked: %u %s: %s", program->id, program->name,
		    program->reason ? program->reason : "no reason given");
}

static void print_netns(struct sink *sink, uint32_t inum, uint64_t cookie, const char *name)
{
	(void)cookie;
	print_names_netns(&print_of(sink)->names, inum, name);
}

static void print_iface(struct sink *sink, uint32_t netns, uint32_t ifindex, const char *name)
{
	print_names_iface(&print_of(sink)->names, netns, ifindex, name);
}

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

static void print_line(struct print *print, const struct event *event, const struct hook *hook)
{
	const char *netns = netns_of(&print->names, event);
	char wall[48], tuple[160], where[160], number[16];

	wall_text(event->time + print->wall_offset, wall, sizeof(wall), false);
	tuple_text(event, tuple, sizeof(tuple));
	place_text(&print->names, event->caller, false, where, sizeof(where));
	snprintf(number, sizeof(number), "%u", event->netns);
	printf("%s %3u ", wall, event->cpu);
	escape_print(stdout, *netns ? netns : number, 12);
	putchar(' ');
	escape_print(stdout, iface_of(&print->names, event), 15);
	printf(" #%-6llu ", event->packet);
	escape_print(stdout, hook->function, 32);
	printf(" %s", tuple);
	if (event->flags & EVENT_DROP) {
		const char *reason = reason_name(print->reasons, event->reason);

		/* Kernels before 5.17 give none, which is 0. */
		if (reason || !event->reason) {
			printf("  DROP ");
			escape_print(stdout, reason ? reason : "(no reason given)", 0);
		} else {
			printf("  DROP %u", event->reason);
		}
		printf(" at ");
		escape_print(stdout, where, 0);
	}
	if (event->flags & EVENT_VERDICT)
		printf("  returns %d", event->verdict);
	if (event->redirect)
		printf(" to interface %u", event->redirect);
	if (event->edge)
		printf("  %s of #%llu", edge_name(event->edge), event->parent);
	if (event->flags & EVENT_FREE)
		printf("  end");
	putchar('\n');
}

static void print_json(struct print *print, const struct event *event, const struct hook *hook,
		       const uint64_t *stack)
{
	struct addresses addresses = {0};
	char wall[48], where[160];
	char comm[sizeof(event->comm) + 1] = {0};

	wall_text(event->time + print->wall_offset, wall, sizeof(wall), true);
	place_text(&print->names, event->caller, false, where, sizeof(where));
	memcpy(comm, event->comm, sizeof(event->comm));
	if (event->flags & EVENT_TUPLE)
		addresses_of(event, &addresses);
	printf("{\"time\":\"%s\",\"mono_ns\":%llu,\"packet\":%llu,\"function\":", wall, event->time,
	       event->packet);
	json_string(stdout, hook->function);
	printf(",\"module\":");
	json_string(stdout, hook->module);
	printf(",\"skb\":\"0x%llx\",\"cpu\":%u,\"pid\":%u,\"comm\":", event->skb, event->cpu,
	       event->pid);
	json_string(stdout, comm);
	printf(",\"netns\":%u,\"netns_name\":", event->netns);
	json_string(stdout, netns_of(&print->names, event));
	printf(",\"ifindex\":%u,\"interface\":", event->ifindex);
	json_string(stdout, iface_of(&print->names, event));
	printf(",\"mark\":%u,\"len\":%u,\"protocol\":%u,\"family\":%u,\"l4_protocol\":%u,"
	       "\"saddr\":\"%s\",\"sport\":%u,\"daddr\":\"%s\",\"dport\":%u,\"tcp_flags\":%u",
	       event->mark, event->len, event->protocol, event->family, event->l4_protocol,
	       addresses.source, event->sport, addresses.target, event->dport, event->l4_flags);
	printf(",\"caller\":");
	json_string(stdout, event->flags & EVENT_DROP ? "" : where);
	printf(",\"drop\":");
	if (event->flags & EVENT_DROP) {
		const char *reason = reason_name(print->reasons, event->reason);

		printf("{\"reason\":");
		json_string(stdout, reason ? reason : "");
		printf(",\"value\":%u,\"location\":", event->reason);
		json_string(stdout, where);
		putchar('}');
	} else {
		printf("null");
	}
	printf(",\"program\":%u,\"verdict\":", hook->program);
	if (event->flags & EVENT_VERDICT)
		printf("%d", event->verdict);
	else
		printf("null");
	printf(",\"redirect\":%u,\"direction\":\"%s\"", event->redirect,
	       event->direction == PROGRAM_INGRESS  ? "ingress"
	       : event->direction == PROGRAM_EGRESS ? "egress"
						    : "");
	printf(",\"parent\":%llu,\"edge\":\"%s\",\"free\":%s", event->parent,
	       edge_name(event->edge), event->flags & EVENT_FREE ? "true" : "false");
	if (stack) {
		printf(",\"stack\":[");
		for (int i = 0; i < STACK_DEPTH && stack[i]; i++) {
			place_text(&print->names, stack[i], i > 0, where, sizeof(where));
			if (i)
				putchar(',');
			json_string(stdout, where);
		}
		putchar(']');
	}
	printf("}\n");
}

static bool print_event(struct sink *sink, const struct event *event, const uint64_t *stack)
{
	struct print *print = print_of(sink);
	const struct hook *hook = hook_of(print->hooks, event->hook);

	if (!hook)
		return false;
	if (print->json) {
		print_json(print, event, hook, stack);
		return true;
	}
	print_line(print, event, hook);
	for (int i = 0; stack && i < STACK_DEPTH && stack[i]; i++) {
		char where[160];

		place_text(&print->names, stack[i], i > 0, where, sizeof(where));
		printf("    ");
		escape_print(stdout, where, 0);
		putchar('\n');
	}
	return true;
}

static const char *const causes[GAP_CAUSES] = {
	[GAP_RING_BUFFER] = "the ring buffer was full",
	[GAP_TABLE_FULL] = "the table of packets was full",
	[GAP_PIPE_FULL] = "the output was too slow",
};

static void print_gap(struct sink *sink, const struct gap *gap)
{
	struct print *print = print_of(sink);

	/* What comes after the limit is nothing that a person who set one misses; of hits that
	 * no program saw the end tells. */
	if (gap->cause == GAP_LIMIT || !gap->lost)
		return;
	print->lost += gap->lost;
	complain("lost %" PRIu64 " events: CPU %u, %s: %s", gap->lost, gap->cpu, causes[gap->cause],
		 gap->cause == GAP_RING_BUFFER ? "give a larger --buffer or a narrower filter"
					       : "give a narrower filter or fewer functions");
}

static void print_flush(struct sink *sink)
{
	if (fflush(stdout) == EOF && errno != EINTR && errno != EAGAIN)
		print_of(sink)->closed = true;
}

static void print_end(struct sink *sink, const char *cause, const struct totals *totals,
		      const char *error)
{
	print_flush(sink);
	if (totals->missed)
		fprintf(stderr,
			"packet-trail-helper: %" PRIu64
			" hits unseen, of whatever packets: each came in an interrupt of a hook on "
			"its CPU: a trail may miss some hops\n",
			totals->missed);
	fprintf(stderr,
		"packet-trail-helper: ended (%s): %" PRIu64 " events of %u packets, %" PRIu64
		" lost%s",
		cause, totals->delivered, totals->packets, print_of(sink)->lost,
		*error ? ": " : "");
	escape_print(stderr, error, 0);
	fputc('\n', stderr);
}

static bool print_closed(const struct sink *sink)
{
	return ((const struct print *)sink)->closed;
}

static void print_destroy(struct sink *sink)
{
	print_names_close(&print_of(sink)->names);
	free(sink);
}

struct sink *print_sink(bool json, const struct hooks *hooks)
{
	struct print *print = calloc(1, sizeof(*print));

	if (!print) {
		complain("out of memory: the output: free some on this machine");
		return NULL;
	}
	print->json = json;
	print->hooks = hooks;
	print_names_open(&print->names);
	print->sink = (struct sink){
		.hello = print_hello,
		.hooks = print_hooks,
		.status = print_status,
		.progress = print_progress,
		.reasons = print_reasons,
		.program = print_program,
		.netns = print_netns,
		.iface = print_iface,
		.event = print_event,
		.gap = print_gap,
		.flush = print_flush,
		.end = print_end,
		.closed = print_closed,
		.destroy = print_destroy,
	};
	return &print->sink;
}
