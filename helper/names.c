// SPDX-License-Identifier: Apache-2.0
/* Names that events need: see names.h. */
#include "names.h"
#include "clock.h"
#include "kallsyms.h"
#include "sink.h"

#include <string.h>

/* Entries, of which each has some 40 bytes. */
#define MOST_TASKS     16384
#define MOST_ADDRESSES 16384

/* What had no name may have got one, and who had one another. */
#define BELIEVED_MS 1000
/*
 * Reading all namespaces' names takes no more than a hundredth of the time, and no more than a
 * tenth where there are new ones all the time. One that is new may have its name in a moment.
 */
#define READ_SHARE 100
#define SOON_SHARE 10
#define SOON_MS	   50

struct known_task {
	char comm[16];
};

struct known_address {
	uint64_t looked_ms;
	uint32_t symbols;
	bool named;
};

struct known_netns {
	uint64_t cookie; /* 0 = not told */
	uint64_t name;	 /* its hash */
	uint32_t looks;
	bool told;
};

void names_open(struct names *names, struct kallsyms *kallsyms, const char *folder)
{
	*names = (struct names){
		.tasks = {.size = sizeof(struct known_task), .most = MOST_TASKS},
		.addresses = {.size = sizeof(struct known_address), .most = MOST_ADDRESSES},
		.netns = {.size = sizeof(struct known_netns), .most = KNOWN_NETNS},
		.kallsyms = kallsyms,
		.folder = folder,
	};
	netns_names_learn();
}

void names_close(struct names *names)
{
	recent_free(&names->tasks);
	recent_free(&names->addresses);
	recent_free(&names->netns);
	netns_names_free(&names->labels);
}

void names_at(struct names *names, uint64_t now_ms)
{
	names->now_ms = now_ms;
}

void names_symbols_read(struct names *names)
{
	names->symbols++;
}

/* ---- functions ---- */

/* The kernel proper stays where it is. */
static bool is_proper(const struct names *names, uint64_t address)
{
	return address >= names->kallsyms->text_base && address < names->kallsyms->text_end;
}

/* Has the address been looked up, with an answer that still holds? */
static bool is_settled(const struct names *names, uint64_t address,
		       const struct known_address *known)
{
	if (is_proper(names, address))
		return true;
	return known->symbols == names->symbols &&
	       (known->named || names->now_ms - known->looked_ms < BELIEVED_MS);
}

static void renew_symbols(struct names *names, uint64_t address, bool met_before)
{
	if (!names->renew || is_proper(names, address))
		return;
	/* Some never get a name. */
	if (met_before && names->now_ms - names->renewed_ms < BELIEVED_MS)
		return;
	if (met_before)
		names->renewed_ms = names->now_ms;
	names->renew(names->context);
}

static void learn_address(struct names *names, struct sink *sink, uint64_t address)
{
	struct known_address *known;
	struct symbol *symbol;

	if (!address)
		return;
	known = recent_find(&names->addresses, address);
	if (known && is_settled(names, address, known))
		return;
	renew_symbols(names, address, known != NULL);
	symbol = kallsyms_find(names->kallsyms, address);
	if (!known)
		known = recent_add(&names->addresses, address);
	if (known)
		*known = (struct known_address){names->now_ms, names->symbols, symbol != NULL};
	if (!symbol || symbol->sent)
		return;
	symbol->sent = 1;
	sink_symbol(sink, symbol->address, symbol_size(names->kallsyms, symbol),
		    symbol_name(names->kallsyms, symbol), symbol_module(names->kallsyms, symbol));
}

/* ---- namespaces ---- */

/* Reads all namespaces' names, unless that was just now: `soon` for one that is new. */
static void read_labels(struct names *names, bool soon)
{
	uint64_t age = names->now_ms - names->read_ms, begin;
	uint64_t wait_ms = soon ? SOON_MS + SOON_SHARE * names->took_ms
				: BELIEVED_MS + READ_SHARE * names->took_ms;

	if (names->looks && age < wait_ms)
		return;
	begin = clock_ms();
	netns_names_read(&names->labels, names->folder);
	names->took_ms = clock_ms() - begin;
	names->read_ms = names->now_ms;
	names->looks++;
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
	return hash;
}

/* Tells the namespace's name, unless the reader knows it; `other`: it isn't the one it was. */
static void tell_netns(struct names *names, struct sink *sink, uint32_t inum,
		       struct known_netns *known, bool other)
{
	const char *name = netns_names_find(&names->labels, inum);
	uint64_t hash = hash_of(name);

	known->looks = names->looks;
	if (known->told && known->name == hash && !other)
		return;
	if (known->told)
		sink->flush(sink);
	known->told = true;
	known->name = hash;
	sink->netns(sink, inum, known->cookie, name);
}

void names_of_netns(struct names *names, struct sink *sink, uint32_t inum, uint64_t cookie)
{
	struct known_netns *known = recent_find(&names->netns, inum);

	if (known && known->cookie == cookie)
		return;
	if (!known)
		known = recent_add(&names->netns, inum);
	if (!known)
		return;
	known->cookie = cookie;
	read_labels(names, true);
	tell_netns(names, sink, inum, known, true);
}

static void learn_netns(struct names *names, struct sink *sink, uint32_t inum)
{
	struct known_netns *known = recent_find(&names->netns, inum);

	read_labels(names, !known);
	if (known && known->looks == names->looks)
		return;
	if (!known)
		known = recent_add(&names->netns, inum);
	if (known)
		tell_netns(names, sink, inum, known, false);
}

/* ---- tasks ---- */

static void learn_task(struct names *names, struct sink *sink, const struct event *event)
{
	struct known_task *known = recent_find(&names->tasks, event->pid);
	char comm[sizeof(event->comm) + 1] = {0};

	if (known && memcmp(known->comm, event->comm, sizeof(known->comm)) == 0)
		return;
	if (known)
		sink->flush(sink);
	else
		known = recent_add(&names->tasks, event->pid);
	if (known)
		memcpy(known->comm, event->comm, sizeof(known->comm));
	memcpy(comm, event->comm, sizeof(event->comm));
	sink_task(sink, event->pid, comm);
}

void names_of_event(struct names *names, struct sink *sink, const struct event *event,
		    const uint64_t *stack)
{
	if (event->pid && *event->comm)
		learn_task(names, sink, event);
	if (event->netns)
		learn_netns(names, sink, event->netns);
	learn_address(names, sink, event->caller);
	/* All but the innermost are where a call returns to: the call is before, and may be the
	 * last of its function (sprint_backtrace(), kernel/kallsyms.c). */
	for (int i = 0; stack && i < STACK_DEPTH && stack[i]; i++)
		learn_address(names, sink, stack[i] - (i > 0));
}
