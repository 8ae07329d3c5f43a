// SPDX-License-Identifier: Apache-2.0
/* JSON text: see json.h. */
#include "json.h"
#include "utf8.h"

void json_string(FILE *out, const char *text)
{
	putc('"', out);
	while (*text) {
		const char *at = text;
		int32_t character = utf8_next(&text);

		if (character < 0)
			fputs("\\ufffd", out);
		else if (character == '"' || character == '\\')
			fprintf(out, "\\%c", (char)character);
		else if (!utf8_unseen(character))
			fwrite(at, 1, (size_t)(text - at), out);
		else if (character < 0x10000)
			fprintf(out, "\\u%04x", (unsigned int)character);
		else
			/* The halves of UTF-16. */
			fprintf(out, "\\u%04x\\u%04x", 0xd7c0U + ((unsigned int)character >> 10),
				0xdc00U + ((unsigned int)character & 0x3ff));
	}
	putc('"', out);
}
