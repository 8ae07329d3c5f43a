// SPDX-License-Identifier: Apache-2.0
/* The values that options take: see values.h. */
#include "values.h"
#include "log.h"
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole decimal, 0x or 0 number in [low, high]; what follows it is left at *rest. */
static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *value,
		   const char **rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (end == text || errno || *value < low || *value > high)
		return false;
	*rest = end;
	return true;
}

int value_bad(const char *option, const char *value, const char *mend)
{
	complain("bad value: --%s %s: %s", option, value, mend);
	return -1;
}

int value_count(const char *option, const char *text, uint64_t low, uint64_t *value)
{
	const char *rest;

	if (!number(text, low, UINT64_MAX / 1000, value, &rest) || *rest)
		return value_bad(option, text,
				 low ? "give a whole number, 1 or more" : "give a whole number");
	return 0;
}

int value_seconds(const char *option, const char *text, uint64_t low_ms, uint64_t *ms)
{
	const char *rest = text;
	uint64_t seconds = 0;
	int scale = 100;

	while (*rest >= '0' && *rest <= '9' && seconds < 1000000000)
		seconds = seconds * 10 + (*rest++ - '0');
	*ms = seconds * 1000;
	if (rest != text && *rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9' && scale; rest++, scale /= 10)
			*ms += (*rest - '0') * scale;
	if (rest == text || *rest || *ms < low_ms)
		return value_bad(option, text, "give seconds, such as 10 or 0.5");
	return 0;
}

int value_overhead(const char *text, struct options *options)
{
	const char *rest = text;
	uint64_t percent = 0;
	int scale = 1000;

	while (*rest >= '0' && *rest <= '9' && percent < 1000000)
		percent = percent * 10 + (*rest++ - '0');
	options->overhead = percent * 10000;
	if (rest != text && *rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9' && scale; rest++, scale /= 10)
			options->overhead += (*rest - '0') * scale;
	if (rest != text && *rest == '%')
		rest++;
	if (rest == text || *rest || !options->overhead || percent > 100000)
		return value_bad("max-overhead", text,
				 "give percent of a core, such as 10% or 0.5%");
	return 0;
}

int value_mark(const char *text, struct options *options)
{
	uint64_t mark, mask = UINT32_MAX;
	const char *rest;

	if (!number(text, 0, UINT32_MAX, &mark, &rest) ||
	    (*rest == '/' && !number(rest + 1, 1, UINT32_MAX, &mask, &rest)) || *rest)
		return value_bad("mark", text, "give VALUE or VALUE/MASK, such as 0x10/0xff");
	if (mark & ~mask)
		return value_bad("mark", text,
				 "the value has bits outside the mask and could never match");
	options->mark = (uint32_t)mark;
	options->mark_mask = (uint32_t)mask;
	return 0;
}

static bool is_address(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

int value_session(const char *text, struct options *options)
{
	static const char mend[] =
		"give it as sshd does in $SSH_CONNECTION: ADDRESS PORT ADDRESS PORT";
	char copy[160], *words[4], *rest = copy;
	uint64_t ports[2];
	const char *end;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return value_bad("not-session", text, mend);
	for (int i = 0; i < 4; i++) {
		words[i] = strsep(&rest, " ");
		if (!words[i])
			return value_bad("not-session", text, mend);
		if (i % 2) {
			if (!number(words[i], 1, UINT16_MAX, &ports[i / 2], &end) || *end)
				return value_bad("not-session", text, mend);
			continue;
		}
		/* A link-local address names its interface, too, which is of no use to a filter. */
		words[i][strcspn(words[i], "%")] = '\0';
		if (!is_address(words[i]))
			return value_bad("not-session", text, mend);
	}
	if (rest)
		return value_bad("not-session", text, mend);
	snprintf(options->not_session, sizeof(options->not_session),
		 "tcp port %u and tcp port %u and host %s and host %s", (unsigned int)ports[0],
		 (unsigned int)ports[1], words[0], words[2]);
	return 0;
}

int value_buffer(const char *text, struct options *options)
{
	uint64_t size;
	const char *rest;

	if (!number(text, 1, 1ULL << 30, &size, &rest))
		return value_bad("buffer", text,
				 "give a power of two from 64K to 1024M, such as 16M");
	if (*rest == 'K' || *rest == 'k') {
		size <<= 10;
		rest++;
	} else if (*rest == 'M' || *rest == 'm') {
		size <<= 20;
		rest++;
	}
	if (*rest || size < 64 << 10 || size > 1ULL << 30 || (size & (size - 1)))
		return value_bad("buffer", text,
				 "give a power of two from 64K to 1024M, such as 16M");
	options->buffer = (uint32_t)size;
	return 0;
}

int value_packets(const char *text, struct options *options)
{
	uint64_t packets;
	const char *rest;

	if (!number(text, 64, 1 << 20, &packets, &rest) || *rest || (packets & (packets - 1)))
		return value_bad("packets", text, "give a power of two from 64 to 1048576");
	options->packets = (uint32_t)packets;
	return 0;
}

int value_backend(const char *text, struct options *options)
{
	if (strcmp(text, "auto") == 0)
		options->backend = BACKEND_AUTO;
	else if (strcmp(text, "kprobe.multi") == 0)
		options->backend = BACKEND_KPROBE_MULTI;
	else if (strcmp(text, "kprobe") == 0)
		options->backend = BACKEND_KPROBE;
	else if (strcmp(text, "tracepoints") == 0)
		options->backend = BACKEND_TRACEPOINTS;
	else
		return value_bad("backend", text, "give auto, kprobe.multi, kprobe or tracepoints");
	return 0;
}

int value_glob(const char *option, const char *text, struct globs *globs)
{
	const char **items;

	if (!*text)
		return value_bad(option, "\"\"", "give a name or a pattern");
	items = realloc(globs->items, (globs->count + 1) * sizeof(*items));
	if (!items) {
		complain("out of memory: arguments: give fewer of them");
		return -1;
	}
	globs->items = items;
	items[globs->count++] = text;
	return 0;
}
