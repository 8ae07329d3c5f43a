// SPDX-License-Identifier: Apache-2.0
/* Where BPF programs are attached, pinned and called: see program_table.h. */
#include "program_table.h"
#include "program_info.h"
#include "sink.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* True when the program's places changed. The findings are sorted by program. */
static bool take_places(struct program *program, const struct place *places, size_t count)
{
	size_t bytes = count * sizeof(*places);
	struct place *copy;

	if (program->place_count == count && (!count || !memcmp(program->places, places, bytes)))
		return false;
	copy = malloc(bytes ? bytes : 1);
	if (!copy)
		return false;
	if (count)
		memcpy(copy, places, bytes);
	free(program->places);
	program->places = copy;
	program->place_count = count;
	return true;
}

static bool same_pins(const struct program *program, const struct pins *pins)
{
	size_t count = 0;

	for (size_t i = 0; i < pins->count; i++) {
		if (pins->items[i].program != program->id)
			continue;
		if (count == program->pin_count ||
		    strcmp(program->pins[count], pins->items[i].path) != 0)
			return false;
		count++;
	}
	return count == program->pin_count;
}

/* True when the program's pins changed. */
static bool take_pins(struct program *program, const struct pins *pins)
{
	char **paths;

	if (same_pins(program, pins))
		return false;
	paths = calloc(pins->count + 1, sizeof(*paths));
	if (!paths)
		return false;
	for (size_t i = 0; i < program->pin_count; i++)
		free(program->pins[i]);
	free(program->pins);
	program->pins = paths;
	program->pin_count = 0;
	for (size_t i = 0; i < pins->count; i++) {
		if (pins->items[i].program != program->id)
			continue;
		paths[program->pin_count] = strdup(pins->items[i].path);
		if (paths[program->pin_count])
			program->pin_count++;
	}
	return true;
}

void programs_take_findings(struct programs *programs)
{
	struct findings found;
	size_t at = 0;

	if (!programs->survey || !survey_take(programs->survey, &found))
		return;
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];
		size_t begin;
		bool places, pins;

		while (at < found.places.count &&
		       found.places.items[at].program < entry->program.id)
			at++;
		begin = at;
		while (at < found.places.count &&
		       found.places.items[at].program == entry->program.id)
			at++;
		/* One that is still to be looked at is told then, with its places. */
		places = take_places(&entry->program, found.places.items + begin, at - begin);
		pins = take_pins(&entry->program, &found.pins);
		if ((places || pins) && !entry->fresh && !entry->leaving)
			programs->sink->program(programs->sink, &entry->program);
	}
	findings_free(&found);
}

void programs_read_slots(struct programs *programs)
{
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];
		int fd = entry->fresh || entry->leaving || !entry->program.arrays
				 ? -1
				 : bpf_prog_get_fd_by_id(entry->program.id);

		if (fd < 0)
			continue;
		if (program_info_tail_calls(&entry->program, fd))
			programs->sink->program(programs->sink, &entry->program);
		close(fd);
	}
}
