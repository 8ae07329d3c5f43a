// SPDX-License-Identifier: Apache-2.0
/* What comes from outside while a trace runs: see trace.h. */
#include "trace.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

int trace_open_signals(struct trace *trace)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* Threads inherit the mask: the signals come to the descriptor alone. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	trace->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return trace->signals < 0 ? -1 : 0;
}

static void filter_changed(struct trace *trace)
{
	capture_filter_changed(&trace->capture);
	if (trace->programs)
		programs_filter_changed(trace->programs);
}

/* Another filter from here on, and its answer. */
static void change_filter(struct trace *trace, const char *filter)
{
	char error[512] = "";
	uint64_t begin = clock_ns(), now;

	if (!trace->capture.open)
		snprintf(error, sizeof(error), "the trace has not begun: send it once it is live");
	else if (load_change_filter(&trace->load, trace->skeleton, filter, error, sizeof(error)))
		say("the filter stays: %s: %s", filter, error);
	else
		filter_changed(trace);
	now = clock_ns();
	/* What the one before let through goes first. */
	while (trace->capture.open && !capture_read(&trace->capture))
		;
	trace->sink->filter(trace->sink, filter, error, now, now - begin);
}

static void obey(enum command command, const char *filter, void *context)
{
	struct trace *trace = context;

	trace->heard_ms = clock_ms();
	if (command == COMMAND_FILTER && trace->sink)
		change_filter(trace, filter);
	if (command == COMMAND_STOP && !trace->cause)
		trace->cause = "stop";
	else if (trace->skeleton && command == COMMAND_PAUSE)
		capture_pause(&trace->capture);
	else if (trace->skeleton && command == COMMAND_RESUME)
		capture_resume(&trace->capture);
}

static void look_at_sink(struct trace *trace)
{
	int error = trace->sink ? trace->sink->error(trace->sink) : 0;

	if (error && !trace->cause)
		trace->cause = error == EPIPE ? "stdout closed" : "error";
}

void trace_listen(struct trace *trace, int timeout_ms)
{
	struct pollfd polls[5] = {
		{.fd = trace->signals, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = -1, .events = POLLOUT},
		{.fd = trace->parent, .events = POLLIN},
	};

	if (trace->options.stream && !trace->control.closed)
		polls[1].fd = STDIN_FILENO;
	if (trace->capture.open)
		polls[2].fd = capture_fd(&trace->capture);
	if (trace->sink)
		polls[3].fd = sink_waiting(trace->sink);
	if (poll(polls, 5, timeout_ms) <= 0)
		return;
	if (polls[0].revents && !trace->cause) {
		struct signalfd_siginfo info;

		if (read(trace->signals, &info, sizeof(info)) == sizeof(info))
			trace->cause = "signal";
	}
	/* As if it had told us by a signal; it stays readable. */
	if (polls[4].revents && !trace->cause)
		trace->cause = "signal";
	if (polls[1].revents) {
		control_read(&trace->control, STDIN_FILENO, obey, trace);
		if (trace->control.closed && !trace->cause)
			trace->cause = "stdin closed";
	}
	if (polls[3].revents)
		trace->sink->write(trace->sink);
	look_at_sink(trace);
}
