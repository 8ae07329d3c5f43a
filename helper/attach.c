// SPDX-License-Identifier: Apache-2.0
/* Attaching and detaching: see attach.h. */
#include "attach.h"
#include "log.h"
#include "refused.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OTHERS	     (3 + POINTS)
#define LATER_PLACES 1024 /* functions of modules that are loaded later */

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

/* What the table says of a function. */
static void describe(struct hook *hook, const struct function *function, enum backend backend)
{
	hook->kind = backend == BACKEND_KPROBE_MULTI ? HOOK_KPROBE_MULTI : HOOK_KPROBE;
	if (function->quiet)
		hook->kind = HOOK_LINEAGE;
	else if (function->helper)
		hook->kind = HOOK_BPF_HELPER;
	hook->function = function->name;
	hook->module = function->module;
	hook->prototype = function->prototype;
	hook->position = function->position;
	hook->state = STATE_WAITING;
	hook->address = function->address;
	hook->behind = function->behind;
	hook->cookie = hook->id | (uint64_t)function->position << COOKIE_POSITION_SHIFT;
	if (function->part == PART_END)
		hook->cookie |= COOKIE_FREE;
	else if (function->quiet)
		hook->cookie |= COOKIE_SILENT;
	if (function->part == PART_FRAGMENT)
		hook->cookie |= COOKIE_FRAGMENT;
	if (function->part == PART_WHOLE)
		hook->cookie |= COOKIE_WHOLE;
	if (function->no_birth)
		hook->cookie |= COOKIE_NO_BIRTH;
	if (function->doubtful)
		hook->cookie |= COOKIE_DOUBTFUL;
}

static void settle(struct hook *hook, int error)
{
	hook->error = error;
	atomic_store(&hook->state, error ? STATE_SKIPPED : STATE_ATTACHED);
}

/* By enum point. */
static const struct {
	const char *hook;
	const char *name;
	const char *program; /* ours */
} points[POINTS] = {
	{"net:netif_receive_skb", "netif_receive_skb", "on_receive"},
	{"net:netif_rx", "netif_rx", "on_rx"},
	{"net:net_dev_queue", "net_dev_queue", "on_queue"},
	{"net:net_dev_start_xmit", "net_dev_start_xmit", "on_start_xmit"},
};

/* The hook's id, or 0: then it is skipped, since the kernel refuses one of its programs. */
static uint32_t unless_refused(struct hook *hook, const struct load *load,
			       const char *const programs[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!load_refused(load, programs[i]))
			continue;
		settle(hook, ENOEXEC);
		return 0;
	}
	return hook->id;
}

int attachment_plan(struct attachment *attachment, const struct functions *functions,
		    struct load *load)
{
	static const char *const drop[] = {"on_drop", "on_drop_match", "on_end"};
	static const char *const consume[] = {"on_consume", "on_end"};
	static const char *const copy[] = {"on_copy"};
	struct hooks *hooks = &attachment->hooks;

	memset(attachment, 0, sizeof(*attachment));
	attachment->backend = load->backend;
	attachment->probes.folder = -1;
	load->places = load->backend == BACKEND_KPROBE ? functions->count + LATER_PLACES : 1;
	hooks->items = calloc(functions->count + OTHERS, sizeof(*hooks->items));
	attachment->link_room = functions->count + OTHERS;
	attachment->links = calloc(attachment->link_room, sizeof(*attachment->links));
	if (!hooks->items || !attachment->links)
		return -ENOMEM;
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->items[i];

		describe(add(hooks, HOOK_KPROBE, "", "", 0), function, load->backend);
		if (function->rank < 2)
			attachment->first_rank_end = i + 1;
	}
	hooks->functions = hooks->count;
	load->settings.points = load->backend == BACKEND_TRACEPOINTS;
	memset(load->point_hooks, 0, sizeof(load->point_hooks));
	for (size_t i = 0; load->settings.points && i < POINTS; i++) {
		struct hook *hook =
			add(hooks, HOOK_TRACEPOINT, points[i].hook, "(struct sk_buff *skb)", 1);

		load->point_hooks[i] = unless_refused(hook, load, &points[i].program, 1);
	}
	load->release = functions->release && !load_refused(load, "on_release");
	load->drop_hook = unless_refused(
		add(hooks, HOOK_TRACEPOINT, "skb:kfree_skb",
		    "(struct sk_buff *skb, void *location, enum skb_drop_reason reason)", 1),
		load, drop, sizeof(drop) / sizeof(*drop));
	load->consume_hook = unless_refused(add(hooks, HOOK_TRACEPOINT, "skb:consume_skb",
						"(struct sk_buff *skb, void *location)", 1),
					    load, consume, sizeof(consume) / sizeof(*consume));
	load->copy_hook = 0;
	if (load->settings.follow) {
		struct hook *hook = add(
			hooks, HOOK_LINEAGE, "__copy_skb_header",
			"void __copy_skb_header(struct sk_buff *new, const struct sk_buff *old)",
			2);

		if (functions->copies)
			load->copy_hook = unless_refused(hook, load, copy, 1);
		else
			settle(hook, ENOSYS);
	}
	return 0;
}

