// SPDX-License-Identifier: Apache-2.0
/* Which skb belongs to an XDP frame: see xdp_skbs.h. */
#include "xdp_skbs.h"

#include "../bpf/event.h"
#include "log.h"
#include "packet_trail.skel.h"
#include "program_hooks.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <string.h>
#include <unistd.h>

/* BTF id of a function, 0 = there is none. */
static uint32_t function_in(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

	return id > 0 ? (uint32_t)id : 0;
}

static void attach(const struct load *load, struct copy *copy, const struct bpf_program *pattern,
		   int btf_fd, const struct btf *btf, const char *name, uint32_t argument)
{
	uint32_t function = copy_attached(copy) ? 0 : function_in(btf, name);
	int err;

	if (!function)
		return;
	err = kernel_hook_attach(copy, load, pattern, btf_fd, function, argument);
	if (err)
		say("XDP frames and skbs are told apart: %s (%s): go on", name, strerror(-err));
}

/* Descriptor of a module's BTF, -1 when the module isn't loaded; `id` gets its id. */
static int module_btf(const char *name, uint32_t *id)
{
	*id = 0;
	while (bpf_btf_get_next_id(*id, id) == 0) {
		char found[64] = "";
		struct bpf_btf_info info = {.name = (uintptr_t)found, .name_len = sizeof(found)};
		__u32 size = sizeof(info);
		int fd = bpf_btf_get_fd_by_id(*id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.kernel_btf &&
		    strcmp(found, name) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

static void attach_veth(const struct load *load, struct copy *copy,
			const struct bpf_program *pattern, struct btf *vmlinux)
{
	uint32_t id;
	int fd = copy_attached(copy) ? -1 : module_btf("veth", &id);
	struct btf *btf;

	if (fd < 0)
		return;
	btf = btf__load_from_kernel_by_id_split(id, vmlinux);
	if (btf)
		attach(load, copy, pattern, fd, btf, "veth_xdp_rcv_skb", 1);
	btf__free(btf);
	close(fd);
}

void xdp_skbs_attach(const struct load *load, struct xdp_skbs *skbs,
		     const struct packet_trail_bpf *skeleton)
{
	struct btf *vmlinux;

	if (copy_attached(&skbs->copies[0]) && copy_attached(&skbs->copies[1]) &&
	    copy_attached(&skbs->copies[2]))
		return;
	vmlinux = btf__load_vmlinux_btf();
	if (!vmlinux)
		return;
	attach(load, &skbs->copies[0], skeleton->progs.on_new_skb, 0, vmlinux, "eth_type_trans", 0);
	/* Its own function since 5.14 (fe21cb91ae7b). */
	attach(load, &skbs->copies[1], skeleton->progs.on_before_xdp, 0, vmlinux,
	       "bpf_prog_run_generic_xdp", 0);
	attach(load, &skbs->copies[1], skeleton->progs.on_before_xdp, 0, vmlinux,
	       "netif_receive_generic_xdp", 0);
	attach_veth(load, &skbs->copies[2], skeleton->progs.on_before_xdp, vmlinux);
	/* The kernel may have veth built in. */
	attach(load, &skbs->copies[2], skeleton->progs.on_before_xdp, 0, vmlinux,
	       "veth_xdp_rcv_skb", 1);
	btf__free(vmlinux);
}

void xdp_skbs_look(struct xdp_skbs *skbs, uint64_t now, struct account *account)
{
	for (int i = 0; i < XDP_SKB_COPIES; i++)
		copy_look(&skbs->copies[i], now, account);
}

void xdp_skbs_detach(struct xdp_skbs *skbs, struct account *account)
{
	for (int i = 0; i < XDP_SKB_COPIES; i++)
		copy_close(&skbs->copies[i], account);
}
