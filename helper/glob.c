// SPDX-License-Identifier: Apache-2.0
/* Patterns for function names: see glob.h. */
#include "glob.h"

/*
 * One pattern element at *pattern against a character. Moves *pattern behind the element. `]` first
 * in a class is a member, as in every shell; `!` or `^` first turns the class round.
 */
static bool element_matches(const char **pattern, char c)
{
	const char *at = *pattern;
	bool negate, found = false;

	if (*at != '[') {
		*pattern = at + 1;
		return *at == '?' || *at == c;
	}
	at++;
	negate = *at == '!' || *at == '^';
	if (negate)
		at++;
	for (const char *first = at; *at && (*at != ']' || at == first); at++) {
		if (at[1] == '-' && at[2] && at[2] != ']') {
			if (at[0] <= c && c <= at[2])
				found = true;
			at += 2;
		} else if (*at == c) {
			found = true;
		}
	}
	if (!*at) {
		*pattern += 1;
		return c == '[';
	}
	*pattern = at + 1;
	return found != negate;
}

bool glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		const char *at = pattern;

		if (*pattern == '*') {
			star = ++pattern;
			retry = text;
		} else if (*pattern && element_matches(&at, *text)) {
			pattern = at;
			text++;
		} else if (star) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* Most patterns are told from most texts by this. */
static bool begins_otherwise(const char *pattern, const char *text)
{
	return *pattern != '*' && *pattern != '?' && *pattern != '[' && *pattern != *text;
}

bool glob_any(const char *const *patterns, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!begins_otherwise(patterns[i], text) && glob_match(patterns[i], text))
			return true;
	return false;
}