/* Keeps a descriptor that holds hooks; without memory it is closed, and the hooks are gone. */
static int keep_link(struct attachment *attachment, int link)
{
	if (attachment->link_count == attachment->link_room) {
		size_t room = 2 * attachment->link_room;
		int *more = realloc(attachment->links, room * sizeof(*more));

		if (!more) {
			close(link);
			return -ENOMEM;
		}
		attachment->links = more;
		attachment->link_room = room;
	}
	attachment->links[attachment->link_count++] = link;
	return 0;
}

/* `point` names a raw tracepoint; tracing programs know their place since load. */
static void attach_one_other(struct attachment *attachment, uint32_t id,
			     const struct bpf_program *program, const char *point)
{
	int link;

	if (!id)
		return;
	link = bpf_raw_tracepoint_open(point, bpf_program__fd(program));
	settle(&attachment->hooks.items[id - 1], link < 0 ? errno : -keep_link(attachment, link));
}

/* Sends no events, so it is no hook of the table; without it some ends are missed. */
static void attach_release(struct attachment *attachment, const struct bpf_program *program)
{
	int link = -1;

	if (bpf_program__fd(program) >= 0)
		link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));
	if (link >= 0)
		keep_link(attachment, link);
}

void attachment_attach_others(struct attachment *attachment, const struct load *load,
			      const struct packet_trail_bpf *skeleton)
{
	const struct bpf_program *const at_points[POINTS] = {
		skeleton->progs.on_receive,
		skeleton->progs.on_rx,
		skeleton->progs.on_queue,
		skeleton->progs.on_start_xmit,
	};
	const struct bpf_program *const placed[PLACED] = {
		skeleton->progs.on_first,
		skeleton->progs.on_second,
		skeleton->progs.on_third,
	};

	attach_one_other(attachment, load->drop_hook, skeleton->progs.on_drop, "kfree_skb");
	attach_one_other(attachment, load->consume_hook, skeleton->progs.on_consume, "consume_skb");
	attach_one_other(attachment, load->copy_hook, skeleton->progs.on_copy, NULL);
	attach_release(attachment, skeleton->progs.on_release);
	for (size_t i = 0; i < POINTS; i++)
		attach_one_other(attachment, load->point_hooks[i], at_points[i], points[i].name);
	attachment->program = bpf_program__fd(skeleton->progs.on_function);
	/* With a budget each hit asks what its hook is anyway, and links are attached anew: few. */
	if (attachment->backend != BACKEND_TRACEPOINTS && !attachment->apart)
		for (size_t i = 0; i < PLACED; i++)
			attachment->placed[i] =
				bpf_program__fd(placed[i]) < 0 ? 0 : bpf_program__fd(placed[i]);
	attachment->places = bpf_map__fd(skeleton->maps.probe_cookies);
}

/* ---- kprobe.multi: many at once, halves of a batch that fails ---- */

/* The program for a hook: the quickest that knows where the skb is. */
static int program_of(const struct attachment *attachment, const struct hook *hook)
{
	bool placed = hook->position >= 1 && hook->position <= PLACED &&
		      !(hook->cookie & (COOKIE_DOUBTFUL | COOKIE_WHOLE));

	int program = placed ? attachment->placed[hook->position - 1] : 0;

	return program ? program : attachment->program;
}

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
		link = bpf_link_create(program_of(attachment, hooks[0]), 0, BPF_TRACE_KPROBE_MULTI,
				       &opts);
		error = errno;
	}
	free(addresses);
	free(cookies);
	if (link >= 0) {
		error = -keep_link(attachment, link);
		for (size_t i = 0; i < count; i++) {
			hooks[i]->link = error ? 0 : link;
			settle(hooks[i], error);
		}
	} else if (count == 1) {
		settle(hooks[0], error);
	} else {
		attach_batch(attachment, hooks, count / 2);
		attach_batch(attachment, hooks + count / 2, count - count / 2);
	}
}

