// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever is killed, what it set is put back, and no guard lives for ever: helpers and guards that
 * are played here are stopped and killed, with plain files for the kernel's.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../probes.h"
#include "played.h"
#include "promise.h"

/* ---- expedited grace periods ---- */

static void what_is_turned_on_is_turned_off(void)
{
	int file;

	files_anew();
	file = expedite_open();
	promise(expedite_begin(file) && expedited(), "on");
	promise(!expedite_left_on() && !expedite_mend() && expedited(), "somebody waits for it");
	expedite_end(file);
	promise(expedited() == 0, "off");
	expedite_end(file);
	promise(expedited() == 0, "it may be ended twice");
	close(file);
	promise(!expedite_begin(-1) && !expedite_mend(), "not where there is none");
}

static void what_a_person_set_stays(void)
{
	int file;

	files_anew();
	file = expedite_open();
	put("rcu_expedited", "1\n");
	promise(!expedite_begin(file), "it is on already");
	expedite_end(file);
	promise(expedited() == 1 && !expedite_left_on() && !expedite_mend() && expedited() == 1,
		"and stays on");
	put("rcu_expedited", "0\n");
	promise(expedite_begin(file), "on");
	put("rcu_expedited", "1\n");
	expedite_end(file);
	promise(expedited() == 1, "what came after us stays, too");
	close(file);
}

static void two_helpers_share_it(void)
{
	int first, second;

	files_anew();
	first = expedite_open();
	second = expedite_open();
	promise(expedite_begin(first) && expedite_begin(second), "both");
	expedite_end(first);
	promise(expedited() && !expedite_left_on(), "the other one waits still");
	expedite_end(second);
	promise(expedited() == 0, "the last one turns it off");
	close(first);
	close(second);
}

static bool just_expedite(struct guard *guard)
{
	return guard_expedite(guard);
}

static void who_may_only_read_keeps_nothing_on(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1};
	int file, reader;

	files_anew();
	file = expedite_open();
	reader = open(path_of("rcu_expedited"), O_RDONLY | O_CLOEXEC);
	promise(fcntl(reader, F_OFD_SETLK, &lock) == 0 && expedite_begin(file), "on");
	expedite_end(file);
	promise(expedited() == 0, "a lock to read doesn't count");
	lock.l_start = 0;
	promise(fcntl(reader, F_OFD_SETLK, &lock) == 0 && !expedite_begin(file) && !expedited(),
		"it can keep it off");
	close(reader);
	close(file);
}

/* ---- the guard ---- */

static void a_killed_helper_is_cleaned_up_after(void)
{
	struct played played;

	files_anew();
	played = play(just_expedite, -1);
	promise(played.done && expedited(), "on");
	end(played.helper);
	promise(ends(played.guard), "the guard ends");
	promise(expedited() == 0, "off");
	promise(strcmp(text_of("tracing/kprobe_events"), "-:" GROUP "/" GROUP "_0\n") == 0,
		"no probe is left");
}

static void what_both_leave_on_when_they_are_killed_at_once_is_turned_off_by_the_next(void)
{
	struct played played;

	files_anew();
	played = play(just_expedite, -1);
	/* Neither sees the other's end. */
	tell(played.guard, SIGSTOP);
	end(played.helper);
	end(played.guard);
	promise(expedited() && expedite_left_on(), "left on");
	promise(expedite_mend() && expedited() == 0 && !expedite_left_on(), "turned off");

	/* One that lives on does so at its end. */
	files_anew();
	played = play(just_expedite, -1);
	tell(played.guard, SIGSTOP);
	{
		int file = expedite_open();

		promise(expedite_begin(file), "it may be used meanwhile");
		end(played.helper);
		end(played.guard);
		expedite_end(file);
		close(file);
	}
	promise(expedited() == 0, "turned off by the other");
}

static void a_guard_is_not_killed_with_its_helper(void)
{
	struct played played;
	const char *cgroups = guard_settings.cgroups;
	char both[256], comm[64], name[32] = "";
	FILE *file;

	files_anew();
	played = play(just_expedite, -1);
	promise(becomes("cgroup/cgroup.procs", "0"), "it leaves the cgroup");
	promise(getsid(played.guard) == played.guard, "and the session");
	snprintf(comm, sizeof(comm), "/proc/%d/comm", (int)played.guard);
	file = fopen(comm, "re");
	promise(file && fgets(name, sizeof(name), file) && strcmp(name, "trail-guard\n") == 0,
		"its name is another");
	if (file)
		fclose(file);
	end(played.helper);
	promise(ends(played.guard) && expedited() == 0, "it cleans up");

	put("cgroup2/systemd/cgroup.procs", "");
	put("cgroup2/unified/cgroup.procs", "");
	snprintf(both, sizeof(both), "%s", path_of("cgroup2"));
	guard_settings.cgroups = both;
	played = play(just_expedite, -1);
	promise(becomes("cgroup2/systemd/cgroup.procs", "0") &&
			becomes("cgroup2/unified/cgroup.procs", "0"),
		"of version 1 and 2 beside each other");
	end(played.helper);
	promise(ends(played.guard), "the guard ends");
	guard_settings.cgroups = cgroups;
}

