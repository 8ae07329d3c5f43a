// SPDX-License-Identifier: Apache-2.0
/* A bounded memory of values by number: see recent.h. */
#include "recent.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

/* What stands before each value. */
struct entry {
	uint64_t key;
	uint32_t next; /* of the same hash, as in `first` */
	uint32_t used; /* asked for since the hand came by */
};

static size_t stride(const struct recent *recent)
{
	return sizeof(struct entry) + (recent->size + 7) / 8 * 8;
}

static struct entry *entry_at(const struct recent *recent, uint32_t index)
{
	return (struct entry *)(recent->entries + index * stride(recent));
}

/* There are as many hashes as there is room. */
static uint32_t *first_of(const struct recent *recent, uint64_t key)
{
	key = (key ^ key >> 32) * 0x9e3779b97f4a7c15ULL;
	return &recent->first[(key >> 32) * recent->room >> 32];
}

static void link_entry(struct recent *recent, uint32_t index)
{
	struct entry *entry = entry_at(recent, index);
	uint32_t *first = first_of(recent, entry->key);

	entry->next = *first;
	*first = index + 1;
}

static void unlink_entry(struct recent *recent, uint32_t index)
{
	uint32_t *at = first_of(recent, entry_at(recent, index)->key);

	while (*at != index + 1)
		at = &entry_at(recent, *at - 1)->next;
	*at = entry_at(recent, index)->next;
}

static bool grow(struct recent *recent)
{
	uint32_t room = recent->room ? 2 * recent->room : FIRST_ROOM;
	unsigned char *entries;
	uint32_t *first;

	if (room > recent->most)
		room = recent->most;
	if (room <= recent->room)
		return false;
	entries = realloc(recent->entries, room * stride(recent));
	if (!entries)
		return false;
	recent->entries = entries;
	first = calloc(room, sizeof(*first));
	if (!first)
		return false;
	free(recent->first);
	recent->first = first;
	recent->room = room;
	for (uint32_t i = 0; i < recent->count; i++)
		link_entry(recent, i);
	return true;
}

/* By second chance: the first one from the hand on that nobody has asked for since it came by. */
static uint32_t make_room(struct recent *recent)
{
	for (;;) {
		uint32_t index = recent->hand;
		struct entry *entry = entry_at(recent, index);

		recent->hand = (index + 1) % recent->count;
		if (!entry->used) {
			unlink_entry(recent, index);
			return index;
		}
		entry->used = 0;
	}
}

void *recent_find(struct recent *recent, uint64_t key)
{
	uint32_t at = recent->room ? *first_of(recent, key) : 0;

	while (at) {
		struct entry *entry = entry_at(recent, at - 1);

		if (entry->key == key) {
			entry->used = 1;
			return entry + 1;
		}
		at = entry->next;
	}
	return NULL;
}

void *recent_add(struct recent *recent, uint64_t key)
{
	struct entry *entry;
	uint32_t index;

	if (recent->count < recent->room || grow(recent))
		index = recent->count++;
	else if (recent->count)
		index = make_room(recent);
	else
		return NULL;
	entry = entry_at(recent, index);
	memset(entry, 0, stride(recent));
	entry->key = key;
	link_entry(recent, index);
	return entry + 1;
}

void recent_free(struct recent *recent)
{
	free(recent->first);
	free(recent->entries);
	*recent = (struct recent){.size = recent->size, .most = recent->most};
}
