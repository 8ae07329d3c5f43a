// SPDX-License-Identifier: Apache-2.0
/* Hooks in modules that come and go: see trace.h. */
#include "trace.h"
#include "log.h"
#include "vmlinux.h"

#include <stdlib.h>
#include <string.h>

static void hook_module(struct trace *trace, const char *name)
{
	struct functions *later = realloc(trace->later, (trace->later_count + 1) * sizeof(*later));
	struct hook **hooks;
	size_t count;
	int err;

	if (!later)
		return;
	trace->later = later;
	if (trace_read_symbols(trace))
		return;
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
		trace_tell_state(trace, hooks[i]);
	}
	free(hooks);
	trace_tell_skipped(trace, later);
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

void trace_look_at_modules(struct trace *trace, uint64_t now)
{
	if (trace->options.no_modules || trace->options.programs_only ||
	    !attachment_settled(&trace->attachment))
		return;
	modules_step(&trace->modules, now, module_changed, trace);
}
