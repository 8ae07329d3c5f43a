/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where BPF programs are attached: tc filters, tcx, netkit and XDP of each network namespace, asked
 * by netlink and bpf(2), and freplace links.
 */
#ifndef PACKET_TRAIL_PLACES_H
#define PACKET_TRAIL_PLACES_H

#include "program.h"

/*
 * Adds the places in the network namespace that the calling thread is in. What can't be asked is
 * left out. -ENOMEM, else 0.
 */
int places_of_netns(struct places *places, uint32_t inum);

/* Adds what links alone tell: freplace, and the link ids of XDP places that are there already. */
int places_of_links(struct places *places);

void places_free(struct places *places);

#endif
