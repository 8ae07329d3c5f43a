// SPDX-License-Identifier: Apache-2.0
/* The account of what was lost: see loss.h. */
#include "loss.h"
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int loss_open(struct loss *loss, struct sink *sink, uint32_t cpus, uint64_t limit, uint64_t now)
{
	memset(loss, 0, sizeof(*loss));
	loss->sink = sink;
	loss->cpus = cpus;
	loss->limit = limit;
	loss->accounted = now;
	loss->before = calloc(cpus, sizeof(*loss->before));
	loss->limited = calloc(cpus, sizeof(*loss->limited));
	return loss->before && loss->limited ? 0 : -ENOMEM;
}

void loss_close(struct loss *loss)
{
	free(loss->before);
	free(loss->limited);
	memset(loss, 0, sizeof(*loss));
}

bool loss_full(const struct loss *loss)
{
	return loss->limit && loss->taken >= loss->limit;
}

void loss_beyond_limit(struct loss *loss, uint32_t cpu)
{
	loss->limited[cpu]++;
}

void loss_given(struct loss *loss, bool taken)
{
	if (taken)
		loss->taken++;
	else
		loss->refused++;
}

void loss_hold(struct loss *loss)
{
	loss->held = true;
}

static void tell_lost(struct loss *loss, uint64_t *lost, uint32_t cpu, enum gap_cause cause,
		      uint64_t count, uint64_t to)
{
	struct gap gap = {
		.lost = count,
		.from = loss->accounted,
		.to = to,
		.cpu = cpu,
		.cause = cause,
	};

	if (!count)
		return;
	*lost += count;
	loss->sink->gap(loss->sink, &gap);
}

void loss_account_events(struct loss *loss, const struct counters *counters, uint64_t now,
			 struct totals *totals)
{
	uint64_t ended = 0;

	for (uint32_t cpu = 0; cpu < loss->cpus; cpu++) {
		struct counters *before = &loss->before[cpu], after = counters[cpu];
		uint64_t pipe = sink_take_lost(loss->sink, cpu);

		tell_lost(loss, &loss->kernel_lost, cpu,
			  loss->held ? GAP_PIPE_FULL : GAP_RING_BUFFER,
			  after.lost_ring - before->lost_ring, now);
		tell_lost(loss, &loss->kernel_lost, cpu, GAP_TABLE_FULL,
			  after.lost_table - before->lost_table, now);
		tell_lost(loss, &loss->limit_lost, cpu, GAP_LIMIT, loss->limited[cpu], now);
		loss->limited[cpu] = 0;
		if (cpu == 0) {
			pipe += loss->refused;
			loss->taken += loss->refused;
			loss->refused = 0;
		}
		tell_lost(loss, &loss->pipe_lost, cpu, GAP_PIPE_FULL, pipe, now);
		totals->sent += after.sent;
		totals->packets += after.packets;
		ended += after.ended;
		*before = after;
	}
	loss->held = false;
	totals->delivered = loss->taken - loss->pipe_lost;
	totals->lost = loss->kernel_lost + loss->limit_lost + loss->pipe_lost;
	totals->following = totals->packets > ended ? totals->packets - (uint32_t)ended : 0;
}

/* Tells hits that were missed since `before` was counted. */
static void tell_missed(struct loss *loss, uint64_t *before, uint64_t missed, enum gap_cause cause,
			uint64_t to)
{
	struct gap gap = {
		.missed = missed - *before,
		.from = loss->accounted,
		.to = to,
		.cause = cause,
	};

	if (missed <= *before)
		return;
	*before = missed;
	loss->sink->gap(loss->sink, &gap);
}

bool loss_wants_look(const struct loss *loss, const struct readings *readings)
{
	return readings->hits != loss->hits ||
	       (readings->probed && loss->settled != readings->functions);
}

static uint64_t unseen(uint64_t probe_hits, uint64_t seen)
{
	return probe_hits > seen ? probe_hits - seen : 0;
}

bool loss_doubts(const struct loss *loss, const struct readings *readings)
{
	return readings->probed && loss->settled == readings->functions &&
	       !readings->function_misses &&
	       unseen(readings->probe_hits, readings->seen) > loss->unseen;
}

/*
 * Tells hits of kprobes that no program ran for. Before 6.7 (dd8657894c11) the kernel doesn't count
 * that it keeps a program from running (trace_call_bpf, kernel/trace/bpf_trace.c), in an interrupt
 * of another one or of somebody's look into a map. A probe is armed a moment before its program is
 * there, so it is known once hooks are attached, and told from then on: what comes between a look
 * at the programs and that at the probes is never told.
 */
static void tell_unseen(struct loss *loss, const struct readings *readings)
{
	uint64_t now = unseen(readings->probe_hits, readings->seen);

	if (loss->settled != readings->functions) {
		loss->unseen = unseen(readings->probe_hits, readings->seen_before);
		loss->settled = readings->functions;
		return;
	}
	if (readings->function_misses)
		return;
	if (now > loss->unseen)
		loss->unseen_told += now - loss->unseen;
	tell_missed(loss, &loss->unseen, now, GAP_RECURSION, readings->time);
}

void loss_account_hits(struct loss *loss, const struct readings *readings, struct totals *totals)
{
	tell_missed(loss, &loss->recursion, readings->misses, GAP_RECURSION, readings->time);
	if (readings->looked)
		tell_missed(loss, &loss->missed, readings->missed, GAP_MISSED, readings->time);
	if (readings->looked && readings->probed)
		tell_unseen(loss, readings);
	loss->hits = readings->hits;
	loss->accounted = readings->time;
	totals->time = readings->time;
	totals->hits = readings->hits;
	totals->run_ns = readings->run_ns;
	totals->missed = loss->recursion + loss->missed + loss->unseen_told;
}
