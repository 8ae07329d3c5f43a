/* SPDX-License-Identifier: Apache-2.0 */
/* --check: can this machine be traced? */
#ifndef PACKET_TRAIL_PREFLIGHT_H
#define PACKET_TRAIL_PREFLIGHT_H

#include <stdbool.h>
#include <stdio.h>

/* One line a requirement with the mend (or a JSON array). Returns the exit status. */
int preflight_run(const char *btf_path, bool json, FILE *out);

#endif
