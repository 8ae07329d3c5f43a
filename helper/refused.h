/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of ours that this kernel didn't take, of those that a trace can do without. */
#ifndef PACKET_TRAIL_REFUSED_H
#define PACKET_TRAIL_REFUSED_H

#include <stdbool.h>

struct load;

/* Was this program of ours refused before? */
bool load_refused(const struct load *load, const char *program);

/*
 * Counts the program that `log` names as refused: the next load does without it. 0, or -1 when it
 * names none, or one that a trace is nothing without.
 */
int load_refuse(struct load *load, const char *log);

#endif
