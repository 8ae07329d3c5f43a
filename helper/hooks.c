// SPDX-License-Identifier: Apache-2.0
/* The hook table: see hooks.h. */
#include "hooks.h"

#include <stdlib.h>
#include <string.h>

struct hook *hook_of(const struct hooks *hooks, uint32_t id)
{
	if (id && id <= hooks->count)
		return &hooks->items[id - 1];
	if (id > hooks->count && id - hooks->count <= hooks->later_count)
		return hooks->later[id - hooks->count - 1];
	return NULL;
}

struct hook *hooks_add(struct hooks *hooks)
{
	struct hook *hook;

	if (hooks->later_count == hooks->later_room) {
		size_t room = hooks->later_room ? 2 * hooks->later_room : 64;
		struct hook **more = realloc(hooks->later, room * sizeof(struct hook *));

		if (!more)
			return NULL;
		hooks->later = more;
		hooks->later_room = room;
	}
	hook = calloc(1, sizeof(*hook));
	if (!hook)
		return NULL;
	hooks->later[hooks->later_count++] = hook;
	hook->id = hooks->count + hooks->later_count;
	return hook;
}

void hook_settle(struct hook *hook, int error)
{
	hook->error = error;
	atomic_store(&hook->state, error ? STATE_SKIPPED : STATE_ATTACHED);
}

void hooks_free(struct hooks *hooks)
{
	for (size_t i = 0; i < hooks->later_count; i++) {
		free(hooks->later[i]->own_name);
		free(hooks->later[i]);
	}
	free(hooks->later);
	free(hooks->items);
	memset(hooks, 0, sizeof(*hooks));
}
