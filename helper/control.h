/* SPDX-License-Identifier: Apache-2.0 */
/* Control lines: one JSON object a line, from the one who reads the stream. */
#ifndef PACKET_TRAIL_CONTROL_H
#define PACKET_TRAIL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum command {
	COMMAND_NONE,
	COMMAND_HEARTBEAT,
	COMMAND_STOP,
	COMMAND_PAUSE,
	COMMAND_RESUME,
	COMMAND_FILTER,
	COMMAND_BAD
};

/* Room for a filter of FILTER_MAX bytes, all of them escaped once. */
#define CONTROL_LINE 20480

/*
 * What a line of at most CONTROL_LINE bytes asks for. Keys that aren't known are skipped; what is
 * no JSON object is BAD. `filter` has CONTROL_LINE bytes and gets the value of that key.
 */
enum command control_line(const char *line, size_t length, char *filter);

struct control {
	char line[CONTROL_LINE];
	char filter[CONTROL_LINE];
	size_t length;
	bool too_long; /* the rest of this line is thrown away */
	bool closed;
};

/*
 * Reads what is there from a descriptor that doesn't block; calls back for each whole line, with
 * the filter of COMMAND_FILTER.
 */
void control_read(struct control *control, int fd,
		  void (*command)(enum command, const char *filter, void *context), void *context);

#endif
