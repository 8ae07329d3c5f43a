// SPDX-License-Identifier: Apache-2.0
/* Attaching and detaching: see attach.h. */
#include "attach.h"
#include "log.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHERS 6

static struct hook *add(struct hooks *hooks, enum hook_kind kind, const char *function,
			const char *prototype, uint8_t position)
{
	struct hook *hook = &hooks->items[hooks->count++];

	hook->id = hooks->count;
	hook->kind = kind;
	hook->function = function;
	hook->module = "";
	hook->prototype = prototype;
	hook->position = position;
	hook->state = STATE_WAITING;
	return hook;
}

int attachment_plan(struct attachment *attachment, const struct functions *functions,
		    struct load *load, bool with_tracepoints, bool with_lineage)
{
	struct hooks *hooks = &attachment->hooks;

	memset(attachment, 0, sizeof(*attachment));
	attachment->backend = load->backend;
	hooks->items = calloc(functions->count + OTHERS, sizeof(*hooks->items));
	attachment->link_room = functions->count + OTHERS;
	attachment->links = calloc(attachment->link_room, sizeof(*attachment->links));
	if (!hooks->items || !attachment->links)
		return -ENOMEM;
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->items[i];
		struct hook *hook =
			add(hooks,
			    load->backend == BACKEND_KPROBE_MULTI ? HOOK_KPROBE_MULTI : HOOK_KPROBE,
			    function->name, function->prototype, function->position);

		if (function->quiet)
			hook->kind = HOOK_LINEAGE;
		hook->module = function->module;
		hook->address = function->address;
		hook->cookie = hook->id | (uint64_t)function->position << COOKIE_POSITION_SHIFT;
		if (function->ends)
			hook->cookie |= COOKIE_FREE;
		if (function->no_birth)
			hook->cookie |= COOKIE_NO_BIRTH;
		if (function->rank < 2)
			attachment->first_rank_end = i + 1;
	}
	hooks->functions = hooks->count;
	load->drop_hook = load->consume_hook = load->clone_hook = load->copy_hook = 0;
	load->pskb_copy_hook = load->segment_hook = 0;
	if (with_tracepoints) {
		load->drop_hook =
			add(hooks, HOOK_TRACEPOINT, "skb:kfree_skb",
			    "(struct sk_buff *skb, void *location, enum skb_drop_reason reason)", 1)
				->id;
		load->consume_hook = add(hooks, HOOK_TRACEPOINT, "skb:consume_skb",
					 "(struct sk_buff *skb, void *location)", 1)
					     ->id;
	}
	if (with_lineage) {
		load->clone_hook =
			add(hooks, HOOK_LINEAGE, "skb_clone",
			    "struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t gfp_mask)", 1)
				->id;
		load->copy_hook =
			add(hooks, HOOK_LINEAGE, "skb_copy",
			    "struct sk_buff *skb_copy(const struct sk_buff *skb, gfp_t gfp_mask)",
			    1)
				->id;
		load->pskb_copy_hook =
			add(hooks, HOOK_LINEAGE, "__pskb_copy_fclone",
			    "struct sk_buff *__pskb_copy_fclone(struct sk_buff *skb, int "
			    "headroom, gfp_t gfp_mask, bool fclone)",
			    1)
				->id;
		load->segment_hook = add(hooks, HOOK_LINEAGE, "skb_segment",
					 "struct sk_buff *skb_segment(struct sk_buff *head_skb, "
					 "netdev_features_t features)",
					 1)
					     ->id;
	}
	return 0;
}

static void settle(struct hook *hook, int error)
{
	hook->error = error;
	atomic_store(&hook->state, error ? STATE_SKIPPED : STATE_ATTACHED);
}

static void attach_one_other(struct attachment *attachment, uint32_t id,
			     struct bpf_program *program)
{
	int link;

	if (!id)
		return;
	/* Tracing programs know their place since load; -1 is what is asked for no other one. */
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));
	if (link >= 0)
		attachment->links[attachment->link_count++] = link;
	settle(&attachment->hooks.items[id - 1], link < 0 ? errno : 0);
}

