// SPDX-License-Identifier: Apache-2.0
/* Messages for a person: see log.h. */
#include "log.h"
#include "escape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool log_verbose;

static char last[1024];

static void line(const char *format, va_list args, char *text, size_t size)
{
	char raw[1024];
	const char *rest = raw;

	vsnprintf(raw, sizeof(raw), format, args);
	/* One message is one line, whatever a name in it holds. */
	escape(&rest, text, size);
	fprintf(stderr, "packet-trail-helper: %s\n", text);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(format, args, last, sizeof(last));
	va_end(args);
}

const char *log_last(void)
{
	return last;
}

void say(const char *format, ...)
{
	static struct timespec begin;
	struct timespec now;
	char timed[512], text[1024];
	va_list args;

	if (!log_verbose)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!begin.tv_sec)
		begin = now;
	snprintf(timed, sizeof(timed), "%.3f s: %s",
		 (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9,
		 format);
	va_start(args, format);
	line(timed, args, text, sizeof(text));
	va_end(args);
}

void say_lines(const char *format, va_list args)
{
	char *text, *rest, *line;

	if (!log_verbose || vasprintf(&text, format, args) < 0)
		return;
	/* The end of the last line begins no other. */
	for (rest = text; (line = strsep(&rest, "\n")) && (rest || *line);) {
		fputs(line == text ? "" : "  ", stderr);
		escape_print(stderr, line, 0);
		putc('\n', stderr);
	}
	free(text);
}
