/* SPDX-License-Identifier: Apache-2.0 */
/* --list-hooks: what would be hooked, and what not and why. */
#ifndef PACKET_TRAIL_LIST_H
#define PACKET_TRAIL_LIST_H

#include <stdbool.h>

struct functions;

void list_hooks(const struct functions *functions, bool json);

#endif
