// SPDX-License-Identifier: Apache-2.0
/* Text of others, for a terminal: see escape.h. */
#include "escape.h"
#include "utf8.h"

#include <string.h>

size_t escape(const char **text, char *to, size_t size)
{
	static const char meant[] = "\n\r\t\\", letters[] = "nrt\\";
	const char *end = to + size, *rest = *text;
	size_t written = 0;

	while (*rest && (size_t)(end - to) >= ESCAPE_ROOM) {
		const char *from = rest;
		int32_t character = utf8_next(&rest);
		const char *known =
			character > 0 && character < 0x80 ? strchr(meant, character) : NULL;
		size_t length = (size_t)(rest - from);

		if (character >= 0 && !known && !utf8_unseen(character)) {
			memcpy(to, from, length);
			to += length;
			written++;
			continue;
		}
		if (known)
			length = (size_t)sprintf(to, "\\%c", letters[known - meant]);
		else if (character < 0x80)
			length = (size_t)sprintf(to, "\\x%02x", (unsigned char)*from);
		else if (character < 0x10000)
			length = (size_t)sprintf(to, "\\u%04x", (unsigned int)character);
		else
			length = (size_t)sprintf(to, "\\U%08x", (unsigned int)character);
		to += length;
		written += length;
	}
	*to = 0;
	*text = rest;
	return written;
}

void escape_print(FILE *out, const char *text, size_t width)
{
	char piece[256];
	size_t written = 0;

	while (*text) {
		written += escape(&text, piece, sizeof(piece));
		fputs(piece, out);
	}
	for (; written < width; written++)
		putc(' ', out);
}