/* Those of one program. `ends`: of them, those that identity needs, where these are apart. */
static void attach_some(struct attachment *attachment, struct hook **hooks, size_t count,
			int program, bool ends)
{
	struct hook **batch = malloc((count + 1) * sizeof(struct hook *));
	size_t some = 0;

	for (size_t i = 0; i < count; i++) {
		bool end = attachment->apart && hooks[i]->cookie & COOKIE_IDENTITY;

		if (program_of(attachment, hooks[i]) != program || end != ends)
			continue;
		if (batch)
			batch[some++] = hooks[i];
		else
			settle(hooks[i], ENOMEM);
	}
	if (some)
		attach_batch(attachment, batch, some);
	free(batch);
}

/* `apart`: hooks that identity needs have a link of their own, which stays whatever is shed. */
static void attach_multi(struct attachment *attachment, struct hook **hooks, size_t count)
{
	int programs[] = {attachment->program, attachment->placed[0], attachment->placed[1],
			  attachment->placed[2]};

	for (size_t i = 0; i < 2 * (PLACED + 1); i++)
		attach_some(attachment, hooks, count, programs[i / 2], i % 2);
}

/* Reports how far it is; true = it is to stop. */
static bool report(struct attachment *attachment, const struct reporter *reporter, size_t done)
{
	if (reporter && reporter->progress(done, attachment->hooks.functions, reporter->context))
		atomic_store(&attachment->stop, true);
	return atomic_load(&attachment->stop);
}

/* ---- kprobe ---- */

/* Puts a hook's kprobe to an address, as part of a trace event where there are such. 0, or -errno.
 */
typedef int put_kprobe(struct attachment *attachment, const struct hook *hook, uint64_t address,
		       int event);

/* Puts it behind ftrace's call, else at the function; the kernel side learns first whose it is. 0,
 * or -errno of the last try. */
static int put_somewhere(struct attachment *attachment, const struct hook *hook, put_kprobe *put,
			 int event)
{
	uint64_t addresses[] = {hook->behind, hook->address};
	int err = -EINVAL;

	for (int i = 0; i < 2 && err; i++) {
		if (!addresses[i])
			continue;
		if (bpf_map_update_elem(attachment->places, &addresses[i], &hook->cookie, BPF_ANY))
			return -errno;
		err = put(attachment, hook, addresses[i], event);
		if (err)
			bpf_map_delete_elem(attachment->places, &addresses[i]);
	}
	return err;
}

static int put_defined(struct attachment *attachment, const struct hook *hook, uint64_t address,
		       int event)
{
	return probes_define(&attachment->probes, event, address, hook->id);
}

/*
 * One trace event for all, which one program serves; events for halves of them, when the kernel
 * doesn't arm it. Ends early when the attachment is to stop. `done` hooks were tried before.
 */
static void attach_together(struct attachment *attachment, struct hook **hooks, size_t count,
			    const struct reporter *reporter, size_t done)
{
	int event = probes_event(&attachment->probes), err = event < 0 ? event : 0;
	size_t defined = 0;

	for (size_t i = 0; i < count && event >= 0; i++) {
		if (atomic_load(&attachment->stop))
			return;
		err = put_somewhere(attachment, hooks[i], put_defined, event);
		if (err)
			settle(hooks[i], -err);
		else
			defined++;
		if (i % 16 == 15 && report(attachment, reporter, done + i + 1))
			return;
	}
	if (defined)
		err = probes_enable(&attachment->probes, event, program_of(attachment, hooks[0]));
	if (err && defined && count > 1) {
		attach_together(attachment, hooks, count / 2, NULL, 0);
		attach_together(attachment, hooks + count / 2, count - count / 2, NULL, 0);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (atomic_load(&hooks[i]->state) == STATE_WAITING)
			settle(hooks[i], -err);
}

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

/* Without tracefs: a perf event of its own (since 4.17, e12f03d7031a), gone with its descriptor. */
static int put_alone(struct attachment *attachment, const struct hook *hook, uint64_t address,
		     int event)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = kprobe_type(),
		.kprobe_addr = address,
	};
	int perf, error;

	(void)event;
	perf = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf < 0)
		return -errno;
	if (ioctl(perf, PERF_EVENT_IOC_SET_BPF, program_of(attachment, hook))) {
		error = errno;
		close(perf);
		return -error;
	}
	return keep_link(attachment, perf);
}

/* Hooks that share a trace event. */
#define TOGETHER 128

/* How many, from the first on, one program serves. */
static size_t together(const struct attachment *attachment, struct hook **hooks, size_t count)
{
	size_t some = 1;

	while (some < count && some < TOGETHER &&
	       program_of(attachment, hooks[some]) == program_of(attachment, hooks[0]))
		some++;
	return some;
}

