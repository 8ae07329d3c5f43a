/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a BPF program: its entry function, its code, its maps, its source. */
#ifndef PACKET_TRAIL_PROGRAM_INFO_H
#define PACKET_TRAIL_PROGRAM_INFO_H

#include "program.h"

/*
 * Fills a program whose id is set, all else zero, from a descriptor of it. What can't be hooked has
 * a reason, and the rest of what is known. -ENOMEM, else 0.
 */
int program_info_read(struct program *program, int fd);

/* Reads the slots of the program's program arrays again. True when they have changed. */
bool program_info_tail_calls(struct program *program, int fd);

#endif
