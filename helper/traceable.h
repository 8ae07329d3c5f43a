/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions the kernel lets be traced, and where behind their begin a kprobe may stand: by
 * their own code, or by the kernel's list of them.
 */
#ifndef PACKET_TRAIL_TRACEABLE_H
#define PACKET_TRAIL_TRACEABLE_H

#include <stdbool.h>

struct functions;

/*
 * Marks those that can be traced in `traceable`, which has a place for each, all false, and sets
 * their `behind`. The functions are sorted by address. Returns false when it isn't known: then
 * every one may be tried.
 */
bool traceable_mark(struct functions *functions, bool *traceable);

#endif
