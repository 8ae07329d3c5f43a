/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules that come and go while a trace runs. */
#ifndef PACKET_TRAIL_MODULES_H
#define PACKET_TRAIL_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct modules {
	char **names; /* sorted */
	size_t count;
	uint64_t looked_ms;
};

/* Remembers what is loaded now. */
void modules_open(struct modules *modules);

/*
 * Looks twice a second, and calls back for each module that has come (`loaded`) or gone. The name
 * is the caller's for the call alone.
 */
void modules_step(struct modules *modules, uint64_t now_ms,
		  void (*changed)(const char *name, bool loaded, void *context), void *context);
void modules_close(struct modules *modules);

/*
 * The names of live modules in what looks like /proc/modules, sorted; `count` of them. NULL without
 * memory. A module that is being loaded or unloaded is not among them.
 */
char **modules_read(FILE *file, size_t *count);
void modules_free(char **names, size_t count);

#endif
