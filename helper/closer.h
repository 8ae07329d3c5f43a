/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes copies away in a thread of its own: that waits for the kernel's grace periods, and events
 * must be read meanwhile.
 */
#ifndef PACKET_TRAIL_CLOSER_H
#define PACKET_TRAIL_CLOSER_H

#include "copy.h"

#include <stdatomic.h>

struct closer;

/* NULL without memory. */
struct closer *closer_open(void);

/*
 * Takes the copy, if it is attached, and closes it soon. `waiting` is one higher until then: it
 * outlives that.
 */
void closer_close(struct closer *closer, struct copy *copy, atomic_int *waiting);

/* Adds what the copies did between their last look and their end, those that ended since then. */
void closer_account(struct closer *closer, struct account *account);

/* Waits until all that was given is closed. */
void closer_wait(struct closer *closer);
void closer_free(struct closer *closer);

#endif
