// SPDX-License-Identifier: Apache-2.0
/* Hooks at tracepoints: see attach_tracepoints.h. */
#include "attach_tracepoints.h"
#include "attach.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

const struct tracepoint tracepoints[POINTS] = {
	{"net:netif_receive_skb", "netif_receive_skb", "on_receive"},
	{"net:netif_rx", "netif_rx", "on_rx"},
	{"net:net_dev_queue", "net_dev_queue", "on_queue"},
	{"net:net_dev_start_xmit", "net_dev_start_xmit", "on_start_xmit"},
};

/* `point` names a raw tracepoint; tracing programs know their place since load. */
static void attach_one_other(struct attachment *attachment, uint32_t id,
			     const struct bpf_program *program, const char *point)
{
	int link;

	if (!id)
		return;
	link = bpf_raw_tracepoint_open(point, bpf_program__fd(program));
	hook_settle(&attachment->hooks.items[id - 1],
		    link < 0 ? errno : -attachment_keep_link(attachment, link));
}

/* Sends no events, so it is no hook of the table; without it some ends are missed. */
static void attach_release(struct attachment *attachment, const struct bpf_program *program)
{
	int link = -1;

	if (bpf_program__fd(program) >= 0)
		link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));
	if (link >= 0)
		attachment_keep_link(attachment, link);
}

void attachment_attach_others(struct attachment *attachment, const struct load *load,
			      const struct packet_trail_bpf *skeleton)
{
	const struct bpf_program *const at_points[POINTS] = {
		skeleton->progs.on_receive,
		skeleton->progs.on_rx,
		skeleton->progs.on_queue,
		skeleton->progs.on_start_xmit,
	};

	attach_one_other(attachment, load->drop_hook, skeleton->progs.on_drop, "kfree_skb");
	attach_one_other(attachment, load->consume_hook, skeleton->progs.on_consume, "consume_skb");
	attach_one_other(attachment, load->copy_hook, skeleton->progs.on_copy, NULL);
	attach_release(attachment, skeleton->progs.on_release);
	for (size_t i = 0; i < POINTS; i++)
		attach_one_other(attachment, load->point_hooks[i], at_points[i],
				 tracepoints[i].name);
}
