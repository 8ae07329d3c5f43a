// SPDX-License-Identifier: Apache-2.0
/* The table of the node's BPF programs: see program_table.h. */
#include "program_table.h"
#include "sink.h"

#include <stdlib.h>
#include <string.h>

bool table_add(struct programs *programs, size_t at, uint32_t id, uint32_t type)
{
	struct entry *entry;

	if (programs->count == programs->room) {
		size_t room = programs->room ? 2 * programs->room : 64;
		struct entry **more = realloc(programs->entries, room * sizeof(struct entry *));

		if (!more)
			return false;
		programs->entries = more;
		programs->room = room;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return false;
	entry->program.id = id;
	entry->program.type = type;
	entry->fresh = true;
	memmove(&programs->entries[at + 1], &programs->entries[at],
		(programs->count - at) * sizeof(struct entry *));
	programs->entries[at] = entry;
	programs->count++;
	programs->fresh++;
	return true;
}

struct entry *table_find(const struct programs *programs, uint32_t id)
{
	size_t low = 0, high = programs->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (programs->entries[middle]->program.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == programs->count || programs->entries[low]->program.id != id)
		return NULL;
	return programs->entries[low];
}

uint32_t copies_of(const struct program *program)
{
	return copy_attached(&program->copies[0]) + copy_attached(&program->copies[1]);
}

void tell_hook_state(struct programs *programs, uint32_t id, enum hook_state state,
		     const char *reason)
{
	struct hook *hook = id ? hook_of(programs->hooks, id) : NULL;

	if (!hook)
		return;
	atomic_store(&hook->state, (int)state);
	programs->sink->status(programs->sink, id, state, reason, hook->function, hook->module);
}

void drop_copies(struct programs *programs, struct entry *entry)
{
	for (int i = 0; i < 2; i++)
		closer_close(programs->closer, &entry->program.copies[i], &entry->closing);
}
