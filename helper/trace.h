/* SPDX-License-Identifier: Apache-2.0 */
/* One trace: all that it is made of, and its steps in the order in which main.c takes them. */
#ifndef PACKET_TRAIL_TRACE_H
#define PACKET_TRAIL_TRACE_H

#include "attach.h"
#include "budget.h"
#include "capture.h"
#include "control.h"
#include "functions.h"
#include "guard.h"
#include "kallsyms.h"
#include "load.h"
#include "modules.h"
#include "names.h"
#include "options.h"
#include "programs.h"
#include "reasons.h"
#include "sink.h"

/* A module that was loaded while the trace ran. */
struct later_module {
	struct functions functions;
	struct later_hooks *hooks; /* until it is told what became of them; NULL then */
};

struct trace {
	struct options options;
	struct kallsyms kallsyms;
	struct {
		uint64_t modules; /* those that kallsyms has, as a number */
		uint32_t program; /* the newest BPF program that it has */
		uint64_t looked_ms;
	} symbols;
	struct functions functions;
	struct modules modules;
	struct later_module *later; /* that were loaded meanwhile */
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
	struct guard guard;
	int signals;
	int parent;	   /* readable once who started this process is over; -1 = doesn't matter */
	const char *cause; /* why it ends; NULL = it runs */
	uint64_t heard_ms; /* last control line */
	size_t reported;   /* function hooks whose state was sent */
};

/* ---- listen.c: signals, control lines, and a reader that is gone ---- */

/* 0, or -1 with errno. Before any thread. */
int trace_open_signals(struct trace *trace);

/* Waits for anything that matters, at most `timeout_ms`, and takes it in. */
void trace_listen(struct trace *trace, int timeout_ms);

/* ---- prepare.c: each step returns 0, or -1 after it said why ---- */

/* Namespaces and interfaces that the person named, and the other settings of the kernel side. */
int trace_resolve(struct trace *trace);

/* Which functions are hooked. */
int trace_choose(struct trace *trace);

/* How they are hooked. */
int trace_choose_backend(struct trace *trace);

/* The kernel side, as far as this kernel takes it, and the hook table. */
int trace_load(struct trace *trace);

/* ---- live.c ---- */

/* Tells the hook table, and why others have no place in it. */
void trace_tell_hooks(struct trace *trace);
void trace_tell_skipped(struct trace *trace, const struct functions *functions);

/* Tells what became of a hook that was tried. */
void trace_tell_state(struct trace *trace, struct hook *hook);

void trace_tell_progress(struct trace *trace, const char *phase, size_t done, size_t total);

/* Keeps --max-overhead, if there is one. 0, or -1 after it said why. */
int trace_open_budget(struct trace *trace);

/* Attaches all, the last of it in a thread; then events flow. */
void trace_attach(struct trace *trace);

/* Until there is a cause to end. */
void trace_run(struct trace *trace);

/* Reads the rest, tells the end, and then takes all hooks away. 0, or -1 when that couldn't be
 * written, after it said why. */
int trace_finish(struct trace *trace);

/* ---- symbols.c ---- */

/* Reads all symbols, again if they were read before. 0, or -1 after it said why. */
int trace_read_symbols(struct trace *trace);

/* BPF programs that were loaded up to now are ours: no address that has no name yet is theirs. */
void trace_know_own_programs(struct trace *trace);

/* Reads them again when something was loaded since. `context` is the trace. */
void trace_renew_symbols(void *context);

/* ---- module_hooks.c ---- */

/* Hooks the functions of modules that were loaded, and tells which hooks are gone with theirs. */
void trace_look_at_modules(struct trace *trace, uint64_t now);

/* Once nothing is being attached any more. */
void trace_forget_modules(struct trace *trace);

#endif
