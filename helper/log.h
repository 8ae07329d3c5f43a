/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for a person, on stderr, one line each: what happened, where, and the mend. */
#ifndef PACKET_TRAIL_LOG_H
#define PACKET_TRAIL_LOG_H

#include <stdarg.h>
#include <stdbool.h>

extern bool log_verbose;

/* "packet-trail-helper: what: where: the mend"; the format carries all three. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last that was complained of, as it was said, without the program's name; "" = nothing. */
const char *log_last(void);

/* The same with the seconds since the first, with --verbose only. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What a library says, with --verbose only and without the program's name: a log of the kernel's is
 * many lines. Those behind the first are indented, so that no name in it begins a message.
 */
void say_lines(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

#endif
