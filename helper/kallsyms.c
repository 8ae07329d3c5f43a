// SPDX-License-Identifier: Apache-2.0
/* Reading the kernel's text symbols: see kallsyms.h. What they are asked is in kallsyms_find.c. */
#include "kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (64 << 10)

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

/* `length`: of the name, with its zero. */
static int add(struct kallsyms *kallsyms, uint64_t address, const char *name, size_t length,
	       const char *module)
{
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
	return name[0] == '_' && name[1] == '_' && strncmp(name + 2, "pfx_", strlen("pfx_")) == 0;
}

static bool is_code(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* Reads a file line by line. The C library's calls for each line and word cost more than the rest.
 */
struct lines {
	FILE *file;
	char *at, *end; /* what is left of the block */
	char block[READ_SIZE];
};

/* The rest of a line that the block cut, and what follows; false when there is no more. */
static bool next_block(struct lines *lines)
{
	size_t left = lines->end - lines->at, got;

	memmove(lines->block, lines->at, left);
	lines->at = lines->block;
	got = fread(lines->block + left, 1, sizeof(lines->block) - left - 1, lines->file);
	lines->end = lines->block + left + got;
	return got;
}

/* The next line, ended by a zero; NULL = none. One that is longer than a block comes in parts. */
static char *next_line(struct lines *lines)
{
	char *line = lines->at, *at = line, *feed;

	for (;;) {
		feed = memchr(at, '\n', lines->end - at);
		if (feed) {
			at = feed;
			lines->at = at + 1;
			break;
		}
		at = lines->block + (lines->end - line);
		if (!next_block(lines)) {
			at = lines->at = lines->end;
			break;
		}
		line = lines->block;
	}
	*at = 0;
	return at > line || lines->at > at ? line : NULL;
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

static bool is_graphic(char c)
{
	return c > ' ' && c <= '~';
}

/* Behind the word. */
static char *word_end(char *word)
{
	while (is_graphic(*word))
		word++;
	return word;
}

/* The name in brackets behind a symbol of a module, else "". */
static char *read_module(char *rest)
{
	char *open = strchr(rest, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close)
		return "";
	*close = 0;
	return open + 1;
}

/* Keeps the address when it is one of those that are wanted beside functions. */
static void keep_wanted(struct kallsyms *kallsyms, const char *name, size_t length,
			uint64_t address)
{
	const struct {
		const char *name;
		uint64_t *address;
	} wanted[] = {
		{"_stext", &kallsyms->text_base},
		{"_etext", &kallsyms->text_end},
		{"_sinittext", &kallsyms->init_begin},
		{"_einittext", &kallsyms->init_end},
		{"bpf_redirect_info", &kallsyms->redirect_info},
		{"bpf_prog_active", &kallsyms->prog_active},
		{"current_kprobe", &kallsyms->current_kprobe},
		{"__per_cpu_offset", &kallsyms->cpu_offsets},
		{"page_offset_base", &kallsyms->page_offset},
		{"vmemmap_base", &kallsyms->page_map},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (wanted[i].name[0] == name[0] && wanted[i].name[1] == name[1] &&
		    strlen(wanted[i].name) == length && strcmp(wanted[i].name, name) == 0)
			*wanted[i].address = address;
}

/* What a file's lines have come to. */
struct reading {
	bool any, nonzero;
	uint64_t padding; /* where the padding before the next function begins; 0 = it has none */
};

/* address type name [module] */
static int read_line(struct kallsyms *kallsyms, struct reading *reading, char *line)
{
	char *end, *name, *module = "", type;
	uint64_t address = read_address(line, &end);
	bool code;
	int err;

	if (end == line || *end != ' ' || !end[1] || end[2] != ' ' || !is_graphic(end[3]))
		return 0;
	type = end[1];
	name = end + 3;
	reading->any = true;
	reading->nonzero |= address != 0;
	code = is_code(type);
	/* Most are data, of which a few names are wanted. */
	if (!strchr("_bcpv", *name) && !code)
		return 0;
	end = word_end(name);
	if (*end) {
		*end = 0;
		module = read_module(end + 1);
	}
	if (!*module && (*name == '_' || !code))
		keep_wanted(kallsyms, name, end - name, address);
	if (!code)
		return 0;
	if (is_padding(name)) {
		reading->padding = address;
		return 0;
	}
	err = add(kallsyms, address, name, end - name + 1, module);
	if (err)
		return err;
	if (reading->padding && address > reading->padding &&
	    address - reading->padding <= UINT8_MAX)
		kallsyms->symbols[kallsyms->count - 1].padding =
			(uint8_t)(address - reading->padding);
	reading->padding = 0;
	return 0;
}

int kallsyms_read(struct kallsyms *kallsyms, FILE *file)
{
	struct reading reading = {0};
	struct sections others = {0};
	struct lines *lines;
	char *line;
	int err = 0;

	memset(kallsyms, 0, sizeof(*kallsyms));
	kallsyms->modules = calloc(1, sizeof(*kallsyms->modules));
	lines = malloc(sizeof(*lines));
	if (!kallsyms->modules || !lines) {
		free(lines);
		return -ENOMEM;
	}
	lines->file = file;
	lines->at = lines->end = lines->block;
	kallsyms->module_count = 1;
	while (!err && (line = next_line(lines)))
		err = read_line(kallsyms, &reading, line);
	free(lines);
	if (err)
		return err;
	if (!reading.any)
		return -EINVAL;
	if (!reading.nonzero)
		return -EPERM;
	if (kallsyms->count)
		sort(kallsyms);
	return kallsyms_place(kallsyms, &others);
}

int kallsyms_open(struct kallsyms *kallsyms, const char *path)
{
	FILE *file = fopen(path, "re");
	int err;

	memset(kallsyms, 0, sizeof(*kallsyms));
	if (!file)
		return -errno;
	/* It is read by blocks of ours. */
	setvbuf(file, NULL, _IONBF, 0);
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
	sections_free(&kallsyms->sections);
	free(kallsyms->modules);
	free(kallsyms->symbols);
	free(kallsyms->text);
	memset(kallsyms, 0, sizeof(*kallsyms));
}
