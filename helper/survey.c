// SPDX-License-Identifier: Apache-2.0
/* Where programs are attached, again and again: see survey.h. */
#include "survey.h"
#include "clock.h"
#include "netns.h"
#include "places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_COST  10 /* looks take a tenth of a CPU at most */
#define MOST_NETNS 4096

struct survey {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t look_ms; /* between looks, when nothing hurries them */
	bool over;
	bool hurried;
	bool fresh; /* `found` was not taken yet */
	struct findings found;
};

struct seen {
	uint32_t *items;
	size_t count;
};

static bool first_time(struct seen *seen, uint32_t inum)
{
	uint32_t *items;

	for (size_t i = 0; i < seen->count; i++)
		if (seen->items[i] == inum)
			return false;
	if (seen->count >= MOST_NETNS)
		return false;
	items = realloc(seen->items, (seen->count + 1) * sizeof(*items));
	if (!items)
		return false;
	seen->items = items;
	items[seen->count++] = inum;
	return true;
}

/* Asks the namespace that this file stands for, unless it was asked. */
static int look_into(struct places *places, struct seen *seen, int folder, const char *path)
{
	struct stat info;
	int file, err = 0;

	if (fstatat(folder, path, &info, 0) || !first_time(seen, (uint32_t)info.st_ino))
		return 0;
	file = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	/* The thread's namespace alone changes. */
	if (setns(file, CLONE_NEWNET) == 0)
		err = places_of_netns(places, (uint32_t)info.st_ino);
	close(file);
	return err;
}

static int look_everywhere(struct places *places)
{
	struct seen seen = {0};
	DIR *folder = opendir(NETNS_FOLDER);
	struct dirent *entry;
	int err = 0;

	while (folder && !err && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			err = look_into(places, &seen, dirfd(folder), entry->d_name);
	if (folder)
		closedir(folder);
	folder = opendir("/proc");
	while (folder && !err && (entry = readdir(folder))) {
		char path[sizeof(entry->d_name) + 8];

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/ns/net", entry->d_name);
		err = look_into(places, &seen, dirfd(folder), path);
	}
	if (folder)
		closedir(folder);
	free(seen.items);
	return err ? err : places_of_links(places);
}

static int by_program(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->program != b->program)
		return a->program < b->program ? -1 : 1;
	/* Any order will do, if it is always the same: what didn't change isn't told again. */
	return memcmp(a, b, sizeof(*a));
}

/* Sleeps until it is time to look again. Needs the lock. */
static void rest(struct survey *survey, uint64_t cost_ms)
{
	uint64_t begin = clock_ms(), least = cost_ms * (LOOK_COST - 1);

	while (!survey->over) {
		uint64_t passed = clock_ms() - begin;
		uint64_t whole =
			survey->hurried || least > survey->look_ms ? least : survey->look_ms;
		struct timespec until;

		if (passed >= whole)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)((whole - passed) % 1000) * 1000000;
		until.tv_sec += (time_t)((whole - passed) / 1000) + until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&survey->changed, &survey->lock, &until);
	}
	survey->hurried = false;
}

static void *look_again(void *context)
{
	struct survey *survey = context;

	pthread_mutex_lock(&survey->lock);
	while (!survey->over) {
		struct findings found = {0};
		uint64_t begin = clock_ms();
		int err;

		pthread_mutex_unlock(&survey->lock);
		err = look_everywhere(&found.places);
		pins_read(&found.pins);
		if (found.places.count)
			qsort(found.places.items, found.places.count, sizeof(*found.places.items),
			      by_program);
		pthread_mutex_lock(&survey->lock);
		if (err) {
			findings_free(&found);
		} else {
			findings_free(&survey->found);
			survey->found = found;
			survey->fresh = true;
		}
		rest(survey, clock_ms() - begin);
	}
	pthread_mutex_unlock(&survey->lock);
	return NULL;
}

struct survey *survey_open(uint64_t look_ms)
{
	struct survey *survey = calloc(1, sizeof(*survey));
	pthread_condattr_t clock;

	if (!survey)
		return NULL;
	survey->look_ms = look_ms;
	pthread_mutex_init(&survey->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&survey->changed, &clock);
	pthread_condattr_destroy(&clock);
	if (pthread_create(&survey->thread, NULL, look_again, survey) == 0)
		return survey;
	pthread_cond_destroy(&survey->changed);
	pthread_mutex_destroy(&survey->lock);
	free(survey);
	return NULL;
}

void survey_hurry(struct survey *survey)
{
	pthread_mutex_lock(&survey->lock);
	survey->hurried = true;
	pthread_cond_signal(&survey->changed);
	pthread_mutex_unlock(&survey->lock);
}

bool survey_take(struct survey *survey, struct findings *findings)
{
	bool fresh;

	pthread_mutex_lock(&survey->lock);
	fresh = survey->fresh;
	if (fresh) {
		*findings = survey->found;
		memset(&survey->found, 0, sizeof(survey->found));
		survey->fresh = false;
	}
	pthread_mutex_unlock(&survey->lock);
	return fresh;
}

void survey_close(struct survey *survey)
{
	if (!survey)
		return;
	pthread_mutex_lock(&survey->lock);
	survey->over = true;
	pthread_cond_signal(&survey->changed);
	pthread_mutex_unlock(&survey->lock);
	pthread_join(survey->thread, NULL);
	findings_free(&survey->found);
	pthread_cond_destroy(&survey->changed);
	pthread_mutex_destroy(&survey->lock);
	free(survey);
}

void findings_free(struct findings *findings)
{
	places_free(&findings->places);
	pins_free(&findings->pins);
}
