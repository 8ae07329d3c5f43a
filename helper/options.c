// SPDX-License-Identifier: Apache-2.0
/* The command line: see options.h. */
#include "options.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_STREAM = 256,
	OPT_JSON,
	OPT_CHECK,
	OPT_CHECK_FILTER,
	OPT_LIST,
	OPT_VERSION,
	OPT_HELP,
	OPT_NETNS,
	OPT_INTERFACE,
	OPT_MARK,
	OPT_FUNCTION,
	OPT_EXCLUDE,
	OPT_NO_MODULES,
	OPT_MODULE,
	OPT_NO_PROGRAMS,
	OPT_PROGRAMS_ONLY,
	OPT_PROGRAM,
	OPT_NOT_SESSION,
	OPT_NO_FOLLOW,
	OPT_STACK,
	OPT_LIMIT,
	OPT_DURATION,
	OPT_BACKEND,
	OPT_BUFFER,
	OPT_PACKETS,
	OPT_BTF,
	OPT_HEARTBEAT,
	OPT_OVERHEAD,
	OPT_VERBOSE,
};

static const struct option long_options[] = {
	{"stream", no_argument, NULL, OPT_STREAM},
	{"json", no_argument, NULL, OPT_JSON},
	{"check", no_argument, NULL, OPT_CHECK},
	{"check-filter", required_argument, NULL, OPT_CHECK_FILTER},
	{"list-hooks", no_argument, NULL, OPT_LIST},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{"netns", required_argument, NULL, OPT_NETNS},
	{"interface", required_argument, NULL, OPT_INTERFACE},
	{"mark", required_argument, NULL, OPT_MARK},
	{"function", required_argument, NULL, OPT_FUNCTION},
	{"exclude", required_argument, NULL, OPT_EXCLUDE},
	{"no-modules", no_argument, NULL, OPT_NO_MODULES},
	{"module", required_argument, NULL, OPT_MODULE},
	{"no-programs", no_argument, NULL, OPT_NO_PROGRAMS},
	{"programs-only", no_argument, NULL, OPT_PROGRAMS_ONLY},
	{"program", required_argument, NULL, OPT_PROGRAM},
	{"not-session", required_argument, NULL, OPT_NOT_SESSION},
	{"no-follow", no_argument, NULL, OPT_NO_FOLLOW},
	{"stack", no_argument, NULL, OPT_STACK},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"buffer", required_argument, NULL, OPT_BUFFER},
	{"packets", required_argument, NULL, OPT_PACKETS},
	{"btf", required_argument, NULL, OPT_BTF},
	{"heartbeat", required_argument, NULL, OPT_HEARTBEAT},
	{"max-overhead", required_argument, NULL, OPT_OVERHEAD},
	{"verbose", no_argument, NULL, OPT_VERBOSE},
	{},
};

/* A whole decimal, 0x or 0 number in [low, high]; what follows it is left at *rest. */
static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *value,
		   const char **rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (end == text || errno || *value < low || *value > high)
		return false;
	*rest = end;
	return true;
}

static int bad(const char *option, const char *value, const char *mend)
{
	complain("bad value: --%s %s: %s", option, value, mend);
	return -1;
}

static int parse_count(const char *option, const char *text, uint64_t low, uint64_t *value)
{
	const char *rest;

	if (!number(text, low, UINT64_MAX / 1000, value, &rest) || *rest)
		return bad(option, text,
			   low ? "give a whole number, 1 or more" : "give a whole number");
	return 0;
}

