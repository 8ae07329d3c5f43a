/* SPDX-License-Identifier: Apache-2.0 */
/* An event as text: aligned lines for a person, or a JSON object for a program. */
#ifndef PACKET_TRAIL_EVENT_TEXT_H
#define PACKET_TRAIL_EVENT_TEXT_H

#include "print_names.h"

#include <stdint.h>
#include <stdio.h>

struct event;
struct hook;
struct reasons;

/* What an event says by number, and its text by name. */
struct event_text {
	struct print_names names;
	const struct reasons *reasons;
	int64_t wall_offset; /* wall − monotonic, ns */
};

/* A line, and one that begins with a space for each address of the stack; `stack` NULL or
 * STACK_DEPTH addresses. */
void event_lines(FILE *out, struct event_text *with, const struct event *event,
		 const struct hook *hook, const uint64_t *stack);

/* The same as one object on one line (docs/helper.md). */
void event_json(FILE *out, struct event_text *with, const struct event *event,
		const struct hook *hook, const uint64_t *stack);

#endif
