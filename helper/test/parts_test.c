// SPDX-License-Identifier: Apache-2.0
/* The helper's pure parts keep their promises: stream, batches, patterns, control lines, symbols,
 * BTF. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <linux/types.h>

#include "../control.h"
#include "../encode.h"
#include "../functions.h"
#include "../glob.h"
#include "../kallsyms.h"
#include "../options.h"
#include "../reasons.h"
#include "../stream.h"

static unsigned passed, failed;

/* One promise. */
#define promise(condition, text)                                                                   \
	do {                                                                                       \
		if (condition) {                                                                   \
			passed++;                                                                  \
		} else {                                                                           \
			failed++;                                                                  \
			printf("FAILED %s:%d %s\n", __FILE__, __LINE__, text);                     \
		}                                                                                  \
	} while (0)

static bool same_bytes(const struct bytes *bytes, const void *expected, size_t length)
{
	return !bytes->failed && bytes->length == length &&
	       (!length || memcmp(bytes->data, expected, length) == 0);
}

/* ---- stream ---- */

static void numbers_are_written_as_the_format_says(void)
{
	struct bytes out = {0};

	put_varint(&out, 0);
	put_varint(&out, 127);
	put_varint(&out, 128);
	put_varint(&out, 300);
	promise(same_bytes(&out, "\x00\x7f\x80\x01\xac\x02", 6), "varints");
	bytes_free(&out);
	put_varint(&out, UINT64_MAX);
	promise(same_bytes(&out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10), "the largest");
	bytes_free(&out);
	put_zigzag(&out, 0);
	put_zigzag(&out, -1);
	put_zigzag(&out, 1);
	put_zigzag(&out, -64);
	promise(same_bytes(&out, "\x00\x01\x02\x7f", 4), "zigzag");
	bytes_free(&out);
	put_zigzag(&out, INT64_MIN);
	promise(same_bytes(&out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10), "the smallest");
	bytes_free(&out);
	put_u32(&out, 0x01020304);
	promise(same_bytes(&out, "\x04\x03\x02\x01", 4), "little endian");
	bytes_free(&out);
}

static void a_message_is_protobuf(void)
{
	struct bytes message = {0}, inner = {0};

	field_varint(&message, 1, 0);
	field_string(&message, 2, "");
	promise(message.length == 0, "zero and empty fields are left out");
	field_varint(&message, 1, 150);
	field_string(&message, 2, "testing");
	promise(same_bytes(&message, "\x08\x96\x01\x12\x07testing", 12), "varint and string");
	bytes_free(&message);
	field_varint(&inner, 1, 150);
	field_message(&message, 3, &inner);
	field_fixed64(&message, 2, 1);
	promise(same_bytes(&message, "\x1a\x03\x08\x96\x01\x11\x01\0\0\0\0\0\0\0", 14),
		"sub-message and fixed64");
	bytes_free(&message);
	bytes_free(&inner);
}

