/* SPDX-License-Identifier: Apache-2.0 */
/* A BPF program as the messages Program and Source of docs/stream-format.md. */
#ifndef PACKET_TRAIL_PROGRAM_MESSAGE_H
#define PACKET_TRAIL_PROGRAM_MESSAGE_H

#include "program.h"
#include "stream.h"

void put_program(struct bytes *message, const struct program *program);
void put_source(struct bytes *message, const struct program *program);

#endif
