// SPDX-License-Identifier: Apache-2.0
/* Function hooks by kprobe.multi: see attach_multi.h. */
#include "attach_multi.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <unistd.h>

static void *close_descriptor(void *descriptor)
{
	close((int)(intptr_t)descriptor);
	return NULL;
}

/* Closing a link waits for a grace period (ftrace_shutdown(), kernel/trace/ftrace.c): beside us. */
static void close_link_apart(int link)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, close_descriptor, (void *)(intptr_t)link))
		close(link);
	else
		pthread_detach(thread);
}

bool kprobe_multi_works(uint64_t address)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, program_opts,
		    .expected_attach_type = BPF_TRACE_KPROBE_MULTI);
	unsigned long addresses[] = {address};
	LIBBPF_OPTS(bpf_link_create_opts, link_opts, .kprobe_multi.addrs = addresses,
		    .kprobe_multi.cnt = 1);
	int program, link;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", nothing,
				sizeof(nothing) / sizeof(*nothing), &program_opts);
	if (program < 0)
		return false;
	link = bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &link_opts);
	if (link >= 0)
		close_link_apart(link);
	close(program);
	return link >= 0;
}
