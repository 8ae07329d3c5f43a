// SPDX-License-Identifier: Apache-2.0
/*
 * The helper, from the command line to the last clean-up: parse, signals, open, load, attach,
 * poll, one exit. What each step does is in the file of its name.
 */
#include "attach.h"
#include "attach_kprobe.h"
#include "attach_multi.h"
#include "clock.h"
#include "budget.h"
#include "capture.h"
#include "control.h"
#include "functions.h"
#include "grace.h"
#include "kallsyms.h"
#include "list.h"
#include "load.h"
#include "log.h"
#include "modules.h"
#include "names.h"
#include "options.h"
#include "preflight.h"
#include "privileges.h"
#include "programs.h"
#include "reasons.h"
#include "refused.h"
#include "sink.h"
#include "text.h"
#include "version.h"
#include "vmlinux.h"
#include "packet_trail.skel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define POLL_MS	    20	/* while events flow, they wait at most so long in the ring buffer … */
#define FLUSH_MS    40	/* … and here */
#define IDLE_MS	    250 /* longest sleep when none do; the first one wakes us */
#define ACCOUNT_MS  500 /* between looks at what was lost */
#define COUNTERS_MS 1000

enum { EXIT_OK = 0, EXIT_CANT = 1, EXIT_BAD = 2 };

struct trace {
	struct options options;
	struct kallsyms kallsyms;
	struct functions functions;
	struct modules modules;
	struct functions *later; /* of modules that were loaded meanwhile */
	size_t later_count;
	struct reasons reasons;
	struct load load;
	struct attachment attachment;
	struct capture capture;
	struct budget budget;
	struct programs *programs; /* NULL = not asked for, or not possible */
	struct names names;
	struct control control;
	struct sink *sink;
	struct packet_trail_bpf *skeleton;
	int signals;
	const char *cause; /* why it ends; NULL = it runs */
	uint64_t heard_ms; /* last control line */
	size_t reported;   /* function hooks whose state was sent */
};

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

static void filter_changed(struct trace *trace)
{
	capture_filter_changed(&trace->capture);
	if (trace->programs)
		programs_filter_changed(trace->programs);
}

/* Another filter from here on, and its answer. */
static void change_filter(struct trace *trace, const char *filter)
{
	char error[512] = "";
	uint64_t begin = clock_ns(), now;

	if (!trace->capture.open)
		snprintf(error, sizeof(error), "the trace has not begun: send it once it is live");
	else if (load_change_filter(&trace->load, trace->skeleton, filter, error, sizeof(error)))
		say("the filter stays: %s: %s", filter, error);
	else
		filter_changed(trace);
	now = clock_ns();
	/* What the one before let through goes first. */
	while (trace->capture.open && !capture_read(&trace->capture))
		;
	trace->sink->filter(trace->sink, filter, error, now, now - begin);
}

static void obey(enum command command, const char *filter, void *context)
{
	struct trace *trace = context;

	trace->heard_ms = clock_ms();
	if (command == COMMAND_FILTER && trace->sink)
		change_filter(trace, filter);
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
	if (trace->capture.open)
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
	if (functions_choose(&trace->functions, &trace->options, NULL, &trace->kallsyms,
			     &trace->reasons))
		return -1;
	say("functions: %zu to hook, %zu skipped: chosen by BTF", trace->functions.count,
	    trace->functions.skipped_count);
	if (trace->options.task == TASK_LIST)
		return 0;
	if (trace->options.programs_only)
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
	settings->budget = options->overhead != 0;
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

	if (wanted == BACKEND_KPROBE || wanted == BACKEND_TRACEPOINTS) {
		trace->load.backend = wanted;
		return 0;
	}
	multi = kprobe_multi_works(trace->functions.items[0].address);
	if (!multi && wanted == BACKEND_KPROBE_MULTI) {
		complain("kprobe.multi doesn't work: this kernel: use --backend kprobe or auto");
		return -1;
	}
	trace->load.backend = multi ? BACKEND_KPROBE_MULTI : BACKEND_KPROBE;
	if (!multi && !kprobes_work()) {
		trace->load.backend = BACKEND_TRACEPOINTS;
		say("no kprobes: this kernel: tracepoints alone tell where packets pass");
	}
	return 0;
}

