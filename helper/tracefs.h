/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tracefs, mounted or not. */
#ifndef PACKET_TRAIL_TRACEFS_H
#define PACKET_TRAIL_TRACEFS_H

#include <stdio.h>

/* A descriptor of its folder for openat(2), or -1 with errno. */
int tracefs_folder(void);

/* Opens a file for reading; NULL when there is none. Where tracefs is not mounted nothing gets
 * mounted either. */
FILE *tracefs_open(const char *name);

#endif
