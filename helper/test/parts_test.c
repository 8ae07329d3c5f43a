// SPDX-License-Identifier: Apache-2.0
/*
 * The helper's pure parts keep their promises: stream, batches, patterns, control lines, symbols,
 * BTF. It is long since one program holds them all: each part has a handful of
 * promises, and each program more is built, linked and started with every sanitizer.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <linux/types.h>

#include "../heat.h"
#include "../btf.h"
#include "../control.h"
#include "../encode.h"
#include "../functions.h"
#include "../glob.h"
#include "../kallsyms.h"
#include "../modules.h"
#include "../options.h"
#include "../reasons.h"
#include "../stream.h"
#include "promise.h"
#include "some_event.h"
#include "symbols.h"

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
	while (!stream_full(&stream) && frames < 10000) {
		promise(stream_frame(&stream, FRAME_EVENTS, &payload), "a frame queues");
		frames++;
	}
	promise(stream_waiting(&stream) < 100000 + 1005 && frames > 100, "the queue is bounded");
	promise(stream_frame(&stream, FRAME_END, &payload),
		"what must be said is queued all the same");
	frames++;
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
	promise(!stream_full(&stream), "and there is room again");
	close(pipe_ends[0]);
	promise(!stream_frame(&stream, FRAME_EVENTS, &payload) && stream.error == EPIPE,
		"a reader that is gone is noticed");
	close(pipe_ends[1]);
	stream_close(&stream);
	bytes_free(&payload);
}

/* ---- batches ---- */

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

