// SPDX-License-Identifier: Apache-2.0
/* The command line: see options.h. */
#include "options.h"
#include "log.h"
#include "values.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_MARKER = 256,
	OPT_STREAM,
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
	OPT_TELLING,
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
	{"marker", required_argument, NULL, OPT_MARKER},
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
	{"telling", no_argument, NULL, OPT_TELLING},
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
	case OPT_MARKER:
		options->marker = value;
		return *value ? 0 : value_bad("marker", "\"\"", "give a line to print");
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
		return *value ? 0
			      : value_bad("netns", "\"\"",
					  "give an inode number, a path or a name");
	case OPT_INTERFACE:
		options->interface_spec = value;
		return *value ? 0 : value_bad("interface", "\"\"", "give a name or an index");
	case OPT_MARK:
		return value_mark(value, options);
	case OPT_FUNCTION:
		return value_glob("function", value, &options->functions);
	case OPT_EXCLUDE:
		return value_glob("exclude", value, &options->excludes);
	case OPT_NO_MODULES:
		options->no_modules = true;
		return 0;
	case OPT_MODULE:
		return value_glob("module", value, &options->modules);
	case OPT_NO_PROGRAMS:
		options->no_programs = true;
		return 0;
	case OPT_PROGRAMS_ONLY:
		options->programs_only = true;
		return 0;
	case OPT_PROGRAM:
		return value_glob("program", value, &options->programs);
	case OPT_TELLING:
		options->telling = true;
		return 0;
	case OPT_NOT_SESSION:
		return value_session(value, options);
	case OPT_NO_FOLLOW:
		options->no_follow = true;
		return 0;
	case OPT_STACK:
		options->stack = true;
		return 0;
	case OPT_LIMIT:
		return value_count("limit", value, 1, &options->limit);
	case OPT_DURATION:
		return value_seconds("duration", value, 1, &options->duration_ms);
	case OPT_BACKEND:
		return value_backend(value, options);
	case OPT_BUFFER:
		return value_buffer(value, options);
	case OPT_PACKETS:
		return value_packets(value, options);
	case OPT_BTF:
		options->btf = value;
		return 0;
	case OPT_HEARTBEAT:
		return value_seconds("heartbeat", value, 0, &options->heartbeat_ms);
	case OPT_OVERHEAD:
		return value_overhead(value, options);
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
	if (options->programs_only && options->telling) {
		complain("contradiction: --programs-only --telling: give one of them");
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
	     "  --marker LINE         print LINE first: what a login shell prints is before it\n"
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
	     "  --telling             only the functions that tell most: a quick start where "
	     "hooks are\n"
	     "                        attached one by one\n"
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
