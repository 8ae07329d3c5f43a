// SPDX-License-Identifier: Apache-2.0
/* The node's BPF programs: see programs.h. */
#include "programs.h"

#include <linux/types.h>
#include "../bpf/event.h"
#include "clock.h"
#include "closer.h"
#include "copy.h"
#include "glob.h"
#include "grace.h"
#include "hooks.h"
#include "load.h"
#include "log.h"
#include "options.h"
#include "program.h"
#include "program_hooks.h"
#include "program_info.h"
#include "sink.h"
#include "survey.h"
#include "tail_calls.h"
#include "xdp_skbs.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEWER_MS       250   /* between looks at whether there are newer programs … */
#define SCAN_MS	       500   /* … and at which there are and who holds them */
#define SLOTS_MS       2000  /* between looks at program arrays, when programs came or went … */
#define SLOTS_IDLE_MS  20000 /* … and when they did not */
#define PLACES_MS      1000  /* between looks at where programs are attached … */
#define PLACES_IDLE_MS 10000 /* … and when something else tells that this changed */
#define STEP_MS	       20    /* of hooking at once, so that events are read meanwhile */
#define AGAIN_MS       2000  /* one that is still there so long after we let it go is somebody's */
#define LOOKS	       512   /* copies whose account is read at once */

struct entry {
	struct program program;
	bool fresh;	 /* not looked at yet */
	bool seen;	 /* by the last scan */
	uint64_t others; /* how many held it then, our hooks left out */
	bool source_sent;
	struct copy next[2]; /* its copies with a new filter, until they act */
	/* Gone for everybody else; it stays here while our hooks, which are being closed, hold it.
	 */
	bool leaving;
	atomic_int closing; /* hooks of it that are being closed */
	uint64_t let_go_ms; /* when none was left; 0 = some are */
};

struct programs {
	const struct load *load;
	struct packet_trail_bpf *skeleton;
	struct sink *sink;
	struct hooks *hooks;
	const struct patterns *wanted;
	const char *stopped; /* why no more are hooked; NULL = they are */
	int iterator;	     /* link; -1 = this kernel has none */
	struct closer *closer;
	struct survey *survey; /* NULL = no thread: where they are attached isn't known */
	struct xdp_skbs xdp_skbs;
	struct entry **entries; /* by id */
	size_t count;
	size_t room;
	size_t fresh;
	size_t leaving;
	struct account account;	    /* of all copies that hook programs … */
	struct account xdp_account; /* … and of xdp_skbs */
	size_t turn;		    /* whose account is read next */
	uint32_t newest;	    /* highest id of any program that was seen */
	uint64_t looked_ms;
	uint64_t scanned_ms;
	uint64_t slots_ms;
	bool slots_old;			/* programs came or went since */
	struct program_record *records; /* of one scan */
	size_t record_count;
	size_t record_room;
};

static bool sees_packets(uint32_t type)
{
	return type == BPF_PROG_TYPE_SCHED_CLS || type == BPF_PROG_TYPE_SCHED_ACT ||
	       type == BPF_PROG_TYPE_XDP || type == BPF_PROG_TYPE_EXT;
}

/* ---- the scan ---- */

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

/* Puts an entry into its place, by id. */
static bool add_entry(struct programs *programs, size_t at, uint32_t id, uint32_t type)
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

static uint32_t copies_of(const struct program *program)
{
	return copy_attached(&program->copies[0]) + copy_attached(&program->copies[1]);
}

static void tell_hook_state(struct programs *programs, uint32_t id, enum hook_state state,
			    const char *reason)
{
	struct hook *hook = id ? hook_of(programs->hooks, id) : NULL;

	if (!hook)
		return;
	atomic_store(&hook->state, (int)state);
	programs->sink->status(programs->sink, id, state, reason, hook->function, hook->module);
}

