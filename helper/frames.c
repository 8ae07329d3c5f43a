// SPDX-License-Identifier: Apache-2.0
/*
 * The sink that writes the framed stream (docs/stream-format.md). It is long since each frame has
 * its function here, one after the other.
 */
#include "sink.h"
#include "clock.h"
#include "encode.h"
#include "functions.h"
#include "kallsyms.h"
#include "log.h"
#include "options.h"
#include "program_message.h"
#include "reasons.h"
#include "stacks.h"
#include "stream.h"
#include "version.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* What waits for a slow reader. Then events wait in the ring buffer, where they take ten times the
 * room, and what finds none there is counted. */
#define QUEUE_BYTES (2 << 20)
#define CLOCK_NS    10000000000ULL
/* How long a reader may take for the rest when a trace ends. */
#define DRAIN_MS 3000

struct frames {
	struct sink sink;
	struct stream stream;
	struct batch batch;
	uint64_t *lost;	    /* a CPU: events of batches that found no memory */
	uint32_t *in_batch; /* a CPU: events of the batch that is open */
	uint32_t cpus;
	uint64_t clock_sent;
	struct stacks stacks; /* of --stack */
	struct bytes names;   /* names and symbols that go before the batch */
	struct bytes symbols;
	struct bytes stack_frame;
	int flags; /* of the file descriptor, to be put back */
};

static struct frames *frames_of(struct sink *sink)
{
	return (struct frames *)sink;
}

static void send(struct frames *frames, enum frame type, struct bytes *payload)
{
	stream_frame(&frames->stream, type, payload);
	bytes_free(payload);
}

static void add_clock(struct bytes *message)
{
	uint64_t monotonic, wall;

	clock_pair(&monotonic, &wall);
	field_fixed64(message, 1, monotonic);
	field_fixed64(message, 2, wall);
}

static void read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = 0;
	if (!file)
		return;
	if (!fgets(line, (int)size, file))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(file);
}

static void frames_hello(struct sink *sink, const struct options *options,
			 const struct kallsyms *kallsyms)
{
	struct frames *frames = frames_of(sink);
	struct bytes message = {0}, clock = {0};
	struct utsname host = {0};
	char boot_id[64];

	uname(&host);
	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	add_clock(&clock);
	field_varint(&message, 1, 1);
	field_string(&message, 2, PACKET_TRAIL_VERSION);
	field_string(&message, 3, build_id());
	field_string(&message, 4, host.nodename);
	field_string(&message, 5, boot_id);
	field_string(&message, 6, host.release);
	field_string(&message, 7, host.machine);
	field_varint(&message, 8, frames->cpus);
	field_message(&message, 9, &clock);
	field_fixed64(&message, 10, kallsyms->text_base);
	field_string(&message, 11, options->filter);
	for (int i = 1; i < options->argc; i++)
		field_string(&message, 12, options->argv[i]);
	field_string(&message, 13, host.version);
	bytes_free(&clock);
	frames->batch.text_base = kallsyms->text_base;
	send(frames, FRAME_HELLO, &message);
}

static void frames_hooks(struct sink *sink, const struct hook *hooks, size_t count)
{
	struct bytes message = {0};

	for (size_t i = 0; i < count; i++) {
		struct bytes inner = {0};

		field_varint(&inner, 1, hooks[i].id);
		field_varint(&inner, 2, hooks[i].kind);
		field_string(&inner, 3, hooks[i].function);
		field_string(&inner, 4, hooks[i].module);
		field_fixed64(&inner, 5, hooks[i].address);
		field_string(&inner, 6, hooks[i].prototype);
		field_varint(&inner, 7, hooks[i].position);
		field_varint(&inner, 8, hooks[i].program);
		field_message(&message, 1, &inner);
		bytes_free(&inner);
	}
	send(frames_of(sink), FRAME_HOOKS, &message);
}

static void frames_status(struct sink *sink, uint32_t id, enum hook_state state, const char *reason,
			  const char *function, const char *module)
{
	struct bytes message = {0}, inner = {0};

	field_varint(&inner, 1, id);
	field_varint(&inner, 2, state);
	field_string(&inner, 3, reason);
	field_string(&inner, 4, function);
	field_string(&inner, 5, module);
	field_message(&message, 1, &inner);
	bytes_free(&inner);
	send(frames_of(sink), FRAME_STATUS, &message);
}

static void frames_progress(struct sink *sink, const char *phase, uint32_t done, uint32_t total)
{
	struct bytes message = {0};

	field_string(&message, 1, phase);
	field_varint(&message, 2, done);
	field_varint(&message, 3, total);
	send(frames_of(sink), FRAME_PROGRESS, &message);
}

