/* SPDX-License-Identifier: Apache-2.0 */
/* What the slots of program arrays hold: where a tail call may lead to. */
#ifndef PACKET_TRAIL_TAIL_CALLS_H
#define PACKET_TRAIL_TAIL_CALLS_H

#include "program.h"

struct bpf_map_info;

/*
 * Adds the slots of a program array that hold a program. An array that many programs share is read
 * once for all that ask within two seconds. 0 or -ENOMEM.
 */
int tail_calls_add(struct tail_call **slots, size_t *count, int map,
		   const struct bpf_map_info *info);

/* Forgets what was read. */
void tail_calls_forget(void);

#endif
