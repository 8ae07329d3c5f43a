// SPDX-License-Identifier: Apache-2.0
/* What events name by number gets its name: once, and another one when it has changed. */
#include "promise.h"
#include "symbols.h"
#include "../kallsyms.h"
#include "../names.h"
#include "../print_names.h"
#include "../sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static const char symbols[] = "ffffffff81000000 T _stext\n"
			      "ffffffff81000000 T first\n"
			      "ffffffff81000400 t last\n"
			      "ffffffff81000500 T _etext\n";

/* ---- a memory by number ---- */

static void no_two_numbers_contend_for_a_place(void)
{
	struct recent recent = {.size = sizeof(uint32_t), .most = 100};
	bool all = true;
	uint32_t *value;

	promise(!recent_find(&recent, 1), "nothing is known");
	for (uint32_t i = 0; i < 100; i++) {
		value = recent_add(&recent, i * 4096ULL);
		all &= value && !*value;
		if (value)
			*value = i;
	}
	for (uint32_t i = 0; i < 100; i++) {
		value = recent_find(&recent, i * 4096ULL);
		all &= value && *value == i;
	}
	promise(all && !recent_find(&recent, 1), "as many as there may be");
	recent_free(&recent);
	promise(!recent.count && !recent_find(&recent, 0) && recent_add(&recent, 7),
		"all forgotten");
	recent_free(&recent);
}

static void what_nobody_asks_for_makes_room(void)
{
	struct recent recent = {.size = 1, .most = 100};
	bool kept = true;

	for (uint32_t i = 0; i < 10000; i++) {
		recent_add(&recent, i);
		/* The first fifty are asked for all the time. */
		for (uint32_t j = 0; j <= i && j < 50; j++)
			kept &= recent_find(&recent, j) != NULL;
	}
	promise(kept && recent.count == 100, "never more, and those in use stay");
	recent_free(&recent);
}

/* ---- what the sink is told ---- */

static char told[65536];

static void tell(const char *format, ...)
{
	size_t length = strlen(told);
	va_list args;

	va_start(args, format);
	vsnprintf(told + length, sizeof(told) - length, format, args);
	va_end(args);
}

static void on_netns(struct sink *sink, uint32_t inum, uint64_t cookie, const char *name)
{
	(void)sink;
	tell("netns %u %llu '%s'; ", inum, (unsigned long long)cookie, name);
}

static void on_task(struct sink *sink, uint32_t pid, const char *comm)
{
	(void)sink;
	tell("task %u %s; ", pid, comm);
}

static void on_symbol(struct sink *sink, uint64_t address, uint64_t size, const char *name,
		      const char *module)
{
	(void)sink;
	(void)address;
	tell("symbol %s[%s] %llu; ", name, module, (unsigned long long)size);
}

static void on_flush(struct sink *sink)
{
	(void)sink;
	tell("flush; ");
}

static struct sink sink = {
	.netns = on_netns, .task = on_task, .symbol = on_symbol, .flush = on_flush};

static bool was_told(const char *text)
{
	bool same = strcmp(told, text) == 0;

	if (!same)
		printf("told: %s\n", told);
	*told = 0;
	return same;
}

static void pass(struct names *names, struct event event)
{
	names_of_event(names, &sink, &event, NULL);
}

static char folder[] = "/tmp/packet-trail-names-XXXXXX";

/* Gives a namespace this name; returns its number. */
static uint32_t add_label(const char *name)
{
	char path[sizeof(folder) + 32];
	struct stat info = {0};
	int file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	fstat(file, &info);
	close(file);
	return (uint32_t)info.st_ino;
}

static void rename_label(const char *from, const char *to)
{
	char paths[2][sizeof(folder) + 32];

	snprintf(paths[0], sizeof(paths[0]), "%s/%s", folder, from);
	snprintf(paths[1], sizeof(paths[1]), "%s/%s", folder, to);
	rename(paths[0], paths[1]);
}

