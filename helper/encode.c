// SPDX-License-Identifier: Apache-2.0
/* Events into batches: see encode.h. */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

enum part {
	PART_PACKET = 1 << 0,
	PART_CPU = 1 << 1,
	PART_TASK = 1 << 2,
	PART_SKB = 1 << 3,
	PART_NETNS = 1 << 4,
	PART_IFINDEX = 1 << 5,
	PART_MARK = 1 << 6,
	PART_LEN = 1 << 7,
	PART_PROTOCOL = 1 << 8,
	PART_TUPLE = 1 << 9,
	PART_CALLER = 1 << 10,
	PART_STACK = 1 << 11,
	PART_DROP = 1 << 12,
	PART_VERDICT = 1 << 13,
	PART_PARENT = 1 << 14,
	PART_FREE = 1 << 15,
	PART_L4_FLAGS = 1 << 16,
	PART_REDIRECT = 1 << 17,
	PART_DIRECTION = 1 << 18,
};

struct tuple {
	uint8_t family;
	uint8_t protocol;
	uint16_t sport;
	uint16_t dport;
	uint8_t saddr[16];
	uint8_t daddr[16];
};

struct seen {
	uint64_t packet;
	uint64_t skb;
	uint32_t generation;
	uint32_t netns;
	uint32_t ifindex;
	uint32_t mark;
	uint32_t len;
	uint16_t protocol;
	uint8_t l4_flags;
	struct tuple tuple;
};

#define TABLE (2 * BATCH_RECORDS) /* a power of two, never more than half full */

/* More than all parts of a record take together. */
#define RECORD_MAX 192

bool batch_open(struct batch *batch, uint64_t text_base)
{
	memset(batch, 0, sizeof(*batch));
	batch->text_base = text_base;
	batch->generation = 1;
	batch->table = calloc(TABLE, sizeof(*batch->table));
	return batch->table;
}

void batch_close(struct batch *batch)
{
	free(batch->table);
	bytes_free(&batch->records);
	memset(batch, 0, sizeof(*batch));
}

/* The packet's entry of this batch, new and zero on first sight. */
static struct seen *seen_of(struct batch *batch, uint64_t packet)
{
	uint32_t at = (packet * 0x9e3779b97f4a7c15ULL) >> 40;

	for (;; at++) {
		struct seen *seen = &batch->table[at & (TABLE - 1)];

		if (seen->generation != batch->generation) {
			memset(seen, 0, sizeof(*seen));
			seen->generation = batch->generation;
			seen->packet = packet;
			return seen;
		}
		if (seen->packet == packet)
			return seen;
	}
}

static void put_tuple(struct bytes *out, const struct tuple *tuple)
{
	size_t size = tuple->family == 4 ? 4 : 16;

	put_u8(out, tuple->family);
	if (!tuple->family)
		return;
	put_u8(out, tuple->protocol);
	put_bytes(out, tuple->saddr, size);
	put_bytes(out, tuple->daddr, size);
	put_u16(out, tuple->sport);
	put_u16(out, tuple->dport);
}

/* Sets *was to now; true when that changed it. */
#define changed(was, now) ((was) != (now) && ((was) = (now), true))

