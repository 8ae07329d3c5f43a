// SPDX-License-Identifier: Apache-2.0
/* A running trace: see capture.h. */
#include "capture.h"
#include "attach.h"
#include "log.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_AT_ONCE 8192

static uint64_t now_ns(void)
{
	uint64_t monotonic, wall;

	clock_pair(&monotonic, &wall);
	return monotonic;
}

static void take_event(struct capture *capture, const struct event *event, const uint64_t *stack)
{
	uint32_t cpu = event->cpu < capture->cpus ? event->cpu : 0;

	capture->read++;
	if (capture_full(capture)) {
		capture->limited[cpu]++;
		return;
	}
	names_of_event(capture->names, capture->sink, event, stack);
	if (capture->sink->event(capture->sink, event, stack))
		capture->taken++;
	else
		capture->refused++;
}

/* One record. A negative value makes libbpf stop after it. */
static int on_record(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	uint16_t type = size >= sizeof(type) ? *(uint16_t *)data : 0;

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
	return (capture->read % READ_AT_ONCE) == 0 ? -EAGAIN : 0;
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
	capture->now = calloc(cpus, sizeof(*capture->now));
	capture->before = calloc(cpus, sizeof(*capture->before));
	capture->limited = calloc(cpus, sizeof(*capture->limited));
	capture->ring =
		ring_buffer__new(bpf_map__fd(skeleton->maps.ring), on_record, capture, NULL);
	capture->accounted = now_ns();
	if (capture->now && capture->before && capture->limited && capture->ring)
		return 0;
	complain("can't read events: ring buffer (%s): give a smaller --buffer", strerror(errno));
	return -1;
}

void capture_close(struct capture *capture)
{
	ring_buffer__free(capture->ring);
	free(capture->now);
	free(capture->before);
	free(capture->limited);
	memset(capture, 0, sizeof(*capture));
}

int capture_fd(const struct capture *capture)
{
	return ring_buffer__epoll_fd(capture->ring);
}

bool capture_read(struct capture *capture)
{
	return ring_buffer__consume(capture->ring) != -EAGAIN;
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

/* Hits that the kernel kept from our programs because one ran on that CPU already; and their run
 * time. */
static uint64_t recursion_misses(const struct capture *capture, uint64_t *run_ns)
{
	struct bpf_program *program;
	uint64_t misses = 0;

	*run_ns = 0;
	bpf_object__for_each_program (program, capture->skeleton->obj) {
		struct bpf_prog_info info = {0};
		__u32 size = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
			continue;
		misses += info.recursion_misses;
		*run_ns += info.run_time_ns;
	}
	return misses;
}

/*
 * struct bpf_link_info for kprobe.multi (include/uapi/linux/bpf.h), whose count of missed hits is
 * newer (6.7, e2b2cd592a63) than the header that we build with.
 */
struct kprobe_multi_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 padding;
	__u64 addrs;
	__u32 count;
	__u32 flags;
	__u64 missed;
	__u64 cookies;
};

static uint64_t link_misses(const struct attachment *attachment)
{
	uint64_t misses = 0;

	if (attachment->backend != BACKEND_KPROBE_MULTI)
		return 0;
	for (size_t i = 0; i < attachment->link_count; i++) {
		union {
			struct bpf_link_info known;
			struct kprobe_multi_info multi;
			char room[256];
		} info;
		__u32 size = sizeof(info);

		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(attachment->links[i], &info, &size) ||
		    info.known.type != BPF_LINK_TYPE_KPROBE_MULTI ||
		    size < sizeof(struct kprobe_multi_info))
			continue;
		misses += info.multi.missed;
	}
	return misses;
}

void capture_account(struct capture *capture, const struct attachment *attachment,
		     struct totals *totals)
{
	uint32_t zero = 0;
	uint64_t now = now_ns(), misses, ended = 0, lost_pipe = 0;

	memset(totals, 0, sizeof(*totals));
	if (bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.counters), &zero, capture->now))
		memcpy(capture->now, capture->before, capture->cpus * sizeof(*capture->now));
	for (uint32_t cpu = 0; cpu < capture->cpus; cpu++) {
		const struct counters *after = &capture->now[cpu], *before = &capture->before[cpu];
		uint64_t pipe = capture->sink->take_lost(capture->sink, cpu);

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
		totals->hits += after->hits;
		totals->packets += after->packets;
		ended += after->ended;
		capture->before[cpu] = *after;
	}
	capture->pipe_lost += lost_pipe;
	misses = recursion_misses(capture, &totals->run_ns);
	if (misses > capture->recursion) {
		gap(capture, &capture->kernel_lost, 0, GAP_RECURSION, misses - capture->recursion,
		    now);
		capture->recursion = misses;
	}
	misses = link_misses(attachment);
	if (misses > capture->missed) {
		gap(capture, &capture->kernel_lost, 0, GAP_MISSED, misses - capture->missed, now);
		capture->missed = misses;
	}
	totals->time = now;
	totals->sent += capture->recursion + capture->missed;
	totals->delivered = capture->taken - capture->pipe_lost;
	totals->lost = capture->kernel_lost + capture->limit_lost + capture->pipe_lost;
	totals->following = totals->packets > ended ? totals->packets - (uint32_t)ended : 0;
	capture->accounted = now;
}

void capture_pause(struct capture *capture, bool paused)
{
	capture->skeleton->data->paused = paused;
}
