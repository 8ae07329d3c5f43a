// SPDX-License-Identifier: Apache-2.0
/* A running trace: see capture.h. */
#include "capture.h"
#include "attach.h"
#include "clock.h"
#include "copy.h"
#include "grace.h"
#include "log.h"
#include "programs.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Little enough that the run loop looks at its clocks several times a second. */
#define READ_AT_ONCE 512

/* The event with its task's name: an event without one is of the task of its CPU's event before. */
static const struct event *with_comm(struct cpu_task *task, const struct event *event,
				     struct event *whole)
{
	if (*event->comm) {
		task->pid = event->pid;
		memcpy(task->comm, event->comm, sizeof(task->comm));
		return event;
	}
	if (task->pid != event->pid)
		return event;
	*whole = *event;
	memcpy(whole->comm, task->comm, sizeof(whole->comm));
	return whole;
}

static void take_event(struct capture *capture, const struct event *event, const uint64_t *stack)
{
	uint32_t cpu = event->cpu < capture->cpus ? event->cpu : 0;
	struct event whole;

	capture->read++;
	event = with_comm(&capture->tasks[cpu], event, &whole);
	if (capture_full(capture)) {
		capture->limited[cpu]++;
		return;
	}
	if (capture->programs)
		programs_event(capture->programs, event);
	names_of_event(capture->names, capture->sink, event, stack);
	if (capture->sink->event(capture->sink, event, stack))
		capture->taken++;
	else
		capture->refused++;
}

static void on_record(void *context, const void *data, size_t size)
{
	struct capture *capture = context;
	uint16_t type = size >= sizeof(type) ? *(const uint16_t *)data : 0;

	if (type == RECORD_EVENT && size >= sizeof(struct event)) {
		take_event(capture, data, NULL);
	} else if (type == RECORD_STACK && size >= sizeof(struct event_with_stack)) {
		const struct event_with_stack *record = data;

		take_event(capture, &record->event, (const uint64_t *)record->stack);
	} else if (type == RECORD_IFACE && size >= sizeof(struct iface_record)) {
		const struct iface_record *record = data;
		char name[sizeof(record->name) + 1] = {0};

		memcpy(name, record->name, sizeof(record->name));
		capture->sink->iface(capture->sink, record->netns, record->ifindex, name);
	}
}

int capture_open(struct capture *capture, struct packet_trail_bpf *skeleton, struct sink *sink,
		 struct names *names, uint32_t cpus, uint64_t limit)
{
	memset(capture, 0, sizeof(*capture));
	capture->skeleton = skeleton;
	capture->sink = sink;
	capture->names = names;
	capture->cpus = cpus;
	capture->limit = limit;
	capture->now_bytes = cpus * sizeof(*capture->now);
	capture->now = mmap(NULL, capture->now_bytes, PROT_READ, MAP_SHARED,
			    bpf_map__fd(skeleton->maps.counters), 0);
	if (capture->now == MAP_FAILED)
		capture->now = NULL;
	capture->before = calloc(cpus, sizeof(*capture->before));
	capture->limited = calloc(cpus, sizeof(*capture->limited));
	capture->tasks = calloc(cpus, sizeof(*capture->tasks));
	capture->accounted = clock_ns();
	errno = -ring_open(&capture->ring, bpf_map__fd(skeleton->maps.ring),
			   bpf_map__max_entries(skeleton->maps.ring));
	capture->open = !errno;
	if (capture->now && capture->before && capture->limited && capture->tasks && capture->open)
		return 0;
	complain("can't read events: ring buffer (%s): give a smaller --buffer", strerror(errno));
	return -1;
}

void capture_close(struct capture *capture)
{
	ring_close(&capture->ring);
	if (capture->now)
		munmap((void *)capture->now, capture->now_bytes);
	free(capture->before);
	free(capture->limited);
	free(capture->tasks);
	memset(capture, 0, sizeof(*capture));
}

int capture_fd(const struct capture *capture)
{
	return capture->ring.epoll;
}

