// SPDX-License-Identifier: Apache-2.0
/* What the process may do: see privileges.h. */
#include "privileges.h"
#include "log.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ULL << (capability))

static const uint64_t needed =
	/* to load and attach, and to meet other people's programs by their ids */
	BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_NET_ADMIN) |
	/* all of that before 5.8, ids of programs, other network namespaces */
	BIT(CAP_SYS_ADMIN) |
	/* descriptors and, before 5.11, locked memory */
	BIT(CAP_SYS_RESOURCE) |
	/* addresses of modules that are loaded later; namespaces of other people's processes */
	BIT(CAP_SYSLOG) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH);

void privileges_cut(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	/* The bounding set needs CAP_SETPCAP to be cut: first. */
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(needed & BIT(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) == 0) {
		for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
			data[i].permitted &= (uint32_t)(needed >> (32 * i));
			data[i].effective &= data[i].permitted;
			data[i].inheritable = 0;
		}
		if (syscall(SYS_capset, &header, data) == 0)
			return;
	}
	say("capabilities stay (%s): capset: go on", strerror(errno));
}

void privileges_share_parents_life(void)
{
	pid_t parent = getppid();

	/* It may be gone before it was asked for. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 && getppid() != parent)
		raise(SIGTERM);
}
