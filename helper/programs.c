// SPDX-License-Identifier: Apache-2.0
/* The node's BPF programs: see programs.h. */
#include "programs.h"
#include "clock.h"
#include "glob.h"
#include "load.h"
#include "log.h"
#include "options.h"
#include "program_hooks.h"
#include "program_info.h"
#include "program_table.h"
#include "sink.h"
#include "tail_calls.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEWER_MS       100   /* between looks at whether there are newer programs … */
#define SCAN_MS	       500   /* … and at which there are and who holds them */
#define SLOTS_MS       2000  /* between looks at program arrays, when programs came or went … */
#define SLOTS_IDLE_MS  20000 /* … and when they did not */
#define PLACES_MS      1000  /* between looks at where programs are attached … */
#define PLACES_IDLE_MS 10000 /* … and when something else tells that this changed */
#define STEP_MS	       20    /* of hooking at once, so that events are read meanwhile */

/* The new program's place in the hook table; what isn't attached in the end is told nobody. */
static struct hook *new_hook(struct programs *programs, const struct program *program,
			     enum hook_kind kind)
{
	struct hook *hook = hooks_add(programs->hooks);

	if (!hook)
		return NULL;
	hook->kind = kind;
	hook->own_name = strdup(program->name);
	hook->function = hook->own_name ? hook->own_name : "";
	hook->module = "";
	hook->prototype = "";
	hook->address = program->image_count ? program->images[0].address : 0;
	hook->position = 1;
	hook->program = program->id;
	return hook;
}

static void tell_hook(struct programs *programs, uint32_t id)
{
	struct hook *hook = id ? hook_of(programs->hooks, id) : NULL;

	if (!hook)
		return;
	programs->sink->hooks(programs->sink, hook, 1);
	tell_hook_state(programs, id, STATE_ATTACHED, NULL);
}

static void hook_program(struct programs *programs, struct program *program, int fd)
{
	struct hook *entry = new_hook(programs, program, HOOK_BPF_ENTRY);
	struct hook *verdict = new_hook(programs, program, HOOK_BPF_VERDICT);

	if (!entry || !verdict) {
		program->state = PROGRAM_REPORTED;
		program->reason = strdup("out of memory");
		return;
	}
	if (program->context == CONTEXT_XDP)
		xdp_skbs_attach(programs->load, &programs->xdp_skbs, programs->skeleton);
	program_hooks_attach(programs->load, program, fd, programs->skeleton, entry->id,
			     verdict->id);
	tell_hook(programs, program->entry_hook);
	tell_hook(programs, program->verdict_hook);
}

/* Why a program that could be hooked isn't; NULL = it is. */
static const char *left_out(const struct programs *programs, const struct program *program)
{
	const struct globs *wanted = programs->wanted;

	if (wanted->count && !glob_any(wanted->items, wanted->count, program->name))
		return "it isn't one of those that --program names";
	return programs->stopped;
}

static void look_at(struct programs *programs, struct entry *entry)
{
	struct program *program = &entry->program;
	int fd = bpf_prog_get_fd_by_id(program->id);

	entry->fresh = false;
	programs->fresh--;
	if (fd < 0) {
		program->state = PROGRAM_REPORTED;
		program->name = strdup("");
		program->reason =
			strdup(errno == ENOENT ? "it was unloaded before it could be hooked"
					       : strerror(errno));
	} else {
		if (program_info_read(program, fd)) {
			program->state = PROGRAM_REPORTED;
			program->reason = strdup("out of memory");
		} else if (program->state != PROGRAM_REPORTED) {
			const char *why_not = left_out(programs, program);

			if (why_not) {
				program->state = PROGRAM_REPORTED;
				program->reason = strdup(why_not);
			} else {
				hook_program(programs, program, fd);
			}
		}
		close(fd);
	}
	programs->sink->program(programs->sink, program);
	if (program->state == PROGRAM_REPORTED)
		say("program skipped: %u %s: %s", program->id, program->name ? program->name : "",
		    program->reason ? program->reason : "out of memory");
}

/*
 * A program that is loaded gets a higher id than all before it, so that asking for the next one
 * tells. Once ids have begun anew, the scan alone finds it.
 */
static bool scan_is_due(struct programs *programs, uint64_t now_ms)
{
	bool due = now_ms - programs->scanned_ms >= SCAN_MS;

	if (!due && now_ms - programs->looked_ms < NEWER_MS)
		return false;
	programs->looked_ms = now_ms;
	while (bpf_prog_get_next_id(programs->newest, &programs->newest) == 0)
		due = true;
	return due;
}