/* Somebody has all that the helper has open, and outlives it. */
static bool have_an_heir(struct guard *guard)
{
	heir = fork();
	if (heir == 0)
		be_there();
	return guard_expedite(guard);
}

static void a_guard_ends_with_its_helper_whoever_has_its_descriptors(void)
{
	struct played played;

	files_anew();
	played = play(have_an_heir, -1);
	end(played.helper);
	promise(ends(played.guard), "the guard ends");
	promise(expedited() == 0, "off");
	end(played.heir);
}

static void it_is_not_on_for_long(void)
{
	struct played played;

	files_anew();
	guard_settings.expedited_ms = 100;
	played = play(just_expedite, -1);
	tell(played.helper, SIGSTOP);
	promise(becomes_off(), "off, though the helper is stopped");
	end(played.helper);
	promise(ends(played.guard) && expedited() == 0, "the guard ends");
}

static bool kill_the_guard(struct guard *guard)
{
	tell(guard->process, SIGKILL);
	waitpid(guard->process, NULL, 0);
	return !guard_expedite(guard) && !expedited();
}

static bool stop_and_dismiss_the_guard(struct guard *guard)
{
	bool on = guard_expedite(guard);

	tell(guard->process, SIGSTOP);
	alarm(SOON_MS / 1000);
	guard_dismiss(guard);
	alarm(0);
	return on && !guard->process && !expedited();
}

static bool do_without_standard_files(struct guard *guard)
{
	guard_dismiss(guard);
	for (int i = 0; i < 3; i++)
		close(i);
	guard_start(guard, folder, GROUP, -1);
	heir = guard->process;
	return guard->process && guard_expedite(guard);
}

static void a_helper_does_without_its_guard(void)
{
	struct played played;

	files_anew();
	played = play(kill_the_guard, -1);
	promise(played.done, "nothing is expedited without a guard");
	end(played.helper);
	played = play(stop_and_dismiss_the_guard, -1);
	promise(played.done, "one that is stopped can be dismissed");
	end(played.helper);
	promise(*text_of("tracing/kprobe_events") == 0, "and cleans nothing up");
	played = play(do_without_standard_files, -1);
	promise(played.done && expedited(), "a helper has no standard input");
	end(played.helper);
	promise(ends(played.heir) && expedited() == 0, "and a guard all the same");
}

static void a_helper_that_outlives_its_parent_is_ended(void)
{
	struct played played;
	int parent;
	pid_t starter;

	files_anew();
	guard_settings.over_ms = 100;
	starter = fork();
	if (starter == 0)
		be_there();
	parent = (int)syscall(SYS_pidfd_open, starter, 0);
	played = play(just_expedite, parent);
	tell(played.helper, SIGSTOP);
	usleep(300000);
	promise(waitpid(played.helper, NULL, WNOHANG) == 0, "not while it lives");
	end(starter);
	promise(ends(played.helper), "the helper ends, though it is stopped");
	promise(ends(played.guard) && expedited() == 0, "and so does the guard");
	close(parent);
}

/* ---- what other helpers left ---- */

static void make_group(const char *group)
{
	char name[64];

	snprintf(name, sizeof(name), "tracing/events/%s", group);
	mkdir(path_of(name), 0700);
	snprintf(name, sizeof(name), "tracing/events/%s/event", group);
	mkdir(path_of(name), 0700);
}

static bool group_was_removed(const char *group)
{
	char line[64];

	snprintf(line, sizeof(line), "-:%s/event\n", group);
	return strstr(text_of("tracing/kprobe_events"), line) != NULL;
}

static void definitions_of_the_dead_are_removed(void)
{
	static const char *const kept[] = {"packet_trail_1", "packet_trail_x", "kprobes"};
	struct probes probes = {.folder = folder, .commands = -1};
	struct guard none = {0};
	char dead[PROBES_GROUP];
	pid_t process = fork();

	if (process == 0)
		_exit(0);
	waitpid(process, NULL, 0);
	files_anew();
	snprintf(dead, sizeof(dead), "packet_trail_%d", (int)process);
	make_group(dead);
	probes_name_group(probes.group);
	make_group(probes.group);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		make_group(kept[i]);
	probes_remove_orphans(&probes, &none);
	promise(group_was_removed(dead), "of a dead process");
	promise(group_was_removed(probes.group), "of one that had our number");
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		promise(!group_was_removed(kept[i]), "nobody else's");
}

int main(void)
{
	/* Guards are ours to wait for once their helpers are dead. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	make_files();
	what_is_turned_on_is_turned_off();
	what_a_person_set_stays();
	two_helpers_share_it();
	who_may_only_read_keeps_nothing_on();
	a_killed_helper_is_cleaned_up_after();
	what_both_leave_on_when_they_are_killed_at_once_is_turned_off_by_the_next();
	a_guard_is_not_killed_with_its_helper();
	a_guard_ends_with_its_helper_whoever_has_its_descriptors();
	it_is_not_on_for_long();
	a_helper_does_without_its_guard();
	a_helper_that_outlives_its_parent_is_ended();
	definitions_of_the_dead_are_removed();
	remove_files();
	return promises_told();
}
