// SPDX-License-Identifier: Apache-2.0
/* Kprobes through tracefs: see probes.h. */
#include "probes.h"
#include "guard.h"
#include "tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUP_PREFIX "packet_trail_"
/* Group and number: kprobe_profile names events without their group. */
#define EVENT_NAME "%s_%d"

/* Never with O_TRUNC, which would remove everybody's probes. */
static int open_commands(int folder)
{
	return openat(folder, "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
}

/* One line at a time, so that the answer belongs to it. */
static int command(int commands, const char *line)
{
	size_t length = strlen(line);

	return write(commands, line, length) == (ssize_t)length ? 0 : -errno;
}

void probes_remove_group(int folder, const char *group)
{
	char path[64], line[320];
	int commands = open_commands(folder), events;
	struct dirent *entry;
	DIR *list;

	snprintf(path, sizeof(path), "events/%s", group);
	events = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = events < 0 ? NULL : fdopendir(events);
	while (list && commands >= 0 && (entry = readdir(list))) {
		if (entry->d_type != DT_DIR || *entry->d_name == '.')
			continue;
		snprintf(line, sizeof(line), "-:%s/%s\n", group, entry->d_name);
		command(commands, line);
	}
	if (list)
		closedir(list);
	else if (events >= 0)
		close(events);
	if (commands >= 0)
		close(commands);
}

/* A group whose process is dead. One that lives in another PID namespace is in use, so the kernel
 * refuses to remove it. */
static bool is_orphan(const char *group)
{
	char *end;
	long pid;

	if (strncmp(group, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0)
		return false;
	errno = 0;
	pid = strtol(group + strlen(GROUP_PREFIX), &end, 10);
	return !errno && !*end && pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) &&
	       errno == ESRCH;
}

void probes_remove_orphans(const struct probes *probes, struct guard *guard)
{
	int events = openat(probes->folder, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = events < 0 ? NULL : fdopendir(events);
	bool expedited = false;
	struct dirent *entry;

	while (list && (entry = readdir(list))) {
		/* Our own is of a dead process that had our number. */
		if (entry->d_type != DT_DIR ||
		    (!is_orphan(entry->d_name) && strcmp(entry->d_name, probes->group) != 0))
			continue;
		expedited = expedited || guard_expedite(guard);
		probes_remove_group(probes->folder, entry->d_name);
	}
	if (expedited)
		guard_expedite_end(guard);
	if (list)
		closedir(list);
	else if (events >= 0)
		close(events);
}

void probes_name_group(char group[PROBES_GROUP])
{
	snprintf(group, PROBES_GROUP, GROUP_PREFIX "%d", (int)getpid());
}

int probes_open(struct probes *probes)
{
	int err;

	*probes = (struct probes){.folder = tracefs_folder(), .commands = -1};
	if (probes->folder < 0)
		return -errno;
	probes->commands = open_commands(probes->folder);
	if (probes->commands < 0) {
		err = -errno;
		close(probes->folder);
		probes->folder = -1;
		return err;
	}
	probes_name_group(probes->group);
	return 0;
}

int probes_event(struct probes *probes)
{
	int *events = realloc(probes->events, (probes->count + 1) * sizeof(*events));

	if (!events)
		return -ENOMEM;
	probes->events = events;
	events[probes->count] = -1;
	return (int)probes->count++;
}

int probes_define(struct probes *probes, int event, uint64_t address, unsigned int tag)
{
	char line[128];

	/*
	 * An argument that differs, or the kernel takes two addresses without a symbol for the same
	 * probe (trace_kprobe_has_same_kprobe, kernel/trace/trace_kprobe.c). It is never read.
	 */
	snprintf(line, sizeof(line), "p:%s/" EVENT_NAME " 0x%" PRIx64 " tag=\\%u:u32\n",
		 probes->group, probes->group, event, address, tag);
	return command(probes->commands, line);
}

static int event_id(const struct probes *probes, int event)
{
	char path[128], text[16];
	int file;
	ssize_t length;

	snprintf(path, sizeof(path), "events/%s/" EVENT_NAME "/id", probes->group, probes->group,
		 event);
	file = openat(probes->folder, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0)
		return -EIO;
	text[length] = 0;
	return (int)strtol(text, NULL, 10);
}

static void remove_event(struct probes *probes, int event)
{
	char line[128];

	snprintf(line, sizeof(line), "-:%s/" EVENT_NAME "\n", probes->group, probes->group, event);
	command(probes->commands, line);
}

int probes_enable(struct probes *probes, int event, int program)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_TRACEPOINT,
		.disabled = 1, /* no samples: the program alone */
	};
	int id = event_id(probes, event), perf, err;

	if (id < 0) {
		remove_event(probes, event);
		return id;
	}
	attr.config = id;
	perf = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf < 0 || ioctl(perf, PERF_EVENT_IOC_SET_BPF, program)) {
		err = -errno;
		if (perf >= 0)
			close(perf);
		remove_event(probes, event);
		return err;
	}
	probes->events[event] = perf;
	return 0;
}

struct probe_counts probes_count(const struct probes *probes)
{
	struct probe_counts sum = {0};
	char line[160], name[96];
	uint64_t hits, missed;
	size_t length = strlen(probes->group);
	int profile = probes->folder < 0
			      ? -1
			      : openat(probes->folder, "kprobe_profile", O_RDONLY | O_CLOEXEC);
	FILE *file = profile < 0 ? NULL : fdopen(profile, "r");

	if (!file && profile >= 0)
		close(profile);
	/* name hits missed: probes_profile_seq_show, kernel/trace/trace_kprobe.c */
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%95s %" SCNu64 " %" SCNu64, name, &hits, &missed) == 3 &&
		    strncmp(name, probes->group, length) == 0 && name[length] == '_') {
			sum.hits += hits;
			sum.missed += missed;
		}
	if (file)
		fclose(file);
	return sum;
}

static void *close_event(void *event)
{
	close(*(int *)event);
	return NULL;
}

/*
 * Closing takes the program off first and then waits to disarm the probes (_free_event,
 * kernel/events/core.c): together, so that other events' programs don't run while it waits.
 */
static void close_events(struct probes *probes)
{
	pthread_t *closers = calloc(probes->count + 1, sizeof(*closers));
	size_t count = 0;

	for (size_t i = 0; i < probes->count; i++) {
		if (probes->events[i] < 0)
			continue;
		if (closers &&
		    !pthread_create(&closers[count], NULL, close_event, &probes->events[i]))
			count++;
		else
			close_event(&probes->events[i]);
	}
	while (count)
		pthread_join(closers[--count], NULL);
	free(closers);
}

uint64_t probes_close(struct probes *probes)
{
	uint64_t missed;

	if (probes->folder < 0)
		return 0;
	close_events(probes);
	missed = probes_count(probes).missed;
	probes_remove_group(probes->folder, probes->group);
	free(probes->events);
	close(probes->commands);
	close(probes->folder);
	*probes = (struct probes){.folder = -1, .commands = -1};
	return missed;
}
