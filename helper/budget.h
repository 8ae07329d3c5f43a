/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overhead budget: measures what our programs cost, and sheds the hottest hooks before they
 * cost more than the person allows.
 */
#ifndef PACKET_TRAIL_BUDGET_H
#define PACKET_TRAIL_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/event.h"

struct attachment;
struct hook;
struct packet_trail_bpf;
struct programs;

/* Time between two looks, ns. */
#define BUDGET_LOOK 250000000ULL

struct budget {
	uint64_t allowed; /* millionths of a core */
	int stats;	  /* the kernel measures as long as this is open */
	struct gate *gates;
	uint64_t *before;   /* a gate: hits at the last look */
	uint64_t looked;    /* time of the last look */
	uint64_t run_ns;    /* of all our programs, at the last look */
	uint64_t fixed_ns;  /* of it, that of programs that can't be shed one by one */
	uint64_t used;	    /* millionths of a core since the look before */
	uint64_t fixed;	    /* the same of these programs */
	unsigned int above; /* looks in a row at which `used` was above what is allowed */
	unsigned int vain;  /* looks in a row at which these alone were above what is allowed */
	bool stopped;
	bool anew; /* hooks were attached anew since the last one was shut */
	struct packet_trail_bpf *skeleton;
	struct attachment *attachment;
	struct programs *programs; /* NULL = none are hooked */
	/* Nothing else helped: no more events. */
	void (*stop)(void *context);
	/* Says that a hook was shed. */
	void (*shed)(const struct hook *hook, const char *reason, void *context);
	void *context;
};

/* 0, or -1 after it said why. */
int budget_open(struct budget *budget, uint64_t allowed, struct packet_trail_bpf *skeleton,
		struct attachment *attachment);
void budget_close(struct budget *budget);

/* Is there a budget, and time to look? */
bool budget_due(const struct budget *budget, uint64_t now);

/* Looks; the times are what our programs have run in all, as capture_run_ns() tells. */
void budget_step(struct budget *budget, uint64_t now, uint64_t run_ns, uint64_t fixed_ns);

#endif
