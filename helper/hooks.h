/* SPDX-License-Identifier: Apache-2.0 */
/* A hook: one attach point, as the stream's hook table has it. */
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
	HOOK_BPF_ENTRY = 3,
	HOOK_BPF_VERDICT = 4,
	HOOK_LINEAGE = 5,
	HOOK_BPF_HELPER = 6,
};

/* Numbers of the stream format's HookState, and one for what is still to come. */
enum hook_state {
	STATE_ATTACHED = 0,
	STATE_SKIPPED = 1,
	STATE_GONE = 2,
	STATE_SHED = 3,
	STATE_WAITING = 100
};

struct hook {
	uint32_t id;
	enum hook_kind kind;
	const char *function;
	const char *module; /* "" = vmlinux */
	const char *prototype;
	uint64_t address; /* 0 = unknown */
	uint64_t behind;  /* behind ftrace's call at its begin; 0 = unknown */
	uint64_t cookie;  /* what the kernel side gets: bpf/event.h */
	uint32_t program; /* id of the BPF program that is hooked; 0 = none */
	uint8_t position;
	_Atomic int state; /* enum hook_state; errno of a failure goes before it */
	int error;	   /* errno, when SKIPPED */
	int link;	   /* of a function hook: descriptor, others may share it; 0 = none */
	char *own_name;	   /* what `function` points to, where the hook owns it */
};

struct hooks {
	struct hook *items;
	size_t count;
	size_t functions; /* the first so many are function hooks */
	/* BPF programs come and go: their hooks have the ids after `count`, for one thread alone.
	 */
	struct hook **later;
	size_t later_count;
	size_t later_room;
};

/* The hook of this id, NULL when none has it. */
struct hook *hook_of(const struct hooks *hooks, uint32_t id);

/* It was tried: `error` is an errno, 0 = it is attached. */
void hook_settle(struct hook *hook, int error);

/* A later hook with its id, all else zero; NULL without memory. */
struct hook *hooks_add(struct hooks *hooks);
void hooks_free(struct hooks *hooks);

#endif
