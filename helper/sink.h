/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a trace goes: the framed stream, or a terminal. The capture calls these; each sink keeps
 * what it needs. A sink takes all it is given but an event that it has no memory for, which it
 * counts as lost; who gives it events, or whatever comes without an end, looks whether it is full.
 * What is optional is NULL where a sink has no use for it, and called by sink_…() below.
 */
#ifndef PACKET_TRAIL_SINK_H
#define PACKET_TRAIL_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include "../bpf/event.h"
#include "hooks.h"

struct functions;
struct kallsyms;
struct options;
struct program;
struct reasons;

/* Numbers of the stream format's GapCause. */
enum gap_cause {
	GAP_RING_BUFFER = 0,
	GAP_MISSED = 1,
	GAP_RECURSION = 2,
	GAP_TABLE_FULL = 3,
	GAP_PIPE_FULL = 4,
	GAP_LIMIT = 5,
	GAP_CAUSES
};

struct gap {
	uint64_t lost;	 /* events */
	uint64_t missed; /* hits that no program of ours saw, of whatever packet */
	uint64_t from;
	uint64_t to;
	uint32_t cpu;
	enum gap_cause cause;
};

struct totals {
	uint64_t time;
	uint64_t sent;
	uint64_t delivered;
	uint64_t lost;
	uint64_t missed; /* hits */
	uint64_t hits;
	uint64_t run_ns;
	uint32_t packets;
	uint32_t following;
};

struct sink {
	void (*hello)(struct sink *sink, const struct options *options,
		      const struct kallsyms *kallsyms);
	void (*hooks)(struct sink *sink, const struct hook *hooks, size_t count);
	/* `reason` NULL = none; hook id 0 = one that never got a place in the table */
	void (*status)(struct sink *sink, uint32_t id, enum hook_state state, const char *reason,
		       const char *function, const char *module);
	void (*progress)(struct sink *sink, const char *phase, uint32_t done, uint32_t total);
	void (*reasons)(struct sink *sink, const struct reasons *reasons);
	/* Newest wins, by the program's id. */
	void (*program)(struct sink *sink, const struct program *program);
	/* Optional. Its lines, once. */
	void (*source)(struct sink *sink, const struct program *program);
	/* These may come again, and hold for the events that follow. `cookie` 0 = not known. */
	void (*netns)(struct sink *sink, uint32_t inum, uint64_t cookie, const char *name);
	void (*iface)(struct sink *sink, uint32_t netns, uint32_t ifindex, const char *name);
	void (*task)(struct sink *sink, uint32_t pid, const char *comm); /* optional */
	/* Optional. */
	void (*symbol)(struct sink *sink, uint64_t address, uint64_t size, const char *name,
		       const char *module);
	/* `stack` NULL or STACK_DEPTH addresses. Returns false when the event is lost here. */
	bool (*event)(struct sink *sink, const struct event *event, const uint64_t *stack);
	void (*gap)(struct sink *sink, const struct gap *gap);
	void (*counters)(struct sink *sink, const struct totals *totals); /* optional */
	/* The answer to a filter that was sent while the trace runs; `error` "" = it is in force
	 * since `time`, `took` ns after it came. Only with control lines, so of the
	 * framed stream alone. */
	void (*filter)(struct sink *sink, const char *expression, const char *error, uint64_t time,
		       uint64_t took);
	/* Sends what waits to be sent together. */
	void (*flush)(struct sink *sink);
	/* Optional. Once the trace has ended: waits until all is written, or its reader stalls. */
	void (*drain)(struct sink *sink);
	/* Optional. Events that were taken first and lost later, and forgets them. */
	uint64_t (*take_lost)(struct sink *sink, uint32_t cpu);
	void (*end)(struct sink *sink, const char *cause, const struct totals *totals,
		    const char *error);
	/* Why nothing that is sent arrives any more: EPIPE = the reader is gone; 0 = it does. */
	int (*error)(const struct sink *sink);
	void (*destroy)(struct sink *sink);
	/* Optional. So much waits for the reader that no more should be given. */
	bool (*full)(const struct sink *sink);
	/* Optional, both: to poll for writing while something waits, -1 = nothing waits; and what
	 * to do then. */
	int (*waiting)(const struct sink *sink);
	void (*write)(struct sink *sink);
};

static inline void sink_source(struct sink *sink, const struct program *program)
{
	if (sink->source)
		sink->source(sink, program);
}

static inline void sink_task(struct sink *sink, uint32_t pid, const char *comm)
{
	if (sink->task)
		sink->task(sink, pid, comm);
}

static inline void sink_symbol(struct sink *sink, uint64_t address, uint64_t size, const char *name,
			       const char *module)
{
	if (sink->symbol)
		sink->symbol(sink, address, size, name, module);
}

static inline void sink_counters(struct sink *sink, const struct totals *totals)
{
	if (sink->counters)
		sink->counters(sink, totals);
}

static inline uint64_t sink_take_lost(struct sink *sink, uint32_t cpu)
{
	return sink->take_lost ? sink->take_lost(sink, cpu) : 0;
}

static inline void sink_drain(struct sink *sink)
{
	if (sink->drain)
		sink->drain(sink);
}

static inline bool sink_full(const struct sink *sink)
{
	return sink->full && sink->full(sink);
}

static inline int sink_waiting(const struct sink *sink)
{
	return sink->waiting ? sink->waiting(sink) : -1;
}

/* NULL after it said why. */
struct sink *frames_sink(int fd, uint32_t cpus);
struct sink *print_sink(int fd, bool json, const struct hooks *hooks);

#endif
