// SPDX-License-Identifier: Apache-2.0
/* UTF-8 that may be broken: see utf8.h. */
#include "utf8.h"

#include <stddef.h>

/* Bytes of the sequence at `at`, 0 when it is none (overlong and surrogates included). */
static int length_of(const unsigned char *at)
{
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return (at[1] & 0xc0) == 0x80 ? 2 : 0;
	if ((at[0] & 0xf0) == 0xe0) {
		if ((at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80)
			return 0;
		if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
			return 0;
		return 3;
	}
	if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		if ((at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80 || (at[3] & 0xc0) != 0x80)
			return 0;
		if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

int32_t utf8_next(const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	int length = length_of(at);
	int32_t character;

	*text += length ? length : 1;
	if (length < 2)
		return length ? at[0] : -1;
	character = at[0] & (0x7f >> length);
	for (int i = 1; i < length; i++)
		character = character << 6 | (at[i] & 0x3f);
	return character;
}

/*
 * Unicode's General_Category Cc, Zl and Zp, annotations (U+FFF9 to U+FFFB), and all that is
 * Default_Ignorable_Code_Point (DerivedCoreProperties.txt), which has what is still to come in it.
 */
bool utf8_unseen(int32_t character)
{
	static const struct {
		int32_t first, last;
	} unseen[] = {
		{0x0, 0x1f},	    {0x7f, 0x9f},	{0xad, 0xad},	    {0x34f, 0x34f},
		{0x61c, 0x61c},	    {0x115f, 0x1160},	{0x17b4, 0x17b5},   {0x180b, 0x180f},
		{0x200b, 0x200f},   {0x2028, 0x202e},	{0x2060, 0x206f},   {0x3164, 0x3164},
		{0xfe00, 0xfe0f},   {0xfeff, 0xfeff},	{0xffa0, 0xffa0},   {0xfff0, 0xfffb},
		{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
	};

	if (character >= ' ' && character < 0x7f)
		return false;
	for (size_t i = 0; i < sizeof(unseen) / sizeof(*unseen); i++)
		if (character >= unseen[i].first && character <= unseen[i].last)
			return true;
	return false;
}
