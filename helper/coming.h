/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Ethernet header that a packet will get: on its way down a packet begins with its IP header
 * until a device is near, and a filter speaks of the frame that will be.
 */
#ifndef PACKET_TRAIL_COMING_H
#define PACKET_TRAIL_COMING_H

#include "translation.h"

/* Its length: byte k of the frame is byte k - ETHERNET of what is there. */
#define ETHERNET 14

/*
 * frame[k …], which begins in that header, into A, with what is known of it. False if it can't be
 * in any packet; then nothing follows.
 */
bool coming_load(struct translation *t, __u32 k, unsigned int size, struct known *known);

/* A = the Ethernet type that the packet at DATA will have, 0 = unknown; uses TMP. */
void coming_type(struct translation *t, struct known *known);

#endif
