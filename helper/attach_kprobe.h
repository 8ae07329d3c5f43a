/* SPDX-License-Identifier: Apache-2.0 */
/* Function hooks by kprobes: many in one trace event of tracefs, else a perf event each. */
#ifndef PACKET_TRAIL_ATTACH_KPROBE_H
#define PACKET_TRAIL_ATTACH_KPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attachment;
struct hook;
struct reporter;

/* Has this kernel kprobes, one way or the other? */
bool kprobes_work(void);

#define UNCOUNTED SIZE_MAX /* these hooks are not among those that are counted as tried */

/* Attaches hooks, before which `done` were tried, or UNCOUNTED; ends early when the attachment is
 * to stop. */
void attach_kprobes(struct attachment *attachment, struct hook **hooks, size_t count,
		    const struct reporter *reporter, size_t done);

#endif
