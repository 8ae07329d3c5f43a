/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may do, cut to what tracing needs, and whose life it shares. */
#ifndef PACKET_TRAIL_PRIVILEGES_H
#define PACKET_TRAIL_PRIVILEGES_H

/*
 * Gives up every capability that nothing here needs, for good: threads that are made later and
 * programs that are run have none of them either. Before any thread.
 */
void privileges_cut(void);

/*
 * Ends this process by SIGTERM when the one that started it is gone: who kills sudo, or the shell
 * that ssh started, leaves standard input open with nobody at its other end.
 */
void privileges_share_parents_life(void);

#endif
