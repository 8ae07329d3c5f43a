// SPDX-License-Identifier: Apache-2.0
/* The kernel's text symbols: see kallsyms.h. */
#include "kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE      (64 << 10)
#define NO_SIZE_BEYOND (1 << 20) /* the next symbol this far off is of something else */

static bool grow(void **array, size_t *capacity, size_t needed, size_t size)
{
	size_t next = *capacity ? *capacity : 1024;
	void *bigger;

	if (needed <= *capacity)
		return true;
	while (next < needed)
		next += next / 2;
	bigger = realloc(*array, next * size);
	if (!bigger)
		return false;
	*array = bigger;
	*capacity = next;
	return true;
}

/* Index of the module's name, 0 for none, -1 without memory. Symbols of a module stand together. */
static int module_index(struct kallsyms *kallsyms, const char *name)
{
	char **modules;

	if (!*name)
		return 0;
	for (size_t i = kallsyms->module_count; i-- > 1;)
		if (strcmp(kallsyms->modules[i], name) == 0)
			return (int)i;
	if (kallsyms->module_count >= UINT16_MAX)
		return 0;
	modules = realloc(kallsyms->modules, (kallsyms->module_count + 1) * sizeof(*modules));
	if (!modules)
		return -1;
	kallsyms->modules = modules;
	modules[kallsyms->module_count] = strdup(name);
	if (!modules[kallsyms->module_count])
		return -1;
	return (int)kallsyms->module_count++;
}

static int add(struct kallsyms *kallsyms, uint64_t address, const char *name, const char *module)
{
	size_t length = strlen(name) + 1;
	int index = module_index(kallsyms, module);
	struct symbol *symbol;

	if (index < 0 || kallsyms->text_length + length > UINT32_MAX)
		return -ENOMEM;
	if (!grow((void **)&kallsyms->symbols, &kallsyms->capacity, kallsyms->count + 1,
		  sizeof(*symbol)) ||
	    !grow((void **)&kallsyms->text, &kallsyms->text_capacity,
		  kallsyms->text_length + length, 1))
		return -ENOMEM;
	symbol = &kallsyms->symbols[kallsyms->count++];
	symbol->address = address;
	symbol->name = kallsyms->text_length;
	symbol->module = index;
	symbol->sent = 0;
	symbol->padding = 0;
	memcpy(kallsyms->text + kallsyms->text_length, name, length);
	kallsyms->text_length += length;
	return 0;
}

static int by_address(const void *left, const void *right)
{
	const struct symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	/* Of two names for one address the first in the file comes first. */
	return a->name < b->name ? -1 : a->name > b->name;
}

/*
 * The kernel's symbols stand in the file in order, those of modules behind them, which are at lower
 * addresses, mostly: what is sorted then is little.
 */
static void sort(struct kallsyms *kallsyms)
{
	struct symbol *symbols = kallsyms->symbols, *turned;
	size_t count = kallsyms->count, ordered = 1, rest;

	while (ordered < count && by_address(&symbols[ordered - 1], &symbols[ordered]) < 0)
		ordered++;
	if (ordered >= count)
		return;
	rest = count - ordered;
	qsort(symbols + ordered, rest, sizeof(*symbols), by_address);
	turned = by_address(&symbols[count - 1], symbols) < 0 ? malloc(rest * sizeof(*symbols))
							      : NULL;
	if (!turned) {
		qsort(symbols, count, sizeof(*symbols), by_address);
		return;
	}
	memcpy(turned, symbols + ordered, rest * sizeof(*symbols));
	memmove(symbols + rest, symbols, ordered * sizeof(*symbols));
	memcpy(symbols, turned, rest * sizeof(*symbols));
	free(turned);
}

/*
 * A name for the padding before a function (objtool's, since 6.2): half of a table, and no place
 * where anything runs. The function follows, and keeps how long that is.
 */
static bool is_padding(const char *name)
{
	return strncmp(name, "__pfx_", strlen("__pfx_")) == 0;
}

