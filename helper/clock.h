/* SPDX-License-Identifier: Apache-2.0 */
/* What time it is, as the kernel side says it (bpf_ktime_get_ns()), and as people do. */
#ifndef PACKET_TRAIL_CLOCK_H
#define PACKET_TRAIL_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t clock_ns(void);
uint64_t clock_ms(void);

/* CLOCK_MONOTONIC and CLOCK_REALTIME, ns, read together. */
void clock_pair(uint64_t *monotonic, uint64_t *wall);

#endif