static void frames_reasons(struct sink *sink, const struct reasons *reasons)
{
	struct bytes message = {0};

	for (size_t i = 0; i < reasons->count; i++) {
		struct bytes inner = {0};

		field_varint(&inner, 1, reasons->items[i].value);
		field_string(&inner, 2, reasons->items[i].name);
		field_message(&message, 1, &inner);
		bytes_free(&inner);
	}
	send(frames_of(sink), FRAME_REASONS, &message);
}

static void frames_program(struct sink *sink, const struct program *program)
{
	struct bytes message = {0}, inner = {0};

	put_program(&inner, program);
	field_message(&message, 1, &inner);
	bytes_free(&inner);
	send(frames_of(sink), FRAME_PROGRAMS, &message);
}

static void frames_source(struct sink *sink, const struct program *program)
{
	struct bytes message = {0};

	put_source(&message, program);
	send(frames_of(sink), FRAME_SOURCE, &message);
}

static void frames_netns(struct sink *sink, uint32_t inum, uint64_t cookie, const char *name)
{
	struct bytes inner = {0};

	field_varint(&inner, 1, inum);
	field_string(&inner, 2, name);
	field_fixed64(&inner, 3, cookie);
	field_message(&frames_of(sink)->names, 1, &inner);
	bytes_free(&inner);
}

static void frames_iface(struct sink *sink, uint32_t netns, uint32_t ifindex, const char *name)
{
	struct bytes inner = {0};

	field_varint(&inner, 1, netns);
	field_varint(&inner, 2, ifindex);
	field_string(&inner, 3, name);
	field_message(&frames_of(sink)->names, 2, &inner);
	bytes_free(&inner);
}

static void frames_task(struct sink *sink, uint32_t pid, const char *comm)
{
	struct bytes inner = {0};

	field_varint(&inner, 1, pid);
	field_string(&inner, 2, comm);
	field_message(&frames_of(sink)->names, 3, &inner);
	bytes_free(&inner);
}

static void frames_symbol(struct sink *sink, uint64_t address, uint64_t size, const char *name,
			  const char *module)
{
	struct bytes inner = {0};

	field_fixed64(&inner, 1, address);
	field_varint(&inner, 2, size);
	field_string(&inner, 3, name);
	field_string(&inner, 4, module);
	field_message(&frames_of(sink)->symbols, 1, &inner);
	bytes_free(&inner);
}

static void frames_flush(struct sink *sink)
{
	struct frames *frames = frames_of(sink);
	struct bytes payload = {0};
	uint64_t monotonic, wall;

	if (frames->names.length)
		send(frames, FRAME_NAMES, &frames->names);
	if (frames->symbols.length)
		send(frames, FRAME_SYMBOLS, &frames->symbols);
	if (frames->stack_frame.length)
		send(frames, FRAME_STACKS, &frames->stack_frame);
	if (frames->batch.count) {
		batch_take(&frames->batch, &payload);
		if (!stream_frame(&frames->stream, FRAME_EVENTS, &payload))
			for (uint32_t cpu = 0; cpu < frames->cpus; cpu++)
				frames->lost[cpu] += frames->in_batch[cpu];
		memset(frames->in_batch, 0, frames->cpus * sizeof(*frames->in_batch));
		bytes_free(&payload);
	}
	clock_pair(&monotonic, &wall);
	if (!frames->clock_sent)
		frames->clock_sent = monotonic;
	if (monotonic - frames->clock_sent >= CLOCK_NS) {
		struct bytes clock = {0};

		frames->clock_sent = monotonic;
		add_clock(&clock);
		send(frames, FRAME_CLOCK, &clock);
	}
}

static bool frames_event(struct sink *sink, const struct event *event, const uint64_t *stack)
{
	struct frames *frames = frames_of(sink);
	uint32_t stack_id = stack ? stacks_id(&frames->stacks, stack, &frames->stack_frame) : 0;
	uint32_t cpu = event->cpu < frames->cpus ? event->cpu : 0;

	if (!batch_add(&frames->batch, event, stack_id)) {
		frames_flush(sink);
		if (!batch_add(&frames->batch, event, stack_id))
			return false;
	}
	frames->in_batch[cpu]++;
	return true;
}

static void frames_gap(struct sink *sink, const struct gap *gap)
{
	struct bytes message = {0};

	field_varint(&message, 1, gap->lost);
	field_varint(&message, 2, gap->cpu);
	field_fixed64(&message, 3, gap->from);
	field_fixed64(&message, 4, gap->to);
	field_varint(&message, 5, gap->cause);
	field_varint(&message, 6, gap->missed);
	send(frames_of(sink), FRAME_GAP, &message);
}

