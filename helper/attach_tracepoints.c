// SPDX-License-Identifier: Apache-2.0
/* Hooks at tracepoints and trampolines: see attach_tracepoints.h. */
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
static bool attach_one_other(struct attachment *attachment, uint32_t id,
			     const struct bpf_program *program, const char *point)
{
	int link, error;

	if (!id)
		return false;
	link = bpf_raw_tracepoint_open(point, bpf_program__fd(program));
	error = link < 0 ? errno : -attachment_keep_link(attachment, link);
	hook_settle(&attachment->hooks.items[id - 1], error);
	return !error;
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
	const struct bpf_program *const lineage_programs[LINEAGES] = {
		[LINEAGE_RELEASE] = skeleton->progs.on_release,
		[LINEAGE_RELEASED] = skeleton->progs.on_released,
		[LINEAGE_PARTIAL] = skeleton->progs.on_partial,
		[LINEAGE_MEMORY] = skeleton->progs.on_memory,
		[LINEAGE_STOLEN] = skeleton->progs.on_stolen,
		[LINEAGE_REUSE] = skeleton->progs.on_reuse,
		[LINEAGE_EXPANDED] = skeleton->progs.on_expanded,
		[LINEAGE_COPY] = skeleton->progs.on_copy,
		[LINEAGE_MERGE] = skeleton->progs.on_merge,
	};
	bool attached[LINEAGES];

	attach_one_other(attachment, load->drop_hook, skeleton->progs.on_drop, "kfree_skb");
	attach_one_other(attachment, load->consume_hook, skeleton->progs.on_consume, "consume_skb");
	for (size_t i = 0; i < LINEAGES; i++)
		attached[i] = attach_one_other(attachment, load->lineage_hooks[i],
					       lineage_programs[i], NULL);
	skeleton->data->ends = attached[LINEAGE_RELEASE] && attached[LINEAGE_RELEASED] &&
			       attached[LINEAGE_PARTIAL] && attached[LINEAGE_MEMORY] &&
			       attached[LINEAGE_STOLEN] && attached[LINEAGE_REUSE];
	skeleton->data->heads = attached[LINEAGE_EXPANDED];
	for (size_t i = 0; i < POINTS; i++)
		attach_one_other(attachment, load->point_hooks[i], at_points[i],
				 tracepoints[i].name);
}
