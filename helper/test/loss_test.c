// SPDX-License-Identifier: Apache-2.0
/* The account of what was lost keeps its promise: sent = delivered + told as lost, each once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#include "../loss.h"
#include "../sink.h"
#include "promise.h"

#define CPUS 3

/* ---- a sink that keeps what it is told ---- */

static struct {
	uint64_t lost[CPUS][GAP_CAUSES];
	uint64_t missed[GAP_CAUSES];
	unsigned gaps;
	struct gap last;
	uint64_t pipe[CPUS]; /* that the reader was too slow for */
} told;

static void on_gap(struct sink *sink, const struct gap *gap)
{
	(void)sink;
	told.lost[gap->cpu][gap->cause] += gap->lost;
	told.missed[gap->cause] += gap->missed;
	told.gaps++;
	told.last = *gap;
}

static uint64_t on_take_lost(struct sink *sink, uint32_t cpu)
{
	uint64_t lost = told.pipe[cpu];

	(void)sink;
	told.pipe[cpu] = 0;
	return lost;
}

static struct sink sink = {.gap = on_gap, .take_lost = on_take_lost};
static struct counters counters[CPUS];

static struct loss anew(uint64_t limit)
{
	struct loss loss;

	memset(&told, 0, sizeof(told));
	memset(counters, 0, sizeof(counters));
	promise(loss_open(&loss, &sink, CPUS, limit, 1000) == 0, "memory");
	return loss;
}

static struct totals account(struct loss *loss, struct readings readings)
{
	struct totals totals = {0};

	loss_account_events(loss, counters, readings.time, &totals);
	loss_account_hits(loss, &readings, &totals);
	return totals;
}

static uint64_t told_lost(void)
{
	uint64_t lost = 0;

	for (int cpu = 0; cpu < CPUS; cpu++)
		for (int cause = 0; cause < GAP_CAUSES; cause++)
			lost += told.lost[cpu][cause];
	return lost;
}

/* ---- events ---- */

static void what_was_sent_is_delivered_or_told_as_lost(void)
{
	struct loss loss = anew(0);
	struct totals totals;

	counters[0] = (struct counters){.sent = 10, .lost_ring = 2, .packets = 3, .ended = 1};
	counters[1] = (struct counters){.sent = 5, .lost_table = 1, .packets = 2};
	counters[2] = (struct counters){.sent = 4};
	for (int i = 0; i < 16; i++)
		loss_given(&loss, i != 7); /* one finds no room in its batch */
	told.pipe[2] = 3;
	totals = account(&loss, (struct readings){.time = 2000});
	promise(totals.sent == 19 && totals.delivered == 12 && totals.lost == 7, "the totals");
	promise(totals.sent == totals.delivered + told_lost(), "to the event");
	promise(told.lost[0][GAP_RING_BUFFER] == 2 && told.lost[1][GAP_TABLE_FULL] == 1 &&
			told.lost[0][GAP_PIPE_FULL] == 1 && told.lost[2][GAP_PIPE_FULL] == 3,
		"by CPU and cause");
	promise(told.last.from == 1000 && told.last.to == 2000, "since the last account");
	promise(totals.packets == 5 && totals.following == 4, "packets");
	loss_close(&loss);
}

static void a_loss_is_told_once(void)
{
	struct loss loss = anew(0);
	struct totals totals;
	unsigned gaps;

	counters[1] = (struct counters){.sent = 3, .lost_ring = 2};
	loss_given(&loss, true);
	account(&loss, (struct readings){.time = 2000});
	gaps = told.gaps;
	totals = account(&loss, (struct readings){.time = 3000});
	promise(gaps == 1 && told.gaps == 1, "nothing new is no gap");
	promise(totals.lost == 2 && totals.delivered == 1, "and stays in the totals");
	counters[1].lost_ring = 5;
	counters[1].sent = 6;
	totals = account(&loss, (struct readings){.time = 4000});
	promise(told.last.lost == 3 && told.last.from == 3000 && told.last.to == 4000,
		"the next one is what is new");
	promise(totals.sent == totals.delivered + totals.lost, "to the event");
	loss_close(&loss);
}

static void what_a_slow_reader_costs_is_told_as_that(void)
{
	struct loss loss = anew(0);

	counters[1] = (struct counters){.sent = 5, .lost_ring = 2};
	loss_hold(&loss);
	account(&loss, (struct readings){.time = 2000});
	promise(told.lost[1][GAP_PIPE_FULL] == 2 && !told.lost[1][GAP_RING_BUFFER],
		"the ring buffer was full since nobody took what was in it");
	counters[1] = (struct counters){.sent = 9, .lost_ring = 3};
	account(&loss, (struct readings){.time = 3000});
	promise(told.lost[1][GAP_PIPE_FULL] == 2 && told.lost[1][GAP_RING_BUFFER] == 1,
		"and from then on it is its own size");
	loss_close(&loss);
}

