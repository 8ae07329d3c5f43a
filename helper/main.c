// SPDX-License-Identifier: Apache-2.0
/*
 * The helper, from the command line to the last clean-up: parse, signals, open, load, attach,
 * poll, one exit. What each step does is in the file of its name.
 */
#include "attach.h"
#include "capture.h"
#include "control.h"
#include "functions.h"
#include "kallsyms.h"
#include "list.h"
#include "load.h"
#include "log.h"
#include "names.h"
#include "options.h"
#include "preflight.h"
#include "reasons.h"
#include "sink.h"
#include "version.h"
#include "packet_trail.skel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS	    20	/* events wait at most so long in the ring buffer … */
#define FLUSH_MS    40	/* … and here */
#define ACCOUNT_MS  250 /* between looks at what was lost */
#define COUNTERS_MS 1000

enum { EXIT_OK = 0, EXIT_CANT = 1, EXIT_BAD = 2 };

struct trace {
	struct options options;
	struct kallsyms kallsyms;
	struct functions functions;
	struct reasons reasons;
	struct load load;
	struct attachment attachment;
	struct capture capture;
	struct names names;
	struct control control;
	struct sink *sink;
	struct packet_trail_bpf *skeleton;
	int signals;
	const char *cause; /* why it ends; NULL = it runs */
	uint64_t heard_ms; /* last control line */
	size_t reported;   /* function hooks whose state was sent */
	uint64_t progress_ms;
};

void clock_pair(uint64_t *monotonic, uint64_t *wall)
{
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	*monotonic = mono.tv_sec * 1000000000ULL + mono.tv_nsec;
	*wall = real.tv_sec * 1000000000ULL + real.tv_nsec;
}

static uint64_t now_ms(void)
{
	uint64_t monotonic, wall;

	clock_pair(&monotonic, &wall);
	return monotonic / 1000000;
}

static int open_signals(struct trace *trace)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* Threads inherit the mask: the signals come to the descriptor alone. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	trace->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return trace->signals < 0 ? -1 : 0;
}

static void obey(enum command command, void *context)
{
	struct trace *trace = context;

	trace->heard_ms = now_ms();
	if (command == COMMAND_STOP && !trace->cause)
		trace->cause = "stop";
	else if (trace->skeleton && (command == COMMAND_PAUSE || command == COMMAND_RESUME))
		capture_pause(&trace->capture, command == COMMAND_PAUSE);
}

/* Waits for anything that matters, at most `timeout_ms`, and takes it in. */
static void listen(struct trace *trace, int timeout_ms)
{
	struct pollfd polls[4] = {
		{.fd = trace->signals, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = -1, .events = POLLOUT},
	};

	if (trace->options.stream && !trace->control.closed)
		polls[1].fd = STDIN_FILENO;
	if (trace->capture.ring)
		polls[2].fd = capture_fd(&trace->capture);
	if (trace->sink)
		polls[3].fd = trace->sink->waiting(trace->sink);
	if (poll(polls, 4, timeout_ms) <= 0)
		return;
	if (polls[0].revents && !trace->cause) {
		struct signalfd_siginfo info;

		if (read(trace->signals, &info, sizeof(info)) == sizeof(info))
			trace->cause = "signal";
	}
	if (polls[1].revents) {
		control_read(&trace->control, STDIN_FILENO, obey, trace);
		if (trace->control.closed && !trace->cause)
			trace->cause = "stdin closed";
	}
	if (polls[3].revents)
		trace->sink->write(trace->sink);
	if (trace->sink && trace->sink->closed(trace->sink) && !trace->cause)
		trace->cause = "stdin closed";
}

/* ---- before load ---- */

static int read_symbols(struct trace *trace)
{
	int err = kallsyms_open(&trace->kallsyms, "/proc/kallsyms");

	if (!err)
		return 0;
	if (err == -EPERM)
		complain("kernel addresses are hidden: /proc/kallsyms: run as root, or set "
			 "kernel.kptr_restrict to 1 or less");
	else
		complain("can't read the kernel's symbols: /proc/kallsyms (%s): use a kernel with "
			 "CONFIG_KALLSYMS",
			 strerror(-err));
	return -1;
}

