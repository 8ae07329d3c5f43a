/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: what is to be attached (attach_plan.c), attaching by one backend or another so that each
 * fails alone (attach_multi.c, attach_kprobe.c, attach_tracepoints.c), and detaching quickly
 * (detach.c).
 */
#ifndef PACKET_TRAIL_ATTACH_H
#define PACKET_TRAIL_ATTACH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "functions.h"
#include "guard.h"
#include "hooks.h"
#include "load.h"
#include "probes.h"

struct packet_trail_bpf;

#define PLACED 3

/* Hooks of a module that was loaded meanwhile, on their way. */
struct later_hooks {
	struct hook **hooks;
	size_t count;
	atomic_bool tried;
	struct later_hooks *next; /* for the attachment's own list */
};

struct attachment {
	struct hooks hooks;
	enum backend backend;
	int program;	    /* of function hooks */
	int placed[PLACED]; /* of those whose skb is the first, second, third
			       argument; 0 = none */
	int places;	    /* of kprobes: the map from address to cookie */
	int *links;	    /* descriptors */
	size_t link_count;
	size_t link_room;
	size_t first_rank_end; /* function hooks before this one make a trace worth watching */
	size_t leaving;	       /* links that the thread closes; then link_count is 0 */
	struct probes leaving_probes; /* likewise */
	bool expedited;		      /* by this process, until the thread is done */
	pthread_t thread;	      /* attaches the rest, and closes it */
	bool threaded;
	atomic_bool stop;
	pthread_mutex_t later_lock;
	struct later_hooks *later;   /* for the thread, between two hooks; under later_lock */
	atomic_size_t later_waiting; /* of these, those that are not tried yet */
	bool in_later;		     /* whoever attaches is at them */
	atomic_size_t tried;	     /* function hooks that were tried */
	atomic_uint_least64_t missed_meanwhile; /* by probes, until all hooks were tried */
	struct probes probes; /* of the kprobe backend; without them it takes a perf event a hook */
	struct guard *guard;
	bool apart; /* hooks that may be shed don't share a link with those that may not */
	atomic_uint_least64_t missed; /* hits that links missed which were closed since */
};

/*
 * Makes the table: function hooks by rank, then the kernel's own ends, then lineage unless packets
 * aren't followed; those whose program was refused are skipped. Tells `load` of them all. 0 or
 * -ENOMEM.
 */
int attachment_plan(struct attachment *attachment, const struct functions *functions,
		    struct load *load);

/* Attaches tracepoints and what follows packets made from packets; each fails alone. */
void attachment_attach_others(struct attachment *attachment, const struct load *load,
			      const struct packet_trail_bpf *skeleton);

/* Called now and then while it lasts; true = stop. */
struct reporter {
	bool (*progress)(size_t done, size_t total, void *context);
	void *context;
};

/* Attaches function hooks [begin, end) of the table. `reporter` may be NULL. */
void attachment_attach(struct attachment *attachment, size_t begin, size_t end,
		       const struct reporter *reporter);

/* Attaches the rest of the function hooks, from `begin` on, in a thread. */
void attachment_attach_rest(struct attachment *attachment, size_t begin);

/* Ends that: what is being attached in that moment still is. */
void attachment_stop(struct attachment *attachment);

/*
 * Adds hooks for functions of a module that was loaded meanwhile, and attaches them, or has it done
 * by the thread while that attaches the rest; the functions must live as long as the table. NULL
 * without memory; else for later_hooks_free(), once they are tried.
 */
struct later_hooks *attachment_attach_later(struct attachment *attachment,
					    const struct functions *functions);

/* Were these tried? When the thread is over meanwhile, they are now. */
bool attachment_tried_later(struct attachment *attachment, struct later_hooks *later);

void later_hooks_free(struct later_hooks *later);

/* Opens what the backend needs; the guard outlives the attachment. */
void attachment_begin(struct attachment *attachment, const struct packet_trail_bpf *skeleton,
		      struct guard *guard);

/* Hits of function hooks as the kernel counts them: those that it missed; and, of kprobes in
 * tracefs, all others. */
struct probe_counts attachment_count(const struct attachment *attachment);

/* Were all function hooks tried, and those that came later? */
bool attachment_settled(const struct attachment *attachment);

/*
 * Attaches function hooks anew without those that were shed. While that lasts, some that stay may
 * be away for a moment; those that end packets never are.
 */
void attachment_without_shed(struct attachment *attachment);

/*
 * Begins to detach all, what costs most first, and goes on in a thread: much of it waits for the
 * kernel's grace periods. attachment_detach() must follow.
 */
void attachment_begin_detach(struct attachment *attachment);

/* Detaches all. */
void attachment_detach(struct attachment *attachment);
void attachment_free(struct attachment *attachment);

/* Why a hook could not be attached, in words. */
const char *attach_reason(int error);

/* ---- for its own files ---- */

/* What the table says of a function. */
void attachment_describe(struct hook *hook, const struct function *function, enum backend backend);

/* Keeps a descriptor that holds hooks; without memory it is closed, and the hooks are gone. 0 or
 * -ENOMEM. */
int attachment_keep_link(struct attachment *attachment, int link);

/* The program for a hook: the quickest that knows where the skb is. */
int attachment_program_of(const struct attachment *attachment, const struct hook *hook);

/* Reports how far it is; true = it is to stop. */
bool attachment_report(struct attachment *attachment, const struct reporter *reporter, size_t done);

/* Attaches hooks that came later, if there are any. Called now and then by who attaches the rest.
 */
void attachment_serve_later(struct attachment *attachment);

/* Waits for the thread, if there is one: links are one thread's at a time. */
void attachment_await(struct attachment *attachment);

#endif