/*
 * Loads with all there is. A program of ours that this kernel doesn't take is left out, alone, and
 * what it hooks is skipped. `direct` reads of the kernel's memory may be what isn't taken, in
 * whichever program is looked at first: it is left out when it fails without them, too.
 */
static int load(struct trace *trace)
{
	struct load *load = &trace->load;
	bool direct = trace->functions.plain_loads, proven = !direct;
	char log[512] = "", before[512] = "";
	int error;

	load->buffer = trace->options.buffer;
	load->packets = trace->options.packets;
	load->settings.drop_reason = trace->functions.drop_reason;
	load->redirect_info = trace->kallsyms.redirect_info;
	load->prog_active = trace->kallsyms.prog_active;
	load->current_kprobe = trace->kallsyms.current_kprobe;
	load->cpu_offsets = trace->kallsyms.cpu_offsets;
	load->program_iterator = trace->functions.program_iterator;
	load->settings.programs = load->programs = !trace->options.no_programs;
	for (;;) {
		load->settings.direct = direct;
		if (attachment_plan(&trace->attachment, &trace->functions, load)) {
			complain("out of memory: hooks: free some on this machine");
			return -1;
		}
		trace->skeleton = load_programs(load, log, sizeof(log));
		if (trace->skeleton)
			return 0;
		error = errno;
		log[strcspn(log, "\n")] = 0;
		attachment_free(&trace->attachment);
		if (direct && !proven) {
			memcpy(before, log, sizeof(before));
			direct = false;
			continue;
		}
		/* It failed with them at the same place: they are not why. */
		if (!proven && strcmp(before, log) == 0)
			direct = true;
		proven = true;
		if (load_refuse(load, log) == 0)
			say("left out: %s", log);
		else if (direct)
			direct = false;
		else
			break;
	}
	complain("can't load the kernel side: bpf (%s) %s: %s", strerror(error), log,
		 error == EPERM ? "run as root" : "see --check");
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

static void tell_skipped(struct trace *trace, const struct functions *functions)
{
	for (size_t i = 0; i < functions->skipped_count; i++) {
		const struct skipped *skipped = &functions->skipped[i];

		trace->sink->status(trace->sink, 0, STATE_SKIPPED, skipped->reason, skipped->name,
				    skipped->module);
	}
}

static void tell_hooks(struct trace *trace)
{
	struct sink *sink = trace->sink;

	sink->hooks(sink, trace->attachment.hooks.items, trace->attachment.hooks.count);
	tell_skipped(trace, &trace->functions);
	sink->reasons(sink, &trace->reasons);
}

/* Hooks the BPF programs that are there. */
static void attach_programs(struct trace *trace)
{
	size_t hooked, count;

	if (trace->options.no_programs)
		return;
	trace->programs = programs_open(&trace->load, trace->skeleton, trace->sink,
					&trace->attachment.hooks, &trace->options.programs);
	trace->capture.programs = trace->programs;
	trace->budget.programs = trace->programs;
	if (!trace->programs)
		return;
	while (!trace->cause && !programs_step(trace->programs, clock_ms()))
		listen(trace, 0);
	count = programs_count(trace->programs, &hooked);
	say("BPF programs: %zu, %zu of them hooked: done", count, hooked);
}

static void attach(struct trace *trace)
{
	struct attachment *attachment = &trace->attachment;
	const struct reporter reporter = {attach_progress, trace};
	size_t functions = attachment->hooks.functions, first = functions;

	tell_progress(trace, "attach", 0, functions);
	attachment_begin(attachment, trace->skeleton);
	load_cookies(trace->skeleton, &attachment->hooks);
	if (attachment->backend == BACKEND_KPROBE)
		first = attachment->first_rank_end;
	attachment_attach_others(attachment, &trace->load, trace->skeleton);
	for (size_t i = functions; i < attachment->hooks.count; i++)
		tell_state(trace, &attachment->hooks.items[i]);
	attachment_attach(attachment, 0, first, &reporter);
	tell_new_states(trace);
	if (!trace->cause)
		attach_programs(trace);
	if (trace->cause)
		return;
	capture_pause(&trace->capture, false);
	tell_progress(trace, "live", first, functions);
	if (first < functions)
		attachment_attach_rest(attachment, first);
}

/* How long nothing needs us, unless there is an event. */
static int rest_ms(const struct trace *trace, uint64_t age, uint64_t now)
{
	const struct options *options = &trace->options;
	uint64_t rest = IDLE_MS, silent = now - trace->heard_ms;

	if (options->duration_ms && options->duration_ms - age < rest)
		rest = options->duration_ms > age ? options->duration_ms - age : 0;
	if (options->stream && options->heartbeat_ms && options->heartbeat_ms - silent < rest)
		rest = options->heartbeat_ms > silent ? options->heartbeat_ms - silent : 0;
	return (int)rest;
}

static void stop_events(void *context)
{
	capture_pause(&((struct trace *)context)->capture, true);
}

static void look_at_budget(struct trace *trace)
{
	uint64_t fixed_ns, run_ns = capture_run_ns(&trace->capture, &fixed_ns);

	budget_step(&trace->budget, clock_ns(), run_ns, fixed_ns);
}

static void tell_shed(const struct hook *hook, const char *reason, void *context)
{
	struct trace *trace = context;

	trace->sink->status(trace->sink, hook->id, STATE_SHED, reason, hook->function,
			    hook->module);
}

/* ---- modules that come and go ---- */

static void hook_module(struct trace *trace, const char *name)
{
	struct functions *later = realloc(trace->later, (trace->later_count + 1) * sizeof(*later));
	struct kallsyms symbols;
	struct hook **hooks;
	size_t count;
	int err;

	if (!later)
		return;
	trace->later = later;
	if (kallsyms_open(&symbols, "/proc/kallsyms"))
		return;
	kallsyms_close(&trace->kallsyms);
	trace->kallsyms = symbols;
	later += trace->later_count;
	err = functions_choose(later, &trace->options, name, &trace->kallsyms, &trace->reasons);
	vmlinux_drop();
	if (err) {
		functions_free(later);
		return;
	}
	trace->later_count++;
	count = attachment_attach_later(&trace->attachment, later, &hooks);
	for (size_t i = 0; i < count; i++) {
		trace->sink->hooks(trace->sink, hooks[i], 1);
		tell_state(trace, hooks[i]);
	}
	free(hooks);
	tell_skipped(trace, later);
	say("module %s: %zu functions: hooked", name, count);
}

static void unhook_module(struct trace *trace, const char *name)
{
	struct hooks *hooks = &trace->attachment.hooks;
	struct hook *hook;

	for (uint32_t id = 1; (hook = hook_of(hooks, id)); id++) {
		if (strcmp(hook->module, name) != 0 || atomic_load(&hook->state) != STATE_ATTACHED)
			continue;
		atomic_store(&hook->state, STATE_GONE);
		trace->sink->status(trace->sink, id, STATE_GONE, "its module was unloaded",
				    hook->function, hook->module);
	}
}

static void module_changed(const char *name, bool loaded, void *context)
{
	struct trace *trace = context;

	if (loaded)
		hook_module(trace, name);
	else
		unhook_module(trace, name);
}

static void look_at_modules(struct trace *trace, uint64_t now)
{
	if (trace->options.no_modules || trace->options.programs_only ||
	    !attachment_settled(&trace->attachment))
		return;
	modules_step(&trace->modules, now, module_changed, trace);
}

static void run(struct trace *trace)
{
	const struct options *options = &trace->options;
	uint64_t begin = clock_ms(), flushed = begin, accounted = begin, counted = begin;
	size_t told = atomic_load(&trace->attachment.tried);
	struct totals totals;

	trace->heard_ms = begin;
	while (!trace->cause) {
		uint64_t before = trace->capture.read;
		bool all = capture_read(&trace->capture);
		bool flowing = trace->capture.read != before;
		uint64_t now = clock_ms();
		bool hooked = !trace->programs || programs_step(trace->programs, now);
		size_t tried = atomic_load(&trace->attachment.tried);

		look_at_modules(trace, now);
		if (tried != told) {
			tell_new_states(trace);
			trace->sink->progress(trace->sink, "attach", (uint32_t)tried,
					      (uint32_t)trace->attachment.hooks.functions);
			told = tried;
		}
		if (!flowing || now - flushed >= FLUSH_MS) {
			trace->sink->flush(trace->sink);
			flushed = now;
		}
		if (budget_due(&trace->budget, clock_ns()))
			look_at_budget(trace);
		if (now - accounted >= ACCOUNT_MS) {
			capture_account(&trace->capture, &trace->attachment, false, &totals);
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
		if (!all || !hooked)
			listen(trace, 0);
		else if (flowing || !capture_sleep(&trace->capture))
			listen(trace, POLL_MS);
		else
			listen(trace, rest_ms(trace, now - begin, now));
		capture_wake(&trace->capture);
	}
}

static void finish(struct trace *trace)
{
	struct totals totals;

	tell_progress(trace, "detach", 0, trace->attachment.hooks.functions);
	capture_pause(&trace->capture, true);
	/* What ran when it was told to send nothing may still send. */
	grace_wait();
	while (!capture_read(&trace->capture))
		;
	trace->sink->flush(trace->sink);
	attachment_stop(&trace->attachment);
	capture_account(&trace->capture, &trace->attachment, true, &totals);
	trace->sink->end(trace->sink, trace->cause, &totals, "");
	/* The person has the trace; what hooks nothing any more goes away as fast as the kernel
	 * lets it. Both wait for the kernel, so they wait together. */
	if (trace->programs)
		programs_let_go(trace->programs);
	attachment_detach(&trace->attachment);
	if (trace->programs)
		programs_detach(trace->programs);
	say("detached: %zu hooks: done", trace->attachment.hooks.count);
}

static int run_steps(struct trace *trace)
{
	const struct options *options = &trace->options;

	/* Before the privilege for it goes. */
	text_open();
	privileges_cut();
	if (options->stream)
		privileges_share_parents_life();
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
	/* First, since it needs twice its room for a moment. Who needs it says what is missing. */
	vmlinux_keep(vmlinux_take(options->btf));
	/* Before the symbols: what is loaded between is looked at again. */
	modules_open(&trace->modules);
	if (read_symbols(trace))
		return EXIT_CANT;
	trace->names.kallsyms = &trace->kallsyms;
	trace->sink->hello(trace->sink, options, &trace->kallsyms);
	tell_progress(trace, "functions", 0, 0);
	if (choose(trace))
		return EXIT_CANT;
	text_close();
	raise_limits();
	if (choose_backend(trace))
		return EXIT_CANT;
	tell_progress(trace, "load", 0, 0);
	if (load(trace) || capture_open(&trace->capture, trace->skeleton, trace->sink,
					&trace->names, trace->load.settings.cpus, options->limit))
		return EXIT_CANT;
	if (options->overhead &&
	    budget_open(&trace->budget, options->overhead, trace->skeleton, &trace->attachment))
		return EXIT_CANT;
	trace->attachment.apart = options->overhead != 0;
	trace->budget.shed = tell_shed;
	trace->budget.stop = stop_events;
	trace->budget.context = trace;
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
	programs_close(trace->programs);
	attachment_detach(&trace->attachment);
	budget_close(&trace->budget);
	if (trace->capture.open)
		capture_close(&trace->capture);
	if (trace->skeleton)
		packet_trail_bpf__destroy(trace->skeleton);
	if (trace->sink)
		trace->sink->destroy(trace->sink);
	attachment_free(&trace->attachment);
	load_free(&trace->load);
	vmlinux_drop();
	reasons_free(&trace->reasons);
	functions_free(&trace->functions);
	for (size_t i = 0; i < trace->later_count; i++)
		functions_free(&trace->later[i]);
	free(trace->later);
	modules_close(&trace->modules);
	text_close();
	kallsyms_close(&trace->kallsyms);
	options_free(&trace->options);
	if (trace->signals >= 0)
		close(trace->signals);
}

int main(int argc, char **argv)
{
	static struct trace trace = {.signals = -1};
	int status = EXIT_BAD;

	/* Large blocks (BTF, kallsyms) go back to the kernel when they are freed; left alone, the
	 * limit would grow with the first of them and the next ones stay in the heap. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	if (options_parse(&trace.options, argc, argv))
		goto cleanup;
	log_verbose = trace.options.verbose;
	trace.load.never = trace.options.not_session;
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
		text_open();
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