static void remove_label(const char *name)
{
	char path[sizeof(folder) + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

static void no_set_of_namespaces_reads_the_folder_at_each_event(void)
{
	struct kallsyms kallsyms = {0};
	struct names names;

	names_open(&names, &kallsyms, folder);
	names_at(&names, 100000);
	for (int i = 0; i < 1000; i++)
		for (uint32_t j = 0; j < 64; j++)
			pass(&names, (struct event){.netns = 4026532000 + 256 * j});
	promise(names.looks == 1, "however their numbers are");
	promise(names.netns.count == 64, "each is known");
	*told = 0;
	for (uint32_t i = 0; i < 64; i++)
		pass(&names, (struct event){.netns = 4026532000 + 256 * i});
	promise(was_told(""), "and told once");
	names_close(&names);
}

static void a_namespace_that_gets_a_name_later_is_told_again(void)
{
	uint32_t inum = add_label("late");
	struct kallsyms kallsyms = {0};
	struct names names;
	char text[256];

	remove_label("late");
	names_open(&names, &kallsyms, folder);
	names_at(&names, 100000);
	pass(&names, (struct event){.netns = inum});
	snprintf(text, sizeof(text), "netns %u 0 ''; ", inum);
	promise(was_told(text), "it has none");
	inum = add_label("late");
	names_at(&names, 100500);
	pass(&names, (struct event){.netns = inum});
	promise(names.looks == 1, "not looked for at each event");
	*told = 0;
	names_at(&names, 102000);
	pass(&names, (struct event){.netns = inum});
	pass(&names, (struct event){.netns = inum});
	snprintf(text, sizeof(text), "flush; netns %u 0 'late'; ", inum);
	promise(was_told(text) && names.looks == 2, "but after a while");
	rename_label("late", "later");
	names_at(&names, 104000);
	pass(&names, (struct event){.netns = inum});
	snprintf(text, sizeof(text), "flush; netns %u 0 'later'; ", inum);
	promise(was_told(text), "a name that changes is told, behind the events that had it");
	names_close(&names);
	remove_label("later");
}

static void a_number_that_another_namespace_gets_has_its_name(void)
{
	uint32_t inum = add_label("blue");
	struct kallsyms kallsyms = {0};
	struct names names;
	char text[256];

	names_open(&names, &kallsyms, folder);
	names_at(&names, 100000);
	names_of_netns(&names, &sink, inum, 7);
	pass(&names, (struct event){.netns = inum});
	names_of_netns(&names, &sink, inum, 7);
	snprintf(text, sizeof(text), "netns %u 7 'blue'; ", inum);
	promise(was_told(text), "once, with its cookie");
	rename_label("blue", "green");
	names_at(&names, 100100);
	names_of_netns(&names, &sink, inum, 8);
	pass(&names, (struct event){.netns = inum});
	snprintf(text, sizeof(text), "flush; netns %u 8 'green'; ", inum);
	promise(was_told(text), "at once, behind the events of the one before");
	names_of_netns(&names, &sink, inum, 9);
	snprintf(text, sizeof(text), "flush; netns %u 9 'green'; ", inum);
	promise(was_told(text), "also one of the same name");
	names_close(&names);
	remove_label("green");
}

static void a_task_that_changes_its_name_is_told_again(void)
{
	struct kallsyms kallsyms = {0};
	struct names names;

	names_open(&names, &kallsyms, folder);
	pass(&names, (struct event){.pid = 5, .comm = "bash"});
	pass(&names, (struct event){.pid = 5 + 1024, .comm = "ping"});
	pass(&names, (struct event){.pid = 5, .comm = "bash"});
	pass(&names, (struct event){.pid = 5});
	promise(was_told("task 5 bash; task 1029 ping; "), "once");
	pass(&names, (struct event){.pid = 5, .comm = "curl"});
	promise(was_told("flush; task 5 curl; "), "behind the events that had the name of before");
	names_close(&names);
}

static struct {
	int asked;
	struct names *names;
	struct kallsyms *with; /* what is read next; NULL = nothing new */
} renewal;

static void renew(void *context)
{
	struct kallsyms *kallsyms = context;

	renewal.asked++;
	if (!renewal.with)
		return;
	kallsyms_close(kallsyms);
	*kallsyms = *renewal.with;
	renewal.with = NULL;
	names_symbols_read(renewal.names);
}

static void an_address_without_a_name_is_looked_up_again(void)
{
	struct kallsyms kallsyms, more, other;
	struct names names;

	promise(read_text(&kallsyms, symbols) == 0 &&
			read_text(&more, "ffffffff81000000 T _stext\n"
					 "ffffffff81000500 T _etext\n"
					 "ffffffffc0800000 t late\t[late]\n") == 0 &&
			read_text(&other, "ffffffff81000000 T _stext\n"
					  "ffffffff81000500 T _etext\n"
					  "ffffffffc0800000 t later\t[later]\n") == 0,
		"tables are read");
	names_open(&names, &kallsyms, folder);
	names.renew = renew;
	names.context = &kallsyms;
	renewal.asked = 0;
	renewal.names = &names;
	names_at(&names, 100000);
	pass(&names, (struct event){.caller = 0xffffffff81000450});
	promise(was_told("symbol last[] 256; ") && renewal.asked == 0, "the kernel proper");
	for (int i = 0; i < 100; i++)
		pass(&names, (struct event){.caller = 0xffffffffc0800010});
	promise(was_told("") && renewal.asked == 1, "none, and not asked for at each event");
	names_at(&names, 101500);
	pass(&names, (struct event){.caller = 0xffffffffc0800010});
	promise(was_told("") && renewal.asked == 2, "but after a while");
	renewal.with = &more;
	names_at(&names, 103000);
	pass(&names, (struct event){.caller = 0xffffffffc0800010});
	pass(&names, (struct event){.caller = 0xffffffffc0800010});
	promise(was_told("symbol late[late] 4096; ") || PAGE != 4096, "it is there by now");
	renewal.with = &other;
	pass(&names, (struct event){.caller = 0xffffffffc0900000});
	*told = 0;
	pass(&names, (struct event){.caller = 0xffffffffc0800010});
	promise(was_told("symbol later[later] 4096; ") || PAGE != 4096,
		"when the symbols were read again, another module may be there");
	pass(&names, (struct event){.caller = 0xffffffff81000450});
	promise(was_told(""), "the kernel proper is where it was");
	names_close(&names);
	kallsyms_close(&kallsyms);
}

static void a_return_address_is_of_the_function_that_called(void)
{
	uint64_t stack[STACK_DEPTH] = {0xffffffff81000400, 0xffffffff81000400, 0xffffffff81000500};
	struct event event = {0};
	struct kallsyms kallsyms;
	struct print_names printed;
	struct names names;
	char text[64];

	promise(read_text(&kallsyms, symbols) == 0, "a table is read");
	names_open(&names, &kallsyms, folder);
	names_of_event(&names, &sink, &event, stack);
	promise(was_told("symbol last[] 256; symbol _stext[] 1024; "),
		"where we are, and who called last thing in his code");
	names_close(&names);
	print_names_open(&printed);
	printed.kallsyms = &kallsyms;
	place_text(&printed, 0xffffffff81000400, false, text, sizeof(text));
	promise(strcmp(text, "last+0x0") == 0, "a place");
	place_text(&printed, 0xffffffff81000400, true, text, sizeof(text));
	promise(strcmp(text, "_stext+0x400") == 0, "where a call returns to");
	place_text(&printed, 0xffffffff81000501, true, text, sizeof(text));
	promise(strcmp(text, "0xffffffff81000501") == 0, "none");
	print_names_close(&printed);
	kallsyms_close(&kallsyms);
}

static void a_terminal_knows_the_names_of_all_interfaces(void)
{
	struct print_names names;
	bool all = true;
	char name[16];

	print_names_open(&names);
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "veth%u", i);
		print_names_iface(&names, 4026532000 + i * 1024, 2, name);
		print_names_netns(&names, 4026532000 + i * 1024, name);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		struct event event = {.netns = 4026532000 + i * 1024, .ifindex = 2};

		snprintf(name, sizeof(name), "veth%u", i);
		all &= strcmp(iface_of(&names, &event), name) == 0 &&
		       strcmp(netns_of(&names, &event), name) == 0;
	}
	promise(all, "whichever numbers they have");
	print_names_iface(&names, 4026532000, 2, "eth0");
	promise(strcmp(iface_of(&names, &(struct event){.netns = 4026532000, .ifindex = 2}),
		       "eth0") == 0,
		"the newest holds");
	promise(!*iface_of(&names, &(struct event){.netns = 4026532000, .ifindex = 3}), "none");
	print_names_close(&names);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	no_two_numbers_contend_for_a_place();
	what_nobody_asks_for_makes_room();
	no_set_of_namespaces_reads_the_folder_at_each_event();
	a_namespace_that_gets_a_name_later_is_told_again();
	a_number_that_another_namespace_gets_has_its_name();
	a_task_that_changes_its_name_is_told_again();
	an_address_without_a_name_is_looked_up_again();
	a_return_address_is_of_the_function_that_called();
	a_terminal_knows_the_names_of_all_interfaces();
	rmdir(folder);
	return promises_told();
}
