// SPDX-License-Identifier: Apache-2.0
/* Function hooks by kprobe.multi: see attach_multi.h. */
#include "attach_multi.h"
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *close_descriptor(void *descriptor)
{
	close((int)(intptr_t)descriptor);
	return NULL;
}

/* Closing a link waits for a grace period (ftrace_shutdown(), kernel/trace/ftrace.c): beside us. */
static void close_link_apart(int link)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, close_descriptor, (void *)(intptr_t)link))
		close(link);
	else
		pthread_detach(thread);
}

bool kprobe_multi_works(uint64_t address)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, program_opts,
		    .expected_attach_type = BPF_TRACE_KPROBE_MULTI);
	unsigned long addresses[] = {address};
	LIBBPF_OPTS(bpf_link_create_opts, link_opts, .kprobe_multi.addrs = addresses,
		    .kprobe_multi.cnt = 1);
	int program, link;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", nothing,
				sizeof(nothing) / sizeof(*nothing), &program_opts);
	if (program < 0)
		return false;
	link = bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &link_opts);
	if (link >= 0)
		close_link_apart(link);
	close(program);
	return link >= 0;
}

/* ---- attaching: halves of a batch that fails ---- */

/* Hooks of one program. */
static void attach_batch(struct attachment *attachment, struct hook **hooks, size_t count)
{
	unsigned long *addresses = malloc(count * sizeof(*addresses));
	__u64 *cookies = malloc(count * sizeof(*cookies));
	LIBBPF_OPTS(bpf_link_create_opts, opts, .kprobe_multi.addrs = addresses,
		    .kprobe_multi.cookies = cookies, .kprobe_multi.cnt = count);
	int link = -1, error = ENOMEM;

	if (addresses && cookies) {
		for (size_t i = 0; i < count; i++) {
			addresses[i] = hooks[i]->address;
			cookies[i] = hooks[i]->cookie;
		}
		link = bpf_link_create(attachment_program_of(attachment, hooks[0]), 0,
				       BPF_TRACE_KPROBE_MULTI, &opts);
		error = errno;
	}
	free(addresses);
	free(cookies);
	if (link >= 0) {
		error = -attachment_keep_link(attachment, link);
		for (size_t i = 0; i < count; i++) {
			hooks[i]->link = error ? 0 : link;
			hook_settle(hooks[i], error);
		}
	} else if (count == 1) {
		hook_settle(hooks[0], error);
	} else {
		attach_batch(attachment, hooks, count / 2);
		attach_batch(attachment, hooks + count / 2, count - count / 2);
	}
}

/* Those of one program. `identity`: of them, those that identity needs, where these are apart. */
static void attach_some(struct attachment *attachment, struct hook **hooks, size_t count,
			int program, bool identity)
{
	struct hook **batch = malloc((count + 1) * sizeof(struct hook *));
	size_t some = 0;

	for (size_t i = 0; i < count; i++) {
		bool needed = attachment->apart && hooks[i]->cookie & COOKIE_IDENTITY;

		if (attachment_program_of(attachment, hooks[i]) != program || needed != identity)
			continue;
		if (batch)
			batch[some++] = hooks[i];
		else
			hook_settle(hooks[i], ENOMEM);
	}
	if (some)
		attach_batch(attachment, batch, some);
	free(batch);
}

void attach_multi(struct attachment *attachment, struct hook **hooks, size_t count)
{
	int programs[] = {attachment->program, attachment->placed[0], attachment->placed[1],
			  attachment->placed[2]};

	for (size_t i = 0; i < 2 * (PLACED + 1); i++)
		attach_some(attachment, hooks, count, programs[i / 2], i % 2);
}

/* ---- what is attached ---- */

/*
 * struct bpf_link_info for kprobe.multi (include/uapi/linux/bpf.h), whose count of missed hits is
 * newer (6.7, e2b2cd592a63) than the header that we build with.
 */
struct kprobe_multi_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 padding;
	__u64 addrs;
	__u32 count;
	__u32 flags;
	__u64 missed;
	__u64 cookies;
};

uint64_t multi_missed(int link)
{
	union {
		struct bpf_link_info known;
		struct kprobe_multi_info multi;
		char room[256];
	} info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(link, &info, &size) ||
	    info.known.type != BPF_LINK_TYPE_KPROBE_MULTI ||
	    size < sizeof(struct kprobe_multi_info))
		return 0;
	return info.multi.missed;
}

void multi_close(struct attachment *attachment, int link)
{
	for (size_t i = 0; i < attachment->link_count; i++) {
		if (attachment->links[i] != link)
			continue;
		attachment->missed += multi_missed(link);
		close(link);
		attachment->links[i] = attachment->links[--attachment->link_count];
		return;
	}
}

/* The hooks of a link that are still wanted, attached anew. */
static void attach_anew(struct attachment *attachment, int link)
{
	struct hooks *hooks = &attachment->hooks;
	struct hook **batch = malloc(hooks->functions * sizeof(struct hook *));
	size_t count = 0;

	multi_close(attachment, link);
	for (size_t i = 0; i < hooks->functions; i++) {
		struct hook *hook = &hooks->items[i];

		if (hook->link != link)
			continue;
		hook->link = 0;
		if (atomic_load(&hook->state) != STATE_ATTACHED)
			continue;
		if (batch)
			batch[count++] = hook;
		else
			hook_settle(hook, ENOMEM);
	}
	if (count)
		attach_batch(attachment, batch, count);
	free(batch);
}

void attachment_without_shed(struct attachment *attachment)
{
	struct hooks *hooks = &attachment->hooks;

	/* Kprobes share trace events, which go away as slowly as they come. */
	if (attachment->backend != BACKEND_KPROBE_MULTI)
		return;
	attachment_await(attachment);
	for (size_t i = 0; i < hooks->functions; i++)
		if (atomic_load(&hooks->items[i].state) == STATE_SHED && hooks->items[i].link)
			attach_anew(attachment, hooks->items[i].link);
}
