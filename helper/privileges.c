// SPDX-License-Identifier: Apache-2.0
/* What the process may do: see privileges.h. */
#include "privileges.h"
#include "log.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ULL << (capability))

/*
 * What is asked for while a trace runs, and by which function of the kernel (6.12). Nothing of it
 * can go: a filter may change, a module or a program may come at any time.
 */
static const uint64_t always =
	/* programs and hooks: bpf_prog_load, kernel/bpf/syscall.c; perf_allow_kernel and
	   perf_kprobe_event_init, kernel/events/core.c */
	BIT(CAP_BPF) | BIT(CAP_PERFMON) |
	/* ids of programs, to hook them and to name addresses in them: bpf_obj_get_next_id and its
	   kin, kernel/bpf/syscall.c; other network namespaces: netns_install,
	   net/core/net_namespace.c */
	BIT(CAP_SYS_ADMIN) |
	/* addresses of what is loaded later: kallsyms_show_value, kernel/ksyms_common.c */
	BIT(CAP_SYSLOG);

/* The same where BPF programs are hooked, those that come later too. */
static const uint64_t for_programs =
	/* where they are attached: bpf_prog_query, kernel/bpf/syscall.c */
	BIT(CAP_NET_ADMIN) |
	/* namespaces of other people's processes: proc_ns_get_link, fs/proc/namespaces.c */
	BIT(CAP_SYS_PTRACE) |
	/* pins in other people's folders: generic_permission, fs/namei.c */
	BIT(CAP_DAC_READ_SEARCH);

/* Before there are hooks; namespaces and interfaces that a person names take the above as well. */
static const uint64_t for_start =
	/* descriptors and, before 5.11, locked memory: do_prlimit, kernel/sys.c; that the guard is
	   spared when memory is short: __set_oom_adj, fs/proc/base.c */
	BIT(CAP_SYS_RESOURCE);

/* Of what the calling thread has. */
static void keep(uint64_t kept)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) == 0) {
		for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
			data[i].permitted &= (uint32_t)(kept >> (32 * i));
			data[i].effective &= data[i].permitted;
			data[i].inheritable = 0;
		}
		if (syscall(SYS_capset, &header, data) == 0)
			return;
	}
	say("capabilities stay (%s): capset: go on", strerror(errno));
}

void privileges_cut(void)
{
	const uint64_t needed = always | for_programs | for_start;

	/* The bounding set needs CAP_SETPCAP to be cut: first. */
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(needed & BIT(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	keep(needed);
}

void privileges_cut_for_trace(bool programs)
{
	keep(programs ? always | for_programs : always);
}

void privileges_drop(void)
{
	keep(0);
}

int privileges_parent(void)
{
	pid_t process = getppid();
	/*
	 * Not PR_SET_PDEATHSIG, which comes when the thread that started us ends, though its
	 * process goes on (forget_original_parent, kernel/exit.c). In another PID namespace it is
	 * 0, and there is nothing to hold on to; standard input and heartbeats are left then.
	 */
	int parent = process ? (int)syscall(SYS_pidfd_open, process, 0) : -1;

	/* It may be gone before it was asked for, and its number another's. */
	if (getppid() == process)
		return parent;
	raise(SIGTERM);
	close(parent);
	return -1;
}
