// SPDX-License-Identifier: Apache-2.0
/* A trace from the first hook to the last: see trace.h. */
#include "trace.h"
#include "clock.h"
#include "grace.h"
#include "log.h"
#include "privileges.h"

#include <errno.h>

#define POLL_MS	    20	/* while events flow, they wait at most so long in the ring buffer … */
#define FLUSH_MS    40	/* … and here */
#define IDLE_MS	    250 /* longest sleep when none do; the first one wakes us */
#define ACCOUNT_MS  500 /* between looks at what was lost */
#define COUNTERS_MS 1000

void trace_tell_progress(struct trace *trace, const char *phase, size_t done, size_t total)
{
	trace->sink->progress(trace->sink, phase, (uint32_t)done, (uint32_t)total);
	trace->sink->flush(trace->sink);
}

static bool attach_progress(size_t done, size_t total, void *context)
{
	struct trace *trace = context;

	trace_tell_progress(trace, "attach", done, total);
	trace_listen(trace, 0);
	return trace->cause != NULL;
}

void trace_tell_state(struct trace *trace, struct hook *hook)
{
	int state = atomic_load(&hook->state);

	if (state == STATE_WAITING)
		return;
	trace->sink->status(trace->sink, hook->id, state,
			    state == STATE_SKIPPED ? attach_reason(hook->error) : NULL,
			    hook->function, hook->module);
}

/* States of function hooks that were tried since the last time. */
static void tell_new_states(struct trace *trace)
{
	size_t tried = atomic_load(&trace->attachment.tried);

	for (; trace->reported < tried; trace->reported++)
		trace_tell_state(trace, &trace->attachment.hooks.items[trace->reported]);
}

void trace_tell_skipped(struct trace *trace, const struct functions *functions)
{
	for (size_t i = 0; i < functions->skipped_count; i++) {
		const struct skipped *skipped = &functions->skipped[i];

		trace->sink->status(trace->sink, 0, STATE_SKIPPED, skipped->reason, skipped->name,
				    skipped->module);
	}
}

void trace_tell_hooks(struct trace *trace)
{
	struct sink *sink = trace->sink;

	sink->hooks(sink, trace->attachment.hooks.items, trace->attachment.hooks.count);
	trace_tell_skipped(trace, &trace->functions);
	sink->reasons(sink, &trace->reasons);
}

static void stop_events(void *context)
{
	capture_pause(&((struct trace *)context)->capture);
}

static void look_at_budget(struct trace *trace)
{
	uint64_t fixed_ns, run_ns = capture_run_ns(&trace->capture, &fixed_ns);

	budget_step(&trace->budget, clock_ns(), run_ns, fixed_ns);
}

static void tell_shed(const struct hook *hook, const char *reason, void *context)
{
	struct trace *trace = context;

	trace->sink->status(trace->sink, hook->id, STATE_SHED, reason, hook->function,
			    hook->module);
}

int trace_open_budget(struct trace *trace)
{
	uint64_t allowed = trace->options.overhead;

	if (allowed && budget_open(&trace->budget, allowed, trace->skeleton, &trace->attachment))
		return -1;
	trace->attachment.apart = allowed != 0;
	trace->budget.shed = tell_shed;
	trace->budget.stop = stop_events;
	trace->budget.context = trace;
	return 0;
}

/* Hooks the BPF programs that are there. */
static void attach_programs(struct trace *trace)
{
	size_t hooked, count;

	if (trace->options.no_programs)
		return;
	trace->programs = programs_open(&trace->load, trace->skeleton, trace->sink,
					&trace->attachment.hooks, &trace->options.programs);
	trace->capture.programs = trace->programs;
	trace->budget.programs = trace->programs;
	if (!trace->programs)
		return;
	while (!trace->cause && !programs_step(trace->programs, clock_ms()))
		trace_listen(trace, 0);
	count = programs_count(trace->programs, &hooked);
	say("BPF programs: %zu, %zu of them hooked: done", count, hooked);
}

