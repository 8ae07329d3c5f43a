// SPDX-License-Identifier: Apache-2.0
/* What is to be attached: see attach.h. */
#include "attach.h"
#include "attach_tracepoints.h"
#include "refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OTHERS	     (2 + LINEAGES + POINTS)
#define LATER_PLACES 1024 /* functions of modules that are loaded later */

static struct hook *add(struct hooks *hooks, enum hook_kind kind, const char *function,
			const char *prototype, uint8_t position)
{
	struct hook *hook = &hooks->items[hooks->count++];

	hook->id = hooks->count;
	hook->kind = kind;
	hook->function = function;
	hook->module = "";
	hook->prototype = prototype;
	hook->position = position;
	hook->state = STATE_WAITING;
	return hook;
}

void attachment_describe(struct hook *hook, const struct function *function, enum backend backend)
{
	hook->kind = backend == BACKEND_KPROBE_MULTI ? HOOK_KPROBE_MULTI : HOOK_KPROBE;
	if (function->quiet)
		hook->kind = HOOK_LINEAGE;
	else if (function->helper)
		hook->kind = HOOK_BPF_HELPER;
	hook->function = function->name;
	hook->module = function->module;
	hook->prototype = function->prototype;
	hook->position = function->position;
	hook->state = STATE_WAITING;
	hook->address = function->address;
	hook->behind = function->behind;
	hook->cookie = hook->id | (uint64_t)function->position << COOKIE_POSITION_SHIFT;
	if (function->part == PART_END)
		hook->cookie |= COOKIE_FREE;
	else if (function->quiet)
		hook->cookie |= COOKIE_SILENT;
	if (function->part == PART_FRAGMENT)
		hook->cookie |= COOKIE_FRAGMENT;
	if (function->part == PART_QUEUED)
		hook->cookie |= COOKIE_QUEUED;
	if (function->part == PART_WHOLE)
		hook->cookie |= COOKIE_WHOLE;
	if (function->part == PART_JOINED)
		hook->cookie |= COOKIE_JOINED;
	if (function->no_birth)
		hook->cookie |= COOKIE_NO_BIRTH;
	if (function->no_bytes)
		hook->cookie |= COOKIE_NO_BYTES;
	if (function->doubtful)
		hook->cookie |= COOKIE_DOUBTFUL;
}

/* The hook's id, or 0: then it is skipped, since the kernel refuses one of its programs. */
static uint32_t unless_refused(struct hook *hook, const struct load *load,
			       const char *const programs[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!load_refused(load, programs[i]))
			continue;
		hook_settle(hook, ENOEXEC);
		return 0;
	}
	return hook->id;
}

int attachment_plan(struct attachment *attachment, const struct functions *functions,
		    struct load *load)
{
	static const char *const drop[] = {"on_drop", "on_drop_match", "on_end"};
	static const char *const consume[] = {"on_consume", "on_end"};
	struct hooks *hooks = &attachment->hooks;

	memset(attachment, 0, sizeof(*attachment));
	attachment->backend = load->backend;
	attachment->probes.folder = -1;
	pthread_mutex_init(&attachment->later_lock, NULL);
	load->places = load->backend == BACKEND_KPROBE ? functions->count + LATER_PLACES : 1;
	hooks->items = calloc(functions->count + OTHERS, sizeof(*hooks->items));
	attachment->link_room = functions->count + OTHERS;
	attachment->links = calloc(attachment->link_room, sizeof(*attachment->links));
	if (!hooks->items || !attachment->links)
		return -ENOMEM;
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->items[i];

		attachment_describe(add(hooks, HOOK_KPROBE, "", "", 0), function, load->backend);
		if (function->rank < 2)
			attachment->first_rank_end = i + 1;
	}
	hooks->functions = hooks->count;
	load->settings.points = load->backend == BACKEND_TRACEPOINTS;
	memset(load->point_hooks, 0, sizeof(load->point_hooks));
	for (size_t i = 0; load->settings.points && i < POINTS; i++) {
		struct hook *hook = add(hooks, HOOK_TRACEPOINT, tracepoints[i].hook,
					"(struct sk_buff *skb)", 1);

		load->point_hooks[i] = unless_refused(hook, load, &tracepoints[i].program, 1);
	}
	load->drop_hook = unless_refused(
		add(hooks, HOOK_TRACEPOINT, "skb:kfree_skb",
		    "(struct sk_buff *skb, void *location, enum skb_drop_reason reason)", 1),
		load, drop, sizeof(drop) / sizeof(*drop));
	load->consume_hook = unless_refused(add(hooks, HOOK_TRACEPOINT, "skb:consume_skb",
						"(struct sk_buff *skb, void *location)", 1),
					    load, consume, sizeof(consume) / sizeof(*consume));
	memset(load->lineage_hooks, 0, sizeof(load->lineage_hooks));
	for (size_t i = 0; i < LINEAGES; i++) {
		const struct lineage_hook *lineage = &lineage_hooks[i];

		if (!functions->lineage[i] || (i >= LINEAGE_COPY && !load->settings.follow))
			continue;
		load->lineage_hooks[i] = unless_refused(add(hooks, HOOK_LINEAGE, lineage->function,
							    lineage->prototype, lineage->position),
							load, &lineage->program, 1);
	}
	return 0;
}
