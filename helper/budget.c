// SPDX-License-Identifier: Apache-2.0
/* The overhead budget: see budget.h. */
#include "budget.h"
#include "attach.h"
#include "heat.h"
#include "log.h"
#include "programs.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GATES_BYTES (GATES * sizeof(struct gate))
/* What is aimed at, percent of what is allowed: traffic varies. */
#define AIM 70
/* Looks in a row above what is allowed, until all is detached: 2 s with what that takes. */
#define PATIENCE 4

int budget_open(struct budget *budget, uint64_t allowed, struct packet_trail_bpf *skeleton,
		struct attachment *attachment)
{
	memset(budget, 0, sizeof(*budget));
	budget->allowed = allowed;
	budget->skeleton = skeleton;
	budget->attachment = attachment;
	budget->before = calloc(GATES, sizeof(*budget->before));
	budget->gates = mmap(NULL, GATES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			     bpf_map__fd(skeleton->maps.gates), 0);
	budget->stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (budget->gates == MAP_FAILED)
		budget->gates = NULL;
	if (budget->before && budget->gates && budget->stats >= 0)
		return 0;
	complain("can't keep the budget: --max-overhead (%s): leave it out, or use a kernel that "
		 "measures BPF programs (5.8)",
		 strerror(errno));
	budget_close(budget);
	return -1;
}

void budget_close(struct budget *budget)
{
	free(budget->before);
	if (budget->gates)
		munmap(budget->gates, GATES_BYTES);
	if (budget->stats > 0)
		close(budget->stats);
	memset(budget, 0, sizeof(*budget));
}

/* What is part of packets' identity stays. */
static bool may_shed(const struct hook *hook)
{
	return hook->id < GATES && !(hook->cookie & COOKIE_IDENTITY) &&
	       atomic_load(&hook->state) == STATE_ATTACHED;
}

static void shed(struct budget *budget, const struct heat *heat, uint64_t rate)
{
	struct hooks *hooks = &budget->attachment->hooks;
	struct hook *hook = heat->program ? hook_of(hooks, heat->hook) : &hooks->items[heat->hook];
	char reason[160];

	atomic_store(&hook->state, STATE_SHED);
	snprintf(
		reason, sizeof(reason),
		"shed to keep --max-overhead: it was hit %llu times a second; a packet that passes "
		"it doesn't show that",
		(unsigned long long)rate);
	if (heat->program)
		programs_shed(budget->programs, hook->id, reason);
	else
		budget->gates[hook->id].shut = 1;
	budget->shed(hook, reason, budget->context);
}

/* Adds the hooks on BPF programs; their hits as if they were sampled like those of functions. */
static size_t program_heats(const struct budget *budget, struct heat *heats, uint64_t elapsed)
{
	size_t room = budget->attachment->hooks.later_count, count = 0;
	struct hook_rate *rates = calloc(room + 1, sizeof(*rates));

	if (rates && budget->programs)
		count = programs_rates(budget->programs, rates, room);
	for (size_t i = 0; i < count; i++)
		heats[i] = (struct heat){
			.hits = rates[i].rate * (elapsed / 1000) / 1000000 / GATE_SAMPLE,
			.hook = rates[i].hook,
			.program = true,
			.may_shut = true,
		};
	free(rates);
	return count;
}

/* False when that will not do. */
static bool shed_hottest(struct budget *budget, uint64_t elapsed)
{
	struct hooks *hooks = &budget->attachment->hooks;
	struct heat *heats = calloc(hooks->functions + hooks->later_count + 1, sizeof(*heats));
	size_t count = 0, chosen = 0;
	bool enough;

	for (size_t i = 0; heats && i < hooks->functions; i++) {
		const struct hook *hook = &hooks->items[i];
		bool shut = atomic_load(&hook->state) == STATE_SHED;

		if (hook->id >= GATES || (shut && !hook->link))
			continue;
		heats[count++] = (struct heat){
			.hits = budget->gates[hook->id].hits - budget->before[hook->id],
			.hook = i,
			.shut = shut,
			.may_shut = may_shed(hook),
		};
	}
	if (heats)
		count += program_heats(budget, &heats[count], elapsed);
	enough = heat_choose(heats, count, budget->used, budget->allowed * AIM / 100, &chosen);
	for (size_t i = 0; i < chosen; i++)
		shed(budget, &heats[i], heats[i].hits * GATE_SAMPLE * 1000000000ULL / elapsed);
	if (chosen) {
		budget->skeleton->data->any_shut = true;
		budget->anew = false;
	}
	free(heats);
	return enough;
}

/* Last of all: every hook goes, and nothing is sent any more. */
static void shed_all(struct budget *budget)
{
	static const char reason[] = "shed to keep --max-overhead, which nothing less could: no "
				     "hook is left; trace less, or allow more";
	struct hooks *hooks = &budget->attachment->hooks;
	struct hook *hook;

	budget->stopped = true;
	budget->stop(budget->context);
	/* First what costs: to tell of some thousand hooks takes a while. */
	if (budget->programs)
		programs_stop(budget->programs, reason);
	attachment_begin_detach(budget->attachment);
	for (uint32_t id = 1; (hook = hook_of(hooks, id)); id++) {
		if (atomic_load(&hook->state) != STATE_ATTACHED)
			continue;
		atomic_store(&hook->state, STATE_SHED);
		budget->shed(hook, reason, budget->context);
	}
}

/*
 * One step more each time: shut the hottest, attach without what is shut, detach all. False when
 * the next look begins now: what the step itself took says nothing of what it brought.
 */
static bool cut_down(struct budget *budget, uint64_t elapsed)
{
	if (budget->stopped)
		return true;
	if (budget->above >= PATIENCE) {
		shed_all(budget);
		return false;
	}
	if (shed_hottest(budget, elapsed))
		return true;
	/* Kprobes take long to detach, and shedding them leaves fewer packets to follow: not there.
	 */
	budget->vain = budget->attachment->backend == BACKEND_KPROBE_MULTI &&
				       budget->fixed > budget->allowed
			       ? budget->vain + 1
			       : 0;
	/* One look may have met a burst. */
	if (budget->vain == 1)
		return true;
	if (!budget->vain && !budget->anew) {
		attachment_without_shed(budget->attachment);
		budget->anew = true;
	} else {
		shed_all(budget);
	}
	return false;
}

bool budget_due(const struct budget *budget, uint64_t now)
{
	return budget->gates && now - budget->looked >= BUDGET_LOOK;
}

/* Millionths of a core that `ns` in `elapsed` are. */
static uint64_t share(uint64_t ns, uint64_t elapsed)
{
	return ns * 1000 / (elapsed / 1000 ? elapsed / 1000 : 1);
}

void budget_step(struct budget *budget, uint64_t now, uint64_t run_ns, uint64_t fixed_ns)
{
	uint64_t elapsed = now - budget->looked;
	bool look_on = true;

	if (budget->looked) {
		budget->used = share(run_ns - budget->run_ns, elapsed);
		budget->fixed = share(fixed_ns - budget->fixed_ns, elapsed);
		if (budget->used > budget->allowed) {
			say("over the budget: %.1f %% of a core, %.1f %% allowed: shedding",
			    (double)budget->used / 10000, (double)budget->allowed / 10000);
			budget->above++;
			look_on = cut_down(budget, elapsed);
		} else {
			budget->vain = budget->above = 0;
		}
	}
	for (size_t i = 0; i < GATES; i++)
		budget->before[i] = budget->gates[i].hits;
	budget->looked = look_on ? now : 0;
	budget->run_ns = run_ns;
	budget->fixed_ns = fixed_ns;
}
