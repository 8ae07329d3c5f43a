/* SPDX-License-Identifier: Apache-2.0 */
/* Function hooks by kprobe.multi: many at once. */
#ifndef PACKET_TRAIL_ATTACH_MULTI_H
#define PACKET_TRAIL_ATTACH_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attachment;
struct hook;

/* Does kprobe.multi work on this kernel? `address` is of a function that can be traced. */
bool kprobe_multi_works(uint64_t address);

/* Attaches hooks by few links. Where hooks may be shed (`apart`), those that identity needs have a
 * link of their own, which stays. */
void attach_multi(struct attachment *attachment, struct hook **hooks, size_t count);

/* Hits that a link missed so far; 0 of other links. */
uint64_t multi_missed(int link);

/* Closes a link of the attachment's. */
void multi_close(struct attachment *attachment, int link);

#endif