static int choose(struct trace *trace)
{
	if (functions_choose(&trace->functions, &trace->options, &trace->kallsyms, &trace->reasons))
		return -1;
	say("functions: %zu to hook, %zu skipped: chosen by BTF", trace->functions.count,
	    trace->functions.skipped_count);
	if (trace->options.task == TASK_LIST)
		return 0;
	for (size_t i = 0; i < trace->functions.count; i++)
		if (!trace->functions.items[i].quiet)
			return 0;
	complain("no function to hook: %s: --list-hooks shows what there is",
		 trace->options.functions.count ? trace->options.functions.items[0]
						: "--exclude leaves none");
	return -1;
}

static int resolve_settings(struct trace *trace)
{
	const struct options *options = &trace->options;
	struct settings *settings = &trace->load.settings;
	int cpus = libbpf_num_possible_cpus();

	settings->cpus = cpus > 0 ? cpus : 1;
	settings->mark = options->mark;
	settings->mark_mask = options->mark_mask;
	settings->follow = !options->no_follow;
	settings->stack = options->stack;
	settings->wakeup = options->buffer / 8;
	if (options->interface_spec) {
		settings->ifindex = interface_resolve(options->interface_spec, options->netns_spec,
						      &settings->netns);
		if (!settings->ifindex)
			return -1;
	} else if (options->netns_spec) {
		settings->netns = netns_resolve(options->netns_spec);
		if (!settings->netns)
			return -1;
	}
	return 0;
}

/* Open files: one a hook where hooks are attached one by one. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536) {
		struct rlimit more = {65536, limit.rlim_max > 65536 ? limit.rlim_max : 65536};

		if (setrlimit(RLIMIT_NOFILE, &more)) {
			limit.rlim_cur = limit.rlim_max;
			if (setrlimit(RLIMIT_NOFILE, &limit))
				say("the limit of open files stays: RLIMIT_NOFILE (%s): some hooks "
				    "may be skipped",
				    strerror(errno));
		}
	}
}

static int choose_backend(struct trace *trace)
{
	enum backend wanted = trace->options.backend;
	bool multi;

	if (wanted == BACKEND_KPROBE) {
		trace->load.backend = BACKEND_KPROBE;
		return 0;
	}
	multi = kprobe_multi_works(trace->functions.items[0].address);
	if (!multi && wanted == BACKEND_KPROBE_MULTI) {
		complain("kprobe.multi doesn't work: this kernel: use --backend kprobe or auto");
		return -1;
	}
	trace->load.backend = multi ? BACKEND_KPROBE_MULTI : BACKEND_KPROBE;
	return 0;
}

/* Loads with all there is; what may be missing on this kernel is left out when it doesn't load. */
static int load(struct trace *trace)
{
	char log[512] = "";

	trace->load.buffer = trace->options.buffer;
	trace->load.settings.drop_reason = trace->functions.drop_reason;
	for (int attempt = 0; attempt < 3; attempt++) {
		if (attachment_plan(&trace->attachment, &trace->functions, &trace->load,
				    attempt < 2, attempt < 1)) {
			complain("out of memory: hooks: free some on this machine");
			return -1;
		}
		trace->skeleton = load_programs(&trace->load, log, sizeof(log));
		if (trace->skeleton)
			return 0;
		say("not loaded (%s): trying with fewer programs: wait", strerror(errno));
		attachment_free(&trace->attachment);
	}
	log[strcspn(log, "\n")] = 0;
	complain("can't load the kernel side: bpf (%s) %s: %s", strerror(errno), log,
		 errno == EPERM ? "run as root" : "see --check");
	return -1;
}

/* ---- while it runs ---- */

