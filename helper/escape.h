/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of others, for a terminal: what would steer it, hide something, or is no UTF-8 is written
 * out, and nothing else looks as if it were. Written as bash reads it in $'…': \n, \r, \t and \\,
 * \xHH for a byte, \uHHHH or \UHHHHHHHH for a character. All text that isn't ours goes through here
 * or through json_string().
 */
#ifndef PACKET_TRAIL_ESCAPE_H
#define PACKET_TRAIL_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* The longest that one character becomes, with a zero behind it. */
#define ESCAPE_ROOM sizeof("\\U0010ffff")

/*
 * Writes as much of *text as there is room for, ESCAPE_ROOM at least, ended by a zero, and sets
 * *text behind it. How many characters were written.
 */
size_t escape(const char **text, char *to, size_t size);

/* The same to a file, all of it, with spaces behind up to this width. */
void escape_print(FILE *out, const char *text, size_t width);

#endif
