/* SPDX-License-Identifier: Apache-2.0 */
/* Function hooks by kprobes: many in one trace event of tracefs, else a perf event each. */
#ifndef PACKET_TRAIL_ATTACH_KPROBE_H
#define PACKET_TRAIL_ATTACH_KPROBE_H

#include <stdbool.h>
#include <stddef.h>

struct attachment;
struct hook;
struct reporter;

/* Has this kernel kprobes, one way or the other? */
bool kprobes_work(void);

/* Attaches hooks, of which `done` were tried before; ends early when the attachment is to stop. */
void attach_kprobes(struct attachment *attachment, struct hook **hooks, size_t count,
		    const struct reporter *reporter, size_t done);

#endif
