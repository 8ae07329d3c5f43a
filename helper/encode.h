/* SPDX-License-Identifier: Apache-2.0 */
/* Events into batches, as docs/stream-format.md says: only what changed since the packet's last
 * record. */
#ifndef PACKET_TRAIL_ENCODE_H
#define PACKET_TRAIL_ENCODE_H

#include "../bpf/event.h"
#include "stream.h"

/* Records a batch holds at most; the per-packet memory of a batch is sized for it. */
#define BATCH_RECORDS 2048

struct seen; /* what a packet's previous record of the batch said */

struct batch {
	struct bytes records;
	struct seen *table;
	uint32_t generation; /* entries of other generations are empty */
	uint32_t count;
	uint64_t text_base;
	uint64_t base; /* time of the first record */
	uint64_t time; /* of the previous record, like the next three */
	uint64_t packet;
	uint32_t pid;
	uint16_t cpu;
};

/* Returns false when memory runs out. `text_base` is hello's. */
bool batch_open(struct batch *batch, uint64_t text_base);
void batch_close(struct batch *batch);

/* Adds a record; stack_id 0 = none. Returns false when the batch is full (or memory is): send it
 * first. */
bool batch_add(struct batch *batch, const struct event *event, uint32_t stack_id);

/* Writes the batch's payload and begins the next one. */
void batch_take(struct batch *batch, struct bytes *payload);

#endif
