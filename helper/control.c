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

/* A string as it is written, escapes and all. */
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

/* Four hexadecimal digits; -1 when they aren't. */
static long take_hex(const char *text, const char *end)
{
	long value = 0;

	if (end - text < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			return -1;
		value = value * 16 + (digit - digits) % 16;
	}
	return value;
}

static char *put_utf8(char *out, unsigned long code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	}
	return out;
}

/* A string's meaning, ended by a zero; it is never longer than how it is written. False when an
 * escape is none, or means a zero. */
static bool unescape(const char *text, size_t length, char *out)
{
	static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *end = text + length;

	while (text < end) {
		const char *at;
		long code, low;

		if (!*text)
			return false;
		if (*text != '\\') {
			*out++ = *text++;
			continue;
		}
		if (++text == end || !*text)
			return false;
		at = strchr(written, *text);
		if (at) {
			*out++ = meant[at - written];
			text++;
			continue;
		}
		code = *text == 'u' ? take_hex(text + 1, end) : -1;
		text += 5;
		if (code <= 0)
			return false;
		if (code >= 0xd800 && code < 0xe000) {
			/* Half of a pair: the other half must follow. */
			if (code >= 0xdc00 || end - text < 6 || text[0] != '\\' || text[1] != 'u')
				return false;
			low = take_hex(text + 2, end);
			if (low < 0xdc00 || low >= 0xe000)
				return false;
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			text += 6;
		}
		out = put_utf8(out, (unsigned long)code);
	}
	*out = 0;
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
	if (same(text, length, "filter"))
		return COMMAND_FILTER;
	return COMMAND_BAD;
}

enum command control_line(const char *line, size_t length, char *filter)
{
	struct json json = {.at = line, .end = line + length};
	enum command command = COMMAND_BAD;
	bool has_filter = false;

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
				if (same(key, key_length, "filter"))
					has_filter = unescape(value, value_length, filter);
			} else if (!take_plain(&json)) {
				return COMMAND_BAD;
			}
		} while (take(&json, ','));
		if (!take(&json, '}'))
			return COMMAND_BAD;
	}
	skip_space(&json);
	if (json.at != json.end || (command == COMMAND_FILTER && !has_filter))
		return COMMAND_BAD;
	return command;
}

static void line_end(struct control *control, void (*command)(enum command, const char *, void *),
		     void *context)
{
	enum command what = control->too_long
				    ? COMMAND_BAD
				    : control_line(control->line, control->length, control->filter);

	if (what == COMMAND_BAD)
		complain("control line not understood: %.*s: send {\"cmd\":\"stop\"}, heartbeat, "
			 "pause, resume or filter",
			 (int)(control->length < 80 ? control->length : 80), control->line);
	else if (what != COMMAND_NONE)
		command(what, control->filter, context);
	control->length = 0;
	control->too_long = false;
}

void control_read(struct control *control, int fd,
		  void (*command)(enum command, const char *filter, void *context), void *context)
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
