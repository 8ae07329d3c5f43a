/* SPDX-License-Identifier: Apache-2.0 */
/* A running trace: events from the ring buffer to the sink, and what the kernel counted of it. */
#ifndef PACKET_TRAIL_CAPTURE_H
#define PACKET_TRAIL_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include "../bpf/event.h"
#include "loss.h"
#include "names.h"
#include "ring.h"
#include "sink.h"

struct attachment;
struct packet_trail_bpf;
struct programs;

/* The task of a CPU's last event. */
struct cpu_task {
	uint32_t pid;
	char comm[16];
};

struct capture {
	struct sink *sink;
	struct packet_trail_bpf *skeleton;
	struct ring ring;
	bool open;
	struct names *names;
	struct programs *programs; /* NULL = none are hooked */
	uint32_t cpus;
	const struct counters *now; /* a CPU, of the kernel side */
	size_t now_bytes;
	struct cpu_task *tasks;
	struct loss loss;
	bool filter_changed; /* since load */
	uint64_t read;	     /* events from the ring buffer */
};

/* 0, or -1 after it said why. */
int capture_open(struct capture *capture, struct packet_trail_bpf *skeleton, struct sink *sink,
		 struct names *names, uint32_t cpus, uint64_t limit);
void capture_close(struct capture *capture);

/* Descriptor that becomes readable when the kernel side calls; capture_wake() takes that back. */
int capture_fd(const struct capture *capture);

/* Takes what the ring buffer holds, at most some hundreds. Returns false when there may be more.
 */
bool capture_read(struct capture *capture);

/* Must events wait in the ring buffer, since the sink's reader is slow? */
bool capture_held(struct capture *capture);

/*
 * Asks to be woken by the next event. Returns false when one has come already; it is taken, and
 * nobody wakes us.
 */
bool capture_sleep(struct capture *capture);

/* Takes that back: whoever is awake comes by itself. */
void capture_wake(struct capture *capture);

/* Was the limit reached? */
bool capture_full(const struct capture *capture);

/* Reads what was counted, tells what was lost and missed since the last time as gaps, and fills the
 * totals. `last`: all is detached. */
void capture_account(struct capture *capture, const struct attachment *attachment, bool last,
		     struct totals *totals);

/*
 * Time that our programs have run, ns; grows while bpf_stats are on. `fixed_ns`: of it, that of
 * programs that run whatever hooks are shed (ends and lineage of packets).
 */
uint64_t capture_run_ns(const struct capture *capture, uint64_t *fixed_ns);

/* Another filter holds than the one that the programs were loaded with. */
void capture_filter_changed(struct capture *capture);

/* The kernel side sends nothing, as it begins, or what its hooks see. */
void capture_pause(struct capture *capture);
void capture_resume(struct capture *capture);

#endif
