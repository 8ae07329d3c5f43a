// SPDX-License-Identifier: Apache-2.0
/* All that a trace needs before it attaches: see trace.h. */
#include "trace.h"
#include "attach_kprobe.h"
#include "attach_multi.h"
#include "log.h"
#include "netns.h"
#include "refused.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* Why the trace would have no hook, in the words of the hook list where it has some. */
static int complain_no_function(const struct functions *functions, const struct globs *asked)
{
	const char *what = asked->count ? asked->items[0] : "--exclude leaves none";
	const struct skipped *skipped = functions->skipped;
	size_t i = 0;

	while (i < functions->skipped_count && strcmp(skipped[i].name, what) != 0)
		i++;
	if (i < functions->skipped_count)
		complain("no function to hook: %s: %s: --list-hooks shows what there is", what,
			 skipped[i].reason);
	else
		complain("no function to hook: %s: --list-hooks shows what there is", what);
	return -1;
}

int trace_choose(struct trace *trace)
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
	return complain_no_function(&trace->functions, &trace->options.functions);
}

int trace_resolve(struct trace *trace)
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

int trace_choose_backend(struct trace *trace)
{
	enum backend wanted = trace->options.backend;
	bool multi;

	raise_limits();
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
int trace_load(struct trace *trace)
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
	load->page_offset = trace->kallsyms.page_offset;
	load->page_map = trace->kallsyms.page_map;
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
