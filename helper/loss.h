/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of what was lost: what the kernel side wanted to send is what was delivered and what
 * gaps tell, exactly. It is given numbers that only grow and tells what is new in them; where they
 * come from is capture.c's business.
 */
#ifndef PACKET_TRAIL_LOSS_H
#define PACKET_TRAIL_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/event.h"

struct sink;
struct totals;

struct loss {
	struct sink *sink;
	uint32_t cpus;
	struct counters *before; /* a CPU: as of the last account */
	uint64_t *limited;	 /* a CPU: events beyond the limit since then */
	uint64_t limit;		 /* 0 = none */
	uint64_t taken;		 /* events that the sink took, and those that are told as lost */
	uint64_t refused;	 /* events that it didn't take, since the last account */
	bool held;		 /* events had to wait for its reader since the last account */
	uint64_t kernel_lost;
	uint64_t limit_lost;
	uint64_t pipe_lost;
	uint64_t recursion;   /* the programs' recursion_misses so far */
	uint64_t missed;      /* hits that links and probes missed so far … */
	uint64_t hits;	      /* … as of so many hits that were seen */
	uint64_t unseen;      /* hits of kprobes that no program ran for, so far … */
	uint64_t unseen_told; /* … of them, told: those since hooks were attached */
	size_t settled;	      /* function hooks for which that is known */
	uint64_t accounted;   /* time of the last account */
};

/* What was counted of hits so far. */
struct readings {
	uint64_t time;	 /* ns */
	uint64_t hits;	 /* runs of our hooks' programs */
	uint64_t misses; /* programs kept from running, since one ran on that CPU already … */
	uint64_t function_misses; /* … of them, those of function hooks */
	uint64_t run_ns;
	bool looked;	  /* what follows was read, too */
	uint64_t missed;  /* hits that links and probes missed */
	bool probed;	  /* all function hooks are attached, by probes whose hits are counted */
	size_t functions; /* so many */
	uint64_t probe_hits;
	uint64_t seen_before; /* of them, those that programs saw, read before probe_hits … */
	uint64_t seen;	      /* … and after */
};

/* `now`: from when on what is lost is told. 0 or -ENOMEM. */
int loss_open(struct loss *loss, struct sink *sink, uint32_t cpus, uint64_t limit, uint64_t now);
void loss_close(struct loss *loss);

/* Was the limit reached? */
bool loss_full(const struct loss *loss);

/* An event came beyond the limit. */
void loss_beyond_limit(struct loss *loss, uint32_t cpu);

/* Events wait in the ring buffer since the sink is full: what finds no room there is its reader's.
 */
void loss_hold(struct loss *loss);

/* An event was given to the sink, which took it or not. */
void loss_given(struct loss *loss, bool taken);

/*
 * Tells the events that were lost since the last account, by the kernel side's counters of each
 * CPU, and fills the totals of events.
 */
void loss_account_events(struct loss *loss, const struct counters *counters, uint64_t now,
			 struct totals *totals);

/* Is it worth to look at links and probes, whose lists may be long? They grow with hits alone. */
bool loss_wants_look(const struct loss *loss, const struct readings *readings);

/*
 * Do probes seem to have been hit more often than programs ran? What runs just now counts when it
 * has ended: then `seen` is to be read again.
 */
bool loss_doubts(const struct loss *loss, const struct readings *readings);

/*
 * Tells the hits that no program saw since the last account, and fills the totals of hits. It ends
 * an account, which loss_account_events() begins.
 */
void loss_account_hits(struct loss *loss, const struct readings *readings, struct totals *totals);

#endif