static void attach_hooks(struct attachment *attachment, struct hook **hooks, size_t count,
			 const struct reporter *reporter, size_t done)
{
	size_t some;

	if (count && attachment->backend == BACKEND_KPROBE_MULTI)
		attach_multi(attachment, hooks, count);
	if (attachment->backend == BACKEND_TRACEPOINTS)
		for (size_t i = 0; i < count; i++)
			settle(hooks[i], ENODEV);
	if (attachment->backend != BACKEND_KPROBE) {
		atomic_store(&attachment->tried, done + count);
		return;
	}
	for (size_t i = 0; i < count && !atomic_load(&attachment->stop); i += some) {
		if (attachment->probes.folder < 0) {
			some = 1;
			settle(hooks[i], -put_somewhere(attachment, hooks[i], put_alone, 0));
		} else {
			some = together(attachment, hooks + i, count - i);
			attach_together(attachment, hooks + i, some, reporter, done + i);
			atomic_store(&attachment->missed_meanwhile,
				     probes_count(&attachment->probes).missed);
		}
		if (atomic_load(&attachment->stop))
			return;
		atomic_store(&attachment->tried, done + i + some);
		if (some == 1 && i % 16 == 15)
			report(attachment, reporter, done + i + 1);
	}
}

void attachment_attach(struct attachment *attachment, size_t begin, size_t end,
		       const struct reporter *reporter)
{
	size_t count = end > begin ? end - begin : 0;
	struct hook **hooks = malloc((count + 1) * sizeof(struct hook *));

	for (size_t i = 0; i < count; i++) {
		if (hooks)
			hooks[i] = &attachment->hooks.items[begin + i];
		else
			settle(&attachment->hooks.items[begin + i], ENOMEM);
	}
	if (hooks)
		attach_hooks(attachment, hooks, count, reporter, begin);
	else
		atomic_store(&attachment->tried, end);
	free(hooks);
}

size_t attachment_attach_later(struct attachment *attachment, const struct functions *functions,
			       struct hook ***added)
{
	struct hook **hooks = malloc((functions->count + 1) * sizeof(struct hook *));
	size_t count = 0, tried = atomic_load(&attachment->tried);

	*added = hooks;
	for (size_t i = 0; hooks && i < functions->count; i++) {
		hooks[count] = hooks_add(&attachment->hooks);
		if (!hooks[count])
			break;
		describe(hooks[count++], &functions->items[i], attachment->backend);
	}
	attach_hooks(attachment, hooks, count, NULL, 0);
	atomic_store(&attachment->tried, tried);
	return count;
}

bool kprobes_work(void)
{
	struct probes probes;

	if (kprobe_type() >= 0)
		return true;
	if (probes_open(&probes))
		return false;
	probes_close(&probes);
	return true;
}

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

static uint64_t missed_by(int link)
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

struct probe_counts attachment_count(const struct attachment *attachment)
{
	struct probe_counts counts = {0};

	/* While events are enabled the kernel keeps everybody waiting who asks. */
	if (attachment->threaded && !attachment_settled(attachment))
		counts.missed = atomic_load(&attachment->missed_meanwhile);
	else
		counts = probes_count(&attachment->probes);
	counts.missed += attachment->missed;
	if (attachment->backend == BACKEND_KPROBE_MULTI)
		for (size_t i = 0; i < attachment->link_count; i++)
			counts.missed += missed_by(attachment->links[i]);
	return counts;
}

bool attachment_settled(const struct attachment *attachment)
{
	return atomic_load(&attachment->tried) == attachment->hooks.functions;
}

static void close_link(struct attachment *attachment, int link)
{
	for (size_t i = 0; i < attachment->link_count; i++) {
		if (attachment->links[i] != link)
			continue;
		attachment->missed += missed_by(link);
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

	close_link(attachment, link);
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
			settle(hook, ENOMEM);
	}
	if (count)
		attach_batch(attachment, batch, count);
	free(batch);
}

/* Links are one thread's at a time. */
static void await_thread(struct attachment *attachment)
{
	if (attachment->threaded)
		pthread_join(attachment->thread, NULL);
	attachment->threaded = false;
}

void attachment_without_shed(struct attachment *attachment)
{
	struct hooks *hooks = &attachment->hooks;

	/* Kprobes share trace events, which go away as slowly as they come. */
	if (attachment->backend != BACKEND_KPROBE_MULTI)
		return;
	await_thread(attachment);
	for (size_t i = 0; i < hooks->functions; i++)
		if (atomic_load(&hooks->items[i].state) == STATE_SHED && hooks->items[i].link)
			attach_anew(attachment, hooks->items[i].link);
}

