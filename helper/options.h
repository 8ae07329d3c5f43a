/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, as docs/helper.md describes it. */
#ifndef PACKET_TRAIL_OPTIONS_H
#define PACKET_TRAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backend { BACKEND_AUTO, BACKEND_KPROBE_MULTI, BACKEND_KPROBE, BACKEND_TRACEPOINTS };

enum task { TASK_TRACE, TASK_CHECK, TASK_CHECK_FILTER, TASK_LIST, TASK_VERSION, TASK_HELP };

struct globs {
	const char **items;
	size_t count;
};

struct options {
	enum task task;
	const char *marker; /* line that is printed first; NULL = none */
	bool stream;
	bool json;
	bool verbose;
	bool no_modules;
	bool no_programs;
	bool programs_only;
	bool telling; /* only the functions that tell most */
	bool no_follow;
	bool stack;
	struct globs functions;
	struct globs excludes;
	struct globs modules;
	struct globs programs; /* names of BPF programs; none = all */
	const char *netns_spec;
	const char *interface_spec;
	uint32_t mark;
	uint32_t mark_mask; /* 0 = any */
	uint64_t limit;	    /* 0 = none */
	uint64_t duration_ms;
	uint64_t heartbeat_ms;
	uint64_t overhead; /* millionths of a core; 0 = any */
	uint32_t buffer;   /* bytes */
	uint32_t packets;  /* that are followed at once */
	enum backend backend;
	const char *btf;
	const char *checked_filter; /* --check-filter's */
	char *filter;		    /* "" = every packet */
	char not_session[192];	    /* pcap-filter(7) of the TCP connection to leave out, or "" */
	int argc;
	char **argv;
};

/* 0, or -1 after it said on stderr what is wrong. */
int options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);
void options_help(void);

#endif
