// SPDX-License-Identifier: Apache-2.0
/*
 * Every text and table that comes from outside, in thousands of broken shapes, under the
 * sanitizers: control lines, filters, globs, kallsyms, modules, BTF, names. What is known to be
 * right of any answer is asked for. PACKET_TRAIL_FUZZ_SECONDS lengthens each target's time,
 * PACKET_TRAIL_FUZZ_SEED repeats a run. It is long since one program holds them all, as
 * parts_test.c does.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/types.h>
#include "../../bpf/event.h"
#include "../btf.h"
#include "../control.h"
#include "../escape.h"
#include "../filter.h"
#include "../glob.h"
#include "../json.h"
#include "../kallsyms.h"
#include "../modules.h"
#include "../sections.h"
#include "../utf8.h"

#define INPUT_MAX 2048

static unsigned long passed, failed;
static uint64_t seed = 1;

__attribute__((format(printf, 2, 3))) static void promise(bool kept, const char *format, ...)
{
	va_list args;

	if (kept) {
		passed++;
		return;
	}
	failed++;
	printf("broken: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* xorshift64: the same everywhere. */
static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

struct input {
	uint8_t bytes[INPUT_MAX];
	size_t length;
};

/* Puts bytes in place of some that are there. */
static void splice(struct input *input, size_t at, size_t cut, const void *bytes, size_t length)
{
	if (at > input->length)
		at = input->length;
	if (cut > input->length - at)
		cut = input->length - at;
	if (input->length - cut + length > sizeof(input->bytes))
		return;
	memmove(input->bytes + at + length, input->bytes + at + cut, input->length - at - cut);
	memcpy(input->bytes + at, bytes, length);
	input->length += length - cut;
}

/* One of the words, broken a few times. */
static void make(struct input *input, const char *const *words, uint32_t count)
{
	const char *word = words[any(count)];

	input->length = strlen(word);
	memcpy(input->bytes, word, input->length);
	for (uint32_t changes = any(6); changes; changes--) {
		size_t at = any((uint32_t)input->length + 1);
		uint8_t byte = (uint8_t)any(256);

		switch (any(5)) {
		case 0:
			splice(input, at, 1, &byte, 1);
			break;
		case 1:
			splice(input, at, any(8), "", 0);
			break;
		case 2:
			splice(input, at, 0, &byte, 1);
			break;
		case 3:
			word = words[any(count)];
			splice(input, at, any(4), word, strlen(word));
			break;
		default:
			word = words[any(count)];
			splice(input, at, 0, word, any((uint32_t)strlen(word) + 1));
			break;
		}
	}
}

/* As text; a zero in it ends it. Of its own size, so that a read too far is seen. */
static char *text_of(const struct input *input)
{
	return strndup((const char *)input->bytes, input->length);
}

static void control(void)
{
	static const char *const words[] = {
		"{\"cmd\":\"stop\"}",
		"{\"cmd\":\"filter\",\"filter\":\"tcp port 80\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\u00e9\\ud83d\\ude00\\\\\\\"\"}",
		" { \"cmd\" : \"pause\" , \"x\" : -1.5e3 } ",
		"\\u",
		"\\ud83d",
		"\"",
		":",
		"\\",
	};
	static char filter[CONTROL_LINE];
	struct input input;
	uint8_t *line;
	enum command command;

	make(&input, words, sizeof(words) / sizeof(*words));
	line = malloc(input.length ? input.length : 1);
	if (!line)
		return;
	memcpy(line, input.bytes, input.length);
	memset(filter, 'x', sizeof(filter));
	command = control_line((const char *)line, input.length, filter);
	promise(command <= COMMAND_BAD, "a command that is none: %d", (int)command);
	promise(command != COMMAND_FILTER || memchr(filter, 0, input.length + 1),
		"a filter longer than its line");
	free(line);
}

/* Would the verifier see every instruction end well? */
static bool well_formed(const struct filter_insns *filter)
{
	for (size_t i = 0; i < filter->cnt; i++) {
		const struct bpf_insn *insn = &filter->insns[i];
		uint8_t class = insn->code & 7, operation = insn->code & 0xf0;

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW)) {
			i++;
			continue;
		}
		if ((class != BPF_JMP && class != BPF_JMP32) || operation == BPF_EXIT)
			continue;
		if (insn->off < 0 || i + 1 + (size_t)insn->off >= filter->cnt)
			return false;
	}
	return filter->cnt && filter->extent <= FILTER_SCRATCH;
}

