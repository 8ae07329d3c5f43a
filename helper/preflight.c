/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --check: what this machine must have to be traced, and what would make it better. The ways to
 * hook are in preflight_hooks.c.
 */
#include "preflight.h"
#include "escape.h"
#include "expedite.h"
#include "json.h"
#include "preflight_check.h"
#include "tracefs.h"
#include "vmlinux.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"
#define AS_ROOT	    "run as root, or through sudo"

void preflight_add(struct preflight *preflight, const char *name, enum state state,
		   const char *mend, const char *detail, ...)
{
	struct check *check = &preflight->checks[preflight->count++];
	va_list arguments;

	check->name = name;
	check->state = state;
	va_start(arguments, detail);
	vsnprintf(check->detail, sizeof(check->detail), detail, arguments);
	va_end(arguments);
	snprintf(check->mend, sizeof(check->mend), "%s", state == PASS ? "" : mend);
}

const char *preflight_mend(const struct preflight *preflight, const char *otherwise)
{
	return preflight->privileged ? otherwise : AS_ROOT;
}

bool preflight_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good;

	if (!file)
		return false;
	errno = ENODATA; /* what an empty file leaves */
	good = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (good)
		line[strcspn(line, "\n")] = 0;
	return good;
}

static void check_kernel(struct preflight *preflight)
{
	struct utsname name;

	if (uname(&name))
		preflight_add(preflight, "kernel", WARN, "none is known",
			      "its release can't be read: %s", strerror(errno));
	else
		preflight_add(preflight, "kernel", PASS, "", "%s %s", name.release, name.machine);
}

/* include/uapi/linux/capability.h: CAP_BPF and CAP_PERFMON are parts of CAP_SYS_ADMIN since 5.8. */
static void check_capabilities(struct preflight *preflight)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	uint64_t effective = 0;

	if (!syscall(SYS_capget, &header, data))
		effective = data[0].effective | (uint64_t)data[1].effective << 32;
	preflight->privileged =
		effective & (1ULL << CAP_SYS_ADMIN) ||
		(effective & (1ULL << CAP_BPF) && effective & (1ULL << CAP_PERFMON));
	preflight_add(preflight, "capabilities", preflight->privileged ? PASS : FAIL, AS_ROOT,
		      effective & (1ULL << CAP_SYS_ADMIN) ? "CAP_SYS_ADMIN"
		      : preflight->privileged
			      ? "CAP_BPF and CAP_PERFMON"
			      : "neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON");
}

/* security/lockdown/lockdown.c: "none [integrity] confidentiality", the one in force in brackets.
 */
static void check_lockdown(struct preflight *preflight)
{
	static const char path[] = "/sys/kernel/security/lockdown";
	char line[128];
	char *mode, *end;

	if (!preflight_line(path, line, sizeof(line))) {
		if (errno == ENOENT)
			preflight_add(preflight, "lockdown", PASS, "", "none in this kernel");
		else
			preflight_add(preflight, "lockdown", WARN,
				      preflight_mend(preflight,
						     "mount securityfs on /sys/kernel/security"),
				      "%s: %s", path, strerror(errno));
		return;
	}
	mode = strchr(line, '[');
	end = mode ? strchr(mode, ']') : NULL;
	if (end)
		*end = 0;
	/* Integrity leaves kprobes and reading kernel memory from BPF alone. */
	if (end && !strcmp(mode + 1, "confidentiality"))
		preflight_add(
			preflight, "lockdown", FAIL,
			"start the kernel without lockdown=confidentiality on its command line",
			"confidentiality: BPF programs must not read kernel memory");
	else
		preflight_add(preflight, "lockdown", PASS, "", "%s", end ? mode + 1 : line);
}

static void check_btf(struct preflight *preflight)
{
	const char *path = preflight->btf_path ? preflight->btf_path : VMLINUX_BTF;

	preflight->btf = btf__parse(path, NULL);
	if (preflight->btf)
		preflight_add(preflight, "btf", PASS, "", "%s: %u types", path,
			      btf__type_cnt(preflight->btf) - 1);
	else
		preflight_add(preflight, "btf", FAIL,
			      preflight->btf_path
				      ? "give a file that holds this kernel's BTF with --btf"
				      : "use a kernel built with CONFIG_DEBUG_INFO_BTF, or give "
					"its BTF with --btf FILE",
			      "%s: %s", path, vmlinux_error(path));
}