void attachment_attach_others(struct attachment *attachment, struct packet_trail_bpf *skeleton)
{
	attach_one_other(attachment, skeleton->rodata->drop_hook, skeleton->progs.on_drop);
	attach_one_other(attachment, skeleton->rodata->consume_hook, skeleton->progs.on_consume);
	attach_one_other(attachment, skeleton->rodata->clone_hook, skeleton->progs.on_clone);
	attach_one_other(attachment, skeleton->rodata->copy_hook, skeleton->progs.on_copy);
	attach_one_other(attachment, skeleton->rodata->pskb_copy_hook,
			 skeleton->progs.on_pskb_copy);
	attach_one_other(attachment, skeleton->rodata->segment_hook, skeleton->progs.on_segment);
	attachment->program = bpf_program__fd(skeleton->progs.on_function);
}

/* ---- kprobe.multi: many at once, halves of a batch that fails ---- */

static void attach_multi(struct attachment *attachment, size_t begin, size_t end)
{
	size_t count = end - begin;
	unsigned long *addresses = malloc(count * sizeof(*addresses));
	__u64 *cookies = malloc(count * sizeof(*cookies));
	LIBBPF_OPTS(bpf_link_create_opts, opts, .kprobe_multi.addrs = addresses,
		    .kprobe_multi.cookies = cookies, .kprobe_multi.cnt = count);
	int link = -1, error = ENOMEM;

	if (addresses && cookies) {
		for (size_t i = 0; i < count; i++) {
			addresses[i] = attachment->hooks.items[begin + i].address;
			cookies[i] = attachment->hooks.items[begin + i].cookie;
		}
		link = bpf_link_create(attachment->program, 0, BPF_TRACE_KPROBE_MULTI, &opts);
		error = errno;
	}
	free(addresses);
	free(cookies);
	if (link >= 0) {
		attachment->links[attachment->link_count++] = link;
		for (size_t i = begin; i < end; i++)
			settle(&attachment->hooks.items[i], 0);
	} else if (count == 1) {
		settle(&attachment->hooks.items[begin], error);
	} else {
		attach_multi(attachment, begin, begin + count / 2);
		attach_multi(attachment, begin + count / 2, end);
	}
}

/* ---- kprobe: one perf event and one link a function ---- */

static int kprobe_type(void)
{
	static int type = -1;
	FILE *file;

	if (type >= 0)
		return type;
	file = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &type) != 1)
		type = -1;
	fclose(file);
	return type;
}

/* A link descriptor, or -errno. The link holds the perf event, whose own descriptor isn't kept. */
static int attach_kprobe(int program, uint64_t address, uint64_t cookie)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = kprobe_type(),
		.kprobe_addr = address,
	};
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);
	int event, link, error;

	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	link = bpf_link_create(program, event, BPF_PERF_EVENT, &opts);
	error = errno;
	close(event);
	return link < 0 ? -error : link;
}

static void attach_single(struct attachment *attachment, struct hook *hook)
{
	int link = attach_kprobe(attachment->program, hook->address, hook->cookie);

	if (link >= 0)
		attachment->links[attachment->link_count++] = link;
	settle(hook, link < 0 ? -link : 0);
}

void attachment_attach(struct attachment *attachment, size_t begin, size_t end,
		       bool (*progress)(size_t done, size_t total, void *context), void *context)
{
	if (begin >= end)
		return;
	if (attachment->backend == BACKEND_KPROBE_MULTI) {
		attach_multi(attachment, begin, end);
		atomic_store(&attachment->tried, end);
		return;
	}
	for (size_t i = begin; i < end && !atomic_load(&attachment->stop); i++) {
		attach_single(attachment, &attachment->hooks.items[i]);
		atomic_store(&attachment->tried, i + 1);
		if (progress && i % 16 == 15 && progress(i + 1, end, context))
			return;
	}
}

static void *attach_thread(void *context)
{
	struct attachment *attachment = context;

	attachment_attach(attachment, atomic_load(&attachment->tried), attachment->hooks.functions,
			  NULL, NULL);
	return NULL;
}