static void events_beyond_the_limit_are_told_apart(void)
{
	struct loss loss = anew(2);
	struct totals totals;

	counters[2] = (struct counters){.sent = 5};
	for (int i = 0; i < 5; i++) {
		if (loss_full(&loss))
			loss_beyond_limit(&loss, 2);
		else
			loss_given(&loss, true);
	}
	totals = account(&loss, (struct readings){.time = 2000});
	promise(told.lost[2][GAP_LIMIT] == 3 && totals.delivered == 2 && totals.lost == 3,
		"those that came after it");
	account(&loss, (struct readings){.time = 3000});
	promise(told.lost[2][GAP_LIMIT] == 3, "once");
	loss_close(&loss);
	loss = anew(0);
	loss_given(&loss, true);
	promise(!loss_full(&loss), "without a limit none is reached");
	loss_close(&loss);
}

/* ---- hits ---- */

static void hits_that_were_missed_are_no_lost_events(void)
{
	struct loss loss = anew(0);
	struct totals totals = account(&loss, (struct readings){
						      .time = 2000,
						      .hits = 100,
						      .misses = 4,
						      .run_ns = 7,
						      .looked = true,
						      .missed = 2,
					      });

	promise(told.missed[GAP_RECURSION] == 4 && told.missed[GAP_MISSED] == 2, "by cause");
	promise(totals.missed == 6 && !totals.lost && !told_lost(), "and counted apart");
	promise(totals.hits == 100 && totals.run_ns == 7 && totals.time == 2000, "what was read");
	/* A program that goes takes its count along. */
	totals = account(&loss, (struct readings){.time = 3000, .hits = 100, .misses = 1});
	promise(told.gaps == 2 && totals.missed == 6, "less than before is nothing new");
	loss_close(&loss);
}

static void links_are_looked_at_when_there_were_hits(void)
{
	struct loss loss = anew(0);
	struct readings readings = {.time = 2000, .hits = 5};

	promise(loss_wants_look(&loss, &readings), "hits");
	account(&loss, readings);
	promise(!loss_wants_look(&loss, &readings), "none since");
	readings.probed = true;
	readings.functions = 9;
	promise(loss_wants_look(&loss, &readings), "all hooks were attached in the meantime");
	readings.looked = true;
	account(&loss, readings);
	promise(!loss_wants_look(&loss, &readings), "which is known now");
	loss_close(&loss);
}

static struct readings probed(uint64_t time, uint64_t probe_hits, uint64_t seen)
{
	return (struct readings){
		.time = time,
		.hits = seen,
		.looked = true,
		.probed = true,
		.functions = 9,
		.probe_hits = probe_hits,
		.seen_before = seen,
		.seen = seen,
	};
}

static void probes_that_no_program_ran_for_are_told_since_all_are_attached(void)
{
	struct loss loss = anew(0);
	struct readings readings = probed(2000, 50, 20);
	struct totals totals;

	promise(!loss_doubts(&loss, &readings), "nothing to compare with");
	totals = account(&loss, readings);
	promise(!told.gaps && !totals.missed, "hits while hooks were attached are nobody's loss");
	readings = probed(3000, 60, 30);
	promise(!loss_doubts(&loss, &readings), "as many more of both");
	readings = probed(3000, 63, 30);
	promise(loss_doubts(&loss, &readings), "more of probes");
	totals = account(&loss, readings);
	promise(told.missed[GAP_RECURSION] == 3 && totals.missed == 3, "the difference");
	totals = account(&loss, probed(4000, 63, 30));
	promise(told.gaps == 1 && totals.missed == 3, "once");
	readings = probed(5000, 70, 30);
	readings.function_misses = 7;
	readings.misses = 7;
	promise(!loss_doubts(&loss, &readings), "a kernel that counts them itself is believed");
	totals = account(&loss, readings);
	promise(told.missed[GAP_RECURSION] == 10 && totals.missed == 10, "and they are told once");
	loss_close(&loss);
}

int main(void)
{
	what_was_sent_is_delivered_or_told_as_lost();
	a_loss_is_told_once();
	what_a_slow_reader_costs_is_told_as_that();
	events_beyond_the_limit_are_told_apart();
	hits_that_were_missed_are_no_lost_events();
	links_are_looked_at_when_there_were_hits();
	probes_that_no_program_ran_for_are_told_since_all_are_attached();
	return promises_told();
}
