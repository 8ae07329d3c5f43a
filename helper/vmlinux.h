/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own BTF, parsed once: 5 MB that libbpf would read again to load the programs. It
 * asks us for it instead (the linker's --wrap).
 */
#ifndef PACKET_TRAIL_VMLINUX_H
#define PACKET_TRAIL_VMLINUX_H

struct btf;

/* Takes what is kept, or parses the file, NULL = the running kernel's. NULL with errno. */
struct btf *vmlinux_take(const char *path);

/* Why not. */
const char *vmlinux_error(const char *path);

/* Keeps it for who takes it next. */
void vmlinux_keep(struct btf *btf);

/* Frees what is kept. */
void vmlinux_drop(void);

#endif