static void check_module_btf(struct preflight *preflight)
{
	FILE *modules = fopen("/proc/modules", "re");
	DIR *folder = opendir("/sys/kernel/btf");
	unsigned int loaded = 0, described = 0;
	struct dirent *entry;
	int c;

	while (modules && (c = fgetc(modules)) != EOF)
		loaded += c == '\n';
	while (folder && (entry = readdir(folder)))
		described += *entry->d_name != '.' && strcmp(entry->d_name, "vmlinux") != 0;
	if (modules)
		fclose(modules);
	if (folder)
		closedir(folder);
	preflight_add(preflight, "module BTF", loaded && !described ? WARN : PASS,
		      "use a kernel built with CONFIG_DEBUG_INFO_BTF_MODULES to see the functions "
		      "of modules",
		      "%u of %u loaded modules", described, loaded);
}

static void check_jit(struct preflight *preflight)
{
	static const char path[] = "/proc/sys/net/core/bpf_jit_enable";
	char line[32];

	if (!preflight_line(path, line, sizeof(line)))
		preflight_add(
			preflight, "BPF JIT", WARN,
			preflight_mend(preflight,
				       "use a kernel built with CONFIG_BPF_JIT: tracing costs more "
				       "without it"),
			"%s: %s", path, strerror(errno));
	else
		preflight_add(preflight, "BPF JIT", *line == '0' ? WARN : PASS,
			      "sysctl net.core.bpf_jit_enable=1: tracing costs more without it",
			      "%s", *line == '0' ? "off" : "on");
}

/* kernel/kallsyms.c shows zeros to whom kernel.kptr_restrict keeps addresses from. */
static void check_addresses(struct preflight *preflight)
{
	static const char path[] = "/proc/kallsyms";
	char line[512];
	bool read = preflight_line(path, line, sizeof(line));
	FILE *file = read ? fopen(path, "re") : NULL;
	bool shown = false;

	/* The first symbols may be at 0 for good: x86-64's per-CPU ones. */
	while (file && !shown && fgets(line, sizeof(line), file))
		shown = strtoull(line, NULL, 16) != 0;
	if (file)
		fclose(file);
	if (shown)
		preflight_add(preflight, "kernel addresses", PASS, "", "%s", path);
	else
		preflight_add(preflight, "kernel addresses", FAIL,
			      preflight_mend(preflight, "sysctl kernel.kptr_restrict=1, and run "
							"with CAP_SYSLOG or as root"),
			      "%s: %s", path, read ? "every address is hidden" : strerror(errno));
}

static void check_ring_buffer(struct preflight *preflight)
{
	int map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, (__u32)getpagesize(), NULL);

	if (map >= 0) {
		close(map);
		preflight_add(preflight, "ring buffer", PASS, "", "BPF ring buffers can be made");
	} else {
		preflight_add(
			preflight, "ring buffer", FAIL,
			preflight_mend(preflight,
				       "use a kernel of 5.8 or later with CONFIG_BPF_SYSCALL"),
			"%s", strerror(errno));
	}
}

/*
 * Until 5.11 BPF maps were charged to RLIMIT_MEMLOCK; since then to the memory cgroup. Which of the
 * two is found by making a map with the limit at zero.
 */
static bool maps_are_charged(const struct rlimit *limit)
{
	struct rlimit none = {0, limit->rlim_max};
	int map;

	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return true;
	map = (int)syscall(SYS_bpf, BPF_MAP_CREATE,
			   &(union bpf_attr){.map_type = BPF_MAP_TYPE_ARRAY,
					     .key_size = 4,
					     .value_size = 4,
					     .max_entries = 1},
			   sizeof(union bpf_attr));
	if (map >= 0)
		close(map);
	return setrlimit(RLIMIT_MEMLOCK, limit) || map < 0;
}