static bool is_code(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* The number at the begin of a line, and behind it; strtoull() takes three times as long. */
static uint64_t read_address(char *line, char **end)
{
	uint64_t address = 0;
	int digits = 0;

	for (;; digits++) {
		unsigned char c = (unsigned char)line[digits];

		if (c >= '0' && c <= '9')
			address = address << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			address = address << 4 | (c - 'a' + 10);
		else
			break;
	}
	/* Longer is no address. */
	*end = digits <= 16 ? line + digits : line;
	return address;
}

int kallsyms_read(struct kallsyms *kallsyms, FILE *file)
{
	char line[1024];
	bool any = false, nonzero = false;
	uint64_t padding = 0;
	int err;

	memset(kallsyms, 0, sizeof(*kallsyms));
	kallsyms->modules = calloc(1, sizeof(*kallsyms->modules));
	if (!kallsyms->modules)
		return -ENOMEM;
	kallsyms->module_count = 1;
	while (fgets(line, sizeof(line), file)) {
		char *end, *name, *module = "";
		uint64_t address;
		char type;

		/* address type name [module] */
		address = read_address(line, &end);
		if (end == line || *end != ' ' || !end[1] || end[2] != ' ')
			continue;
		type = end[1];
		name = end + 3;
		if (!isgraph((unsigned char)*name))
			continue;
		any = true;
		if (address)
			nonzero = true;
		/* Most are data, of which a few names are wanted: see below. */
		if (*name != '_' && *name != 'b' && *name != 'c' && !is_code(type))
			continue;
		end = name + strcspn(name, " \t\n");
		if (*end && *end != '\n') {
			char *open = strchr(end + 1, '[');
			char *close = open ? strchr(open, ']') : NULL;

			*end = 0;
			if (close) {
				*close = 0;
				module = open + 1;
			}
		} else {
			*end = 0;
		}
		if (!*module) {
			if (strcmp(name, "_stext") == 0)
				kallsyms->text_base = address;
			else if (strcmp(name, "_sinittext") == 0)
				kallsyms->init_begin = address;
			else if (strcmp(name, "_einittext") == 0)
				kallsyms->init_end = address;
			else if (strcmp(name, "bpf_redirect_info") == 0)
				kallsyms->redirect_info = address;
			else if (strcmp(name, "bpf_prog_active") == 0)
				kallsyms->prog_active = address;
			else if (strcmp(name, "current_kprobe") == 0)
				kallsyms->current_kprobe = address;
			else if (strcmp(name, "__per_cpu_offset") == 0)
				kallsyms->cpu_offsets = address;
		}
		if (!is_code(type))
			continue;
		if (is_padding(name)) {
			padding = address;
			continue;
		}
		err = add(kallsyms, address, name, module);
		if (err)
			return err;
		if (padding && address > padding && address - padding <= UINT8_MAX)
			kallsyms->symbols[kallsyms->count - 1].padding =
				(uint8_t)(address - padding);
		padding = 0;
	}
	if (!any)
		return -EINVAL;
	if (!nonzero)
		return -EPERM;
	if (kallsyms->count)
		sort(kallsyms);
	return 0;
}

int kallsyms_open(struct kallsyms *kallsyms, const char *path)
{
	FILE *file = fopen(path, "re");
	char *buffer;
	int err;

	memset(kallsyms, 0, sizeof(*kallsyms));
	if (!file)
		return -errno;
	/* Its own is small, and each read is a system call. Without memory that must do. */
	buffer = malloc(READ_SIZE);
	if (buffer)
		setvbuf(file, buffer, _IOFBF, READ_SIZE);
	err = kallsyms_read(kallsyms, file);
	if (!err && ferror(file))
		err = -EIO;
	fclose(file);
	free(buffer);
	return err;
}

void kallsyms_close(struct kallsyms *kallsyms)
{
	for (size_t i = 1; i < kallsyms->module_count; i++)
		free(kallsyms->modules[i]);
	free(kallsyms->modules);
	free(kallsyms->symbols);
	free(kallsyms->text);
	memset(kallsyms, 0, sizeof(*kallsyms));
}

struct symbol *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address)
{
	size_t low = 0, high = kallsyms->count;
	struct symbol *symbol;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kallsyms->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	symbol = &kallsyms->symbols[low - 1];
	while (symbol > kallsyms->symbols && symbol[-1].address == symbol->address)
		symbol--;
	return address - symbol->address < NO_SIZE_BEYOND ? symbol : NULL;
}

const char *symbol_name(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	return kallsyms->text + symbol->name;
}

const char *symbol_module(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	return symbol->module ? kallsyms->modules[symbol->module] : "";
}

uint64_t symbol_size(const struct kallsyms *kallsyms, const struct symbol *symbol)
{
	const struct symbol *end = kallsyms->symbols + kallsyms->count;
	const struct symbol *next = symbol + 1;

	while (next < end && next->address == symbol->address)
		next++;
	if (next == end || next->address - symbol->address > NO_SIZE_BEYOND)
		return 0;
	/* Padding that is another's in a table that isn't in order. */
	if (next->address - symbol->address <= next->padding)
		return next->address - symbol->address;
	return next->address - next->padding - symbol->address;
}
