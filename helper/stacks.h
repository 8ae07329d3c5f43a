/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel stacks by number: each is told once, as long as it is remembered. */
#ifndef PACKET_TRAIL_STACKS_H
#define PACKET_TRAIL_STACKS_H

#include <stdint.h>

struct bytes;
struct stack;

struct stacks {
	struct stack *table; /* NULL until the first one */
	uint32_t last_id;
};

/*
 * Id of a stack of STACK_DEPTH addresses; a new one is added to `message`, a Stacks of the stream
 * format. 0 without memory, or for an empty one. The table forgets a stack for another of its
 * place.
 */
uint32_t stacks_id(struct stacks *stacks, const uint64_t *stack, struct bytes *message);
void stacks_free(struct stacks *stacks);

#endif
