// SPDX-License-Identifier: Apache-2.0
/* The kernel's own BTF, parsed once: see vmlinux.h. */
#include "vmlinux.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

struct btf *__real_btf__load_vmlinux_btf(void);
struct btf *__wrap_btf__load_vmlinux_btf(void);

static struct btf *kept;

struct btf *vmlinux_take(const char *path)
{
	struct btf *btf = kept;

	kept = NULL;
	return btf ? btf : btf__parse(path ? path : VMLINUX_BTF, NULL);
}

const char *vmlinux_error(const char *path)
{
	/* libbpf says of a file without BTF that it doesn't exist, or a number of its own. */
	return access(path ? path : VMLINUX_BTF, R_OK) ? strerror(errno) : "it holds no BTF";
}

void vmlinux_keep(struct btf *btf)
{
	if (kept != btf)
		vmlinux_drop();
	kept = btf;
}

void vmlinux_drop(void)
{
	btf__free(kept);
	kept = NULL;
}

/* What libbpf calls; it frees what it gets. */
struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	struct btf *btf = kept;

	kept = NULL;
	return btf ? btf : __real_btf__load_vmlinux_btf();
}