static void add_totals(struct bytes *message, const struct totals *totals)
{
	field_fixed64(message, 1, totals->time);
	field_varint(message, 2, totals->sent);
	field_varint(message, 3, totals->delivered);
	field_varint(message, 4, totals->lost);
	field_varint(message, 5, totals->packets);
	field_varint(message, 6, totals->following);
	field_varint(message, 7, totals->hits);
	field_varint(message, 8, totals->run_ns);
	field_varint(message, 9, totals->missed);
}

static void frames_counters(struct sink *sink, const struct totals *totals)
{
	struct bytes message = {0};

	add_totals(&message, totals);
	send(frames_of(sink), FRAME_COUNTERS, &message);
}

static void frames_filter(struct sink *sink, const char *expression, const char *error,
			  uint64_t time, uint64_t took)
{
	struct bytes message = {0};

	/* Events before it are of the filter before. */
	sink->flush(sink);
	field_string(&message, 1, expression);
	field_string(&message, 2, error);
	field_fixed64(&message, 3, time);
	field_varint(&message, 4, took);
	send(frames_of(sink), FRAME_FILTER, &message);
}

static uint64_t frames_take_lost(struct sink *sink, uint32_t cpu)
{
	struct frames *frames = frames_of(sink);
	uint64_t lost = frames->lost[cpu];

	frames->lost[cpu] = 0;
	return lost;
}

static void frames_end(struct sink *sink, const char *cause, const struct totals *totals,
		       const char *error)
{
	struct frames *frames = frames_of(sink);
	struct bytes message = {0}, inner = {0};

	add_totals(&inner, totals);
	field_string(&message, 1, cause);
	field_message(&message, 2, &inner);
	field_string(&message, 3, error);
	bytes_free(&inner);
	send(frames, FRAME_END, &message);
	stream_drain(&frames->stream, DRAIN_MS);
	stream_explain(&frames->stream);
}

static int frames_error(const struct sink *sink)
{
	return ((const struct frames *)sink)->stream.error;
}

static bool frames_full(const struct sink *sink)
{
	return stream_full(&((const struct frames *)sink)->stream);
}

static int frames_waiting(const struct sink *sink)
{
	return stream_poll(&((const struct frames *)sink)->stream);
}

static void frames_write(struct sink *sink)
{
	stream_write(&frames_of(sink)->stream);
}

static void frames_destroy(struct sink *sink)
{
	struct frames *frames = frames_of(sink);

	if (!frames)
		return;
	/* The flag belongs to the open file, which others may share. */
	if (frames->flags >= 0)
		fcntl(frames->stream.fd, F_SETFL, frames->flags);
	stream_close(&frames->stream);
	batch_close(&frames->batch);
	bytes_free(&frames->names);
	bytes_free(&frames->symbols);
	bytes_free(&frames->stack_frame);
	free(frames->lost);
	free(frames->in_batch);
	stacks_free(&frames->stacks);
	free(frames);
}

struct sink *frames_sink(int fd, uint32_t cpus)
{
	struct frames *frames = calloc(1, sizeof(*frames));

	if (!frames)
		goto no_memory;
	frames->sink = (struct sink){
		.hello = frames_hello,
		.hooks = frames_hooks,
		.status = frames_status,
		.progress = frames_progress,
		.reasons = frames_reasons,
		.program = frames_program,
		.source = frames_source,
		.netns = frames_netns,
		.iface = frames_iface,
		.task = frames_task,
		.symbol = frames_symbol,
		.event = frames_event,
		.gap = frames_gap,
		.counters = frames_counters,
		.filter = frames_filter,
		.flush = frames_flush,
		.take_lost = frames_take_lost,
		.end = frames_end,
		.error = frames_error,
		.destroy = frames_destroy,
		.full = frames_full,
		.waiting = frames_waiting,
		.write = frames_write,
	};
	frames->cpus = cpus;
	frames->lost = calloc(cpus, sizeof(*frames->lost));
	frames->in_batch = calloc(cpus, sizeof(*frames->in_batch));
	stream_open(&frames->stream, fd, QUEUE_BYTES);
	frames->flags = fcntl(fd, F_GETFL);
	if (!frames->lost || !frames->in_batch || !batch_open(&frames->batch, 0))
		goto no_memory;
	if (frames->flags < 0 || fcntl(fd, F_SETFL, frames->flags | O_NONBLOCK) < 0) {
		complain("can't write the stream: standard output: connect it to a pipe or a file");
		frames_destroy(&frames->sink);
		return NULL;
	}
	return &frames->sink;
no_memory:
	complain("out of memory: the stream: free some on this machine");
	frames_destroy(frames ? &frames->sink : NULL);
	return NULL;
}
