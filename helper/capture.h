/* SPDX-License-Identifier: Apache-2.0 */
/* A running trace: events from the ring buffer to the sink, and the account of what was lost. */
#ifndef PACKET_TRAIL_CAPTURE_H
#define PACKET_TRAIL_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include "../bpf/event.h"
#include "names.h"
#include "sink.h"

struct attachment;
struct packet_trail_bpf;
struct ring_buffer;

struct capture {
	struct sink *sink;
	struct packet_trail_bpf *skeleton;
	struct ring_buffer *ring;
	struct names *names;
	uint32_t cpus;
	struct counters *now; /* a CPU, of the kernel side */
	struct counters *before;
	uint64_t *limited; /* a CPU: events beyond the limit */
	uint64_t limit;	   /* 0 = none */
	uint64_t read;	   /* events from the ring buffer */
	uint64_t taken;	   /* of them, taken by the sink */
	uint64_t pipe_lost;
	uint64_t refused; /* by the sink, to be counted as lost */
	uint64_t kernel_lost;
	uint64_t recursion; /* the programs' recursion_misses so far */
	uint64_t missed;    /* the links' missed so far */
	uint64_t limit_lost;
	uint64_t accounted; /* time of the last account */
};

/* 0, or -1 after it said why. */
int capture_open(struct capture *capture, struct packet_trail_bpf *skeleton, struct sink *sink,
		 struct names *names, uint32_t cpus, uint64_t limit);
void capture_close(struct capture *capture);

/* Descriptor to poll. */
int capture_fd(const struct capture *capture);

/* Takes what the ring buffer holds, at most some thousands. Returns false when there may be more.
 */
bool capture_read(struct capture *capture);

/* Was the limit reached? */
bool capture_full(const struct capture *capture);

/* Counts what was lost since the last time and sends it as gaps. Fills the totals. */
void capture_account(struct capture *capture, const struct attachment *attachment,
		     struct totals *totals);

/* Starts or stops sending. */
void capture_pause(struct capture *capture, bool paused);

#endif
