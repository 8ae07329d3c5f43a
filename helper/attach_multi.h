/* SPDX-License-Identifier: Apache-2.0 */
/* Function hooks by kprobe.multi: many at once. */
#ifndef PACKET_TRAIL_ATTACH_MULTI_H
#define PACKET_TRAIL_ATTACH_MULTI_H

#include <stdbool.h>
#include <stdint.h>

/* Does kprobe.multi work on this kernel? `address` is of a function that can be traced. */
bool kprobe_multi_works(uint64_t address);

#endif
