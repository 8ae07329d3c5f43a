// SPDX-License-Identifier: Apache-2.0
/* Closing in the background: see closer.h. */
#include "closer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct leaving {
	struct copy copy;
	atomic_int *waiting;
};

struct closer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct leaving *leaving;
	size_t count;
	size_t room;
	struct account account; /* not told yet */
	bool busy;		/* one is being closed */
	bool started;
	bool over;
};

static void add(struct account *to, const struct account *more)
{
	to->misses += more->misses;
	to->runs += more->runs;
	to->run_ns += more->run_ns;
}

/* Closes one. Needs the lock, which it gives up meanwhile. */
static void close_one(struct closer *closer, struct leaving *leaving)
{
	struct account account = {0};

	pthread_mutex_unlock(&closer->lock);
	copy_close(&leaving->copy, &account);
	pthread_mutex_lock(&closer->lock);
	add(&closer->account, &account);
	atomic_fetch_sub(leaving->waiting, 1);
}

static void *close_all(void *context)
{
	struct closer *closer = context;

	pthread_mutex_lock(&closer->lock);
	for (;;) {
		struct leaving leaving;

		while (!closer->count && !closer->over)
			pthread_cond_wait(&closer->changed, &closer->lock);
		if (!closer->count)
			break;
		leaving = closer->leaving[--closer->count];
		closer->busy = true;
		close_one(closer, &leaving);
		closer->busy = false;
		pthread_cond_broadcast(&closer->changed);
	}
	pthread_mutex_unlock(&closer->lock);
	return NULL;
}

struct closer *closer_open(void)
{
	struct closer *closer = calloc(1, sizeof(*closer));

	if (!closer)
		return NULL;
	pthread_mutex_init(&closer->lock, NULL);
	pthread_cond_init(&closer->changed, NULL);
	return closer;
}

/* Room for one more, and the thread runs. Needs the lock. */
static bool ready(struct closer *closer)
{
	if (!closer->started)
		closer->started = pthread_create(&closer->thread, NULL, close_all, closer) == 0;
	if (closer->count == closer->room) {
		size_t room = closer->room ? 2 * closer->room : 64;
		struct leaving *more = realloc(closer->leaving, room * sizeof(*more));

		if (!more)
			return false;
		closer->leaving = more;
		closer->room = room;
	}
	return closer->started;
}

void closer_close(struct closer *closer, struct copy *copy, atomic_int *waiting)
{
	struct leaving leaving = {*copy, waiting};

	if (!copy_attached(copy))
		return;
	memset(copy, 0, sizeof(*copy));
	atomic_fetch_add(waiting, 1);
	pthread_mutex_lock(&closer->lock);
	if (ready(closer))
		closer->leaving[closer->count++] = leaving;
	else
		close_one(closer, &leaving);
	pthread_cond_broadcast(&closer->changed);
	pthread_mutex_unlock(&closer->lock);
}

void closer_account(struct closer *closer, struct account *account)
{
	pthread_mutex_lock(&closer->lock);
	add(account, &closer->account);
	memset(&closer->account, 0, sizeof(closer->account));
	pthread_mutex_unlock(&closer->lock);
}

void closer_wait(struct closer *closer)
{
	pthread_mutex_lock(&closer->lock);
	while (closer->started && (closer->count || closer->busy))
		pthread_cond_wait(&closer->changed, &closer->lock);
	pthread_mutex_unlock(&closer->lock);
}

void closer_free(struct closer *closer)
{
	if (!closer)
		return;
	pthread_mutex_lock(&closer->lock);
	closer->over = true;
	pthread_cond_broadcast(&closer->changed);
	pthread_mutex_unlock(&closer->lock);
	if (closer->started)
		pthread_join(closer->thread, NULL);
	pthread_cond_destroy(&closer->changed);
	pthread_mutex_destroy(&closer->lock);
	free(closer->leaving);
	free(closer);
}
