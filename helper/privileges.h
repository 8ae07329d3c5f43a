/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may do, cut to what tracing needs, and whose life it shares. */
#ifndef PACKET_TRAIL_PRIVILEGES_H
#define PACKET_TRAIL_PRIVILEGES_H

#include <stdbool.h>

/*
 * Gives up every capability that nothing here needs, for good: threads that are made later and
 * programs that are run have none of them either. Before any thread.
 */
void privileges_cut(void);

/*
 * Gives up what only a start needs, once all is loaded, and what only BPF programs need if none are
 * hooked. Before any thread that goes on.
 */
void privileges_cut_for_trace(bool programs);

/* Gives up all of them. */
void privileges_drop(void);

/*
 * A pidfd of the process that started this one, readable once that is over: who kills sudo, or the
 * shell that ssh started, leaves standard input open with nobody at its other end. -1 = there is
 * none to be told of.
 */
int privileges_parent(void);

#endif