bool batch_add(struct batch *batch, const struct event *event, uint32_t stack_id)
{
	struct bytes *out = &batch->records;
	struct tuple tuple = {0};
	struct seen *seen;
	uint32_t parts = 0;

	/* Room for the whole record first, so that none is ever written in part. */
	if (batch->count >= BATCH_RECORDS || !bytes_reserve(out, RECORD_MAX)) {
		out->failed = false;
		return false;
	}
	if (!batch->count) {
		batch->base = batch->time = event->time;
		batch->packet = 0;
		batch->pid = 0;
		batch->cpu = 0;
	}
	seen = seen_of(batch, event->packet);
	if (changed(batch->packet, event->packet))
		parts |= PART_PACKET;
	if (changed(batch->cpu, event->cpu))
		parts |= PART_CPU;
	if (changed(batch->pid, event->pid))
		parts |= PART_TASK;
	if (changed(seen->skb, event->skb))
		parts |= PART_SKB;
	if (changed(seen->netns, event->netns))
		parts |= PART_NETNS;
	if (changed(seen->ifindex, event->ifindex))
		parts |= PART_IFINDEX;
	if (changed(seen->mark, event->mark))
		parts |= PART_MARK;
	if (changed(seen->len, event->len))
		parts |= PART_LEN;
	if (changed(seen->protocol, event->protocol))
		parts |= PART_PROTOCOL;
	/* A hook that could not read the headers says nothing about the tuple: it stays. */
	if (event->flags & EVENT_TUPLE) {
		tuple.family = event->family;
		tuple.protocol = event->l4_protocol;
		tuple.sport = event->sport;
		tuple.dport = event->dport;
		memcpy(tuple.saddr, event->saddr, sizeof(tuple.saddr));
		memcpy(tuple.daddr, event->daddr, sizeof(tuple.daddr));
		if (memcmp(&tuple, &seen->tuple, sizeof(tuple)) != 0) {
			seen->tuple = tuple;
			parts |= PART_TUPLE;
		}
		if (changed(seen->l4_flags, event->l4_flags))
			parts |= PART_L4_FLAGS;
	}
	if (event->flags & EVENT_DROP)
		parts |= PART_DROP;
	else if (event->caller)
		parts |= PART_CALLER;
	if (stack_id)
		parts |= PART_STACK;
	if (event->flags & EVENT_VERDICT)
		parts |= PART_VERDICT;
	if (event->redirect)
		parts |= PART_REDIRECT;
	if (event->direction)
		parts |= PART_DIRECTION;
	if (event->edge)
		parts |= PART_PARENT;
	if (event->flags & EVENT_FREE)
		parts |= PART_FREE;

	put_varint(out, parts);
	put_zigzag(out, (int64_t)(event->time - batch->time));
	put_varint(out, event->hook);
	if (parts & PART_PACKET)
		put_varint(out, event->packet);
	if (parts & PART_CPU)
		put_varint(out, event->cpu);
	if (parts & PART_TASK)
		put_varint(out, event->pid);
	if (parts & PART_SKB)
		put_u64(out, event->skb);
	if (parts & PART_NETNS)
		put_varint(out, event->netns);
	if (parts & PART_IFINDEX)
		put_varint(out, event->ifindex);
	if (parts & PART_MARK)
		put_varint(out, event->mark);
	if (parts & PART_LEN)
		put_varint(out, event->len);
	if (parts & PART_PROTOCOL)
		put_varint(out, event->protocol);
	if (parts & PART_TUPLE)
		put_tuple(out, &tuple);
	if (parts & PART_CALLER)
		put_zigzag(out, (int64_t)(event->caller - batch->text_base));
	if (parts & PART_STACK)
		put_varint(out, stack_id);
	if (parts & PART_DROP) {
		put_varint(out, event->reason);
		put_zigzag(out, (int64_t)(event->caller - batch->text_base));
	}
	if (parts & PART_VERDICT)
		put_zigzag(out, event->verdict);
	if (parts & PART_PARENT) {
		put_varint(out, event->parent);
		put_u8(out, event->edge);
	}
	if (parts & PART_L4_FLAGS)
		put_u8(out, event->l4_flags);
	if (parts & PART_REDIRECT)
		put_varint(out, event->redirect);
	if (parts & PART_DIRECTION)
		put_u8(out, event->direction);
	batch->time = event->time;
	batch->count++;
	return true;
}

void batch_take(struct batch *batch, struct bytes *payload)
{
	put_varint(payload, batch->count);
	put_u64(payload, batch->base);
	put_bytes(payload, batch->records.data, batch->records.length);
	if (batch->records.failed)
		payload->failed = true;
	batch->records.length = 0;
	batch->records.failed = false;
	batch->count = 0;
	if (++batch->generation == 0) {
		memset(batch->table, 0, TABLE * sizeof(*batch->table));
		batch->generation = 1;
	}
}
