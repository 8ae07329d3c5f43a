/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for a person, on stderr, one line each: what happened, where, and the mend. */
#ifndef PACKET_TRAIL_LOG_H
#define PACKET_TRAIL_LOG_H

#include <stdbool.h>

extern bool log_verbose;

/* "packet-trail-helper: what: where: the mend"; the format carries all three. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last that was complained of, without the program's name; "" = nothing. */
const char *log_last(void);

/* The same with the seconds since the first, with --verbose only. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
