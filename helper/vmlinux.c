// SPDX-License-Identifier: Apache-2.0
/* The kernel's own BTF, parsed once: see vmlinux.h. */
#include "vmlinux.h"

#include <bpf/btf.h>
#include <stddef.h>

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
