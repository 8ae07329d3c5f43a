// SPDX-License-Identifier: Apache-2.0
/* Cleaning up, killed or not: see guard.h. */
#include "guard.h"
#include "log.h"
#include "probes.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"
#define OVER_MS	      60000 /* a killed process is gone long before */

static bool set_expedited(char value)
{
	int file = open(RCU_EXPEDITED, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, &value, 1) == 1;
	close(file);
	return done;
}

/* What the guard is told. */
enum { TOLD_IN_ORDER, TOLD_EXPEDITED, TOLD_NOT_EXPEDITED };

static bool tell(const struct guard *guard, char what)
{
	return guard && guard->process && send(guard->socket, &what, 1, MSG_NOSIGNAL) == 1;
}

bool expedite(const struct guard *guard)
{
	int file = open(RCU_EXPEDITED, O_RDONLY | O_CLOEXEC);
	char value[2] = "";
	bool off;

	if (file < 0)
		return false;
	off = read(file, value, sizeof(value)) > 0 && value[0] == '0';
	close(file);
	if (!off)
		return false;
	tell(guard, TOLD_EXPEDITED);
	if (set_expedited('1'))
		return true;
	tell(guard, TOLD_NOT_EXPEDITED);
	return false;
}

void expedite_end(const struct guard *guard)
{
	set_expedited('0');
	tell(guard, TOLD_NOT_EXPEDITED);
}

/* The guard's life. The other end of its standard input is closed by the kernel with the process
 * that it guards; standard output is a pidfd, which tells when all descriptors of that are. */
static void watch(int folder, const char *group)
{
	struct pollfd over = {.fd = 1, .events = POLLIN};
	bool expedited = false;
	char told;
	ssize_t got;

	while ((got = read(0, &told, 1)) == 1) {
		if (told == TOLD_IN_ORDER)
			return;
		expedited = told == TOLD_EXPEDITED;
	}
	if (got < 0)
		return;
	if (!expedited)
		expedited = expedite(NULL);
	if (poll(&over, 1, OVER_MS) > 0 && folder >= 0)
		probes_remove_group(folder, group);
	if (expedited)
		expedite_end(NULL);
}

void guard_start(struct guard *guard, int folder, const char *group)
{
	int sockets[2], self;
	char ready;
	pid_t child;

	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
		close(self);
		return;
	}
	child = fork();
	if (child == 0) {
		/* Nothing else may stay open here: no probe, no stream, no terminal. */
		setsid();
		if (dup2(sockets[0], 0) < 0 || dup2(self, 1) < 0 ||
		    (folder >= 0 && dup2(folder, 2) < 0))
			_exit(1);
		syscall(SYS_close_range, folder >= 0 ? 3U : 2U, ~0U, 0U);
		if (send(0, "", 1, MSG_NOSIGNAL) == 1)
			watch(folder >= 0 ? 2 : -1, group);
		_exit(0);
	}
	close(sockets[0]);
	close(self);
	if (child < 0) {
		close(sockets[1]);
		return;
	}
	guard->process = child;
	guard->socket = sockets[1];
	/* Until it has let go of our descriptors, what we close stays: it would wait in our place.
	 */
	if (recv(guard->socket, &ready, 1, 0) != 1)
		say("no guard: its process is gone: go on");
}

bool guard_expedite(struct guard *guard)
{
	if (!guard->process)
		guard_start(guard, -1, "");
	return guard->process && expedite(guard);
}

void guard_dismiss(struct guard *guard)
{
	if (!guard->process)
		return;
	if (!tell(guard, TOLD_IN_ORDER))
		say("the guard has gone already: nothing to do: go on");
	close(guard->socket);
	waitpid(guard->process, NULL, 0);
	guard->process = 0;
}
