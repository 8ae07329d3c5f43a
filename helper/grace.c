// SPDX-License-Identifier: Apache-2.0
/* Waits until BPF programs that run have ended: see grace.h. */
#include "grace.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the kernel does not offer to wait: nohz_full, or no membarrier. */
#define LONG_ENOUGH_US 20000

void grace_wait(void)
{
	/* It waits for a grace period of RCU (membarrier(2), kernel/sched/membarrier.c). */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(LONG_ENOUGH_US);
}
