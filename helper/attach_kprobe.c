// SPDX-License-Identifier: Apache-2.0
/* Function hooks by kprobes: see attach_kprobe.h. */
#include "attach_kprobe.h"
#include "attach.h"
#include "probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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
		attachment_serve_later(attachment);
		err = put_somewhere(attachment, hooks[i], put_defined, event);
		if (err)
			hook_settle(hooks[i], -err);
		else
			defined++;
		if (i % 16 == 15 && attachment_report(attachment, reporter, done + i + 1))
			return;
	}
	if (defined)
		err = probes_enable(&attachment->probes, event,
				    attachment_program_of(attachment, hooks[0]));
	if (err && defined && count > 1) {
		attach_together(attachment, hooks, count / 2, NULL, 0);
		attach_together(attachment, hooks + count / 2, count - count / 2, NULL, 0);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (atomic_load(&hooks[i]->state) == STATE_WAITING)
			hook_settle(hooks[i], -err);
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
	if (ioctl(perf, PERF_EVENT_IOC_SET_BPF, attachment_program_of(attachment, hook))) {
		error = errno;
		close(perf);
		return -error;
	}
	return attachment_keep_link(attachment, perf);
}

/* Hooks that share a trace event. */
#define TOGETHER 128

/* How many, from the first on, one program serves. */
static size_t together(const struct attachment *attachment, struct hook **hooks, size_t count)
{
	size_t some = 1;

	while (some < count && some < TOGETHER &&
	       attachment_program_of(attachment, hooks[some]) ==
		       attachment_program_of(attachment, hooks[0]))
		some++;
	return some;
}

void attach_kprobes(struct attachment *attachment, struct hook **hooks, size_t count,
		    const struct reporter *reporter, size_t done)
{
	size_t some;

	for (size_t i = 0; i < count && !atomic_load(&attachment->stop); i += some) {
		attachment_serve_later(attachment);
		if (attachment->probes.folder < 0) {
			some = 1;
			hook_settle(hooks[i], -put_somewhere(attachment, hooks[i], put_alone, 0));
		} else {
			some = together(attachment, hooks + i, count - i);
			attach_together(attachment, hooks + i, some, reporter, done + i);
			atomic_store(&attachment->missed_meanwhile,
				     probes_count(&attachment->probes).missed);
		}
		if (atomic_load(&attachment->stop))
			return;
		if (done != UNCOUNTED)
			atomic_store(&attachment->tried, done + i + some);
		if (some == 1 && i % 16 == 15)
			attachment_report(attachment, reporter, done + i + 1);
	}
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
