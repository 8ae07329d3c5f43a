/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on the kernel functions that tell which skb an XDP program's frame comes from or becomes:
 * bpf/program.h, bpf/frame.h. They are there while an XDP program is hooked or was.
 */
#ifndef PACKET_TRAIL_XDP_SKBS_H
#define PACKET_TRAIL_XDP_SKBS_H

#include "copy.h"

struct load;
struct packet_trail_bpf;

#define XDP_SKB_COPIES 3

struct xdp_skbs {
	struct copy copies[XDP_SKB_COPIES];
};

/* Attaches what isn't attached yet; what the kernel doesn't have is left out. */
void xdp_skbs_attach(const struct load *load, struct xdp_skbs *skbs,
		     const struct packet_trail_bpf *skeleton);

/* Looks at what they did since the last look. */
void xdp_skbs_look(struct xdp_skbs *skbs, uint64_t now, struct account *account);

/* Takes all away, and adds what they did since the last look. */
void xdp_skbs_detach(struct xdp_skbs *skbs, struct account *account);

#endif
