/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers that are played, their guards, and plain files for what they write to. */
#ifndef PACKET_TRAIL_PLAYED_H
#define PACKET_TRAIL_PLAYED_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"
#include "../expedite.h"
#include "../guard.h"

#define SOON_MS 10000 /* for what doesn't wait: this computer may be busy */
#define GROUP	"packet_trail_7"

static char place[] = "/tmp/packet-trail-guard-XXXXXX"; /* of the kernel's files */
static int folder;					/* its tracefs */

/* ---- files ---- */

static const char *path_of(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", place, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "we");

	if (!file || fputs(text, file) == EOF || fclose(file))
		exit(3);
}

static const char *text_of(const char *name)
{
	static char text[1024];
	FILE *file = fopen(path_of(name), "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[length] = 0;
	return text;
}

static int expedited(void)
{
	return atoi(text_of("rcu_expedited"));
}

static bool becomes(const char *name, const char *text)
{
	for (uint64_t begin = clock_ms(); clock_ms() - begin < SOON_MS; usleep(5000))
		if (strcmp(text_of(name), text) == 0)
			return true;
	return false;
}

static bool becomes_off(void)
{
	for (uint64_t begin = clock_ms(); clock_ms() - begin < SOON_MS; usleep(5000))
		if (expedited() == 0)
			return true;
	return false;
}

/* As the kernel has them when nothing is traced. */
static void files_anew(void)
{
	put("rcu_expedited", "0\n");
	put("tracing/kprobe_events", "");
	put("cgroup/cgroup.procs", "");
	guard_settings.expedited_ms = guard_settings.over_ms = 60000;
}

static void make_files(void)
{
	static char expedite[256], cgroups[256];
	static const char *const folders[] = {
		"tracing",
		"tracing/events",
		"tracing/events/" GROUP,
		"tracing/events/" GROUP "/" GROUP "_0",
		"cgroup",
		"cgroup2",
		"cgroup2/systemd",
		"cgroup2/unified",
	};

	if (!mkdtemp(place))
		exit(3);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (mkdir(path_of(folders[i]), 0700))
			exit(3);
	snprintf(expedite, sizeof(expedite), "%s", path_of("rcu_expedited"));
	snprintf(cgroups, sizeof(cgroups), "%s", path_of("cgroup"));
	expedite_file = expedite;
	guard_settings.cgroups = cgroups;
	folder = open(path_of("tracing"), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_files(void)
{
	char command[64];

	close(folder);
	snprintf(command, sizeof(command), "rm -rf %s", place);
	if (system(command))
		exit(3);
}

/* ---- processes ---- */

static bool ends(pid_t process)
{
	if (process <= 0)
		return false;
	for (uint64_t begin = clock_ms(); clock_ms() - begin < SOON_MS; usleep(5000))
		if (waitpid(process, NULL, WNOHANG) == process)
			return true;
	return false;
}

static void tell(pid_t process, int signal)
{
	/* What isn't a process would be a group, or all there are. */
	if (process > 1 && kill(process, signal) == 0)
		return;
	printf("no process %d\n", (int)process);
	exit(3);
}

static void end(pid_t process)
{
	tell(process, SIGKILL);
	waitpid(process, NULL, 0);
}

/* Until it is killed; not much longer than the test, whatever becomes of that. */
static void be_there(void)
{
	alarm(60);
	for (;;)
		pause();
}

/* A helper that is played, and its guard, which becomes our child when the helper is over. */
struct played {
	pid_t helper;
	pid_t guard;
	pid_t heir; /* whom its act started */
	bool done;  /* what its act returned */
};

static pid_t heir;

/* A helper that acts once it has a guard. */
static struct played play(bool (*act)(struct guard *guard), int parent)
{
	struct played played = {0};
	int told[2];

	if (pipe2(told, O_CLOEXEC))
		exit(3);
	played.helper = fork();
	if (played.helper == 0) {
		struct guard guard = {0};

		played.helper = getpid();
		guard_start(&guard, folder, GROUP, parent);
		played.guard = guard.process;
		played.done = act(&guard);
		played.heir = heir;
		if (write(told[1], &played, sizeof(played)) != sizeof(played))
			_exit(1);
		close(told[1]);
		be_there();
	}
	close(told[1]);
	if (read(told[0], &played, sizeof(played)) != sizeof(played))
		played.done = false;
	close(told[0]);
	return played;
}

#endif
