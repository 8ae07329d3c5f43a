// SPDX-License-Identifier: Apache-2.0
/*
 * The helper, from the command line to the last clean-up: parse, signals, open, load, attach,
 * poll, one exit. What each step does is in the file of its name.
 */
#include "trace.h"
#include "expedite.h"
#include "list.h"
#include "log.h"
#include "netns.h"
#include "preflight.h"
#include "privileges.h"
#include "text.h"
#include "tracefs.h"
#include "version.h"
#include "vmlinux.h"
#include "packet_trail.skel.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_CANT = 1, EXIT_BAD = 2 };

static void start_guard(struct trace *trace)
{
	char group[PROBES_GROUP];
	int folder = tracefs_folder();

	probes_name_group(group);
	guard_start(&trace->guard, folder, group, trace->parent);
	close(folder);
}

static int run_steps(struct trace *trace)
{
	const struct options *options = &trace->options;

	if (options->stream)
		trace->parent = privileges_parent();
	/* Before the privilege for it goes. */
	text_open();
	privileges_cut();
	if (expedite_mend())
		say("RCU was left expedited: by a helper that was killed: put back");
	start_guard(trace);
	if (trace_resolve(trace))
		return EXIT_BAD;
	if (load_filter(&trace->load, options->filter))
		return EXIT_BAD;
	if (options->stream)
		trace->sink = frames_sink(STDOUT_FILENO, trace->load.settings.cpus);
	else
		trace->sink = print_sink(STDOUT_FILENO, options->json, &trace->attachment.hooks);
	if (!trace->sink)
		return EXIT_CANT;
	/* First, since it needs twice its room for a moment. Who needs it says what is missing. */
	vmlinux_keep(vmlinux_take(options->btf));
	/* Before the symbols: what is loaded between is looked at again. */
	modules_open(&trace->modules);
	names_open(&trace->names, &trace->kallsyms, NETNS_FOLDER);
	if (trace_read_symbols(trace))
		return EXIT_CANT;
	trace->names.renew = trace_renew_symbols;
	trace->names.context = trace;
	trace->sink->hello(trace->sink, options, &trace->kallsyms);
	trace_tell_progress(trace, "functions", 0, 0);
	if (trace_choose(trace))
		return EXIT_CANT;
	text_close();
	if (trace_choose_backend(trace))
		return EXIT_CANT;
	trace_tell_progress(trace, "load", 0, 0);
	if (trace_load(trace) ||
	    capture_open(&trace->capture, trace->skeleton, trace->sink, &trace->names,
			 trace->load.settings.cpus, options->limit))
		return EXIT_CANT;
	trace_know_own_programs(trace);
	if (trace_open_budget(trace))
		return EXIT_CANT;
	trace_tell_hooks(trace);
	trace_attach(trace);
	if (!trace->cause)
		trace_run(trace);
	return trace_finish(trace) ? EXIT_CANT : EXIT_OK;
}

/* A stream always has its end frame, with the reason when it could not begin. */
static int run_trace(struct trace *trace)
{
	int status = run_steps(trace);

	if (status != EXIT_OK && trace->sink && trace->options.stream &&
	    !trace->sink->error(trace->sink)) {
		struct totals none = {0};

		trace->sink->end(trace->sink, "error", &none, log_last());
	}
	return status;
}

/* A reader that left wants no more of it, and no complaint. */
static void cant_write(void)
{
	if (errno != EPIPE)
		complain("can't write: standard output (%s): give it room, or send it elsewhere",
			 strerror(errno));
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
	trace_forget_modules(trace);
	modules_close(&trace->modules);
	text_close();
	names_close(&trace->names);
	kallsyms_close(&trace->kallsyms);
	options_free(&trace->options);
	guard_dismiss(&trace->guard);
	if (trace->parent >= 0)
		close(trace->parent);
	if (trace->signals >= 0)
		close(trace->signals);
}

int main(int argc, char **argv)
{
	static struct trace trace = {.signals = -1, .parent = -1};
	int status = EXIT_BAD;

	/* Large blocks (BTF, kallsyms) go back to the kernel when they are freed; left alone, the
	 * limit would grow with the first of them and the next ones stay in the heap. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	if (options_parse(&trace.options, argc, argv))
		goto cleanup;
	log_verbose = trace.options.verbose;
	load_hear();
	trace.load.never = trace.options.not_session;
	/* What comes before it is a login shell's or sudo's, and no output of this program. */
	if (trace.options.marker && (puts(trace.options.marker) == EOF || fflush(stdout) == EOF)) {
		cant_write();
		status = EXIT_CANT;
		goto cleanup;
	}
	if (trace_open_signals(&trace)) {
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
		status = trace_read_symbols(&trace) || trace_choose(&trace) ? EXIT_CANT : EXIT_OK;
		if (status == EXIT_OK)
			list_hooks(&trace.functions, trace.options.json);
		break;
	case TASK_TRACE:
		status = run_trace(&trace);
		break;
	}
	if (fflush(stdout) == EOF || ferror(stdout)) {
		cant_write();
		status = EXIT_CANT;
	}
cleanup:
	clean_up(&trace);
	return status;
}