bool capture_read(struct capture *capture)
{
	return ring_read(&capture->ring, READ_AT_ONCE, on_record, capture) < READ_AT_ONCE;
}

bool capture_sleep(struct capture *capture)
{
	uint64_t before = capture->read;

	capture->skeleton->data->asleep = true;
	/* An event from before that woke nobody: it is seen now, and later ones do. */
	atomic_thread_fence(memory_order_seq_cst);
	capture_read(capture);
	if (capture->read == before)
		return true;
	capture->skeleton->data->asleep = false;
	return false;
}

void capture_wake(struct capture *capture)
{
	ring_woken(&capture->ring);
	capture->skeleton->data->asleep = false;
}

bool capture_full(const struct capture *capture)
{
	return capture->limit && capture->taken >= capture->limit;
}

static void gap(struct capture *capture, uint64_t *lost, uint32_t cpu, enum gap_cause cause,
		uint64_t count, uint64_t to)
{
	struct gap one = {
		.lost = count,
		.from = capture->accounted,
		.to = to,
		.cpu = cpu,
		.cause = cause,
	};

	if (!count)
		return;
	*lost += count;
	capture->sink->gap(capture->sink, &one);
}

/* Tells hits that were missed since `before` was counted. */
static void tell_missed(struct capture *capture, uint64_t *before, uint64_t now_missed,
			enum gap_cause cause, uint64_t to)
{
	struct gap one = {
		.missed = now_missed - *before,
		.from = capture->accounted,
		.to = to,
		.cause = cause,
	};

	if (now_missed <= *before)
		return;
	*before = now_missed;
	capture->sink->gap(capture->sink, &one);
}

/* What the kernel counted of our programs so far. */
struct runs {
	uint64_t misses;	  /* kept from running, since one ran on that CPU already … */
	uint64_t function_misses; /* … of them, of function hooks */
	uint64_t run_ns;
	uint64_t fixed_ns; /* of it, of programs that run whatever hooks are shed */
};

/* `look`: not only as far as is known of hooks on BPF programs. */
static struct runs count_runs(const struct capture *capture, bool look)
{
	struct bpf_program *program;
	struct runs runs = {0};

	bpf_object__for_each_program (program, capture->skeleton->obj) {
		struct bpf_prog_info info = {0};
		__u32 size = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
			continue;
		runs.misses += info.recursion_misses;
		runs.run_ns += info.run_time_ns;
		/* What functions run are kprobe programs, whatever attaches them. */
		if (info.type == BPF_PROG_TYPE_KPROBE)
			runs.function_misses += info.recursion_misses;
		else
			runs.fixed_ns += info.run_time_ns;
	}
	if (capture->programs) {
		struct account account;

		programs_account(capture->programs, look, &account);
		runs.misses += account.misses;
		runs.run_ns += account.run_ns;
	}
	return runs;
}

uint64_t capture_run_ns(const struct capture *capture, uint64_t *fixed_ns)
{
	struct runs runs = count_runs(capture, true);

	*fixed_ns = runs.fixed_ns;
	return runs.run_ns;
}

/* Runs of function hooks' programs; `all` has those of hooks on BPF programs, too. */
static uint64_t count_hits(const struct capture *capture, uint64_t *all)
{
	uint64_t functions = 0;

	*all = 0;
	for (uint32_t i = 0; i < HIT_COUNTS; i++) {
		functions += capture->skeleton->data->hits[i].functions;
		*all += capture->skeleton->data->hits[i].programs;
	}
	*all += functions;
	return functions;
}

/*
 * Tells hits of kprobes that no program ran for. Before 6.7 (dd8657894c11) the kernel doesn't count
 * that it keeps a program from running (trace_call_bpf, kernel/trace/bpf_trace.c), in an interrupt
 * of another one or of somebody's look into a map. A probe is armed a moment before its program is
 * there, so it is known once hooks are attached, and told from then on. `before`: hits that were
 * seen before those of the probes were counted; what comes meanwhile is never told.
 */