static void filter(void)
{
	static const char *const words[] = {
		"tcp port 80",
		"icmp[icmptype] = icmp-echo",
		"ip6 and not udp portrange 1-1024",
		"host 10.0.0.1 or net 192.168.0.0/16",
		"ether host 00:11:22:33:44:55",
		"vlan 5 and ip",
		"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
		"ip[0] & 0xf != 5",
		"len > 100",
		"protochain 6",
		" and ",
		" or ",
		"not ",
		"(",
		")",
		"[",
		"]",
		"4294967295",
	};
	struct filter_insns insns;
	struct input input;
	char error[64], *text;

	make(&input, words, sizeof(words) / sizeof(*words));
	text = text_of(&input);
	if (!text)
		return;
	for (int link = FILTER_ETHERNET; link <= FILTER_IP; link++) {
		memset(error, 'x', sizeof(error));
		if (filter_compile(text, (enum filter_link)link, &insns, error, sizeof(error))) {
			promise(memchr(error, 0, sizeof(error)), "no reason for: %s", text);
		} else {
			promise(well_formed(&insns), "jumps out of itself: %s", text);
			filter_free(&insns);
		}
	}
	free(text);
}

static void glob(void)
{
	static const char *const words[] = {"ip_*", "[a-z]?", "*[!0-9]",    "[",     "]",   "[]",
					    "*",    "?",      "tcp_v4_rcv", "[z-a]", "**a*"};
	struct input input;
	char *pattern, *text;

	make(&input, words, sizeof(words) / sizeof(*words));
	pattern = text_of(&input);
	make(&input, words, sizeof(words) / sizeof(*words));
	text = text_of(&input);
	if (pattern && text) {
		bool plain = !strpbrk(pattern, "*?[");

		promise(!plain || glob_match(pattern, text) == !strcmp(pattern, text),
			"a plain word is itself alone: %s, %s", pattern, text);
		promise(plain || glob_match(pattern, text) == glob_match(pattern, text), "%s",
			pattern);
		promise(glob_match("*", text), "* is everything: %s", text);
	}
	free(pattern);
	free(text);
}

/* To be read; NULL when there is nothing. */
static FILE *file_of(struct input *input)
{
	return input->length ? fmemopen(input->bytes, input->length, "r") : NULL;
}

static void kallsyms(void)
{
	static const char *const words[] = {
		"ffffffff81000000 T _stext\nffffffff81000100 t ip_rcv\n",
		"ffffffffc0000000 t nft_do_chain\t[nf_tables]\n",
		"0000000000000000 A nothing\n",
		"ffffffffffffffff W last\n",
		"\n",
		" [",
		"]",
		"\t",
		"zz",
	};
	struct kallsyms symbols;
	struct input input;
	FILE *file;

	make(&input, words, sizeof(words) / sizeof(*words));
	file = file_of(&input);
	if (!file)
		return;
	if (kallsyms_read(&symbols, file) == 0) {
		for (size_t i = 0; i < symbols.count; i++) {
			const struct symbol *symbol = &symbols.symbols[i];
			const struct symbol *found = kallsyms_find(&symbols, symbol->address);

			/* A mark holds nothing. */
			promise(found ? found->address == symbol->address
				      : !symbol_size(&symbols, symbol),
				"a symbol isn't found at its address");
			promise(strlen(symbol_name(&symbols, symbol)) > 0,
				"a symbol without a name");
			symbol_module(&symbols, symbol);
		}
	}
	kallsyms_close(&symbols);
	fclose(file);
}

static void modules(void)
{
	static const char *const words[] = {
		"veth 45056 0 - Live 0xffffffffc0123000\n",
		"nf_tables 385024 5 nft_ct,nft_chain_nat, Live 0xffffffffc0400000 (OE)\n",
		"half 4096 1 - Loading 0xffffffffc0100000\n",
		"hidden 18446744073709551615 0 - Live 0x0000000000000000\n",
		" Live ",
		"0xffffffffffffffff",
		"\n",
		"-",
	};
	struct sections sections = {0};
	struct input input;
	uint64_t hash = 0;
	size_t count;
	char **names;
	FILE *file;

	make(&input, words, sizeof(words) / sizeof(*words));
	file = file_of(&input);
	if (!file)
		return;
	names = modules_read(file, &count);
	for (size_t i = 1; names && i < count; i++)
		promise(strcmp(names[i - 1], names[i]) <= 0, "modules in no order");
	if (names)
		modules_free(names, count);
	rewind(file);
	if (sections_add_modules(&sections, file, &hash) == 0) {
		sections_sort(&sections);
		for (size_t i = 0; i < sections.count; i++) {
			const struct section *section = &sections.items[i];

			promise(section->begin <= section->end, "a section ends before it begins");
			promise(!i || section[-1].end <= section->begin,
				"sections lie over each other");
		}
	}
	sections_free(&sections);
	fclose(file);
}

static int see(const struct candidate *candidate, void *context)
{
	const struct btf *btf = context;
	char text[80];

	memset(text, 'x', sizeof(text));
	btf_prototype(btf, candidate->proto, candidate->name, text, sizeof(text));
	promise(memchr(text, 0, sizeof(text)), "a prototype without an end");
	return 0;
}

