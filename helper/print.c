// SPDX-License-Identifier: Apache-2.0
/* The sink for a terminal: aligned lines, or one JSON object an event and a line. */
#include "sink.h"
#include "clock.h"
#include "escape.h"
#include "event_text.h"
#include "log.h"
#include "options.h"
#include "program.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What waits for a slow reader; then events wait in the ring buffer. */
#define QUEUE_BYTES (2 << 20)
/* How long a reader may take nothing when the trace has ended. */
#define STALL_MS 3000

struct print {
	struct sink sink;
	bool json;
	bool stalled; /* it took nothing for that long */
	const struct hooks *hooks;
	struct event_text with;
	FILE *line; /* one event's text, as below */
	char *text;
	size_t length;
	struct stream out;
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
	print_of(sink)->with.wall_offset = (int64_t)(wall - monotonic);
	print_of(sink)->with.names.kallsyms = kallsyms;
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
	print_of(sink)->with.reasons = reasons;
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
	print_names_netns(&print_of(sink)->with.names, inum, name);
}

static void print_iface(struct sink *sink, uint32_t netns, uint32_t ifindex, const char *name)
{
	print_names_iface(&print_of(sink)->with.names, netns, ifindex, name);
}

static bool print_event(struct sink *sink, const struct event *event, const uint64_t *stack)
{
	struct print *print = print_of(sink);
	const struct hook *hook = hook_of(print->hooks, event->hook);

	if (!hook || (print->stalled && stream_full(&print->out)))
		return false;
	rewind(print->line);
	if (print->json)
		event_json(print->line, &print->with, event, hook, stack);
	else
		event_lines(print->line, &print->with, event, hook, stack);
	return fflush(print->line) != EOF && stream_text(&print->out, print->text, print->length);
}

static const char *const causes[GAP_CAUSES] = {
	[GAP_RING_BUFFER] = "the ring buffer was full",
	[GAP_TABLE_FULL] = "the table of packets was full",
	[GAP_PIPE_FULL] = "the output was too slow",
};

static void print_gap(struct sink *sink, const struct gap *gap)
{
	struct print *print = print_of(sink);
	int error = print->out.error;

	/* What comes after the limit, or after the reader left, is nothing that a person misses; of
	 * hits that no program saw the end tells. */
	if (gap->cause == GAP_LIMIT || !gap->lost ||
	    (gap->cause == GAP_PIPE_FULL && error == EPIPE))
		return;
	print->lost += gap->lost;
	/* Why is told once, at the end. */
	if (gap->cause == GAP_PIPE_FULL && error)
		return;
	complain("lost %" PRIu64 " events: CPU %u, %s: %s", gap->lost, gap->cpu, causes[gap->cause],
		 gap->cause == GAP_RING_BUFFER ? "give a larger --buffer or a narrower filter"
					       : "give a narrower filter or fewer functions");
}

static void print_flush(struct sink *sink)
{
	stream_write(&print_of(sink)->out);
}

static void print_drain(struct sink *sink)
{
	struct print *print = print_of(sink);
	size_t waits;

	do
		waits = stream_waiting(&print->out);
	while (!print->stalled && !stream_drain(&print->out, STALL_MS) &&
	       stream_waiting(&print->out) < waits);
	print->stalled = stream_waiting(&print->out) > 0;
}

/* Events of which the reader hasn't got all: only what belongs to the line before is indented. */
static uint64_t unwritten(const struct stream *out)
{
	const char *text = (const char *)out->queue.data + out->begin;
	size_t length = stream_waiting(out);
	uint64_t events = length > 0;

	for (size_t i = 1; i < length; i++)
		events += text[i - 1] == '\n' && text[i] != ' ';
	return events;
}

static void print_end(struct sink *sink, const char *cause, const struct totals *totals,
		      const char *error)
{
	struct print *print = print_of(sink);
	uint64_t left;

	print_drain(sink);
	left = unwritten(&print->out);
	stream_explain(&print->out);
	if (left && !print->out.error)
		complain("%" PRIu64 " events were not read: standard output: its reader took "
			 "nothing for %d s: let it read on before the trace ends",
			 left, STALL_MS / 1000);
	if (print->out.error != EPIPE)
		print->lost += left;
	if (totals->missed)
		fprintf(stderr,
			"packet-trail-helper: %" PRIu64
			" hits unseen, of whatever packets: each came in an interrupt of a hook on "
			"its CPU: a trail may miss some hops\n",
			totals->missed);
	fprintf(stderr,
		"packet-trail-helper: ended (%s): %" PRIu64 " events of %u packets, %" PRIu64
		" lost%s",
		cause, totals->delivered - left, totals->packets, print->lost, *error ? ": " : "");
	escape_print(stderr, error, 0);
	fputc('\n', stderr);
}

static int print_error(const struct sink *sink)
{
	return ((const struct print *)sink)->out.error;
}

static bool print_full(const struct sink *sink)
{
	return stream_full(&((const struct print *)sink)->out);
}

static int print_waiting(const struct sink *sink)
{
	return stream_poll(&((const struct print *)sink)->out);
}

static void print_destroy(struct sink *sink)
{
	struct print *print = print_of(sink);

	if (!print)
		return;
	print_names_close(&print->with.names);
	stream_close(&print->out);
	if (print->line)
		fclose(print->line);
	free(print->text);
	free(print);
}

struct sink *print_sink(int fd, bool json, const struct hooks *hooks)
{
	struct print *print = calloc(1, sizeof(*print));

	if (print)
		print->line = open_memstream(&print->text, &print->length);
	if (!print || !print->line) {
		complain("out of memory: the output: free some on this machine");
		print_destroy(print ? &print->sink : NULL);
		return NULL;
	}
	print->json = json;
	print->hooks = hooks;
	print_names_open(&print->with.names);
	stream_open(&print->out, fd, QUEUE_BYTES);
	print->out.shared = true;
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
		.drain = print_drain,
		.end = print_end,
		.error = print_error,
		.destroy = print_destroy,
		.full = print_full,
		.waiting = print_waiting,
		.write = print_flush,
	};
	return &print->sink;
}