static void a_string_that_is_no_utf8_is_mended(void)
{
	static const char *const cases[][2] = {
		{"a\xff", "a\xef\xbf\xbd"},
		{"\xc3\xa4", "\xc3\xa4"},
		{"\xc3", "\xef\xbf\xbd"},
		{"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bytes message = {0};
		size_t length = strlen(cases[i][1]);

		field_string(&message, 1, cases[i][0]);
		promise(!message.failed && message.length == length + 2 &&
				memcmp(message.data + 2, cases[i][1], length) == 0,
			"bad bytes become U+FFFD");
		bytes_free(&message);
	}
}

static void a_stalled_reader_blocks_nothing(void)
{
	struct stream stream;
	struct bytes payload = {0};
	int pipe_ends[2];
	size_t frames = 0, read_bytes = 0;
	char buffer[4096];

	if (pipe2(pipe_ends, O_NONBLOCK)) {
		promise(false, "a pipe");
		return;
	}
	stream_open(&stream, pipe_ends[1], 100000);
	for (int i = 0; i < 1000; i++)
		put_u8(&payload, i);
	while (stream_room(&stream, payload.length + 5) && frames < 10000) {
		promise(stream_frame(&stream, FRAME_EVENTS, &payload), "a frame queues");
		frames++;
	}
	promise(stream_waiting(&stream) <= 100000 && frames > 100, "the queue is bounded");
	promise(!stream_drain(&stream, 20), "a reader that stalls ends the wait");
	for (;;) {
		ssize_t length = read(pipe_ends[0], buffer, sizeof(buffer));

		if (length > 0)
			read_bytes += length;
		else if (stream_waiting(&stream))
			stream_write(&stream);
		else
			break;
	}
	promise(read_bytes == frames * 1005, "what was queued arrives whole");
	close(pipe_ends[0]);
	promise(!stream_frame(&stream, FRAME_EVENTS, &payload) && stream.closed,
		"a reader that is gone is noticed");
	close(pipe_ends[1]);
	stream_close(&stream);
	bytes_free(&payload);
}

/* ---- batches ---- */

static struct event some_event(void)
{
	struct event event = {
		.type = RECORD_EVENT,
		.cpu = 1,
		.hook = 5,
		.time = 1000,
		.packet = 7,
		.skb = 0x1122334455667788,
		.caller = 0x1010,
		.pid = 42,
		.netns = 2,
		.ifindex = 3,
		.len = 84,
		.protocol = 0x0800,
		.flags = EVENT_TUPLE,
		.family = 4,
		.l4_protocol = 1,
		.sport = 0x0800,
		.dport = 9,
		.saddr = {10, 0, 0, 1},
		.daddr = {10, 0, 0, 2},
	};

	return event;
}

static void a_batch_is_written_as_the_format_says(void)
{
	static const unsigned char expected[] = {
		2,			      /* records */
		0xe8, 0x03, 0, 0, 0, 0, 0, 0, /* base */
		0xbf, 0x0f,		      /* packet cpu task skb netns ifindex len */
					      /* protocol tuple caller */
		0, 5, 7, 1, 42,		      /* time hook packet cpu task */
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 2, 3, 84, 0x80, 0x10, /* skb … */
		4, 1, 10, 0, 0, 1, 10, 0, 0, 2, 0, 8, 9, 0,			      /* tuple */
		0x20,			 /* caller: 0x1010 − 0x1000, zigzag */
		0x80, 0x80, 0x02, 20, 6, /* free, 10 ns later, hook 6 */
	};
	unsigned char want[sizeof(expected)];
	struct batch batch;
	struct bytes payload = {0};
	struct event event = some_event();

	memcpy(want, expected, sizeof(want));
	if (!batch_open(&batch, 0x1000)) {
		promise(false, "memory");
		return;
	}
	promise(batch_add(&batch, &event, 0), "the first record");
	event.time += 10;
	event.hook = 6;
	event.caller = 0;
	event.flags = EVENT_FREE; /* and no tuple: it stays what it was */
	promise(batch_add(&batch, &event, 0), "the second record");
	batch_take(&batch, &payload);
	promise(same_bytes(&payload, want, sizeof(want)), "worked example");
	bytes_free(&payload);

	/* The next batch starts anew: the same event is written in full again. */
	event = some_event();
	promise(batch_add(&batch, &event, 0), "a record of the next batch");
	batch_take(&batch, &payload);
	promise(payload.length == sizeof(want) - 5, "nothing is remembered between batches");
	bytes_free(&payload);
	batch_close(&batch);
}

static void a_batch_takes_no_more_than_it_has_memory_for(void)
{
	struct batch batch;
	struct bytes payload = {0};
	struct event event = some_event();
	unsigned taken = 0;

	if (!batch_open(&batch, 0)) {
		promise(false, "memory");
		return;
	}
	for (event.packet = 1; batch_add(&batch, &event, 0); event.packet++)
		taken++;
	promise(taken == BATCH_RECORDS, "a full batch says so");
	batch_take(&batch, &payload);
	promise(!payload.failed && batch_add(&batch, &event, 0),
		"and takes records again when sent");
	bytes_free(&payload);
	batch_close(&batch);
}

/* ---- patterns ---- */

static void patterns_match_whole_names(void)
{
	promise(glob_match("ip_rcv", "ip_rcv"), "a name");
	promise(!glob_match("ip_rcv", "ip_rcv_core"), "the whole of it");
	promise(glob_match("ip_*", "ip_rcv") && glob_match("*", ""), "*");
	promise(glob_match("*_rcv*core", "__ip_rcv_x_core"), "two *");
	promise(glob_match("tcp_v?_rcv", "tcp_v4_rcv") && !glob_match("tcp_v?_rcv", "tcp_v_rcv"),
		"?");
	promise(glob_match("tcp_v[46]_rcv", "tcp_v6_rcv") && !glob_match("[!a-c]x", "bx"), "[…]");
	promise(glob_match("[]]", "]") && glob_match("[a", "[a") && !glob_match("", "a"), "edges");
	promise(!glob_match("*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"no pattern takes forever");
}

/* ---- control lines ---- */

static enum command command_of(const char *line)
{
	/* A copy without a zero behind it, so that the sanitizer sees a read too far. */
	size_t length = strlen(line);
	char *copy = malloc(length + 1);
	enum command command;

	memcpy(copy, line, length);
	copy = realloc(copy, length ? length : 1);
	command = control_line(copy, length);
	free(copy);
	return command;
}

static void control_lines_are_understood_or_refused(void)
{
	static const char *const bad[] = {
		"stop",
		"{",
		"{\"cmd\"",
		"{\"cmd\":}",
		"{\"cmd\":\"stop\"",
		"{\"cmd\":\"stop",
		"{\"cmd\":\"stop\"} x",
		"{}",
		"{\"cmd\":\"no\"}",
		"{\"cmd\":\"stop\\\"",
		"{\"cmd\":7}",
		"[]",
		"{\"cmd\":\"st\\",
	};

	promise(command_of("{\"cmd\":\"stop\"}") == COMMAND_STOP, "stop");
	promise(command_of(" { \"cmd\" : \"pause\" } \r") == COMMAND_PAUSE, "space");
	promise(command_of("{\"cmd\":\"resume\",\"id\":-1.5e3,\"x\":\"a\\\"b\"}") == COMMAND_RESUME,
		"other keys are skipped");
	promise(command_of("{\"cmd\":\"heartbeat\"}") == COMMAND_HEARTBEAT, "heartbeat");
	promise(command_of("") == COMMAND_NONE, "an empty line asks for nothing");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		promise(command_of(bad[i]) == COMMAND_BAD, bad[i]);
}

/* ---- symbols ---- */

static int read_text(struct kallsyms *kallsyms, const char *text)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	int err = file ? kallsyms_read(kallsyms, file) : -ENOMEM;

	if (file)
		fclose(file);
	return err;
}

static void an_address_finds_its_function(void)
{
	struct kallsyms kallsyms;
	struct symbol *symbol;

	promise(read_text(&kallsyms, "ffffffff81000000 T _stext\n"
				     "ffffffff81000000 T _text\n"
				     "ffffffff81000200 t second.isra.0\n"
				     "ffffffff81000100 T first\n"
				     "ffffffff81000180 d no_text\n"
				     "ffffffffc0001000 t in_module\t[veth]\n"
				     "garbage\n\nffffffff81000300 T\n") == 0,
		"a table is read");
	promise(kallsyms.count == 5 && kallsyms.text_base == 0xffffffff81000000,
		"text only, and _stext");
	symbol = kallsyms_find(&kallsyms, 0xffffffff810001ff);
	promise(symbol && strcmp(symbol_name(&kallsyms, symbol), "first") == 0 &&
			symbol_size(&kallsyms, symbol) == 0x100,
		"by any address in it");
	symbol = kallsyms_find(&kallsyms, 0xffffffffc0001004);
	promise(symbol && strcmp(symbol_module(&kallsyms, symbol), "veth") == 0, "in a module");
	promise(!kallsyms_find(&kallsyms, 0x1000) && !kallsyms_find(&kallsyms, 0xffffffffe0000000),
		"an address of nothing finds nothing");
	kallsyms_close(&kallsyms);
	promise(read_text(&kallsyms, "0000000000000000 T _stext\n0000000000000000 T first\n") ==
			-EPERM,
		"hidden addresses are told from none");
	kallsyms_close(&kallsyms);
	promise(read_text(&kallsyms, "nothing\n") == -EINVAL, "what is no table is refused");
	kallsyms_close(&kallsyms);
}

/* ---- BTF ---- */

struct found {
	char names[512];
	char prototype[256];
	const struct btf *btf;
};

static int note(const struct candidate *candidate, void *context)
{
	struct found *found = context;
	size_t length = strlen(found->names);

	snprintf(found->names + length, sizeof(found->names) - length, "%s:%d ", candidate->name,
		 candidate->position);
	if (strcmp(candidate->name, "second") == 0)
		btf_prototype(found->btf, candidate->proto, candidate->name, found->prototype,
			      sizeof(found->prototype));
	return 0;
}

static void functions_are_chosen_by_their_arguments(void)
{
	struct btf *btf = btf__new_empty();
	struct found found = {.btf = btf};
	int integer, skb, pointer, const_skb, const_pointer, alias, big, other, proto;

	integer = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	skb = btf__add_struct(btf, "sk_buff", 232);
	pointer = btf__add_ptr(btf, skb);
	const_skb = btf__add_const(btf, skb);
	const_pointer = btf__add_ptr(btf, const_skb);
	alias = btf__add_typedef(btf, "skb_t", pointer);
	big = btf__add_struct(btf, "sixteen", 16);
	other = btf__add_ptr(btf, big);

	proto = btf__add_func_proto(btf, integer);
	btf__add_func_param(btf, "skb", pointer);
	btf__add_func(btf, "first", BTF_FUNC_STATIC, proto);

	proto = btf__add_func_proto(btf, 0);
	btf__add_func_param(btf, "count", integer);
	btf__add_func_param(btf, "skb", const_pointer);
	btf__add_func(btf, "second", BTF_FUNC_GLOBAL, proto);

	proto = btf__add_func_proto(btf, 0);
	for (int i = 0; i < 7; i++)
		btf__add_func_param(btf, "more", other);
	btf__add_func_param(btf, "skb", alias);
	btf__add_func(btf, "eighth", BTF_FUNC_STATIC, proto);

	proto = btf__add_func_proto(btf, 0);
	btf__add_func_param(btf, "value", big);
	btf__add_func_param(btf, "skb", pointer);
	btf__add_func(btf, "unclear", BTF_FUNC_STATIC, proto);

	proto = btf__add_func_proto(btf, pointer);
	btf__add_func_param(btf, "sixteen", other);
	btf__add_func_param(btf, "two", btf__add_ptr(btf, pointer));
	btf__add_func(btf, "none", BTF_FUNC_STATIC, proto);

	promise(btf_each_candidate(btf, 1, note, &found) == 0, "every function is looked at");
	promise(strcmp(found.names, "first:1 second:2 eighth:8 unclear:0 ") == 0,
		"const, typedef, any position; not by value, not a pointer to a pointer");
	promise(strcmp(found.prototype, "void second(int count, const struct sk_buff *skb)") == 0,
		"the prototype reads like C");
	btf__free(btf);
}

static void reasons_are_named_by_the_kernels_own_enums(void)
{
	struct btf *btf = btf__new_empty();
	struct reasons reasons = {0};

	btf__add_enum(btf, "skb_drop_reason", 4);
	btf__add_enum_value(btf, "SKB_NOT_DROPPED_YET", 0);
	btf__add_enum_value(btf, "SKB_DROP_REASON_NO_SOCKET", 3);
	btf__add_enum_value(btf, "SKB_DROP_REASON_MAX", 4);
	btf__add_enum_value(btf, "SKB_DROP_REASON_SUBSYS_MASK", -65536);
	btf__add_enum(btf, "ovs_drop_reason", 4);
	btf__add_enum_value(btf, "OVS_DROP_LAST_ACTION", 0x30001);
	btf__add_enum(btf, "other", 4);
	btf__add_enum_value(btf, "OTHER", 5);
	promise(reasons_add(&reasons, btf, 1) == 0 && reasons.count == 3, "only drop reasons");
	promise(strcmp(reason_name(&reasons, 3), "NO_SOCKET") == 0, "without the prefix");
	promise(strcmp(reason_name(&reasons, 0x30001), "OVS_DROP_LAST_ACTION") == 0,
		"a subsystem's");
	promise(!reason_name(&reasons, 5), "what has no name has none");
	reasons_free(&reasons);
	btf__free(btf);
}

/* ---- the command line ---- */

static int parse(struct options *options, const char *const *words)
{
	char *argv[16];
	int argc = 0, err;

	argv[argc++] = "packet-trail-helper";
	while (*words && argc < 15)
		argv[argc++] = (char *)*words++;
	argv[argc] = NULL;
	optind = 0;
	err = options_parse(options, argc, argv);
	return err;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void bad_arguments_are_refused(void)
{
	static const char *const bad[][2] = {
		{"--limit", "0"},	 {"--limit", "5x"},	{"--limit", "-1"},
		{"--limit", ""},	 {"--mark", "1/0"},	{"--mark", "0x1ffffffff"},
		{"--mark", "16/15"},	 {"--buffer", "3M"},	{"--buffer", "1"},
		{"--buffer", "16MB"},	 {"--buffer", "4096M"}, {"--duration", "x"},
		{"--duration", "1s"},	 {"--duration", "0"},	{"--heartbeat", "-1"},
		{"--backend", "fentry"}, {"--function", ""},	{"--netns", ""},
		{"--interface", ""},	 {"--nothing", "x"},	{"--limit", "99999999999999999999"},
	};
	struct options options;
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	/* The refusals are on stderr; the test's reader needn't see them. */
	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		promise(parse(&options, WORDS(bad[i][0], bad[i][1])) == -1, bad[i][1]);
		options_free(&options);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
}

static void the_rest_of_the_line_is_the_filter(void)
{
	struct options options;

	promise(parse(&options, WORDS("--mark", "0x10/0xff", "--duration", "1.5", "--buffer", "64K",
				      "tcp", "port", "80", "and", "--limit")) == 0,
		"options, then a filter");
	promise(strcmp(options.filter, "tcp port 80 and --limit") == 0,
		"all words after the options");
	promise(options.mark == 0x10 && options.mark_mask == 0xff && options.duration_ms == 1500 &&
			options.buffer == 65536 && !options.limit,
		"values");
	options_free(&options);
	promise(parse(&options, WORDS("--stream")) == 0 && !*options.filter,
		"none is every packet");
	options_free(&options);
}

int main(void)
{
	/* As the helper does: a reader that is gone is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	numbers_are_written_as_the_format_says();
	a_message_is_protobuf();
	a_string_that_is_no_utf8_is_mended();
	a_stalled_reader_blocks_nothing();
	a_batch_is_written_as_the_format_says();
	a_batch_takes_no_more_than_it_has_memory_for();
	patterns_match_whole_names();
	control_lines_are_understood_or_refused();
	an_address_finds_its_function();
	functions_are_chosen_by_their_arguments();
	reasons_are_named_by_the_kernels_own_enums();
	bad_arguments_are_refused();
	the_rest_of_the_line_is_the_filter();
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
