/* SPDX-License-Identifier: Apache-2.0 */
/* A hook: one attach point, as the stream's hook table has it. Hook `id` is the table's item id
 * − 1. */
#ifndef PACKET_TRAIL_HOOKS_H
#define PACKET_TRAIL_HOOKS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of the stream format's HookKind. */
enum hook_kind {
	HOOK_KPROBE = 0,
	HOOK_KPROBE_MULTI = 1,
	HOOK_TRACEPOINT = 2,
	HOOK_LINEAGE = 5,
};

/* Numbers of the stream format's HookState, and one for what is still to come. */
enum hook_state { STATE_ATTACHED = 0, STATE_SKIPPED = 1, STATE_GONE = 2, STATE_WAITING = 100 };

struct hook {
	uint32_t id;
	enum hook_kind kind;
	const char *function;
	const char *module; /* "" = vmlinux */
	const char *prototype;
	uint64_t address; /* 0 = unknown */
	uint64_t cookie;  /* what the kernel side gets: bpf/event.h */
	uint8_t position;
	_Atomic int state; /* enum hook_state; errno of a failure goes before it */
	int error;	   /* errno, when SKIPPED */
};

struct hooks {
	struct hook *items;
	size_t count;
	size_t functions; /* the first so many are function hooks */
};

#endif