static void check_memlock(struct preflight *preflight)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY}, limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		limit = (struct rlimit){0};
	if (limit.rlim_cur == RLIM_INFINITY)
		preflight_add(preflight, "locked memory", PASS, "", "unlimited");
	else if (!maps_are_charged(&limit))
		preflight_add(preflight, "locked memory", PASS, "",
			      "this kernel doesn't count BPF maps");
	else if (!setrlimit(RLIMIT_MEMLOCK, &unlimited))
		preflight_add(preflight, "locked memory", PASS, "", "raised to unlimited");
	else
		preflight_add(
			preflight, "locked memory", WARN,
			preflight_mend(preflight,
				       "raise it with ulimit -l, or run with CAP_SYS_RESOURCE"),
			"limited to %llu KiB, which kernels before 5.11 count BPF maps against",
			(unsigned long long)limit.rlim_cur / 1024);
}

static void check_tracefs(struct preflight *preflight)
{
	FILE *file = tracefs_open("available_filter_functions");

	preflight_add(
		preflight, "tracefs", file ? PASS : WARN,
		preflight_mend(
			preflight,
			"none is needed: a function that can't be hooked is found out when "
			"it is tried; mount -t tracefs tracefs /sys/kernel/tracing spares that"),
		file ? "available_filter_functions" : "available_filter_functions can't be read");
	if (file)
		fclose(file);
}

/* Mends what it can: nothing else on the node would, until the next trace. */
static void check_expedited(struct preflight *preflight)
{
	bool mended = expedite_mend();

	if (!mended && expedite_left_on())
		preflight_add(preflight, "expedited RCU", WARN, AS_ROOT,
			      "%s: left on by a helper that was killed", expedite_file);
	else
		preflight_add(preflight, "expedited RCU", PASS, "",
			      mended ? "was left on by a helper that was killed: put back"
				     : "none is left on by a helper that was killed");
}

/* One way to hook is enough: with it the lack of another is a warning. */
static void settle(struct preflight *preflight)
{
	static const char *const ways[] = {"kprobes", "kprobe.multi", "tracepoints"};
	struct check *found[3] = {NULL};
	bool any = false;

	for (size_t i = 0; i < preflight->count; i++)
		for (size_t way = 0; way < 3; way++)
			if (!strcmp(preflight->checks[i].name, ways[way]))
				found[way] = &preflight->checks[i];
	for (size_t way = 0; way < 3; way++)
		any |= found[way] && found[way]->state == PASS;
	for (size_t way = 0; way < 3; way++)
		if (found[way] && found[way]->state != PASS)
			found[way]->state = any ? WARN : FAIL;
}

static void print(const struct preflight *preflight, bool json, FILE *out)
{
	static const char *const states[] = {"pass", "warn", "fail"};

	for (size_t i = 0; i < preflight->count; i++) {
		const struct check *check = &preflight->checks[i];

		if (json) {
			fprintf(out, "%s{\"name\":", i ? ",\n" : "[\n");
			json_string(out, check->name);
			fprintf(out, ",\"state\":\"%s\",\"detail\":", states[check->state]);
			json_string(out, check->detail);
			fputs(",\"mend\":", out);
			json_string(out, check->mend);
			fputc('}', out);
		} else {
			fprintf(out, "%s  %s: ", states[check->state], check->name);
			escape_print(out, check->detail, 0);
			fputs(*check->mend ? " — " : "", out);
			escape_print(out, check->mend, 0);
			fputc('\n', out);
		}
	}
	if (json)
		fputs("\n]\n", out);
}

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

int preflight_run(const char *btf_path, bool json, FILE *out)
{
	/* Privileges first (the mends depend on them), BTF before what needs it. */
	static void (*const checks[])(struct preflight *) = {
		check_kernel,	    check_capabilities, check_lockdown,	   check_btf,
		check_module_btf,   check_addresses,	check_memlock,	   check_ring_buffer,
		check_kprobe_multi, check_kprobes,	check_tracepoints, check_fentry,
		check_jit,	    check_tracefs,	check_expedited,
	};
	struct preflight preflight = {.btf_path = btf_path};
	libbpf_print_fn_t before = libbpf_set_print(silent);
	int status = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](&preflight);
	settle(&preflight);
	print(&preflight, json, out);
	for (size_t i = 0; i < preflight.count; i++)
		if (preflight.checks[i].state == FAIL)
			status = 1;
	btf__free(preflight.btf);
	libbpf_set_print(before);
	return status;
}
