/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPF program of the node, as the stream's Program has it (docs/stream-format.md), and what is
 * needed to hook it.
 */
#ifndef PACKET_TRAIL_PROGRAM_H
#define PACKET_TRAIL_PROGRAM_H

#include "copy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of the stream format's Direction. */
enum direction { DIRECTION_NONE = 0, DIRECTION_INGRESS = 1, DIRECTION_EGRESS = 2 };

/* Where a program is attached. */
struct place {
	uint32_t program;
	const char *kind; /* a constant */
	enum direction direction;
	uint32_t netns;
	uint32_t ifindex;
	uint32_t priority;
	uint32_t handle;
	uint32_t link;
	uint32_t target;
	uint32_t chain;
	uint32_t peer;	/* netkit: ifindex of the other end, in its own namespace */
	uint32_t block; /* tc: the shared block that the filter is in; 0 = none */
	bool direct;
	char label[64];
};

struct places {
	struct place *items;
	size_t count;
	size_t room;
};

struct tail_call {
	uint32_t index;
	uint32_t program;
	char map[16];
};

struct image {
	uint64_t address;
	uint64_t size;
	char *name;
};

struct source_line {
	char *file;
	char *text;
	const char *function; /* an image's name */
	uint32_t line;
	uint32_t column;
};

/* Which of our patterns fits: by the program's context. */
enum program_context { CONTEXT_NONE, CONTEXT_TC, CONTEXT_XDP };

/* Numbers of the stream format's ProgramState. */
enum program_state { PROGRAM_HOOKED = 0, PROGRAM_REPORTED = 1, PROGRAM_GONE = 2 };

struct program {
	uint32_t id;
	uint32_t type;
	char *name;
	char tag[17];
	enum program_state state;
	char *reason; /* why it, or one of its two hooks, is missing; NULL = nothing is */
	char *log;    /* the verifier's last lines */
	struct place *places;
	size_t place_count;
	char **maps;
	size_t map_count;
	char **pins;
	size_t pin_count;
	struct tail_call *tail_calls;
	size_t tail_call_count;
	bool arrays;	      /* it uses program arrays */
	struct image *images; /* entry function first */
	size_t image_count;
	struct source_line *lines; /* in the order of the instructions */
	size_t line_count;
	uint32_t entry_hook;
	uint32_t verdict_hook;
	uint64_t gone_ns;
	/* for hooking */
	enum program_context context;
	uint32_t entry_type;   /* BTF id of the entry function */
	uint32_t arguments;    /* that fentry and fexit see: the return value stands behind them */
	struct copy copies[2]; /* entry, verdict */
};

void program_free(struct program *program);

#endif
