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
	const struct event *given = event;
	struct event whole;

	capture->read++;
	event = with_comm(&capture->tasks[cpu], event, &whole);
	if (loss_full(&capture->loss)) {
		loss_beyond_limit(&capture->loss, cpu);
		return;
	}
	if (capture->programs)
		programs_event(capture->programs, event);
	names_of_event(capture->names, capture->sink, given, stack);
	loss_given(&capture->loss, capture->sink->event(capture->sink, event, stack));
}

static void take_parents(struct capture *capture, const struct event_with_parents *record)
{
	struct event event = record->event;

	for (uint64_t i = 0; i < record->count && i < PARENTS; i++) {
		if (record->parents[i] == record->event.parent)
			continue;
		event.parent = record->parents[i];
		take_event(capture, &event, NULL);
	}
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
	} else if (type == RECORD_PARENTS && size >= sizeof(struct event_with_parents)) {
		take_parents(capture, data);
	} else if (type == RECORD_IFACE && size >= sizeof(struct iface_record)) {
		const struct iface_record *record = data;
		char name[sizeof(record->name) + 1] = {0};

		memcpy(name, record->name, sizeof(record->name));
		/* Events so far are of the name of before. */
		if (record->renamed)
			capture->sink->flush(capture->sink);
		capture->sink->iface(capture->sink, record->netns, record->ifindex, name);
	} else if (type == RECORD_NETNS && size >= sizeof(struct netns_record)) {
		const struct netns_record *record = data;

		names_of_netns(capture->names, capture->sink, record->netns, record->cookie);
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
	capture->now_bytes = cpus * sizeof(*capture->now);
	capture->now = mmap(NULL, capture->now_bytes, PROT_READ, MAP_SHARED,
			    bpf_map__fd(skeleton->maps.counters), 0);
	if (capture->now == MAP_FAILED)
		capture->now = NULL;
	capture->tasks = calloc(cpus, sizeof(*capture->tasks));
	errno = -ring_open(&capture->ring, bpf_map__fd(skeleton->maps.ring),
			   bpf_map__max_entries(skeleton->maps.ring));
	capture->open = !errno;
	if (!loss_open(&capture->loss, sink, cpus, limit, clock_ns()) && capture->now &&
	    capture->tasks && capture->open)
		return 0;
	complain("can't read events: ring buffer (%s): give a smaller --buffer", strerror(errno));
	return -1;
}

void capture_close(struct capture *capture)
{
	ring_close(&capture->ring);
	if (capture->now)
		munmap((void *)capture->now, capture->now_bytes);
	loss_close(&capture->loss);
	free(capture->tasks);
	memset(capture, 0, sizeof(*capture));
}

int capture_fd(const struct capture *capture)
{
	return capture->ring.epoll;
}

bool capture_read(struct capture *capture)
{
	names_at(capture->names, clock_ms());
	return ring_read(&capture->ring, READ_AT_ONCE, on_record, capture) < READ_AT_ONCE;
}

bool capture_held(struct capture *capture)
{
	if (!sink_full(capture->sink))
		return false;
	loss_hold(&capture->loss);
	return true;
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
	return loss_full(&capture->loss);
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
	uint64_t functions = 0, programs = 0;

	for (uint32_t i = 0; i < HIT_COUNTS; i++) {
		functions += capture->skeleton->data->hits[i].functions;
		programs += capture->skeleton->data->hits[i].programs;
	}
	*all = functions + programs;
	return functions;
}

static uint64_t count_seen(const struct capture *capture)
{
	uint64_t all;

	return count_hits(capture, &all);
}

void capture_account(struct capture *capture, const struct attachment *attachment, bool last,
		     struct totals *totals)
{
	struct readings now = {
		.time = clock_ns(),
		.functions = attachment->hooks.functions,
		.probed = attachment->probes.folder >= 0 && attachment_settled(attachment),
	};
	struct runs runs;

	memset(totals, 0, sizeof(*totals));
	loss_account_events(&capture->loss, capture->now, now.time, totals);
	now.seen_before = count_hits(capture, &now.hits);
	now.looked = last || loss_wants_look(&capture->loss, &now);
	if (now.looked) {
		struct probe_counts counts = attachment_count(attachment);

		now.missed = counts.missed;
		now.probe_hits = counts.hits;
	}
	runs = count_runs(capture, now.looked);
	now.misses = runs.misses;
	now.function_misses = runs.function_misses;
	now.run_ns = runs.run_ns;
	now.seen = count_seen(capture);
	if (now.looked && loss_doubts(&capture->loss, &now)) {
		/* Programs of hits just now have counted after this. */
		grace_wait();
		now.seen = count_seen(capture);
	}
	loss_account_hits(&capture->loss, &now, totals);
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
