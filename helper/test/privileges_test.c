// SPDX-License-Identifier: Apache-2.0
/* What the process may do is given up step by step, and it shares the life of who started it. */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../privileges.h"
#include "promise.h"

static uint64_t permitted(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return UINT64_MAX;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

#define BIT(capability) (1ULL << (capability))

/* Runs in a process of its own, since what is given up is gone. 0 = all is as it should be. */
static int cut_step_by_step(void)
{
	const uint64_t for_start = BIT(CAP_SYS_RESOURCE),
		       for_programs =
			       BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH),
		       always = BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN) |
				BIT(CAP_SYSLOG);
	uint64_t first = permitted();

	privileges_cut();
	if (permitted() != (first & (always | for_programs | for_start)))
		return 1;
	privileges_cut_for_trace(true);
	if (permitted() != (first & (always | for_programs)))
		return 2;
	privileges_cut_for_trace(false);
	if (permitted() != (first & always))
		return 3;
	privileges_drop();
	return permitted() ? 4 : 0;
}

static void capabilities_are_given_up_step_by_step(void)
{
	pid_t process = fork();
	int status;

	if (process == 0)
		_exit(cut_step_by_step());
	waitpid(process, &status, 0);
	promise(WIFEXITED(status) && WEXITSTATUS(status) == 0, "each once nothing needs it");
}

/* What a child sees of the one that started it. */
struct seen {
	bool while_it_lives;
	bool afterwards;
};

static int told[2];

static void *start_a_child(void *nothing)
{
	if (fork() == 0) {
		struct pollfd parent = {.fd = privileges_parent(), .events = POLLIN};
		struct seen seen = {0};

		/* The thread is over meanwhile. */
		seen.while_it_lives = parent.fd >= 0 && poll(&parent, 1, 300) == 0;
		if (write(told[1], "", 1) == 1)
			seen.afterwards = poll(&parent, 1, 10000) == 1;
		_exit(write(told[1], &seen, sizeof(seen)) != sizeof(seen));
	}
	return nothing;
}

static void a_child_ends_with_the_process_that_started_it_not_with_a_thread_of_it(void)
{
	struct seen seen = {0};
	pid_t starter;
	char ready;

	if (pipe2(told, O_CLOEXEC))
		exit(3);
	starter = fork();
	if (starter == 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, start_a_child, NULL) == 0)
			pthread_join(thread, NULL);
		alarm(60);
		pause();
		_exit(0);
	}
	close(told[1]);
	if (read(told[0], &ready, 1) != 1)
		ready = 1;
	kill(starter, SIGKILL);
	waitpid(starter, NULL, 0);
	promise(read(told[0], &seen, sizeof(seen)) == sizeof(seen) && seen.while_it_lives,
		"the thread ended alone");
	promise(seen.afterwards, "the process ended");
	close(told[0]);
}

static void a_child_whose_starter_is_gone_already_goes_on(void)
{
	bool goes_on = false;
	pid_t starter;

	if (pipe2(told, O_CLOEXEC))
		exit(3);
	starter = fork();
	if (starter == 0) {
		starter = getpid();
		if (fork() == 0) {
			struct pollfd parent = {.events = POLLIN};

			while (getppid() == starter)
				usleep(1000);
			parent.fd = privileges_parent();
			goes_on = poll(&parent, 1, 100) == 0;
			_exit(write(told[1], &goes_on, sizeof(goes_on)) != sizeof(goes_on));
		}
		_exit(0);
	}
	close(told[1]);
	waitpid(starter, NULL, 0);
	promise(read(told[0], &goes_on, sizeof(goes_on)) == sizeof(goes_on) && goes_on,
		"a daemon's life is its own");
	close(told[0]);
}

int main(void)
{
	capabilities_are_given_up_step_by_step();
	a_child_ends_with_the_process_that_started_it_not_with_a_thread_of_it();
	a_child_whose_starter_is_gone_already_goes_on();
	return promises_told();
}
