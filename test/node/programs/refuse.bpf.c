// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Makes the kernel refuse every BPF program of one name, as a verifier does that is stricter than ours.
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>

const volatile char refused[BPF_OBJ_NAME_LEN];

/* int security_bpf(int cmd, union bpf_attr *attr, unsigned int size): security/security.c */
SEC("fmod_ret/security_bpf")
int refuse(unsigned long long *ctx)
{
	union bpf_attr *attr = (union bpf_attr *)ctx[1];
	char name[BPF_OBJ_NAME_LEN];

	if ((int)ctx[0] != BPF_PROG_LOAD ||
	    bpf_probe_read_kernel(name, sizeof(name), &attr->prog_name))
		return 0;
	for (unsigned int i = 0; i < BPF_OBJ_NAME_LEN; i++) {
		if (name[i] != refused[i])
			return 0;
		if (!name[i])
			break;
	}
	return -EINVAL;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
