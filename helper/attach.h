/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: the table, attaching by either backend so that each fails alone, and detaching quickly. */
#ifndef PACKET_TRAIL_ATTACH_H
#define PACKET_TRAIL_ATTACH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "functions.h"
#include "hooks.h"
#include "load.h"

struct packet_trail_bpf;

struct attachment {
	struct hooks hooks;
	enum backend backend;
	int program; /* of function hooks */
	int *links;  /* descriptors */
	size_t link_count;
	size_t link_room;
	size_t first_rank_end; /* function hooks before this one make a trace worth watching */
	pthread_t thread;      /* attaches the rest */
	bool threaded;
	atomic_bool stop;
	atomic_size_t tried; /* function hooks that were tried */
	pid_t guard;	     /* 0 = none */
	int guard_pipe;
};

/* Makes the table: function hooks by rank, then the kernel's own ends and lineage, as `load` wants.
 * 0 or -ENOMEM. */
int attachment_plan(struct attachment *attachment, const struct functions *functions,
		    struct load *load, bool with_tracepoints, bool with_lineage);

/* Attaches tracepoints and lineage; each fails alone. */
void attachment_attach_others(struct attachment *attachment, struct packet_trail_bpf *skeleton);

/* Attaches function hooks [begin, end) of the table. Calls back now and then; stops when it returns
 * true. */
void attachment_attach(struct attachment *attachment, size_t begin, size_t end,
		       bool (*progress)(size_t done, size_t total, void *context), void *context);

/* Attaches the rest of the function hooks in a thread. */
void attachment_attach_rest(struct attachment *attachment, size_t begin);

/* Where hooks go away slowly, starts the process that speeds it up if this one is killed. Before
 * any thread. */
void attachment_guard(struct attachment *attachment);

/* Detaches all. */
void attachment_detach(struct attachment *attachment);
void attachment_free(struct attachment *attachment);

/* Why a hook could not be attached, in words. */
const char *attach_reason(int error);

#endif
