/* SPDX-License-Identifier: Apache-2.0 */
/* Drop reasons of this kernel, by the enums in its BTF: numbering differs between kernels. */
#ifndef PACKET_TRAIL_REASONS_H
#define PACKET_TRAIL_REASONS_H

#include <stddef.h>
#include <stdint.h>

struct btf;

struct reason {
	uint32_t value;
	char *name;
};

struct reasons {
	struct reason *items; /* by value */
	size_t count;
};

/* Adds the reasons that `btf` declares in types from `first` on. 0 or -ENOMEM. */
int reasons_add(struct reasons *reasons, const struct btf *btf, uint32_t first);
/* NULL when the value has no name. */
const char *reason_name(const struct reasons *reasons, uint32_t value);
void reasons_free(struct reasons *reasons);

#endif