bool programs_step(struct programs *programs, uint64_t now_ms)
{
	uint64_t begin;

	if (!programs->fresh && scan_is_due(programs, now_ms)) {
		programs_scan(programs, now_ms);
		programs->scanned_ms = now_ms;
	}
	programs_take_findings(programs);
	if (!programs->fresh &&
	    now_ms - programs->slots_ms >= (programs->slots_old ? SLOTS_MS : SLOTS_IDLE_MS)) {
		programs->slots_old = false;
		programs->slots_ms = now_ms;
		programs_read_slots(programs);
	}
	begin = clock_ns();
	for (size_t i = 0; i < programs->count && programs->fresh; i++) {
		if (!programs->entries[i]->fresh)
			continue;
		look_at(programs, programs->entries[i]);
		if (clock_ns() - begin > STEP_MS * 1000000ULL)
			break;
	}
	return !programs->fresh;
}

void programs_filter_changed(struct programs *programs)
{
	/* First the new ones beside the old, then the word that makes them act, then the old go. */
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];
		int fd = copies_of(&entry->program) ? bpf_prog_get_fd_by_id(entry->program.id) : -1;

		memset(entry->next, 0, sizeof(entry->next));
		if (fd < 0)
			continue; /* it isn't hooked; or is going, and the next scan says so */
		program_hooks_renew(programs->load, &entry->program, fd, programs->skeleton,
				    entry->next);
		close(fd);
	}
	programs->skeleton->data->program_filter = programs->load->filter_number;
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];
		const uint32_t hooks[2] = {entry->program.entry_hook, entry->program.verdict_hook};
		bool changed = false;

		for (int which = 0; which < 2; which++) {
			if (copy_attached(&entry->program.copies[which]) &&
			    !copy_attached(&entry->next[which])) {
				tell_hook_state(programs, hooks[which], STATE_GONE,
						entry->program.reason);
				changed = true;
			}
			closer_close(programs->closer, &entry->program.copies[which],
				     &entry->closing);
			entry->program.copies[which] = entry->next[which];
		}
		if (!changed)
			continue;
		if (!copies_of(&entry->program))
			entry->program.state = PROGRAM_REPORTED;
		programs->sink->program(programs->sink, &entry->program);
	}
}

void programs_event(struct programs *programs, const struct event *event)
{
	struct hook *hook = hook_of(programs->hooks, event->hook);
	struct entry *entry = hook && hook->program ? table_find(programs, hook->program) : NULL;

	if (!entry || entry->source_sent)
		return;
	entry->source_sent = true;
	if (entry->program.line_count)
		sink_source(programs->sink, &entry->program);
}

size_t programs_count(const struct programs *programs, size_t *hooked)
{
	*hooked = 0;
	for (size_t i = 0; i < programs->count; i++)
		if (programs->entries[i]->program.state == PROGRAM_HOOKED &&
		    !programs->entries[i]->fresh)
			++*hooked;
	return programs->count - programs->leaving;
}

struct programs *programs_open(const struct load *load, struct packet_trail_bpf *skeleton,
			       struct sink *sink, struct hooks *hooks, const struct globs *wanted)
{
	struct programs *programs = calloc(1, sizeof(*programs));
	int iterator = bpf_program__fd(skeleton->progs.on_each_program);
	LIBBPF_OPTS(bpf_link_create_opts, opts);

	if (programs)
		programs->closer = closer_open();
	if (!programs || !programs->closer) {
		complain("out of memory: BPF programs: free some on this machine");
		free(programs);
		return NULL;
	}
	programs->load = load;
	programs->skeleton = skeleton;
	programs->sink = sink;
	programs->hooks = hooks;
	programs->wanted = wanted;
	programs->iterator = -1;
	/* The filter may be another one already. */
	skeleton->data->program_filter = load->filter_number;
	if (iterator >= 0)
		programs->iterator = bpf_link_create(iterator, 0, BPF_TRACE_ITER, &opts);
	if (programs->iterator < 0)
		say("no iterator of BPF programs: bpf_iter (%s): those that are hooked and "
		    "unloaded "
		    "are not seen to go",
		    strerror(errno));
	/* With the iterator, a change of places shows in how many hold a program. */
	programs->survey = survey_open(programs->iterator >= 0 ? PLACES_IDLE_MS : PLACES_MS);
	if (!programs->survey)
		say("no thread for it: where BPF programs are attached isn't told: go on");
	return programs;
}

void programs_let_go(struct programs *programs)
{
	for (size_t i = 0; i < programs->count; i++)
		drop_copies(programs, programs->entries[i]);
}

void programs_detach(struct programs *programs)
{
	programs_let_go(programs);
	xdp_skbs_detach(&programs->xdp_skbs, &programs->xdp_account);
	closer_wait(programs->closer);
}

void programs_close(struct programs *programs)
{
	if (!programs)
		return;
	programs_detach(programs);
	survey_close(programs->survey);
	tail_calls_forget();
	for (size_t i = 0; i < programs->count; i++) {
		program_free(&programs->entries[i]->program);
		free(programs->entries[i]);
	}
	if (programs->iterator >= 0)
		close(programs->iterator);
	closer_free(programs->closer);
	free(programs->entries);
	free(programs->records);
	free(programs);
}
