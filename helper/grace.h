/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until BPF programs that run have ended. */
#ifndef PACKET_TRAIL_GRACE_H
#define PACKET_TRAIL_GRACE_H

/* Returns when each BPF program, of ours or of others, that runs now has ended: they run in what
 * RCU waits for. Some 10 ms. */
void grace_wait(void);

#endif
