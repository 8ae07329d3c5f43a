// SPDX-License-Identifier: Apache-2.0
/* Detaching, what costs most first: see attach.h. */
#include "attach.h"
#include "attach_multi.h"

#include <unistd.h>

static void *close_links(void *context)
{
	struct attachment *attachment = context;

	for (size_t i = attachment->link_count; i-- > 0;) {
		if (attachment->backend == BACKEND_KPROBE_MULTI)
			attachment->missed += multi_missed(attachment->links[i]);
		close(attachment->links[i]);
	}
	attachment->link_count = 0;
	return NULL;
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
		guard_expedite_end(attachment->guard);
	return NULL;
}

void attachment_begin_detach(struct attachment *attachment)
{
	struct hooks *hooks = &attachment->hooks;

	attachment_stop(attachment);
	attachment->expedited = guard_expedite(attachment->guard);
	for (size_t i = 0; i < hooks->functions; i++) {
		if (hooks->items[i].link)
			multi_close(attachment, hooks->items[i].link);
		hooks->items[i].link = 0;
	}
	attachment->leaving_probes = attachment->probes;
	atomic_store(&attachment->missed_meanwhile, 0);
	attachment->probes = (struct probes){.folder = -1, .commands = -1};
	attachment->leaving = attachment->link_count;
	for (size_t i = 0; i < attachment->leaving; i++)
		attachment->missed += multi_missed(attachment->links[i]);
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

	/* Before there is a plan nothing is attached, and no descriptor is open: 0 is not ours. */
	if (!attachment->hooks.items)
		return;
	attachment_stop(attachment);
	expedited = (attachment->link_count || attachment->probes.folder >= 0) &&
		    guard_expedite(attachment->guard);
	/* Links of tracing programs wait for RCU tasks, probes for the rest: beside each other. */
	apart = attachment->link_count && attachment->probes.folder >= 0 &&
		pthread_create(&closer, NULL, close_links, attachment) == 0;
	attachment->missed += probes_close(&attachment->probes);
	if (apart)
		pthread_join(closer, NULL);
	else
		close_links(attachment);
	if (expedited)
		guard_expedite_end(attachment->guard);
}
