// SPDX-License-Identifier: Apache-2.0
/* Cleaning up, killed or not: see guard.h. */
#include "guard.h"
#include "clock.h"
#include "expedite.h"
#include "log.h"
#include "privileges.h"
#include "probes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME  "trail-guard"
#define NEVER UINT64_MAX

struct guard_settings guard_settings = {
	.cgroups = "/sys/fs/cgroup",
	.expedited_ms = 10000,
	.over_ms = 60000,
};

/* ---- the guard's own life ---- */

/* Its descriptors; those of the helper and of its parent are pidfds. -1 = there is none. */
enum { SOCKET, HELPER, PARENT, FOLDER, EXPEDITE, DESCRIPTORS };

/* What it is told: a character of these. */
enum { TOLD_EXPEDITED, TOLD_NOT_EXPEDITED };

/* Nothing else may stay open here: no probe, no stream, no terminal. */
static bool keep_only(int *descriptors)
{
	/* Out of the way first: the helper may have been started without standard input. */
	for (int i = 0; i < DESCRIPTORS; i++) {
		if (descriptors[i] < 0)
			continue;
		descriptors[i] = fcntl(descriptors[i], F_DUPFD, DESCRIPTORS);
		if (descriptors[i] < 0)
			return false;
	}
	for (int i = 0; i < DESCRIPTORS; i++) {
		if (descriptors[i] < 0)
			close(i);
		else
			descriptors[i] = dup2(descriptors[i], i);
	}
	return syscall(SYS_close_range, (unsigned int)DESCRIPTORS, ~0U, 0U) == 0;
}

static bool write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return done;
}

/* What kills the helper must not kill its guard as well: each as far as this machine allows it. */
static void stand_apart(void)
{
	/* Version 2 alone, else what systemd has beside version 1. */
	static const char *const roots[] = {"", "/systemd", "/unified"};
	char path[128];

	/* Whoever kills by a name means the helper. */
	prctl(PR_SET_NAME, NAME);
	/* Memory that is short kills a whole cgroup, but for this one (oom_kill_memcg_member,
	 * mm/oom_kill.c). */
	write_text("/proc/self/oom_score_adj", "-1000");
	/* Sessions and services end by killing their cgroup. */
	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		snprintf(path, sizeof(path), "%s%s/cgroup.procs", guard_settings.cgroups, roots[i]);
		if (write_text(path, "0") && i == 0)
			break;
	}
	/* It owns the files that it writes to. */
	privileges_drop();
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Waits until the helper is over. False when it doesn't end, though it was killed. */
static bool await_end(const int *descriptors)
{
	const uint64_t expedited_ms = (uint64_t)guard_settings.expedited_ms,
		       over_ms = (uint64_t)guard_settings.over_ms;
	struct pollfd polls[] = {
		[SOCKET] = {.fd = descriptors[SOCKET], .events = POLLIN},
		[HELPER] = {.fd = descriptors[HELPER], .events = POLLIN},
		[PARENT] = {.fd = descriptors[PARENT], .events = POLLIN},
	};
	uint64_t slow_at = NEVER, kill_at = NEVER, leave_at = NEVER;

	for (;;) {
		uint64_t now = clock_ms(), next;
		char told;

		if (now >= leave_at)
			return false;
		if (now >= kill_at) {
			syscall(SYS_pidfd_send_signal, descriptors[HELPER], SIGKILL, NULL, 0);
			kill_at = NEVER;
			leave_at = now + over_ms;
		}
		if (now >= slow_at) {
			expedite_end(descriptors[EXPEDITE]);
			slow_at = NEVER;
		}
		next = earlier(slow_at, earlier(kill_at, leave_at));
		if (poll(polls, PARENT + 1, next == NEVER ? -1 : (int)(next - now)) < 0) {
			if (errno != EINTR)
				return false;
			continue;
		}
		now = clock_ms();
		/* That alone tells: somebody else may have the socket's other end. */
		if (polls[HELPER].revents)
			return true;
		if (polls[PARENT].revents) {
			polls[PARENT].fd = -1;
			kill_at = earlier(kill_at, now + over_ms);
		}
		if (!polls[SOCKET].revents)
			continue;
		if (read(descriptors[SOCKET], &told, 1) == 1) {
			slow_at = told == TOLD_EXPEDITED ? now + expedited_ms : NEVER;
			continue;
		}
		/* It was killed, and its hooks are going away. */
		polls[SOCKET].fd = -1;
		kill_at = earlier(kill_at, now + over_ms);
		if (expedite_begin(descriptors[EXPEDITE]))
			slow_at = now + expedited_ms;
	}
}

static void watch(int *descriptors, const char *group)
{
	setsid();
	if (!keep_only(descriptors) || send(descriptors[SOCKET], "", 1, MSG_NOSIGNAL) != 1)
		return;
	stand_apart();
	if (await_end(descriptors) && descriptors[FOLDER] >= 0) {
		expedite_begin(descriptors[EXPEDITE]);
		probes_remove_group(descriptors[FOLDER], group);
	}
	expedite_end(descriptors[EXPEDITE]);
}

/* ---- the helper's side ---- */

static bool tell(const struct guard *guard, char what)
{
	return send(guard->socket, &what, 1, MSG_NOSIGNAL) == 1;
}

void guard_start(struct guard *guard, int folder, const char *group, int parent)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0), expedite = expedite_open();
	int sockets[2] = {-1, -1};
	char ready;
	pid_t child = -1;

	if (self >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0)
		child = fork();
	if (child == 0) {
		watch((int[]){sockets[0], self, parent, folder, expedite}, group);
		_exit(0);
	}
	close(self);
	close(sockets[0]);
	*guard = (struct guard){child, sockets[1], expedite};
	/* Until it has let go of our descriptors, what we close stays open there. */
	if (child > 0 && recv(guard->socket, &ready, 1, 0) == 1)
		return;
	say("no guard: it could not be started: hooks go away slowly");
	guard_dismiss(guard);
}

bool guard_expedite(struct guard *guard)
{
	if (!guard->process || !tell(guard, TOLD_EXPEDITED))
		return false;
	if (expedite_begin(guard->expedite))
		return true;
	tell(guard, TOLD_NOT_EXPEDITED);
	return false;
}

void guard_expedite_end(struct guard *guard)
{
	expedite_end(guard->expedite);
	tell(guard, TOLD_NOT_EXPEDITED);
}

void guard_dismiss(struct guard *guard)
{
	if (!guard->process)
		return;
	/* It may be stopped, and would not listen. */
	if (guard->process > 0) {
		kill(guard->process, SIGKILL);
		waitpid(guard->process, NULL, 0);
	}
	/* It may have been at that. */
	expedite_end(guard->expedite);
	close(guard->expedite);
	close(guard->socket);
	*guard = (struct guard){0};
}