void trace_attach(struct trace *trace)
{
	struct attachment *attachment = &trace->attachment;
	const struct reporter reporter = {attach_progress, trace};
	size_t functions = attachment->hooks.functions, first = functions;

	trace_tell_progress(trace, "attach", 0, functions);
	attachment_begin(attachment, trace->skeleton, &trace->guard);
	privileges_cut_for_trace(!trace->options.no_programs);
	load_cookies(trace->skeleton, &attachment->hooks);
	if (attachment->backend == BACKEND_KPROBE)
		first = attachment->first_rank_end;
	attachment_attach_others(attachment, &trace->load, trace->skeleton);
	for (size_t i = functions; i < attachment->hooks.count; i++)
		trace_tell_state(trace, &attachment->hooks.items[i]);
	attachment_attach(attachment, 0, first, &reporter);
	tell_new_states(trace);
	if (!trace->cause)
		attach_programs(trace);
	if (trace->cause)
		return;
	capture_resume(&trace->capture);
	trace_tell_progress(trace, "live", first, functions);
	if (first < functions)
		attachment_attach_rest(attachment, first);
}

/* How long nothing needs us, unless there is an event. */
static int rest_ms(const struct trace *trace, uint64_t age, uint64_t now)
{
	const struct options *options = &trace->options;
	uint64_t rest = IDLE_MS, silent = now - trace->heard_ms;

	if (options->duration_ms && options->duration_ms - age < rest)
		rest = options->duration_ms > age ? options->duration_ms - age : 0;
	if (options->stream && options->heartbeat_ms && options->heartbeat_ms - silent < rest)
		rest = options->heartbeat_ms > silent ? options->heartbeat_ms - silent : 0;
	return (int)rest;
}

void trace_run(struct trace *trace)
{
	const struct options *options = &trace->options;
	uint64_t begin = clock_ms(), flushed = begin, accounted = begin, counted = begin;
	size_t told = atomic_load(&trace->attachment.tried);
	struct totals totals;

	trace->heard_ms = begin;
	while (!trace->cause) {
		uint64_t before = trace->capture.read;
		/* While the reader is slow nothing is made that it would have to take, too. */
		bool held = capture_held(&trace->capture);
		bool all = held || capture_read(&trace->capture);
		bool flowing = trace->capture.read != before;
		uint64_t now = clock_ms();
		bool hooked = held || !trace->programs || programs_step(trace->programs, now);
		size_t tried = atomic_load(&trace->attachment.tried);

		if (!held)
			trace_look_at_modules(trace, now);
		if (tried != told) {
			tell_new_states(trace);
			trace->sink->progress(trace->sink, "attach", (uint32_t)tried,
					      (uint32_t)trace->attachment.hooks.functions);
			told = tried;
		}
		if (!flowing || now - flushed >= FLUSH_MS) {
			trace->sink->flush(trace->sink);
			flushed = now;
		}
		if (budget_due(&trace->budget, clock_ns()))
			look_at_budget(trace);
		if (!held && now - accounted >= ACCOUNT_MS) {
			capture_account(&trace->capture, &trace->attachment, false, &totals);
			accounted = now;
			if (now - counted >= COUNTERS_MS) {
				sink_counters(trace->sink, &totals);
				counted = now;
			}
		}
		if (capture_full(&trace->capture))
			trace->cause = "limit";
		else if (options->duration_ms && now - begin >= options->duration_ms)
			trace->cause = "duration";
		else if (options->stream && options->heartbeat_ms &&
			 now - trace->heard_ms >= options->heartbeat_ms)
			trace->cause = "heartbeat";
		if (!all || !hooked)
			trace_listen(trace, 0);
		else if (held || flowing || !capture_sleep(&trace->capture))
			trace_listen(trace, POLL_MS);
		else
			trace_listen(trace, rest_ms(trace, now - begin, now));
		capture_wake(&trace->capture);
	}
}

int trace_finish(struct trace *trace)
{
	struct totals totals;
	int error;

	trace_tell_progress(trace, "detach", 0, trace->attachment.hooks.functions);
	capture_pause(&trace->capture);
	/* What ran when it was told to send nothing may still send. */
	grace_wait();
	while (!capture_read(&trace->capture))
		sink_drain(trace->sink);
	trace->sink->flush(trace->sink);
	attachment_stop(&trace->attachment);
	capture_account(&trace->capture, &trace->attachment, true, &totals);
	trace->sink->end(trace->sink, trace->cause, &totals, "");
	error = trace->sink->error(trace->sink);
	/* The person has the trace; what hooks nothing any more goes away as fast as the kernel
	 * lets it. Both wait for the kernel, so they wait together. */
	if (trace->programs)
		programs_let_go(trace->programs);
	attachment_detach(&trace->attachment);
	if (trace->programs)
		programs_detach(trace->programs);
	say("detached: %zu hooks: done", trace->attachment.hooks.count);
	return error && error != EPIPE ? -1 : 0;
}