static void a_verdict_is_written_with_what_it_redirects_to(void)
{
	static const unsigned char expected[] = {
		0x80, 0xc0, 0x08, 0, 5, /* verdict redirect, 0 ns later, hook 5 */
		14,   9,		/* 7, zigzag; ifindex 9 */
		0x80, 0x40, 0,	  5, 1, /* verdict: −1, and no redirect */
	};
	struct event event = some_event();
	struct bytes payload = {0};
	struct batch batch;

	if (!batch_open(&batch, 0x1000)) {
		promise(false, "memory");
		return;
	}
	promise(batch_add(&batch, &event, 0), "the packet's first record");
	event.caller = 0;
	event.flags = EVENT_VERDICT;
	event.verdict = 7;
	event.redirect = 9;
	promise(batch_add(&batch, &event, 0), "a redirect");
	event.verdict = -1;
	event.redirect = 0;
	promise(batch_add(&batch, &event, 0), "another verdict");
	batch_take(&batch, &payload);
	promise(payload.length > sizeof(expected) &&
			memcmp(payload.data + payload.length - sizeof(expected), expected,
			       sizeof(expected)) == 0,
		"verdicts");
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

static void any_pattern_does(void)
{
	static const char *const patterns[] = {"ip_rcv", "tcp_*", "[u-w]dp", "?ctp", ""};
	const size_t count = sizeof(patterns) / sizeof(*patterns);

	promise(glob_any(patterns, count, "ip_rcv") && glob_any(patterns, count, "tcp_rcv"),
		"by its first character");
	promise(glob_any(patterns, count, "udp") && glob_any(patterns, count, "sctp"), "or none");
	promise(glob_any(patterns, count, "") && !glob_any(patterns, 4, ""), "no text");
	promise(!glob_any(patterns, count, "icmp") && !glob_any(patterns, count, "tdp"), "none");
	promise(glob_any((const char *const[]){"*"}, 1, "arp") && !glob_any(patterns, 0, "arp"),
		"all, and no pattern at all");
}

/* ---- control lines ---- */

static char control_filter[CONTROL_LINE];

static enum command command_of(const char *line)
{
	/* A copy without a zero behind it, so that the sanitizer sees a read too far. */
	size_t length = strlen(line);
	char *copy = malloc(length + 1);
	enum command command;

	memcpy(copy, line, length);
	copy = realloc(copy, length ? length : 1);
	command = control_line(copy, length, control_filter);
	free(copy);
	return command;
}

static void the_hottest_hooks_go_first_and_no_more_than_needed(void)
{
	struct heat heats[] = {
		{.hits = 10, .hook = 0, .may_shut = true},
		{.hits = 500, .hook = 1, .may_shut = false},
		{.hits = 300, .hook = 2, .may_shut = true},
		{.hits = 190, .hook = 3, .may_shut = true},
		{.hits = 0, .hook = 4, .may_shut = true},
	};
	size_t count = sizeof(heats) / sizeof(*heats), chosen;

	/* Hook 2 has 30 % of the hits; without 65 % of that, 1,000 become 805. */
	promise(heat_choose(heats, count, 1000, 900, &chosen) && chosen == 1 && heats[0].hook == 2,
		"one hook is enough");
	promise(heat_choose(heats, count, 1000, 800, &chosen) && chosen == 2 && heats[1].hook == 3,
		"the second hottest, too");
	promise(!heat_choose(heats, count, 1000, 500, &chosen) && chosen == 3,
		"all that were hit and may go are not enough, and it says so");
	promise(heat_choose(heats, count, 1000, 1000, &chosen) && !chosen,
		"within the budget nothing goes");
	for (size_t i = 0; i < count; i++)
		heats[i].program = heats[i].hook == 2;
	promise(heat_choose(heats, count, 1000, 700, &chosen) && chosen == 1 && heats[0].hook == 2,
		"a hook on a program costs nothing once it is gone");
	for (size_t i = 0; i < count; i++)
		heats[i].hits = 0;
	promise(!heat_choose(heats, count, 1000, 500, &chosen) && !chosen,
		"without hits none is hot");
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
		"{\"cmd\":\"filter\"}",
		"{\"cmd\":\"filter\",\"filter\":7}",
		"{\"cmd\":\"filter\",\"filter\":\"\\q\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\u00\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\u0000\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\ud83d\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\ud83d\\u0041\"}",
		"{\"cmd\":\"filter\",\"filter\":\"\\udc00\"}",
	};

	promise(command_of("{\"cmd\":\"stop\"}") == COMMAND_STOP, "stop");
	promise(command_of(" { \"cmd\" : \"pause\" } \r") == COMMAND_PAUSE, "space");
	promise(command_of("{\"cmd\":\"resume\",\"id\":-1.5e3,\"x\":\"a\\\"b\"}") == COMMAND_RESUME,
		"other keys are skipped");
	promise(command_of("{\"cmd\":\"heartbeat\"}") == COMMAND_HEARTBEAT, "heartbeat");
	promise(command_of("") == COMMAND_NONE, "an empty line asks for nothing");
	promise(command_of("{\"filter\":\"tcp port 80\",\"cmd\":\"filter\"}") == COMMAND_FILTER &&
			!strcmp(control_filter, "tcp port 80"),
		"a filter");
	promise(command_of("{\"cmd\":\"filter\",\"filter\":\"\"}") == COMMAND_FILTER &&
			!*control_filter,
		"an empty filter is one");
	promise(command_of("{\"cmd\":\"filter\",\"filter\":\"a\\\"\\\\\\/\\t\\u00e9\\u20AC"
			   "\\ud83d\\ude00\"}") == COMMAND_FILTER &&
			!strcmp(control_filter, "a\"\\/\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		"a filter's escapes");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		promise(command_of(bad[i]) == COMMAND_BAD, bad[i]);
}

/* ---- symbols ---- */

static void an_address_finds_its_function(void)
{
	struct kallsyms kallsyms;
	struct symbol *symbol;

	promise(read_text(&kallsyms, "ffffffff81000000 T _stext\n"
				     "ffffffff81000000 T _text\n"
				     "ffffffff810001f0 t __pfx_second.isra.0\n"
				     "ffffffff81000200 t second.isra.0\n"
				     "ffffffff81000100 T first\n"
				     "ffffffff81000180 d no_text\n"
				     "0000000000025f80 A bpf_redirect_info\n"
				     "0000000000013a0c A bpf_prog_active\n"
				     "0000000000014800 A current_kprobe\n"
				     "ffffffff82400000 R __per_cpu_offset\n"
				     "ffffffff82c11e80 D page_offset_base\n"
				     "ffffffff82c11e70 D vmemmap_base\n"
				     "ffffffffc0001000 t in_module\t[veth]\n"
				     "garbage\n\nffffffff81000300 T\n") == 0,
		"a table is read");
	promise(kallsyms.count == 5 && kallsyms.text_base == 0xffffffff81000000,
		"text only, and _stext");
	promise(kallsyms.redirect_info == 0x25f80 && kallsyms.prog_active == 0x13a0c &&
			kallsyms.current_kprobe == 0x14800 &&
			kallsyms.cpu_offsets == 0xffffffff82400000,
		"some variables of each CPU");
	promise(kallsyms.page_offset == 0xffffffff82c11e80 &&
			kallsyms.page_map == 0xffffffff82c11e70,
		"and those that tell where pages are");
	symbol = kallsyms_find(&kallsyms, 0xffffffff810001ef);
	promise(symbol && strcmp(symbol_name(&kallsyms, symbol), "first") == 0 &&
			symbol_size(&kallsyms, symbol) == 0xf0,
		"by any address in it");
	promise(!kallsyms_find(&kallsyms, 0xffffffff810001f0), "the padding of the next is none");
	symbol = kallsyms_find(&kallsyms, 0xffffffffc0001004);
	promise(symbol && strcmp(symbol_module(&kallsyms, symbol), "veth") == 0, "in a module");
	promise(!kallsyms_find(&kallsyms, 0x1000) && !kallsyms_find(&kallsyms, 0xffffffffe0000000),
		"an address of nothing finds nothing");
	kallsyms_close(&kallsyms);
	promise(read_text(&kallsyms, "ffffffffc0000ff8 t __pfx_second\t[a]\n"
				     "ffffffffc0001000 t second\t[a]\n"
				     "ffffffffc0000ffc t first\t[b]\n") == 0 &&
			symbol_size(&kallsyms, &kallsyms.symbols[0]) == 4,
		"padding that holds a symbol is none");
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

	snprintf(found->names + length, sizeof(found->names) - length, "%s:%d%s ", candidate->name,
		 candidate->position, candidate->helper ? "h" : "");
	if (strcmp(candidate->name, "second") == 0)
		btf_prototype(found->btf, candidate->proto, candidate->name, found->prototype,
			      sizeof(found->prototype));
	return 0;
}

static void functions_are_chosen_by_their_arguments(void)
{
	struct btf *btf = btf__new_empty();
	struct found found = {.btf = btf};
	int integer, skb, pointer, const_skb, const_pointer, alias, big, other, proto, number;

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

	/* BPF_CALL_2(bpf_skb_pull_data, struct sk_buff *, skb, u32, len), and one without a packet
	 */
	number = btf__add_int(btf, "unsigned long long", 8, 0);
	proto = btf__add_func_proto(btf, number);
	btf__add_func_param(btf, "skb", number);
	btf__add_func_param(btf, "len", number);
	btf__add_func(btf, "bpf_skb_pull_data", BTF_FUNC_GLOBAL, proto);
	btf__add_func(btf, "skb_pull_number", BTF_FUNC_GLOBAL, proto);
	proto = btf__add_func_proto(btf, number);
	btf__add_func_param(btf, "ifindex", number);
	btf__add_func(btf, "bpf_redirect", BTF_FUNC_GLOBAL, proto);

	promise(btf_each_candidate(btf, 1, note, &found) == 0, "every function is looked at");
	promise(strcmp(found.names, "first:1 second:2 eighth:8 unclear:0 "
				    "bpf_skb_pull_data:1h ") == 0,
		"const, typedef, any position, helpers of BPF programs; not by value, not a "
		"pointer to a pointer, not a number");
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
		{"--limit", "0"},
		{"--limit", "5x"},
		{"--limit", "-1"},
		{"--limit", ""},
		{"--mark", "1/0"},
		{"--mark", "0x1ffffffff"},
		{"--mark", "16/15"},
		{"--buffer", "3M"},
		{"--buffer", "1"},
		{"--buffer", "16MB"},
		{"--buffer", "4096M"},
		{"--packets", "32"},
		{"--packets", "100"},
		{"--packets", "2097152"},
		{"--packets", "64K"},
		{"--duration", "x"},
		{"--duration", "1s"},
		{"--duration", "0"},
		{"--heartbeat", "-1"},
		{"--max-overhead", "0"},
		{"--max-overhead", "%"},
		{"--max-overhead", "10%x"},
		{"--max-overhead", "-1"},
		{"--backend", "fentry"},
		{"--function", ""},
		{"--netns", ""},
		{"--interface", ""},
		{"--nothing", "x"},
		{"--programs-only", "--no-programs"},
		{"--programs-only", "--function=ip_rcv"},
		{"--programs-only", "--telling"},
		{"--no-programs", "--program=cil_*"},
		{"--program", ""},
		{"--limit", "99999999999999999999"},
		{"--not-session", ""},
		{"--not-session", "10.0.0.1 4000 10.0.0.2"},
		{"--not-session", "10.0.0.1 4000 10.0.0.2 22 1"},
		{"--not-session", "10.0.0.1 0 10.0.0.2 22"},
		{"--not-session", "10.0.0.1 4000 10.0.0.2 65536"},
		{"--not-session", "host 4000 10.0.0.2 22"},
		{"--not-session", "10.0.0.1 4000) 10.0.0.2 22"},
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
	promise(options.packets == 65536, "room for as many packets");
	options_free(&options);
	promise(parse(&options, WORDS("--packets", "128")) == 0 && options.packets == 128,
		"room for fewer");
	options_free(&options);
}

static void a_session_is_an_expression(void)
{
	struct options options;

	promise(parse(&options, WORDS("--not-session", "10.0.0.1 4000 10.0.0.2 22")) == 0 &&
			strcmp(options.not_session, "tcp port 4000 and tcp port 22 and "
						    "host 10.0.0.1 and host 10.0.0.2") == 0,
		"IPv4");
	options_free(&options);
	promise(parse(&options, WORDS("--not-session", "fe80::1%eth0 4000 fe80::2%eth0 22")) == 0 &&
			strcmp(options.not_session, "tcp port 4000 and tcp port 22 and "
						    "host fe80::1 and host fe80::2") == 0,
		"IPv6, without the interface");
	options_free(&options);
	promise(parse(&options, WORDS("icmp")) == 0 && !*options.not_session, "none by itself");
	options_free(&options);
}

static void modules_are_known_while_they_are_live(void)
{
	static char text[] = "veth 45056 0 - Live 0xffffffffc0a11000\n"
			     "bridge 421888 1 br_netfilter, Live 0xffffffffc0b22000\n"
			     "dummy 16384 0 - Loading 0xffffffffc0c33000\n"
			     "ifb 16384 0 - Unloading 0xffffffffc0d44000\n"
			     "no module\n";
	FILE *file = fmemopen(text, sizeof(text) - 1, "r");
	size_t count;
	char **names = modules_read(file, &count);

	fclose(file);
	promise(names && count == 2 && strcmp(names[0], "bridge") == 0 &&
			strcmp(names[1], "veth") == 0,
		"live ones, sorted");
	modules_free(names, count);
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
	a_verdict_is_written_with_what_it_redirects_to();
	a_batch_takes_no_more_than_it_has_memory_for();
	patterns_match_whole_names();
	any_pattern_does();
	control_lines_are_understood_or_refused();
	the_hottest_hooks_go_first_and_no_more_than_needed();
	an_address_finds_its_function();
	functions_are_chosen_by_their_arguments();
	modules_are_known_while_they_are_live();
	reasons_are_named_by_the_kernels_own_enums();
	bad_arguments_are_refused();
	the_rest_of_the_line_is_the_filter();
	a_session_is_an_expression();
	return promises_told();
}
