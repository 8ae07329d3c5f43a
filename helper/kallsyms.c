// SPDX-License-Identifier: Apache-2.0
/* The kernel's text symbols: see kallsyms.h. */
#include "kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int kallsyms_read(struct kallsyms *kallsyms, FILE *file)
{
	char line[1024];
	bool any = false, nonzero = false;
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
		errno = 0;
		address = strtoull(line, &end, 16);
		if (end == line || errno || *end != ' ' || !end[1] || end[2] != ' ')
			continue;
		type = end[1];
		name = end + 3;
		end = name + strcspn(name, " \t\n");
		if (end == name)
			continue;
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
		any = true;
		if (address)
			nonzero = true;
		if (!*module) {
			if (strcmp(name, "_stext") == 0)
				kallsyms->text_base = address;
			else if (strcmp(name, "_sinittext") == 0)
				kallsyms->init_begin = address;
			else if (strcmp(name, "_einittext") == 0)
				kallsyms->init_end = address;
		}
		if (tolower((unsigned char)type) != 't' && tolower((unsigned char)type) != 'w')
			continue;
		err = add(kallsyms, address, name, module);
		if (err)
			return err;
	}
	if (!any)
		return -EINVAL;
	if (!nonzero)
		return -EPERM;
	qsort(kallsyms->symbols, kallsyms->count, sizeof(*kallsyms->symbols), by_address);
	return 0;
}

int kallsyms_open(struct kallsyms *kallsyms, const char *path)
{
	FILE *file = fopen(path, "re");
	int err;

	memset(kallsyms, 0, sizeof(*kallsyms));
	if (!file)
		return -errno;
	err = kallsyms_read(kallsyms, file);
	if (!err && ferror(file))
		err = -EIO;
	fclose(file);
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
	return next->address - symbol->address;
}
