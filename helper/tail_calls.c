// SPDX-License-Identifier: Apache-2.0
/* Slots of program arrays: see tail_calls.h. */
#include "tail_calls.h"
#include "clock.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

/* More than is told of a program; what is beyond isn't. */
#define MOST_TAIL_CALLS 4096
#define MOST_SLOTS	262144 /* that are looked at */
#define KEPT_ARRAYS	64
#define KEPT_NS		2000000000ULL

/* An array as it was read. */
struct array {
	uint32_t map;
	uint64_t time;
	struct tail_call *slots;
	size_t count;
};

static struct array kept[KEPT_ARRAYS];

static int append(struct tail_call **slots, size_t *count, const struct tail_call *more,
		  size_t more_count)
{
	struct tail_call *all;

	if (*count + more_count > MOST_TAIL_CALLS)
		more_count = MOST_TAIL_CALLS - *count;
	if (!more_count)
		return 0;
	all = realloc(*slots, (*count + more_count) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(&all[*count], more, more_count * sizeof(*more));
	*slots = all;
	*count += more_count;
	return 0;
}

static int read_array(struct array *array, int map, const struct bpf_map_info *info)
{
	for (uint32_t index = 0; index < info->max_entries && index < MOST_SLOTS; index++) {
		struct tail_call slot = {.index = index};
		int err;

		if (bpf_map_lookup_elem(map, &index, &slot.program) || !slot.program)
			continue;
		memcpy(slot.map, info->name, sizeof(slot.map) - 1);
		err = append(&array->slots, &array->count, &slot, 1);
		if (err)
			return err;
	}
	return 0;
}

int tail_calls_add(struct tail_call **slots, size_t *count, int map,
		   const struct bpf_map_info *info)
{
	struct array *array = &kept[info->id % KEPT_ARRAYS];
	uint64_t now = clock_ns();
	int err = 0;

	if (array->map != info->id || now - array->time > KEPT_NS) {
		free(array->slots);
		*array = (struct array){.map = info->id, .time = now};
		err = read_array(array, map, info);
	}
	return err ? err : append(slots, count, array->slots, array->count);
}

void tail_calls_forget(void)
{
	for (size_t i = 0; i < KEPT_ARRAYS; i++)
		free(kept[i].slots);
	memset(kept, 0, sizeof(kept));
}