void attachment_attach_rest(struct attachment *attachment, size_t begin)
{
	if (begin >= attachment->hooks.functions)
		return;
	atomic_store(&attachment->tried, begin);
	attachment->threaded =
		pthread_create(&attachment->thread, NULL, attach_thread, attachment) == 0;
	if (!attachment->threaded)
		attachment_attach(attachment, begin, attachment->hooks.functions, NULL, NULL);
}

/*
 * Closing a kprobe waits for RCU grace periods, one after the other under event_mutex
 * (perf_trace_event_unreg and unregister_kprobe, kernel/trace/trace_event_perf.c), so threads don't
 * help. Expedited grace periods do: /sys/kernel/rcu_expedited is a count that is put back after.
 */
#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"

static bool set_expedited(int value)
{
	char text[16];
	int file = open(RCU_EXPEDITED, O_WRONLY | O_CLOEXEC), length;
	bool done;

	if (file < 0)
		return false;
	length = snprintf(text, sizeof(text), "%d", value);
	done = write(file, text, length) == length;
	close(file);
	return done;
}

static int read_expedited(void)
{
	FILE *file = fopen(RCU_EXPEDITED, "re");
	int value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

/*
 * A child that does nothing until this process is over, however it ends: then it lets the kernel
 * take the probes away quickly too, and puts the setting back. The pipe's other end is closed by
 * the kernel with our descriptors, the pidfd tells when all of them are.
 */
void attachment_guard(struct attachment *attachment)
{
	int ends[2], self, before;
	pid_t child;

	if (attachment->backend != BACKEND_KPROBE)
		return;
	before = read_expedited();
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (before != 0 || self < 0 || pipe2(ends, O_CLOEXEC)) {
		if (self >= 0)
			close(self);
		return;
	}
	child = fork();
	if (child == 0) {
		struct pollfd over = {.fd = self, .events = POLLIN};
		char byte;

		/* Nothing of ours may stay open here: no probe, no stream, no terminal. */
		setsid();
		if (dup2(ends[0], 0) < 0 || dup2(self, 1) < 0)
			_exit(1);
		syscall(SYS_close_range, 2U, ~0U, 0U);
		over.fd = 1;
		/* A byte: it ended in order, and there is nothing to do. */
		if (read(0, &byte, 1) == 0 && set_expedited(1)) {
			poll(&over, 1, 60000);
			set_expedited(0);
		}
		_exit(0);
	}
	close(ends[0]);
	close(self);
	attachment->guard = child > 0 ? child : 0;
	attachment->guard_pipe = ends[1];
}

static void dismiss_guard(struct attachment *attachment)
{
	if (!attachment->guard)
		return;
	if (write(attachment->guard_pipe, "", 1) != 1)
		say("the guard has gone already: nothing to do: go on");
	close(attachment->guard_pipe);
	waitpid(attachment->guard, NULL, 0);
	attachment->guard = 0;
}

void attachment_detach(struct attachment *attachment)
{
	bool expedited;

	atomic_store(&attachment->stop, true);
	if (attachment->threaded)
		pthread_join(attachment->thread, NULL);
	attachment->threaded = false;
	if (!attachment->link_count)
		return;
	expedited =
		attachment->backend == BACKEND_KPROBE && read_expedited() == 0 && set_expedited(1);
	for (size_t i = attachment->link_count; i-- > 0;)
		close(attachment->links[i]);
	attachment->link_count = 0;
	if (expedited)
		set_expedited(0);
	dismiss_guard(attachment);
}

void attachment_free(struct attachment *attachment)
{
	free(attachment->hooks.items);
	free(attachment->links);
	memset(attachment, 0, sizeof(*attachment));
}

const char *attach_reason(int error)
{
	switch (error) {
	case EINVAL:
	case ENOENT:
	case EILSEQ:
		return "the kernel refuses a probe at this address";
	case EMFILE:
	case ENFILE:
		return "too many open files: raise the limit (ulimit -n)";
	case EPERM:
	case EACCES:
		return "not permitted: run as root";
	case EOPNOTSUPP:
		return "this kernel can't hook it this way";
	default:
		return strerror(error);
	}
}
