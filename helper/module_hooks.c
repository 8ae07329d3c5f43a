// SPDX-License-Identifier: Apache-2.0
/* Hooks in modules that come and go: see trace.h. */
#include "trace.h"
#include "log.h"
#include "vmlinux.h"

#include <stdlib.h>
#include <string.h>

static void hook_module(struct trace *trace, const char *name)
{
	struct later_module *module =
		realloc(trace->later, (trace->later_count + 1) * sizeof(*module));
	int err;

	if (!module)
		return;
	trace->later = module;
	if (trace_read_symbols(trace))
		return;
	module += trace->later_count;
	*module = (struct later_module){0};
	err = functions_choose(&module->functions, &trace->options, name, &trace->kallsyms,
			       &trace->reasons);
	vmlinux_drop();
	if (err) {
		functions_free(&module->functions);
		return;
	}
	trace->later_count++;
	module->hooks = attachment_attach_later(&trace->attachment, &module->functions);
	for (size_t i = 0; module->hooks && i < module->hooks->count; i++)
		trace->sink->hooks(trace->sink, module->hooks->hooks[i], 1);
	trace_tell_skipped(trace, &module->functions);
	say("module %s: %zu functions: to be hooked", name, module->functions.count);
}

/* Tells what became of hooks in modules that were loaded, once they were tried. */
static void tell_later(struct trace *trace)
{
	for (size_t i = 0; i < trace->later_count; i++) {
		struct later_hooks *hooks = trace->later[i].hooks;

		if (!hooks || !attachment_tried_later(&trace->attachment, hooks))
			continue;
		for (size_t j = 0; j < hooks->count; j++)
			trace_tell_state(trace, hooks->hooks[j]);
		later_hooks_free(hooks);
		trace->later[i].hooks = NULL;
	}
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
	if (trace->options.no_modules || trace->options.programs_only)
		return;
	modules_step(&trace->modules, now, module_changed, trace);
	tell_later(trace);
}

void trace_forget_modules(struct trace *trace)
{
	for (size_t i = 0; i < trace->later_count; i++) {
		functions_free(&trace->later[i].functions);
		if (trace->later[i].hooks)
			later_hooks_free(trace->later[i].hooks);
	}
	free(trace->later);
}
