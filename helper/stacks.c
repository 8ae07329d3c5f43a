// SPDX-License-Identifier: Apache-2.0
/* Kernel stacks by number: see stacks.h. */
#include "stacks.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include "../bpf/event.h"

#define STACKS 4096

struct stack {
	uint64_t address[STACK_DEPTH];
	uint32_t id; /* 0 = free */
};

uint32_t stacks_id(struct stacks *stacks, const uint64_t *stack, struct bytes *message)
{
	uint64_t hash = 0;
	struct stack *entry;
	struct bytes addresses = {0}, inner = {0};

	if (!stacks->table)
		stacks->table = calloc(STACKS, sizeof(*stacks->table));
	if (!stacks->table || !stack[0])
		return 0;
	for (int i = 0; i < STACK_DEPTH; i++)
		hash = (hash ^ stack[i]) * 0x9e3779b97f4a7c15ULL;
	entry = &stacks->table[(hash >> 40) % STACKS];
	if (entry->id && memcmp(entry->address, stack, sizeof(entry->address)) == 0)
		return entry->id;
	memcpy(entry->address, stack, sizeof(entry->address));
	entry->id = ++stacks->last_id;
	for (int i = 0; i < STACK_DEPTH && stack[i]; i++)
		put_u64(&addresses, stack[i]);
	field_varint(&inner, 1, entry->id);
	field_message(&inner, 2, &addresses);
	field_message(message, 1, &inner);
	bytes_free(&addresses);
	bytes_free(&inner);
	return entry->id;
}

void stacks_free(struct stacks *stacks)
{
	free(stacks->table);
	memset(stacks, 0, sizeof(*stacks));
}