static void *attach_thread(void *context)
{
	struct attachment *attachment = context;
	attachment_attach(attachment, atomic_load(&attachment->tried), attachment->hooks.functions,
			  NULL);
	return NULL;
}

void attachment_attach_rest(struct attachment *attachment, size_t begin)
{
	atomic_store(&attachment->tried, begin);
	attachment->threaded =
		pthread_create(&attachment->thread, NULL, attach_thread, attachment) == 0;
	if (!attachment->threaded)
		attach_thread(attachment);
}

void attachment_begin(struct attachment *attachment)
{
	int err;

	if (attachment->backend != BACKEND_KPROBE)
		return;
	err = probes_open(&attachment->probes);
	if (err)
		say("kprobes one by one: tracefs (%s): they will go away slowly", strerror(-err));
	guard_start(&attachment->guard, attachment->probes.folder, attachment->probes.group);
}

static void *close_links(void *context)
{
	struct attachment *attachment = context;

	for (size_t i = attachment->link_count; i-- > 0;) {
		if (attachment->backend == BACKEND_KPROBE_MULTI)
			attachment->missed += missed_by(attachment->links[i]);
		close(attachment->links[i]);
	}
	attachment->link_count = 0;
	return NULL;
}

void attachment_stop(struct attachment *attachment)
{
	atomic_store(&attachment->stop, true);
	await_thread(attachment);
}

static void *close_leaving_probes(void *context)
{
	struct attachment *attachment = context;

	attachment->missed += probes_close(&attachment->leaving_probes);
	return NULL;
}

/*
 * What is leaving is this thread's alone, and its helper's: probes wait for other grace periods
 * than links. Tracepoints came first, and are hit most.
 */
static void *close_rest(void *context)
{
	struct attachment *attachment = context;
	pthread_t closer;
	bool apart = attachment->leaving_probes.folder >= 0 &&
		     pthread_create(&closer, NULL, close_leaving_probes, attachment) == 0;

	for (size_t i = 0; i < attachment->leaving; i++)
		close(attachment->links[i]);
	if (apart)
		pthread_join(closer, NULL);
	else
		close_leaving_probes(attachment);
	if (attachment->expedited)
		expedite_end(&attachment->guard);
	return NULL;
}

/* A guard for this alone, where there is none: it lives no longer than what it guards. */
static bool hurry(struct attachment *attachment)
{
	if (!attachment->guard.process)
		guard_start(&attachment->guard, -1, "");
	return attachment->guard.process && expedite(&attachment->guard);
}

void attachment_begin_detach(struct attachment *attachment)
{
	struct hooks *hooks = &attachment->hooks;

	attachment_stop(attachment);
	attachment->expedited = hurry(attachment);
	for (size_t i = 0; i < hooks->functions; i++) {
		if (hooks->items[i].link)
			close_link(attachment, hooks->items[i].link);
		hooks->items[i].link = 0;
	}
	attachment->leaving_probes = attachment->probes;
	atomic_store(&attachment->missed_meanwhile, 0);
	attachment->probes = (struct probes){.folder = -1, .commands = -1};
	attachment->leaving = attachment->link_count;
	for (size_t i = 0; i < attachment->leaving; i++)
		attachment->missed += missed_by(attachment->links[i]);
	attachment->link_count = 0;
	attachment->threaded =
		pthread_create(&attachment->thread, NULL, close_rest, attachment) == 0;
	if (!attachment->threaded)
		close_rest(attachment);
}

void attachment_detach(struct attachment *attachment)
{
	bool expedited, apart;
	pthread_t closer;

	attachment_stop(attachment);
	expedited = (attachment->link_count || attachment->probes.folder >= 0) && hurry(attachment);
	/* Links of tracing programs wait for RCU tasks, probes for the rest: beside each other. */
	apart = attachment->link_count && attachment->probes.folder >= 0 &&
		pthread_create(&closer, NULL, close_links, attachment) == 0;
	attachment->missed += probes_close(&attachment->probes);
	if (apart)
		pthread_join(closer, NULL);
	else
		close_links(attachment);
	if (expedited)
		expedite_end(&attachment->guard);
	guard_dismiss(&attachment->guard);
}

void attachment_free(struct attachment *attachment)
{
	hooks_free(&attachment->hooks);
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
	case ENODEV:
		return "this kernel has no kprobes";
	case ENOSYS:
		return "it isn't in this kernel's BTF";
	case ENOEXEC:
		return "the kernel refuses our program for it: --verbose says why";
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
