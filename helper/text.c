// SPDX-License-Identifier: Apache-2.0
/* The kernel's code: see text.h. */
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define CORE_FILE "/proc/kcore"

/* Ranges of memory that the file has; a machine with much memory in pieces has more, of data. */
#define RANGES 64

struct range {
	uint64_t begin;
	uint64_t size;
	uint64_t offset; /* in the file */
};

static int file = -1;
static struct range ranges[RANGES];
static size_t range_count;

static void read_ranges(void)
{
	Elf64_Ehdr header;

	if (pread(file, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
		return;
	for (size_t i = 0; i < header.e_phnum && range_count < RANGES; i++) {
		Elf64_Phdr part;
		off_t at = (off_t)(header.e_phoff + i * sizeof(part));

		if (pread(file, &part, sizeof(part), at) != sizeof(part))
			return;
		if (part.p_type == PT_LOAD)
			ranges[range_count++] = (struct range){
				.begin = part.p_vaddr,
				.size = part.p_memsz,
				.offset = part.p_offset,
			};
	}
}

void text_open(void)
{
	text_close();
	file = open(CORE_FILE, O_RDONLY | O_CLOEXEC);
	if (file >= 0)
		read_ranges();
}

void text_close(void)
{
	if (file >= 0)
		close(file);
	file = -1;
	range_count = 0;
}

#if defined(__x86_64__)
/* The bytes at this address of the kernel: 0 or -errno. */
static int text_read(uint64_t address, void *to, size_t size)
{
	for (size_t i = 0; i < range_count; i++) {
		const struct range *range = &ranges[i];
		uint64_t from = address - range->begin;

		if (address < range->begin || from >= range->size || size > range->size - from)
			continue;
		if (pread(file, to, size, (off_t)(range->offset + from)) != (ssize_t)size)
			return -EIO;
		return 0;
	}
	return -ENOENT;
}

/*
 * A function that can be traced begins with a call that ftrace has made a no-op of five bytes, and
 * while somebody traces it with a call again (arch/x86/kernel/ftrace.c). Before it there may be
 * ENDBR64, or what the kernel puts over those that nobody jumps to, which releases do differently
 * (gen_endbr_poison() in arch/x86/include/asm/ibt.h): a no-op of five bytes behind any four is one
 * of ftrace's. Some functions that can't be traced begin with a call, too: those the kernel
 * refuses.
 */
int text_site(uint64_t function, uint64_t *site)
{
	static const uint8_t before[][4] = {
		{0xf3, 0x0f, 0x1e, 0xfa}, /* ENDBR64 */
		{0x66, 0x0f, 0x1f, 0x00}, /* over it since 5.18 */
		{0x0f, 0x1f, 0x40, 0xd6}, /* since 6.15 */
	};
	static const uint8_t no_op[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	uint8_t code[sizeof(*before) + sizeof(no_op)];
	const uint8_t *begin = code;
	int err = text_read(function, code, sizeof(code));

	if (err)
		return err;
	if (memcmp(code + sizeof(*before), no_op, sizeof(no_op)) == 0)
		begin += sizeof(*before);
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		if (memcmp(code, before[i], sizeof(*before)) == 0)
			begin = code + sizeof(*before);
	if (memcmp(begin, no_op, sizeof(no_op)) != 0 && *begin != 0xe8)
		return 0;
	*site = function + (uint64_t)(begin - code);
	return 1;
}
#else
int text_site(uint64_t function, uint64_t *site)
{
	(void)function;
	(void)site;
	return -EOPNOTSUPP;
}
#endif
