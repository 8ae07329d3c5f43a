// SPDX-License-Identifier: Apache-2.0
/* Copies of our patterns: see copy.h. */
#include "copy.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

int copy_attach(struct copy *copy, int program)
{
	int link = bpf_raw_tracepoint_open(NULL, program), error = errno;

	memset(copy, 0, sizeof(*copy));
	if (link < 0) {
		close(program);
		return -error;
	}
	copy->link = link;
	copy->program = program;
	return 0;
}

void copy_look(struct copy *copy, uint64_t now, struct account *account)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);
	uint64_t runs;

	memset(&info, 0, sizeof(info));
	if (!copy_attached(copy) || bpf_obj_get_info_by_fd(copy->program, &info, &size))
		return;
	/* CPUs are summed up while they count: a sum may be behind the one before. */
	runs = info.run_cnt > copy->told.runs ? info.run_cnt - copy->told.runs : 0;
	copy->told.runs += runs;
	account->runs += runs;
	if (info.run_time_ns > copy->told.run_ns) {
		account->run_ns += info.run_time_ns - copy->told.run_ns;
		copy->told.run_ns = info.run_time_ns;
	}
	if (info.recursion_misses > copy->told.misses) {
		account->misses += info.recursion_misses - copy->told.misses;
		copy->told.misses = info.recursion_misses;
	}
	if (copy->looked && now > copy->looked)
		copy->rate = (uint64_t)((double)runs * 1e9 / (double)(now - copy->looked));
	copy->looked = now;
}

void copy_close(struct copy *copy, struct account *account)
{
	if (!copy_attached(copy))
		return;
	close(copy->link);
	copy_look(copy, copy->looked, account);
	close(copy->program);
	memset(copy, 0, sizeof(*copy));
}