/* Seconds with up to three decimals, into milliseconds. */
static int parse_seconds(const char *option, const char *text, uint64_t low_ms, uint64_t *ms)
{
	const char *rest = text;
	uint64_t seconds = 0;
	int scale = 100;

	while (*rest >= '0' && *rest <= '9' && seconds < 1000000000)
		seconds = seconds * 10 + (*rest++ - '0');
	*ms = seconds * 1000;
	if (rest != text && *rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9' && scale; rest++, scale /= 10)
			*ms += (*rest - '0') * scale;
	if (rest == text || *rest || *ms < low_ms)
		return bad(option, text, "give seconds, such as 10 or 0.5");
	return 0;
}

/* Percent of a core with up to four decimals, into millionths. */
static int parse_overhead(const char *text, struct options *options)
{
	const char *rest = text;
	uint64_t percent = 0;
	int scale = 1000;

	while (*rest >= '0' && *rest <= '9' && percent < 1000000)
		percent = percent * 10 + (*rest++ - '0');
	options->overhead = percent * 10000;
	if (rest != text && *rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9' && scale; rest++, scale /= 10)
			options->overhead += (*rest - '0') * scale;
	if (rest != text && *rest == '%')
		rest++;
	if (rest == text || *rest || !options->overhead || percent > 100000)
		return bad("max-overhead", text, "give percent of a core, such as 10% or 0.5%");
	return 0;
}

static int parse_mark(const char *text, struct options *options)
{
	uint64_t mark, mask = UINT32_MAX;
	const char *rest;

	if (!number(text, 0, UINT32_MAX, &mark, &rest) ||
	    (*rest == '/' && !number(rest + 1, 1, UINT32_MAX, &mask, &rest)) || *rest)
		return bad("mark", text, "give VALUE or VALUE/MASK, such as 0x10/0xff");
	if (mark & ~mask)
		return bad("mark", text,
			   "the value has bits outside the mask and could never match");
	options->mark = (uint32_t)mark;
	options->mark_mask = (uint32_t)mask;
	return 0;
}

static bool is_address(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

/* What sshd puts into $SSH_CONNECTION, as an expression for both directions. */
static int parse_session(const char *text, struct options *options)
{
	static const char mend[] =
		"give it as sshd does in $SSH_CONNECTION: ADDRESS PORT ADDRESS PORT";
	char copy[160], *words[4], *rest = copy;
	uint64_t ports[2];
	const char *end;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return bad("not-session", text, mend);
	for (int i = 0; i < 4; i++) {
		words[i] = strsep(&rest, " ");
		if (!words[i])
			return bad("not-session", text, mend);
		if (i % 2) {
			if (!number(words[i], 1, UINT16_MAX, &ports[i / 2], &end) || *end)
				return bad("not-session", text, mend);
			continue;
		}
		/* A link-local address names its interface, too, which is of no use to a filter. */
		words[i][strcspn(words[i], "%")] = '\0';
		if (!is_address(words[i]))
			return bad("not-session", text, mend);
	}
	if (rest)
		return bad("not-session", text, mend);
	snprintf(options->not_session, sizeof(options->not_session),
		 "tcp port %u and tcp port %u and host %s and host %s", (unsigned int)ports[0],
		 (unsigned int)ports[1], words[0], words[2]);
	return 0;
}

static int parse_buffer(const char *text, struct options *options)
{
	uint64_t size;
	const char *rest;

	if (!number(text, 1, 1ULL << 30, &size, &rest))
		return bad("buffer", text, "give a power of two from 64K to 1024M, such as 16M");
	if (*rest == 'K' || *rest == 'k') {
		size <<= 10;
		rest++;
	} else if (*rest == 'M' || *rest == 'm') {
		size <<= 20;
		rest++;
	}
	if (*rest || size < 64 << 10 || size > 1ULL << 30 || (size & (size - 1)))
		return bad("buffer", text, "give a power of two from 64K to 1024M, such as 16M");
	options->buffer = (uint32_t)size;
	return 0;
}

static int parse_packets(const char *text, struct options *options)
{
	uint64_t packets;
	const char *rest;

	if (!number(text, 64, 1 << 20, &packets, &rest) || *rest || (packets & (packets - 1)))
		return bad("packets", text, "give a power of two from 64 to 1048576");
	options->packets = (uint32_t)packets;
	return 0;
}

static int parse_backend(const char *text, struct options *options)
{
	if (strcmp(text, "auto") == 0)
		options->backend = BACKEND_AUTO;
	else if (strcmp(text, "kprobe.multi") == 0)
		options->backend = BACKEND_KPROBE_MULTI;
	else if (strcmp(text, "kprobe") == 0)
		options->backend = BACKEND_KPROBE;
	else if (strcmp(text, "tracepoints") == 0)
		options->backend = BACKEND_TRACEPOINTS;
	else
		return bad("backend", text, "give auto, kprobe.multi, kprobe or tracepoints");
	return 0;
}

static int add_pattern(const char *option, const char *text, struct globs *patterns)
{
	const char **items;

	if (!*text)
		return bad(option, "\"\"", "give a name or a pattern");
	items = realloc(patterns->items, (patterns->count + 1) * sizeof(*items));
	if (!items) {
		complain("out of memory: arguments: give fewer of them");
		return -1;
	}
	patterns->items = items;
	items[patterns->count++] = text;
	return 0;
}

static char *join(int count, char **words)
{
	size_t length = 1;
	char *text, *at;

	for (int i = 0; i < count; i++)
		length += strlen(words[i]) + 1;
	text = malloc(length);
	if (!text)
		return NULL;
	at = text;
	*at = 0;
	for (int i = 0; i < count; i++)
		at += sprintf(at, "%s%s", i ? " " : "", words[i]);
	return text;
}

static int parse_one(struct options *options, int option, const char *value)
{
	switch (option) {
	case OPT_STREAM:
		options->stream = true;
		return 0;
	case OPT_JSON:
		options->json = true;
		return 0;
	case OPT_CHECK:
		options->task = TASK_CHECK;
		return 0;
	case OPT_CHECK_FILTER:
		options->task = TASK_CHECK_FILTER;
		options->checked_filter = value;
		return 0;
	case OPT_LIST:
		options->task = TASK_LIST;
		return 0;
	case OPT_VERSION:
		options->task = TASK_VERSION;
		return 0;
	case OPT_HELP:
		options->task = TASK_HELP;
		return 0;
	case OPT_NETNS:
		options->netns_spec = value;
		return *value ? 0 : bad("netns", "\"\"", "give an inode number, a path or a name");
	case OPT_INTERFACE:
		options->interface_spec = value;
		return *value ? 0 : bad("interface", "\"\"", "give a name or an index");
	case OPT_MARK:
		return parse_mark(value, options);
	case OPT_FUNCTION:
		return add_pattern("function", value, &options->functions);
	case OPT_EXCLUDE:
		return add_pattern("exclude", value, &options->excludes);
	case OPT_NO_MODULES:
		options->no_modules = true;
		return 0;
	case OPT_MODULE:
		return add_pattern("module", value, &options->modules);
	case OPT_NO_PROGRAMS:
		options->no_programs = true;
		return 0;
	case OPT_PROGRAMS_ONLY:
		options->programs_only = true;
		return 0;
	case OPT_PROGRAM:
		return add_pattern("program", value, &options->programs);
	case OPT_NOT_SESSION:
		return parse_session(value, options);
	case OPT_NO_FOLLOW:
		options->no_follow = true;
		return 0;
	case OPT_STACK:
		options->stack = true;
		return 0;
	case OPT_LIMIT:
		return parse_count("limit", value, 1, &options->limit);
	case OPT_DURATION:
		return parse_seconds("duration", value, 1, &options->duration_ms);
	case OPT_BACKEND:
		return parse_backend(value, options);
	case OPT_BUFFER:
		return parse_buffer(value, options);
	case OPT_PACKETS:
		return parse_packets(value, options);
	case OPT_BTF:
		options->btf = value;
		return 0;
	case OPT_HEARTBEAT:
		return parse_seconds("heartbeat", value, 0, &options->heartbeat_ms);
	case OPT_OVERHEAD:
		return parse_overhead(value, options);
	case OPT_VERBOSE:
		options->verbose = true;
		return 0;
	default:
		return -1;
	}
}

int options_parse(struct options *options, int argc, char **argv)
{
	int option;

	memset(options, 0, sizeof(*options));
	options->buffer = 16 << 20;
	options->packets = 65536;
	options->argc = argc;
	options->argv = argv;
	opterr = 0;
	/* "+": the filter begins at the first word that is no option; "-i" in it is the filter's.
	 */
	while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
		if (option == ':') {
			complain("missing value: %s: see --help", argv[optind - 1]);
			return -1;
		}
		if (option == '?') {
			complain("unknown option: %s: see --help", argv[optind - 1]);
			return -1;
		}
		if (parse_one(options, option, optarg))
			return -1;
	}
	if (options->stream && options->json && options->task == TASK_TRACE) {
		complain("two output forms: --stream --json: give one of them");
		return -1;
	}
	if (options->no_modules && options->modules.count) {
		complain("contradiction: --no-modules --module: give one of them");
		return -1;
	}
	if (options->programs_only && (options->no_programs || options->functions.count)) {
		complain("contradiction: --programs-only %s: give one of them",
			 options->no_programs ? "--no-programs" : "--function");
		return -1;
	}
	if (options->no_programs && options->programs.count) {
		complain("contradiction: --no-programs --program: give one of them");
		return -1;
	}
	options->filter = join(argc - optind, argv + optind);
	if (!options->filter) {
		complain("out of memory: filter: give a shorter one");
		return -1;
	}
	return 0;
}

void options_free(struct options *options)
{
	free(options->functions.items);
	free(options->excludes.items);
	free(options->modules.items);
	free(options->programs.items);
	free(options->filter);
	memset(options, 0, sizeof(*options));
}

void options_help(void)
{
	puts("Usage: packet-trail-helper [OPTIONS] [PCAP-FILTER …]\n"
	     "Shows every kernel function that matching packets pass on this machine.\n"
	     "\n"
	     "Output (readable lines unless one is given)\n"
	     "  --json                one JSON object an event and a line\n"
	     "  --stream              the framed stream on stdout, control lines on stdin\n"
	     "Other tasks\n"
	     "  --check               can this machine be traced? One line a requirement\n"
	     "  --check-filter EXPR   say nothing if EXPR is a packet filter, else why it is none\n"
	     "  --list-hooks          functions that would be hooked, and those skipped and why\n"
	     "  --version             version and build id\n"
	     "Which packets\n"
	     "  --netns SPEC          in this namespace: inode, /proc/PID/ns/net, or a name\n"
	     "  --interface NAME      on this device: NAME, NETNS/NAME or ifindex\n"
	     "  --mark VALUE[/MASK]   with this mark\n"
	     "  --not-session \"$SSH_CONNECTION\"\n"
	     "                        not those of this TCP connection\n"
	     "  --no-follow           filter each event for itself\n"
	     "Which hooks\n"
	     "  --function GLOB       only functions that match (repeatable)\n"
	     "  --exclude GLOB        not those that match (repeatable, wins)\n"
	     "  --no-modules          vmlinux only\n"
	     "  --module NAME         vmlinux and only this module (repeatable)\n"
	     "  --no-programs         no BPF programs (tc, XDP)\n"
	     "  --programs-only       BPF programs, and no kernel functions but drops and ends\n"
	     "  --program GLOB        of BPF programs only those whose name matches (repeatable)\n"
	     "  --backend NAME        auto, kprobe.multi, kprobe, tracepoints\n"
	     "How much\n"
	     "  --stack               kernel stacks too\n"
	     "  --limit N             stop after N events\n"
	     "  --duration SECONDS    stop after that time\n"
	     "  --max-overhead P      percent of a core that tracing may cost: sheds the hottest "
	     "hooks\n"
	     "  --buffer SIZE         ring buffer, a power of two with K or M (16M)\n"
	     "  --packets N           room for so many packets at once, a power of two (65536)\n"
	     "  --heartbeat SECONDS   with --stream: stop without a control line for that long\n"
	     "  --btf FILE            the kernel's BTF, when /sys/kernel/btf/vmlinux is missing\n"
	     "  --verbose             say on stderr what is done");
}
