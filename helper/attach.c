// SPDX-License-Identifier: Apache-2.0
/* Attaching: see attach.h. */
#include "attach.h"
#include "attach_kprobe.h"
#include "attach_multi.h"
#include "log.h"
#include "packet_trail.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int attachment_keep_link(struct attachment *attachment, int link)
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

int attachment_program_of(const struct attachment *attachment, const struct hook *hook)
{
	bool placed = hook->position >= 1 && hook->position <= PLACED &&
		      !(hook->cookie & (COOKIE_DOUBTFUL | COOKIE_WHOLE));

	int program = placed ? attachment->placed[hook->position - 1] : 0;

	return program ? program : attachment->program;
}

bool attachment_report(struct attachment *attachment, const struct reporter *reporter, size_t done)
{
	if (reporter && reporter->progress(done, attachment->hooks.functions, reporter->context))
		atomic_store(&attachment->stop, true);
	return atomic_load(&attachment->stop);
}

static void attach_hooks(struct attachment *attachment, struct hook **hooks, size_t count,
			 const struct reporter *reporter, size_t done)
{
	if (attachment->backend == BACKEND_KPROBE) {
		attach_kprobes(attachment, hooks, count, reporter, done);
		return;
	}
	if (count && attachment->backend == BACKEND_KPROBE_MULTI)
		attach_multi(attachment, hooks, count);
	if (attachment->backend == BACKEND_TRACEPOINTS)
		for (size_t i = 0; i < count; i++)
			hook_settle(hooks[i], ENODEV);
	if (done != UNCOUNTED)
		atomic_store(&attachment->tried, done + count);
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
			hook_settle(&attachment->hooks.items[begin + i], ENOMEM);
	}
	if (hooks)
		attach_hooks(attachment, hooks, count, reporter, begin);
	else
		atomic_store(&attachment->tried, end);
	free(hooks);
}

static bool all_tried(const struct attachment *attachment)
{
	return atomic_load(&attachment->tried) == attachment->hooks.functions;
}

static struct later_hooks *take_later(struct attachment *attachment)
{
	struct later_hooks *later;

	pthread_mutex_lock(&attachment->later_lock);
	later = attachment->later;
	if (later)
		attachment->later = later->next;
	pthread_mutex_unlock(&attachment->later_lock);
	return later;
}

void attachment_serve_later(struct attachment *attachment)
{
	struct later_hooks *later;

	if (attachment->in_later || !atomic_load(&attachment->later_waiting))
		return;
	attachment->in_later = true;
	while ((later = take_later(attachment))) {
		attach_hooks(attachment, later->hooks, later->count, NULL, UNCOUNTED);
		atomic_store(&later->tried, true);
		atomic_fetch_sub(&attachment->later_waiting, 1);
	}
	attachment->in_later = false;
}

struct later_hooks *attachment_attach_later(struct attachment *attachment,
					    const struct functions *functions)
{
	struct later_hooks *later = calloc(1, sizeof(*later)), **end;

	if (!later)
		return NULL;
	later->hooks = malloc((functions->count + 1) * sizeof(struct hook *));
	for (size_t i = 0; later->hooks && i < functions->count; i++) {
		struct hook *hook = hooks_add(&attachment->hooks);

		if (!hook)
			break;
		attachment_describe(hook, &functions->items[i], attachment->backend);
		later->hooks[later->count++] = hook;
	}
	pthread_mutex_lock(&attachment->later_lock);
	for (end = &attachment->later; *end;)
		end = &(*end)->next;
	*end = later;
	atomic_fetch_add(&attachment->later_waiting, 1);
	pthread_mutex_unlock(&attachment->later_lock);
	attachment_tried_later(attachment, later);
	return later;
}

bool attachment_tried_later(struct attachment *attachment, struct later_hooks *later)
{
	if (!atomic_load(&later->tried) && all_tried(attachment)) {
		attachment_await(attachment);
		attachment_serve_later(attachment);
	}
	return atomic_load(&later->tried);
}

void later_hooks_free(struct later_hooks *later)
{
	free(later->hooks);
	free(later);
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
			counts.missed += multi_missed(attachment->links[i]);
	return counts;
}

bool attachment_settled(const struct attachment *attachment)
{
	return all_tried(attachment) && !atomic_load(&attachment->later_waiting);
}

void attachment_await(struct attachment *attachment)
{
	if (attachment->threaded)
		pthread_join(attachment->thread, NULL);
	attachment->threaded = false;
}

static void *attach_thread(void *context)
{
	struct attachment *attachment = context;
	attachment_attach(attachment, atomic_load(&attachment->tried), attachment->hooks.functions,
			  NULL);
	attachment_serve_later(attachment);
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

/* The programs of function hooks. */
static void take_programs(struct attachment *attachment, const struct packet_trail_bpf *skeleton)
{
	const struct bpf_program *const placed[PLACED] = {
		skeleton->progs.on_first,
		skeleton->progs.on_second,
		skeleton->progs.on_third,
	};

	attachment->program = bpf_program__fd(skeleton->progs.on_function);
	/* With a budget each hit asks what its hook is anyway, and links are attached anew: few. */
	if (attachment->backend != BACKEND_TRACEPOINTS && !attachment->apart)
		for (size_t i = 0; i < PLACED; i++)
			attachment->placed[i] =
				bpf_program__fd(placed[i]) < 0 ? 0 : bpf_program__fd(placed[i]);
	attachment->places = bpf_map__fd(skeleton->maps.probe_cookies);
}

void attachment_begin(struct attachment *attachment, const struct packet_trail_bpf *skeleton,
		      struct guard *guard)
{
	int err;

	attachment->guard = guard;
	take_programs(attachment, skeleton);
	if (attachment->backend != BACKEND_KPROBE)
		return;
	err = probes_open(&attachment->probes);
	if (err)
		say("kprobes one by one: tracefs (%s): they will go away slowly", strerror(-err));
	else
		probes_remove_orphans(&attachment->probes, guard);
}

void attachment_stop(struct attachment *attachment)
{
	atomic_store(&attachment->stop, true);
	attachment_await(attachment);
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