static void tell_progress(struct trace *trace, const char *phase, size_t done, size_t total)
{
	trace->sink->progress(trace->sink, phase, (uint32_t)done, (uint32_t)total);
	trace->sink->flush(trace->sink);
}

static bool attach_progress(size_t done, size_t total, void *context)
{
	struct trace *trace = context;

	tell_progress(trace, "attach", done, total);
	listen(trace, 0);
	return trace->cause != NULL;
}

static void tell_state(struct trace *trace, struct hook *hook)
{
	int state = atomic_load(&hook->state);

	if (state == STATE_WAITING)
		return;
	trace->sink->status(trace->sink, hook->id, state,
			    state == STATE_SKIPPED ? attach_reason(hook->error) : NULL,
			    hook->function, hook->module);
}

/* States of function hooks that were tried since the last time. */
static void tell_new_states(struct trace *trace)
{
	size_t tried = atomic_load(&trace->attachment.tried);

	for (; trace->reported < tried; trace->reported++)
		tell_state(trace, &trace->attachment.hooks.items[trace->reported]);
}

static void tell_hooks(struct trace *trace)
{
	struct sink *sink = trace->sink;

	sink->hooks(sink, trace->attachment.hooks.items, trace->attachment.hooks.count);
	for (size_t i = 0; i < trace->functions.skipped_count; i++) {
		const struct skipped *skipped = &trace->functions.skipped[i];

		sink->status(sink, 0, STATE_SKIPPED, skipped->reason, skipped->name,
			     skipped->module);
	}
	sink->reasons(sink, &trace->reasons);
}

static void attach(struct trace *trace)
{
	struct attachment *attachment = &trace->attachment;
	size_t total = attachment->hooks.functions, first = total;

	tell_progress(trace, "attach", 0, total);
	attachment_guard(attachment);
	if (attachment->backend == BACKEND_KPROBE)
		first = attachment->first_rank_end;
	attachment_attach_others(attachment, trace->skeleton);
	for (size_t i = total; i < attachment->hooks.count; i++)
		tell_state(trace, &attachment->hooks.items[i]);
	attachment_attach(attachment, 0, first, attach_progress, trace);
	tell_new_states(trace);
	if (trace->cause)
		return;
	capture_pause(&trace->capture, false);
	tell_progress(trace, "live", first, total);
	attachment_attach_rest(attachment, first);
}

static void run(struct trace *trace)
{
	const struct options *options = &trace->options;
	uint64_t begin = now_ms(), flushed = begin, accounted = begin, counted = begin;
	size_t told = atomic_load(&trace->attachment.tried);
	struct totals totals;

	trace->heard_ms = begin;
	while (!trace->cause) {
		bool all = capture_read(&trace->capture);
		uint64_t now = now_ms();
		size_t tried = atomic_load(&trace->attachment.tried);

		if (tried != told) {
			tell_new_states(trace);
			trace->sink->progress(trace->sink, "attach", (uint32_t)tried,
					      (uint32_t)trace->attachment.hooks.functions);
			told = tried;
		}
		if (now - flushed >= FLUSH_MS) {
			trace->sink->flush(trace->sink);
			flushed = now;
		}
		if (now - accounted >= ACCOUNT_MS) {
			capture_account(&trace->capture, &trace->attachment, &totals);
			accounted = now;
			if (now - counted >= COUNTERS_MS) {
				trace->sink->counters(trace->sink, &totals);
				counted = now;
			}
		}
		if (capture_full(&trace->capture))
			trace->cause = "limit";
		else if (options->duration_ms && now - begin >= options->duration_ms)
			trace->cause = "duration";
		else if (options->stream && options->heartbeat_ms &&
			 now - trace->heard_ms >= options->heartbeat_ms)
			trace->cause = "heartbeat";
		listen(trace, all ? POLL_MS : 0);
	}
}

