// SPDX-License-Identifier: Apache-2.0
/* Control lines: see control.h. */
#include "control.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A reader over one line: every step looks whether the end is reached. */
struct json {
	const char *at;
	const char *end;
};

static void skip_space(struct json *json)
{
	while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\r'))
		json->at++;
}

static bool take(struct json *json, char c)
{
	skip_space(json);
	if (json->at == json->end || *json->at != c)
		return false;
	json->at++;
	return true;
}

/* A string without looking into its escapes: no word that counts here has one. */
static bool take_string(struct json *json, const char **text, size_t *length)
{
	if (!take(json, '"'))
		return false;
	*text = json->at;
	while (json->at < json->end && *json->at != '"') {
		if ((unsigned char)*json->at < ' ')
			return false;
		json->at += *json->at == '\\' ? 2 : 1;
	}
	if (json->at >= json->end)
		return false;
	*length = json->at++ - *text;
	return true;
}

/* A number, true, false or null: skipped. Control lines are flat, so nothing nests. */
static bool take_plain(struct json *json)
{
	const char *begin;

	skip_space(json);
	begin = json->at;
	while (json->at < json->end && *json->at &&
	       strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *json->at))
		json->at++;
	return json->at > begin;
}

static bool same(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

static enum command command_of(const char *text, size_t length)
{
	if (same(text, length, "heartbeat"))
		return COMMAND_HEARTBEAT;
	if (same(text, length, "stop"))
		return COMMAND_STOP;
	if (same(text, length, "pause"))
		return COMMAND_PAUSE;
	if (same(text, length, "resume"))
		return COMMAND_RESUME;
	return COMMAND_BAD;
}

enum command control_line(const char *line, size_t length)
{
	struct json json = {.at = line, .end = line + length};
	enum command command = COMMAND_BAD;

	skip_space(&json);
	if (json.at == json.end)
		return COMMAND_NONE;
	if (!take(&json, '{'))
		return COMMAND_BAD;
	if (!take(&json, '}')) {
		do {
			const char *key, *value;
			size_t key_length, value_length;

			if (!take_string(&json, &key, &key_length) || !take(&json, ':'))
				return COMMAND_BAD;
			skip_space(&json);
			if (json.at < json.end && *json.at == '"') {
				if (!take_string(&json, &value, &value_length))
					return COMMAND_BAD;
				if (same(key, key_length, "cmd"))
					command = command_of(value, value_length);
			} else if (!take_plain(&json)) {
				return COMMAND_BAD;
			}
		} while (take(&json, ','));
		if (!take(&json, '}'))
			return COMMAND_BAD;
	}
	skip_space(&json);
	return json.at == json.end ? command : COMMAND_BAD;
}

static void line_end(struct control *control, void (*command)(enum command, void *), void *context)
{
	enum command what =
		control->too_long ? COMMAND_BAD : control_line(control->line, control->length);

	if (what == COMMAND_BAD)
		complain("control line not understood: %.*s: send {\"cmd\":\"stop\"}, heartbeat, "
			 "pause or resume",
			 (int)(control->length < 80 ? control->length : 80), control->line);
	else if (what != COMMAND_NONE)
		command(what, context);
	control->length = 0;
	control->too_long = false;
}

void control_read(struct control *control, int fd, void (*command)(enum command, void *context),
		  void *context)
{
	char buffer[1024];
	ssize_t length = read(fd, buffer, sizeof(buffer));

	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		control->closed = true;
	for (ssize_t i = 0; i < length; i++) {
		if (buffer[i] == '\n')
			line_end(control, command, context);
		else if (control->length < sizeof(control->line))
			control->line[control->length++] = buffer[i];
		else
			control->too_long = true;
	}
}
