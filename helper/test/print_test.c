// SPDX-License-Identifier: Apache-2.0
/*
 * What is printed: names as they are shown and never obeyed, and all that a trace has, or a word of
 * what could not be written. It is long by what a terminal would obey, in each place that prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/types.h>

#include "../escape.h"
#include "../functions.h"
#include "../json.h"
#include "../kallsyms.h"
#include "../list.h"
#include "../log.h"
#include "../reasons.h"
#include "../sink.h"
#include "promise.h"
#include "some_event.h"
#include "symbols.h"

/* ---- text of others ---- */

/* Clears a screen, ends a line, is no UTF-8, turns what follows round, and looks like an escape. */
#define EVIL	     "\x1b[2J\n\xff\xe2\x80\xae\\"
#define EVIL_SHOWN   "\\x1b[2J\\n\\xff\\u202e\\\\"
#define EVIL_IN_JSON "\"\\u001b[2J\\u000a\\ufffd\\u202e\\\\\""

/* What is written to this descriptor, to be freed. */
static char *written(int to, void (*act)(void))
{
	int saved = dup(to), file = memfd_create("written", 0);
	off_t length;
	char *text;

	fflush(NULL);
	dup2(file, to);
	act();
	fflush(NULL);
	dup2(saved, to);
	close(saved);
	length = lseek(file, 0, SEEK_END);
	text = calloc(1, (size_t)length + 1);
	if (!text || pread(file, text, (size_t)length, 0) != length)
		abort();
	close(file);
	return text;
}