/* A function that takes an skb, its types crossed: what is read is bounded, whoever wrote it. */
static void btf(void)
{
	struct btf *made = btf__new_empty(), *read;
	const void *raw;
	uint8_t *bytes;
	__u32 size;
	int skb, pointer, proto;

	if (!made)
		return;
	skb = btf__add_struct(made, "sk_buff", 4);
	pointer = btf__add_ptr(made, skb);
	for (uint32_t extra = any(3); extra; extra--)
		pointer = any(2) ? btf__add_const(made, pointer)
				 : btf__add_typedef(made, "t", pointer);
	proto = btf__add_func_proto(made, pointer);
	btf__add_func_param(made, "skb", pointer);
	btf__add_func(made, "ip_rcv", BTF_FUNC_STATIC, proto);
	raw = btf__raw_data(made, &size);
	bytes = raw ? malloc(size) : NULL;
	if (bytes) {
		const struct btf_header *header = raw;

		memcpy(bytes, raw, size);
		/* Types alone: libbpf checks the header and is what reads it. */
		for (uint32_t changes = any(4); changes; changes--)
			bytes[header->hdr_len + header->type_off + any(header->type_len)] =
				(uint8_t)any(16);
		read = btf__new(bytes, size);
		if (read) {
			btf_each_candidate(read, 1, see, read);
			btf__free(read);
		}
		passed++;
	}
	free(bytes);
	btf__free(made);
}

/* Is all of it text that a terminal only shows? */
static bool is_shown(const char *text)
{
	while (*text) {
		int32_t character = utf8_next(&text);

		if (character < 0 || utf8_unseen(character))
			return false;
	}
	return true;
}

/* The bytes that were escaped so; what a character's escape means is left as it is written. */
static char *unescaped(const char *text)
{
	static const char letters[] = "nrt\\", meant[] = "\n\r\t\\";
	char *bytes = malloc(strlen(text) + 1), *to = bytes;

	while (bytes && *text) {
		const char *letter;
		unsigned int byte;

		if (*text != '\\') {
			*to++ = *text++;
			continue;
		}
		letter = strchr(letters, text[1]);
		if (letter) {
			*to++ = meant[letter - letters];
			text += 2;
		} else if (sscanf(text, "\\x%2x", &byte) == 1) {
			*to++ = (char)byte;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	if (bytes)
		*to = 0;
	return bytes;
}

static void names(void)
{
	static const char *const words[] = {
		"eth0",		"\x1b[2J",	    "a\nb",	    "\\x1b",
		"gr\xc3\xbcn",	"\xc2\x9b",	    "\xe2\x80\xae", "\xf0\x9f\x98\x80",
		"\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xed\xa0\x80", "\xff",
	};
	char shown[INPUT_MAX * ESCAPE_ROOM], *text, *back, *json = NULL;
	const char *rest;
	struct input input;
	size_t size;
	FILE *file;

	make(&input, words, sizeof(words) / sizeof(*words));
	text = text_of(&input);
	file = open_memstream(&json, &size);
	if (!text || !file)
		abort();
	rest = text;
	escape(&rest, shown, sizeof(shown));
	promise(!*rest && is_shown(shown), "a terminal would obey: %s", shown);
	back = unescaped(shown);
	if (back && !strstr(shown, "\\u") && !strstr(shown, "\\U"))
		promise(strcmp(back, text) == 0, "another name looks like: %s", shown);
	json_string(file, text);
	fclose(file);
	promise(is_shown(json) && size >= 2 && json[size - 1] == '"', "no JSON: %s", shown);
	free(json);
	free(back);
	free(text);
}

static void run(const char *name, void (*target)(void), double seconds)
{
	struct timespec begin, now;
	unsigned long rounds = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (int i = 0; i < 100; i++)
			target();
		rounds += 100;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 <
		 seconds);
	printf("%s: %lu broken inputs\n", name, rounds);
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(void)
{
	const char *more = getenv("PACKET_TRAIL_FUZZ_SECONDS");
	const char *again = getenv("PACKET_TRAIL_FUZZ_SEED");
	double seconds = more ? strtod(more, NULL) : 0.5;

	seed = again ? strtoull(again, NULL, 0) : (uint64_t)time(NULL) | 1;
	printf("fuzz: PACKET_TRAIL_FUZZ_SEED=%llu\n", (unsigned long long)seed);
	libbpf_set_print(silent);
	run("control lines", control, seconds);
	run("filters", filter, seconds);
	run("globs", glob, seconds);
	run("kallsyms", kallsyms, seconds);
	run("modules", modules, seconds);
	run("BTF", btf, seconds);
	run("names", names, seconds);
	printf("%lu passed, %lu failed\n", passed, failed);
	return failed != 0;
}
