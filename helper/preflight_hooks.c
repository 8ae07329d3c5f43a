// SPDX-License-Identifier: Apache-2.0
/*
 * The ways to hook: see preflight_check.h. Whether one works is found by doing it: a program of two
 * instructions is put on a function that only the kernel's own BPF tests call, and taken off again.
 */
#include "preflight_check.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* net/bpf/test_run.c, since 5.5: kept out of line so that it can be hooked. */
#define HARMLESS "bpf_fentry_test1"

static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K},
	{.code = BPF_JMP | BPF_EXIT},
};

static int load(enum bpf_prog_type type, enum bpf_attach_type attach, int btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach,
		    .attach_btf_id = (__u32)btf_id);

	return bpf_prog_load(type, "preflight", "Dual BSD/GPL", nothing, 2, &options);
}

/* Hooks through perf's kprobe; every kernel with kprobes has it since 4.17. 0, or -errno. */
static int try_kprobe(void)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	char line[32];
	int program, event, error = 0;

	if (!preflight_line("/sys/bus/event_source/devices/kprobe/type", line, sizeof(line)))
		return -errno;
	attr.type = (__u32)strtoul(line, NULL, 10);
	attr.kprobe_func = (uintptr_t)HARMLESS;
	program = load(BPF_PROG_TYPE_KPROBE, 0, 0);
	if (program < 0)
		return program;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		error = -errno;
	if (event >= 0)
		close(event);
	close(program);
	return error;
}

void check_kprobes(struct preflight *preflight)
{
	static const char path[] = "/sys/kernel/debug/kprobes/enabled";
	char line[32];
	int error = try_kprobe();

	if (!error && preflight_line(path, line, sizeof(line)) && *line == '0')
		preflight_add(preflight, "kprobes", FAIL,
			      "echo 1 > /sys/kernel/debug/kprobes/enabled", "switched off in %s",
			      path);
	else if (error)
		preflight_add(
			preflight, "kprobes", FAIL,
			preflight_mend(preflight, "use a kernel built with CONFIG_KPROBES and "
						  "CONFIG_KPROBE_EVENTS"),
			"%s",
			error == -ENOENT
				? "this kernel has none (no perf kprobe, or no function " HARMLESS
				  ")"
				: strerror(-error));
	else
		preflight_add(preflight, "kprobes", PASS, "", "a kprobe was set and taken off");
}

void check_kprobe_multi(struct preflight *preflight)
{
	const char *symbol = HARMLESS;
	LIBBPF_OPTS(bpf_link_create_opts, options, .kprobe_multi.syms = &symbol,
		    .kprobe_multi.cnt = 1);
	int program = load(BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, 0);
	int link = program < 0 ? program
			       : bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &options);

	if (link >= 0)
		preflight_add(preflight, "kprobe.multi", PASS, "", "one was set and taken off");
	else
		preflight_add(
			preflight, "kprobe.multi", preflight->privileged ? WARN : FAIL,
			preflight_mend(
				preflight,
				"none is needed: functions are hooked one by one, which takes "
				"longer; CONFIG_FPROBE from 5.18 on has it"),
			"%s", strerror(-link));
	if (link >= 0)
		close(link);
	if (program >= 0)
		close(program);
}

/* A tracing program on a BTF id. 0, or -errno. */
static int try_tracing(const struct preflight *preflight, enum bpf_attach_type attach,
		       const char *name, __u32 kind)
{
	int id, program, link, error = 0;

	/* A BTF from a file needn't number its types as the kernel does. */
	if (!preflight->btf || preflight->btf_path)
		return -ENODATA;
	id = btf__find_by_name_kind(preflight->btf, name, kind);
	if (id < 0)
		return id;
	program = load(BPF_PROG_TYPE_TRACING, attach, id);
	if (program < 0)
		return program;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		error = link;
	else
		close(link);
	close(program);
	return error;
}

static const char *tracing_reason(int error)
{
	return error == -ENODATA ? "not tried: it takes the kernel's own BTF" : strerror(-error);
}

void check_fentry(struct preflight *preflight)
{
	int error = try_tracing(preflight, BPF_TRACE_FENTRY, HARMLESS, BTF_KIND_FUNC);

	if (error)
		preflight_add(
			preflight, "fentry", WARN,
			preflight_mend(preflight,
				       "use a kernel with BTF and direct calls of BPF trampolines "
				       "to see BPF programs as hooks"),
			"%s", tracing_reason(error));
	else
		preflight_add(preflight, "fentry", PASS, "", "a trampoline was set and taken off");
}

void check_tracepoints(struct preflight *preflight)
{
	int error =
		try_tracing(preflight, BPF_TRACE_RAW_TP, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);

	if (error)
		preflight_add(
			preflight, "tracepoints", FAIL,
			preflight_mend(preflight,
				       "use a kernel with BTF and CONFIG_TRACEPOINTS to see drops"),
			"%s", tracing_reason(error));
	else
		preflight_add(preflight, "tracepoints", PASS, "",
			      "skb:kfree_skb was followed and let go");
}