static void tell_unseen(struct capture *capture, const struct attachment *attachment,
			uint64_t probe_hits, uint64_t before, const struct runs *runs, uint64_t now)
{
	uint64_t all, seen = count_hits(capture, &all);
	uint64_t unseen = probe_hits > seen ? probe_hits - seen : 0;

	if (capture->settled != attachment->hooks.functions) {
		capture->unseen = probe_hits > before ? probe_hits - before : 0;
		capture->settled = attachment->hooks.functions;
		return;
	}
	if (runs->function_misses)
		return;
	if (unseen > capture->unseen) {
		/* Programs of hits just now have counted after this. */
		grace_wait();
		seen = count_hits(capture, &all);
		unseen = probe_hits > seen ? probe_hits - seen : 0;
	}
	if (unseen > capture->unseen)
		capture->unseen_told += unseen - capture->unseen;
	tell_missed(capture, &capture->unseen, unseen, GAP_RECURSION, now);
}

void capture_account(struct capture *capture, const struct attachment *attachment, bool last,
		     struct totals *totals)
{
	uint64_t now = clock_ns(), ended = 0, lost_pipe = 0, seen;
	struct probe_counts counts;
	struct runs runs;
	bool look, probed = attachment->probes.folder >= 0 && attachment_settled(attachment);

	memset(totals, 0, sizeof(*totals));
	for (uint32_t cpu = 0; cpu < capture->cpus; cpu++) {
		struct counters *before = &capture->before[cpu], now_there = capture->now[cpu];
		const struct counters *after = &now_there;
		uint64_t pipe = sink_take_lost(capture->sink, cpu);

		gap(capture, &capture->kernel_lost, cpu, GAP_RING_BUFFER,
		    after->lost_ring - before->lost_ring, now);
		gap(capture, &capture->kernel_lost, cpu, GAP_TABLE_FULL,
		    after->lost_table - before->lost_table, now);
		gap(capture, &capture->limit_lost, cpu, GAP_LIMIT, capture->limited[cpu], now);
		capture->limited[cpu] = 0;
		if (cpu == 0) {
			pipe += capture->refused;
			capture->taken += capture->refused;
			capture->refused = 0;
		}
		gap(capture, &lost_pipe, cpu, GAP_PIPE_FULL, pipe, now);
		totals->sent += after->sent;
		totals->packets += after->packets;
		ended += after->ended;
		*before = *after;
	}
	capture->pipe_lost += lost_pipe;
	seen = count_hits(capture, &totals->hits);
	/* Both may be long lists, and grow only when there are hits. */
	look = totals->hits != capture->hits || last ||
	       (probed && capture->settled != attachment->hooks.functions);
	if (look)
		counts = attachment_count(attachment);
	runs = count_runs(capture, look);
	tell_missed(capture, &capture->recursion, runs.misses, GAP_RECURSION, now);
	if (look) {
		tell_missed(capture, &capture->missed, counts.missed, GAP_MISSED, now);
		if (probed)
			tell_unseen(capture, attachment, counts.hits, seen, &runs, now);
	}
	capture->hits = totals->hits;
	totals->time = now;
	totals->run_ns = runs.run_ns;
	totals->missed = capture->recursion + capture->missed + capture->unseen_told;
	totals->delivered = capture->taken - capture->pipe_lost;
	totals->lost = capture->kernel_lost + capture->limit_lost + capture->pipe_lost;
	totals->following = totals->packets > ended ? totals->packets - (uint32_t)ended : 0;
	capture->accounted = now;
}

void capture_pause(struct capture *capture)
{
	capture->skeleton->data->paused = true;
	capture->skeleton->data->quick = false;
}

void capture_resume(struct capture *capture)
{
	capture->skeleton->data->paused = false;
	capture->skeleton->data->quick = !capture->filter_changed;
}

void capture_filter_changed(struct capture *capture)
{
	capture->filter_changed = true;
	capture->skeleton->data->quick = false;
}
