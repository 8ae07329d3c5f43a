// SPDX-License-Identifier: Apache-2.0
/* Which helper this is: see version.h. */
#include "version.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

/* Finds the NT_GNU_BUILD_ID note (gABI, "Note Section") among the program's own notes. */
static int find(struct dl_phdr_info *info, size_t size, void *context)
{
	char *text = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const char *at = (const char *)info->dlpi_addr + header->p_vaddr;
		const char *end = at + header->p_memsz;

		if (header->p_type != PT_NOTE)
			continue;
		while (at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *name = at + sizeof(*note);
			const unsigned char *id =
				(const void *)(name + ((note->n_namesz + 3) & ~3u));

			at = (const char *)id + ((note->n_descsz + 3) & ~3u);
			if (at > end || note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 ||
			    memcmp(name, "GNU", 4) != 0 || note->n_descsz > 32)
				continue;
			for (unsigned j = 0; j < note->n_descsz; j++)
				sprintf(text + 2 * j, "%02x", id[j]);
			return 1;
		}
	}
	return 0;
}

const char *build_id(void)
{
	static char text[65];

	if (!*text)
		dl_iterate_phdr(find, text);
	return text;
}