static void finish(struct trace *trace)
{
	struct totals totals;

	tell_progress(trace, "detach", 0, trace->attachment.hooks.functions);
	capture_pause(&trace->capture, true);
	attachment_detach(&trace->attachment);
	say("detached: %zu hooks: done", trace->attachment.hooks.count);
	while (!capture_read(&trace->capture))
		;
	trace->sink->flush(trace->sink);
	capture_account(&trace->capture, &trace->attachment, &totals);
	trace->sink->end(trace->sink, trace->cause, &totals, "");
}

static int run_steps(struct trace *trace)
{
	const struct options *options = &trace->options;

	if (resolve_settings(trace))
		return EXIT_BAD;
	if (load_filter(&trace->load, options->filter))
		return EXIT_BAD;
	if (options->stream)
		trace->sink = frames_sink(STDOUT_FILENO, trace->load.settings.cpus);
	else
		trace->sink = print_sink(options->json, &trace->attachment.hooks);
	if (!trace->sink)
		return EXIT_CANT;
	if (read_symbols(trace))
		return EXIT_CANT;
	trace->names.kallsyms = &trace->kallsyms;
	trace->sink->hello(trace->sink, options, &trace->kallsyms);
	tell_progress(trace, "functions", 0, 0);
	if (choose(trace))
		return EXIT_CANT;
	raise_limits();
	if (choose_backend(trace))
		return EXIT_CANT;
	tell_progress(trace, "load", 0, 0);
	if (load(trace) || capture_open(&trace->capture, trace->skeleton, trace->sink,
					&trace->names, trace->load.settings.cpus, options->limit))
		return EXIT_CANT;
	tell_hooks(trace);
	attach(trace);
	if (!trace->cause)
		run(trace);
	finish(trace);
	return EXIT_OK;
}

/* A stream always has its end frame, with the reason when it could not begin. */
static int run_trace(struct trace *trace)
{
	int status = run_steps(trace);

	if (status != EXIT_OK && trace->sink && trace->options.stream) {
		struct totals none = {0};

		trace->sink->end(trace->sink, "error", &none, log_last());
	}
	return status;
}

static void clean_up(struct trace *trace)
{
	attachment_detach(&trace->attachment);
	if (trace->capture.ring)
		capture_close(&trace->capture);
	if (trace->skeleton)
		packet_trail_bpf__destroy(trace->skeleton);
	if (trace->sink)
		trace->sink->destroy(trace->sink);
	attachment_free(&trace->attachment);
	load_free(&trace->load);
	reasons_free(&trace->reasons);
	functions_free(&trace->functions);
	kallsyms_close(&trace->kallsyms);
	options_free(&trace->options);
	if (trace->signals >= 0)
		close(trace->signals);
}

int main(int argc, char **argv)
{
	static struct trace trace = {.signals = -1};
	int status = EXIT_BAD;

	if (options_parse(&trace.options, argc, argv))
		goto cleanup;
	log_verbose = trace.options.verbose;
	if (open_signals(&trace)) {
		complain("can't wait for signals: signalfd (%s): free some open files",
			 strerror(errno));
		status = EXIT_CANT;
		goto cleanup;
	}
	switch (trace.options.task) {
	case TASK_HELP:
		options_help();
		status = EXIT_OK;
		break;
	case TASK_VERSION:
		printf("packet-trail-helper %s %s\n", PACKET_TRAIL_VERSION, build_id());
		status = EXIT_OK;
		break;
	case TASK_CHECK:
		status = preflight_run(trace.options.btf, trace.options.json, stdout);
		break;
	case TASK_CHECK_FILTER:
		status =
			load_filter(&trace.load, trace.options.checked_filter) ? EXIT_BAD : EXIT_OK;
		break;
	case TASK_LIST:
		status = read_symbols(&trace) || choose(&trace) ? EXIT_CANT : EXIT_OK;
		if (status == EXIT_OK)
			list_hooks(&trace.functions, trace.options.json);
		break;
	case TASK_TRACE:
		status = run_trace(&trace);
		break;
	}
	if (fflush(stdout) == EOF && status == EXIT_OK)
		status = EXIT_CANT;
cleanup:
	clean_up(&trace);
	return status;
}
