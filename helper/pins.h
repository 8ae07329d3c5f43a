/* SPDX-License-Identifier: Apache-2.0 */
/* Which BPF programs are pinned where: themselves, or a link that holds them. */
#ifndef PACKET_TRAIL_PINS_H
#define PACKET_TRAIL_PINS_H

#include <stddef.h>
#include <stdint.h>

struct pin {
	uint32_t program;
	char *path;
};

struct pins {
	struct pin *items;
	size_t count;
};

/* Reads /sys/fs/bpf. What can't be opened is left out. */
void pins_read(struct pins *pins);
void pins_free(struct pins *pins);

#endif
