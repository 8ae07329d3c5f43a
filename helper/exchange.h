/* SPDX-License-Identifier: Apache-2.0 */
/* Our programs on kernels without atomic instructions that give the value before. */
#ifndef PACKET_TRAIL_EXCHANGE_H
#define PACKET_TRAIL_EXCHANGE_H

#include <stdbool.h>

struct bpf_object;

/* Does the kernel have them? 5.12, 5ffa25502b5a. */
bool exchange_works(void);

/*
 * Older kernels refuse a program for holding such an instruction, reached or not: each becomes one
 * that says it did not exchange.
 */
void without_exchange(struct bpf_object *object);

#endif
