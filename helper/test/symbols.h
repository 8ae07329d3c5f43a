/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols from a text as /proc/kallsyms has it, for tests. */
#ifndef PACKET_TRAIL_SYMBOLS_H
#define PACKET_TRAIL_SYMBOLS_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "../kallsyms.h"

static inline int read_text(struct kallsyms *kallsyms, const char *text)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	int err = file ? kallsyms_read(kallsyms, file) : -ENOMEM;

	if (file)
		fclose(file);
	return err;
}

#endif
