// SPDX-License-Identifier: Apache-2.0
/* Which BPF programs there are: see program_table.h. */
#include "program_table.h"
#include "clock.h"
#include "sink.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 2000 /* one that is still there so long after we let it go is somebody's */

static bool sees_packets(uint32_t type)
{
	return type == BPF_PROG_TYPE_SCHED_CLS || type == BPF_PROG_TYPE_SCHED_ACT ||
	       type == BPF_PROG_TYPE_XDP || type == BPF_PROG_TYPE_EXT;
}

static bool add_record(struct programs *programs, const struct program_record *record)
{
	if (programs->record_count == programs->record_room) {
		size_t room = programs->record_room ? 2 * programs->record_room : 256;
		struct program_record *more = realloc(programs->records, room * sizeof(*more));

		if (!more)
			return false;
		programs->records = more;
		programs->record_room = room;
	}
	programs->records[programs->record_count++] = *record;
	return true;
}

/* All programs of the node by the iterator. False when that can't be had now. */
static bool read_iterator(struct programs *programs)
{
	struct program_record batch[128];
	int file = bpf_iter_create(programs->iterator);
	ssize_t size;
	bool done = true;

	if (file < 0)
		return false;
	while ((size = read(file, batch, sizeof(batch))) > 0) {
		/* What is read are whole records: the iterator fills its buffer one by one. */
		for (size_t i = 0; i < size / sizeof(*batch) && done; i++)
			done = add_record(programs, &batch[i]);
	}
	close(file);
	return done && size == 0;
}

/* The same without it: slower, and a program that our hooks hold never goes. */
static bool read_ids(struct programs *programs)
{
	uint32_t id = 0;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		struct bpf_prog_info info;
		struct program_record record = {.id = id, .holders = UINT64_MAX};
		__u32 size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			record.type = info.type;
		close(fd);
		if (sees_packets(record.type) && !add_record(programs, &record))
			return false;
	}
	return errno == ENOENT;
}

static int by_id(const void *left, const void *right)
{
	const struct program_record *a = left, *b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* Nobody has it any more, or nobody but us. */
static void entry_gone(struct programs *programs, struct entry *entry)
{
	struct program *program = &entry->program;

	entry->leaving = true;
	programs->leaving++;
	if (entry->fresh) {
		entry->fresh = false;
		programs->fresh--;
		return;
	}
	drop_copies(programs, entry);
	program->state = PROGRAM_GONE;
	program->gone_ns = clock_ns();
	tell_hook_state(programs, program->entry_hook, STATE_GONE, "the program is gone");
	tell_hook_state(programs, program->verdict_hook, STATE_GONE, "the program is gone");
	programs->sink->program(programs->sink, program);
}

/*
 * Can the table forget one that is gone? The kernel lists it as long as our hooks hold it, and for
 * a while longer: taken for a new one, it would be hooked again and again. One that stays was
 * taken up by somebody else; forgotten, it is found anew.
 */
static bool may_forget(struct entry *entry, uint64_t now_ms)
{
	if (atomic_load(&entry->closing))
		return false;
	if (!entry->let_go_ms)
		entry->let_go_ms = now_ms;
	return !entry->seen || now_ms - entry->let_go_ms > AGAIN_MS;
}

static void forget(struct programs *programs, struct entry *entry)
{
	programs->leaving--;
	program_free(&entry->program);
	free(entry);
}

void programs_scan(struct programs *programs, uint64_t now_ms)
{
	size_t kept = 0, at = 0;
	bool changed = false, moved = false;

	programs->record_count = 0;
	if (!(programs->iterator >= 0 ? read_iterator(programs) : read_ids(programs)))
		return; /* what is known stays; the next scan may go well */
	qsort(programs->records, programs->record_count, sizeof(*programs->records), by_id);
	for (size_t i = 0; i < programs->count; i++)
		programs->entries[i]->seen = false;
	for (size_t i = 0; i < programs->record_count; i++) {
		const struct program_record *record = &programs->records[i];
		struct entry *entry;
		uint64_t others;

		while (at < programs->count && programs->entries[at]->program.id < record->id)
			at++;
		if (at == programs->count || programs->entries[at]->program.id != record->id) {
			if (!table_add(programs, at, record->id, record->type))
				continue;
			changed = true;
		}
		entry = programs->entries[at];
		/* Held by nobody but our hooks: gone for everybody else. */
		others = copies_of(&entry->program);
		others = record->holders > others ? record->holders - others : 0;
		entry->seen = entry->leaving || others;
		/* Where it is attached or pinned it is held: look there again. */
		moved = moved || others != entry->others;
		entry->others = others;
	}
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];

		if (!entry->seen && !entry->leaving) {
			entry_gone(programs, entry);
			changed = true;
		}
		if (entry->leaving && may_forget(entry, now_ms))
			forget(programs, entry);
		else
			programs->entries[kept++] = entry;
	}
	programs->count = kept;
	programs->slots_old = programs->slots_old || changed;
	if (programs->survey && (changed || moved))
		survey_hurry(programs->survey);
}