static void drop_copies(struct programs *programs, struct entry *entry)
{
	for (int i = 0; i < 2; i++)
		closer_close(programs->closer, &entry->program.copies[i], &entry->closing);
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

static void scan(struct programs *programs, uint64_t now_ms)
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
			if (!add_entry(programs, at, record->id, record->type))
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

/* ---- where they are ---- */

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

static void take_findings(struct programs *programs)
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

/* A slot holds its program, so it changes when programs come and go. */
static void read_slots(struct programs *programs)
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

/* ---- hooking ---- */

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
	const struct patterns *wanted = programs->wanted;

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
		scan(programs, now_ms);
		programs->scanned_ms = now_ms;
	}
	take_findings(programs);
	if (!programs->fresh &&
	    now_ms - programs->slots_ms >= (programs->slots_old ? SLOTS_MS : SLOTS_IDLE_MS)) {
		programs->slots_old = false;
		programs->slots_ms = now_ms;
		read_slots(programs);
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
	bool renewed = false;

	/* First the new ones beside the old, then the word that makes them act, then the old go. */
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];
		int fd = copies_of(&entry->program) ? bpf_prog_get_fd_by_id(entry->program.id) : -1;

		memset(entry->next, 0, sizeof(entry->next));
		if (fd < 0)
			continue; /* it isn't hooked; or is going, and the next scan says so */
		program_hooks_renew(programs->load, &entry->program, fd, programs->skeleton,
				    entry->next);
		renewed = true;
		close(fd);
	}
	/* A run that began without the new ones would have its entry told, and not its verdict. */
	if (renewed)
		grace_wait();
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

/* ---- what our copies did ---- */

static struct entry *entry_of(struct programs *programs, uint32_t id)
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

void programs_account(struct programs *programs, bool look, struct account *account)
{
	size_t most = programs->count < LOOKS / 2 ? programs->count : LOOKS / 2;
	uint64_t now = clock_ns();

	for (size_t i = 0; look && i < most; i++) {
		struct program *program;

		if (programs->turn >= programs->count)
			programs->turn = 0;
		program = &programs->entries[programs->turn++]->program;
		copy_look(&program->copies[0], now, &programs->account);
		copy_look(&program->copies[1], now, &programs->account);
	}
	closer_account(programs->closer, &programs->account);
	if (look)
		xdp_skbs_look(&programs->xdp_skbs, now, &programs->xdp_account);
	*account = programs->account;
	/* They send nothing: what they miss is no event. */
	account->run_ns += programs->xdp_account.run_ns;
}

size_t programs_rates(const struct programs *programs, struct hook_rate *rates, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < programs->count; i++) {
		const struct program *program = &programs->entries[i]->program;
		const uint32_t hooks[2] = {program->entry_hook, program->verdict_hook};

		for (int which = 0; which < 2; which++)
			if (copy_attached(&program->copies[which]) && count < room)
				rates[count++] = (struct hook_rate){
					.hook = hooks[which],
					.rate = program->copies[which].rate,
				};
	}
	return count;
}

/* Says why a program has fewer hooks than it had. */
static void tell_fewer(struct programs *programs, struct program *program, const char *reason)
{
	free(program->reason);
	program->reason = strdup(reason);
	if (!copies_of(program))
		program->state = PROGRAM_REPORTED;
	programs->sink->program(programs->sink, program);
}

void programs_shed(struct programs *programs, uint32_t id, const char *reason)
{
	const struct hook *hook = hook_of(programs->hooks, id);
	struct entry *entry = hook && hook->program ? entry_of(programs, hook->program) : NULL;

	if (!entry)
		return;
	closer_close(programs->closer, &entry->program.copies[id == entry->program.verdict_hook],
		     &entry->closing);
	tell_fewer(programs, &entry->program, reason);
}

void programs_stop(struct programs *programs, const char *reason)
{
	programs->stopped = reason;
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];

		if (!copies_of(&entry->program))
			continue;
		drop_copies(programs, entry);
		tell_fewer(programs, &entry->program, reason);
	}
	xdp_skbs_detach(&programs->xdp_skbs, &programs->xdp_account);
}

void programs_event(struct programs *programs, const struct event *event)
{
	struct hook *hook = hook_of(programs->hooks, event->hook);
	struct entry *entry = hook && hook->program ? entry_of(programs, hook->program) : NULL;

	if (!entry || entry->source_sent)
		return;
	entry->source_sent = true;
	if (entry->program.line_count)
		programs->sink->source(programs->sink, &entry->program);
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
			       struct sink *sink, struct hooks *hooks,
			       const struct patterns *wanted)
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