static size_t times(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* Nothing of EVIL is in it as it was; a line's end is one of ours. */
static bool harmless(const char *text)
{
	return !strpbrk(text, "\x1b\xff") && !strstr(text, "\xe2\x80\xae") && !strstr(text, "2J\n");
}

static const char *escaped(const char *text)
{
	static char out[64];
	const char *rest = text;

	escape(&rest, out, sizeof(out));
	promise(!*rest, "there is room");
	return out;
}

static void what_a_terminal_would_obey_is_written_out(void)
{
	static const char *const cases[][2] = {
		{"eth0", "eth0"},
		{"gr\xc3\xbcn \xe6\x97\xa5 \xf0\x9f\x98\x80",
		 "gr\xc3\xbcn \xe6\x97\xa5 \xf0\x9f\x98\x80"},
		{"\n\r\t\\", "\\n\\r\\t\\\\"},
		{"\x01\x1b\x7f", "\\x01\\x1b\\x7f"},
		/* C1, as bytes and as UTF-8. */
		{"\x9b\x32J", "\\x9b2J"},
		{"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa1", "\\u0080\\u009b\\u009f\xc2\xa1"},
		/* Cut short, overlong, half of a pair, beyond Unicode. */
		{"\xc3", "\\xc3"},
		{"\xe2\x82", "\\xe2\\x82"},
		{"\xc0\x9b", "\\xc0\\x9b"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		/* Bidirectional, invisible, ends of lines. */
		{"\xe2\x80\x8b\xe2\x80\x8f\xe2\x80\x90", "\\u200b\\u200f\xe2\x80\x90"},
		{"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae",
		 "\\u2028\\u2029\\u202a\\u202e"},
		{"\xe2\x81\xa6\xe2\x81\xa9\xef\xbb\xbf", "\\u2066\\u2069\\ufeff"},
		{"\xf3\xa0\x81\x81", "\\U000e0041"},
		/* Their low byte is that of an end of a line, and of a backslash. */
		{"\xc4\x8a\xc5\x9c", "\xc4\x8a\xc5\x9c"},
	};
	const char *rest = "ab\x1b"
			   "cd";
	char out[ESCAPE_ROOM + 2];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		promise(strcmp(escaped(cases[i][0]), cases[i][1]) == 0, cases[i][1]);
	promise(escape(&rest, out, sizeof(out)) == 6 && strcmp(out, "ab\\x1b") == 0 &&
			strcmp(rest, "cd") == 0,
		"what finds no room is left");
}

static struct kallsyms evil_symbols;
static struct reasons evil_reasons;

static void trace_evil(bool json)
{
	struct hook items[] = {{.id = 1, .function = EVIL, .module = EVIL, .prototype = ""},
			       {.id = 2, .function = "ip_rcv", .module = "", .prototype = ""}};
	struct hooks hooks = {.items = items, .count = 2};
	struct sink *sink = print_sink(STDOUT_FILENO, json, &hooks);
	struct event event = some_event();
	const uint64_t stack[STACK_DEPTH] = {0xffffffff81000104};

	sink->hello(sink, NULL, &evil_symbols);
	sink->reasons(sink, &evil_reasons);
	sink->netns(sink, 2, 0, EVIL);
	sink->iface(sink, 2, 3, EVIL);
	sink->netns(sink, 4, 0, "gr\xc3\xbcn");
	sink->iface(sink, 4, 3, "eth0");
	event.hook = 1;
	event.flags |= EVENT_DROP;
	event.reason = 9;
	event.caller = 0xffffffff81000102;
	memcpy(event.comm, EVIL, sizeof(EVIL));
	sink->event(sink, &event, stack);
	event = some_event();
	event.hook = 2;
	event.netns = 4;
	sink->event(sink, &event, NULL);
	sink->flush(sink);
	sink->destroy(sink);
}

static void trace_evil_for_a_person(void)
{
	trace_evil(false);
}

static void trace_evil_for_a_program(void)
{
	trace_evil(true);
}

static void end_with_evil(void)
{
	const struct hooks none = {0};
	struct sink *sink = print_sink(STDOUT_FILENO, false, &none);
	const struct totals totals = {0};

	sink->end(sink, "error", &totals, EVIL);
	sink->destroy(sink);
}

static void a_trace_shows_names_and_never_obeys_them(void)
{
	char *text;

	/* What a symbol is called has no other characters: kallsyms.c reads none. */
	promise(read_text(&evil_symbols, "ffffffff81000000 T _stext\n"
					 "ffffffff81000100 t e\\x1bvil\t[\x1b[2J]\n") == 0,
		"symbols");
	evil_reasons.items = calloc(1, sizeof(*evil_reasons.items));
	evil_reasons.items[0] = (struct reason){.value = 9, .name = strdup(EVIL)};
	evil_reasons.count = 1;
	text = written(STDOUT_FILENO, trace_evil_for_a_person);
	promise(harmless(text), "nothing reaches the terminal as it was");
	promise(times(text, "\n") == 3, "an event is one line, and each address of a stack");
	promise(times(text, EVIL_SHOWN) == 4, "namespace, interface, function, reason");
	promise(times(text, " at e\\\\x1bvil+0x2\n    e\\\\x1bvil+0x4\n") == 1,
		"the place of a drop, the stack");
	promise(strstr(text, "  1 gr\xc3\xbcn         eth0            #7      "
			     "ip_rcv                           ICMP 10.0.0.1 > "),
		"columns stand below each other, by characters");
	free(text);
	text = written(STDOUT_FILENO, trace_evil_for_a_program);
	promise(harmless(text) && times(text, "\n") == 2, "an object a line");
	promise(times(text, EVIL_IN_JSON) == 6,
		"function, module, process, namespace, interface, reason");
	promise(times(text, "\"e\\\\x1bvil+0x") == 2, "the drop's place, the stack");
	promise(strstr(text, "\"netns_name\":\"gr\xc3\xbcn\""), "what is text stays as it is");
	free(text);
	text = written(STDERR_FILENO, end_with_evil);
	promise(harmless(text) && strstr(text, EVIL_SHOWN "\n"), "why it ended");
	free(text);
	kallsyms_close(&evil_symbols);
	reasons_free(&evil_reasons);
}

static void list_evil(void)
{
	struct function item = {.name = EVIL, .module = EVIL, .prototype = EVIL};
	struct skipped skipped = {.name = EVIL, .module = EVIL, .reason = EVIL};
	const struct functions functions = {
		.items = &item, .count = 1, .skipped = &skipped, .skipped_count = 1};

	list_hooks(&functions, false);
	list_hooks(&functions, true);
}

static void a_list_shows_names_and_never_obeys_them(void)
{
	char *text = written(STDOUT_FILENO, list_evil);

	promise(harmless(text), "nothing reaches the terminal as it was");
	promise(strstr(text, "hook " EVIL_SHOWN ":" EVIL_SHOWN "  " EVIL_SHOWN "\n"
			     "skip " EVIL_SHOWN ":" EVIL_SHOWN "  " EVIL_SHOWN "\n"),
		"a line each");
	promise(times(text, EVIL_IN_JSON) == 6, "the same as JSON");
	free(text);
}

static void complain_of_evil(void)
{
	complain("no such interface: --interface %s: give another", EVIL);
}

static void a_message_is_one_line_whatever_it_is_about(void)
{
	static const char said[] = "no such interface: --interface " EVIL_SHOWN ": give another";
	char *text = written(STDERR_FILENO, complain_of_evil);

	promise(strncmp(text, "packet-trail-helper: ", 21) == 0, "ours");
	promise(strncmp(text + 21, said, sizeof(said) - 1) == 0 &&
			strcmp(strchr(text, '\n'), "\n") == 0,
		"one line that can be read");
	promise(strcmp(log_last(), said) == 0, "the end frame says the same");
	free(text);
}

__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_lines(format, args);
	va_end(args);
}

static void hear_evil(void)
{
	hear("libbpf: failed to open %s: %d\n", "\x1b[2J\xff", 2);
	hear("libbpf: -- BEGIN LOG --\n%s-- END LOG --\n", "0: (95) exit\n");
}

static void what_a_library_says_is_told_as_lines_when_all_is(void)
{
	char *text = written(STDERR_FILENO, hear_evil);

	promise(!*text, "nothing, unless it is asked for");
	free(text);
	log_verbose = true;
	text = written(STDERR_FILENO, hear_evil);
	log_verbose = false;
	promise(strcmp(text, "libbpf: failed to open \\x1b[2J\\xff: 2\n"
			     "libbpf: -- BEGIN LOG --\n  0: (95) exit\n  -- END LOG --\n") == 0,
		"a log keeps its lines, a name is none");
	free(text);
}

/* ---- a reader that is slow, a disk that is full ---- */

static struct hook one_hook[] = {{.id = 1, .function = "ip_rcv", .module = "", .prototype = ""}};
static const struct hooks some_hooks = {.items = one_hook, .count = 1};
static struct kallsyms some_symbols;
static struct sink *sink;

static void open_on(int fd, bool json)
{
	sink = print_sink(fd, json, &some_hooks);
	sink->hello(sink, NULL, &some_symbols);
}

/* Gives so many events, as far as the sink is not full; how many. */
static size_t give(size_t count, const uint64_t *stack)
{
	struct event event = some_event();
	size_t given = 0;

	for (event.hook = 1; given < count && !sink->full(sink); given++) {
		promise(sink->event(sink, &event, stack), "an event is taken");
		event.packet++;
	}
	return given;
}

static void end_it(void)
{
	const struct totals totals = {.delivered = 10000, .packets = 3};

	sink->end(sink, "stop", &totals, "");
}

/* What the person is told at the end, to be freed. */
static char *end_of_it(void)
{
	char *text = written(STDERR_FILENO, end_it);

	sink->destroy(sink);
	return text;
}

static const uint64_t two_callers[STACK_DEPTH] = {0xffffffff81000104, 0xffffffff81000102};

static void a_disk_that_is_full_is_told_and_what_is_lost_counted(void)
{
	for (int json = 0; json < 2; json++) {
		int full = open("/dev/full", O_WRONLY);
		char *text;

		open_on(full, json);
		promise(give(7, two_callers) == 7 && !sink->error(sink), "nothing is written yet");
		text = end_of_it();
		promise(strstr(text, "can't write the events: standard output (No space left on "
				     "device): ") &&
				strstr(text, "ended (stop): 9993 events of 3 packets, 7 lost\n"),
			text);
		free(text);
		open_on(full, json);
		give(1, NULL);
		sink->flush(sink);
		promise(sink->error(sink) == ENOSPC, "the trace needn't go on");
		promise(sink->waiting(sink) == -1, "and nothing waits to be written");
		free(end_of_it());
		close(full);
	}
}

/* Of a text that began with whole events: of how many the end is in it. */
static size_t whole_events(const char *text, bool json)
{
	return json ? times(text, "}\n") : times(text, "+0x2\n");
}

static void what_a_slow_reader_does_not_take_waits_and_is_counted(void)
{
	for (int json = 0; json < 2; json++) {
		static char got[4 << 20];
		size_t length = 0, given;
		int ends[2];
		char *text, lost[64];

		/* It blocks, as a terminal does. */
		if (pipe(ends))
			abort();
		open_on(ends[1], json);
		given = give(1000000, two_callers);
		promise(given < 100000 && sink->full(sink), "no more is taken than a bound");
		sink->flush(sink);
		promise(sink->waiting(sink) == ends[1], "the rest waits for its reader");
		/* It reads 100,000 bytes, and no more. */
		while (length < 100000) {
			length += (size_t)read(ends[0], got + length, 1000);
			sink->write(sink);
		}
		text = end_of_it();
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		for (ssize_t more; (more = read(ends[0], got + length, 4096)) > 0;)
			length += (size_t)more;
		got[length] = 0;
		snprintf(lost, sizeof(lost), "ended (stop): %zu events of 3 packets, %zu lost\n",
			 10000 - (given - whole_events(got, json)),
			 given - whole_events(got, json));
		promise(strstr(text, "were not read: ") && strstr(text, lost), text);
		free(text);
		close(ends[0]);
		close(ends[1]);
	}
}

static void a_terminal_that_would_block_loses_nothing(void)
{
	struct event event = some_event();
	static char got[4 << 20];
	size_t length = 0;
	int ends[2];

	/* As another program left it, which has the same terminal. */
	if (pipe2(ends, O_NONBLOCK))
		abort();
	open_on(ends[1], true);
	event.hook = 1;
	for (int i = 0; i < 2000; i++) {
		promise(sink->event(sink, &event, NULL), "an event is taken");
		sink->flush(sink);
	}
	while (sink->waiting(sink) >= 0) {
		length += (size_t)read(ends[0], got + length, 65536);
		sink->write(sink);
	}
	for (ssize_t more; (more = read(ends[0], got + length, 65536)) > 0;)
		length += (size_t)more;
	got[length] = 0;
	promise(times(got, "{\"time\"") == 2000 && times(got, "}\n") == 2000, "all arrive whole");
	promise(sink->error(sink) == 0, "and it goes on");
	free(end_of_it());
	close(ends[0]);
	close(ends[1]);
}

static void a_reader_that_left_misses_nothing(void)
{
	int ends[2];
	char *text;

	if (pipe(ends))
		abort();
	open_on(ends[1], false);
	give(10, NULL);
	close(ends[0]);
	sink->flush(sink);
	promise(sink->error(sink) == EPIPE, "it is noticed");
	sink->gap(sink, &(struct gap){.lost = 5, .cause = GAP_PIPE_FULL});
	text = end_of_it();
	promise(strncmp(text,
			"packet-trail-helper: ended (stop): 9990 events of 3 packets, 0 lost\n",
			sizeof("packet-trail-helper: ended (stop): 9990 events of 3 packets, 0 "
			       "lost\n")) == 0,
		text);
	free(text);
	close(ends[1]);
}

int main(void)
{
	/* As the helper does: a reader that is gone is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	what_a_terminal_would_obey_is_written_out();
	a_trace_shows_names_and_never_obeys_them();
	a_list_shows_names_and_never_obeys_them();
	a_message_is_one_line_whatever_it_is_about();
	what_a_library_says_is_told_as_lines_when_all_is();
	promise(read_text(&some_symbols, "ffffffff81000000 T _stext\nffffffff81000100 t a\n") == 0,
		"symbols");
	a_disk_that_is_full_is_told_and_what_is_lost_counted();
	what_a_slow_reader_does_not_take_waits_and_is_counted();
	a_terminal_that_would_block_loses_nothing();
	a_reader_that_left_misses_nothing();
	kallsyms_close(&some_symbols);
	return promises_told();
}
