/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the node's BPF programs, and what the files that keep it give each other: programs.c
 * (hooking, and when what is looked at), program_scan.c (which there are), program_findings.c
 * (where they are), program_account.c (what our hooks on them cost).
 */
#ifndef PACKET_TRAIL_PROGRAM_TABLE_H
#define PACKET_TRAIL_PROGRAM_TABLE_H

#include "../bpf/event.h"
#include "closer.h"
#include "copy.h"
#include "hooks.h"
#include "program.h"
#include "survey.h"
#include "xdp_skbs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load;
struct packet_trail_bpf;
struct globs;
struct sink;

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
	const struct globs *wanted;
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

/* Puts a program that is new into its place, by id. False without memory. */
bool table_add(struct programs *programs, size_t at, uint32_t id, uint32_t type);

/* NULL when there is none of this id. */
struct entry *table_find(const struct programs *programs, uint32_t id);

/* Hooks of ours that a program has. */
uint32_t copies_of(const struct program *program);

/* Takes a program's hooks away meanwhile. */
void drop_copies(struct programs *programs, struct entry *entry);

/* What became of a hook on a program; id 0 = there is none. */
void tell_hook_state(struct programs *programs, uint32_t id, enum hook_state state,
		     const char *reason);

/* Looks at which programs there are and who holds them: new ones are fresh, others are told as
 * gone.
 */
void programs_scan(struct programs *programs, uint64_t now_ms);

/* Takes in what the survey found since the last time. */
void programs_take_findings(struct programs *programs);

/* Reads the program arrays of those that have some. A slot holds its program, so it changes when
 * programs come and go. */
void programs_read_slots(struct programs *programs);

#endif
