// SPDX-License-Identifier: Apache-2.0
/*
 * Loads BPF objects in the test node and attaches their programs in ways that tc and ip can't, then
 * stays while it is told to, so that its links stay. Arguments are steps, done in order:
 *
 *   load OBJECT                    loads all programs of /programs/OBJECT.bpf.o
 *   skip PROGRAM                   the next load leaves this one out
 *   slot MAP INDEX PROGRAM         a slot of a program array
 *   value MAP NUMBER               element 0 of an array
 *   tc PROGRAM INTERFACE ingress|egress PRIORITY
 *   tcx PROGRAM INTERFACE ingress|egress
 *   netkit PROGRAM INTERFACE primary|peer
 *   xdp PROGRAM INTERFACE native|generic
 *   replace OBJECT PROGRAM TARGET FUNCTION   loads an freplace program and attaches it
 *   pin PROGRAM PATH
 *   pinmap MAP PATH
 *   trace PROGRAM FUNCTION COUNT   attaches COUNT empty fentry programs to a function of it, or as many as it takes
 *   refuse NAME                    from here on the kernel refuses programs of this name
 *   naive PROGRAM                  loads fentry for the first FUNC of its BTF, prints what the kernel says
 *   swap OBJECT PROGRAM INTERFACE MILLISECONDS SECONDS   replaces a tc ingress program every so often, so long
 *   time                           prints TIME=CLOCK_MONOTONIC in ns
 *   hold                           prints "ready" and waits until its standard input ends
 *
 * After a load it prints ID_program=number for each.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Newer than libbpf's header: include/uapi/linux/bpf.h */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, NETKIT_PRIMARY = 54, NETKIT_PEER = 55 };

#define MOST_OBJECTS 16

static struct bpf_object *objects[MOST_OBJECTS];
static int object_count;
static const char *left_out;

static void die(const char *what, const char *which)
{
	fprintf(stderr, "loader: %s: %s: %s\n", what, which, strerror(errno));
	exit(1);
}

static struct bpf_program *program_named(const char *name)
{
	for (int i = object_count; i-- > 0;) {
		struct bpf_program *program = bpf_object__find_program_by_name(objects[i], name);

		if (program)
			return program;
	}
	errno = ENOENT;
	die("no such program", name);
	return NULL;
}

static int map_named(const char *name)
{
	for (int i = object_count; i-- > 0;) {
		int map = bpf_object__find_map_fd_by_name(objects[i], name);

		if (map >= 0)
			return map;
	}
	errno = ENOENT;
	die("no such map", name);
	return -1;
}

static unsigned int index_of(const char *interface)
{
	unsigned int ifindex = if_nametoindex(interface);

	if (!ifindex)
		die("no such interface", interface);
	return ifindex;
}

static __u32 id_of(const struct bpf_program *program)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		die("bpf_prog_info", bpf_program__name(program));
	return info.id;
}

static void tell_id(const struct bpf_program *program)
{
	if (bpf_program__fd(program) < 0)
		return;
	printf("ID_%s=%u\n", bpf_program__name(program), id_of(program));
	fflush(stdout);
}

static struct bpf_object *open_object(const char *name)
{
	struct bpf_object *object;
	struct bpf_program *program;
	char path[256];

	snprintf(path, sizeof(path), "/programs/%s.bpf.o", name);
	object = bpf_object__open(path);
	if (!object || object_count == MOST_OBJECTS)
		die("can't open", path);
	/* Sections are named as tc names them, or as tc let people name them. */
	bpf_object__for_each_program(program, object)
		if (strncmp(bpf_program__section_name(program), "tc/", 3) == 0 ||
		    bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC)
			bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	return object;
}

static void load(const char *name)
{
	struct bpf_object *object = open_object(name);
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
		if (left_out && strcmp(bpf_program__name(program), left_out) == 0)
			bpf_program__set_autoload(program, false);
	left_out = NULL;
	if (bpf_object__load(object))
		die("can't load", name);
	objects[object_count++] = object;
	bpf_object__for_each_program(program, object)
		tell_id(program);
}

static void attach_tc(int program, const char *interface, const char *direction, int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)index_of(interface),
		    .attach_point = strcmp(direction, "egress") ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .priority = priority, .handle = 1,
		    .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		die("can't make clsact", interface);
	if (bpf_tc_attach(&hook, &opts))
		die("can't attach to tc", interface);
}

static void attach_link(int program, const char *interface, int type)
{
	if (bpf_link_create(program, (int)index_of(interface), type, NULL) < 0)
		die("can't make the link", interface);
}

static void replace(const char *name, const char *program_name, const char *target,
		    const char *function)
{
	struct bpf_object *object = open_object(name);
	struct bpf_program *program = bpf_object__find_program_by_name(object, program_name);
	int link;

	if (!program ||
	    bpf_program__set_attach_target(program, bpf_program__fd(program_named(target)), function))
		die("no such freplace program or target", program_name);
	if (bpf_object__load(object))
		die("can't load", name);
	objects[object_count++] = object;
	tell_id(program);
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));
	if (link < 0)
		die("can't replace", function);
}

static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

static struct btf *btf_of(int program)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);
	struct btf *btf;

	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(program, &info, &size))
		die("bpf_prog_info", "target");
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		die("no BTF", "target");
	return btf;
}

static void trace(const char *target, const char *function, int count)
{
	int fd = bpf_program__fd(program_named(target));
	struct btf *btf = btf_of(fd);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_prog_fd = (__u32)fd,
		    .attach_btf_id = (__u32)btf__find_by_name_kind(btf, function, BTF_KIND_FUNC));

	for (int i = 0; i < count; i++) {
		int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "full", "GPL", nothing, 2, &opts);

		if (program < 0)
			die("can't trace", function);
		if (bpf_raw_tracepoint_open(NULL, program) >= 0)
			continue;
		/* 38, or fewer where their calls don't fit into the trampoline's page. */
		if (errno != E2BIG)
			die("can't trace", function);
		printf("FULL=%d\n", i);
		break;
	}
	btf__free(btf);
}

static void refuse(const char *name)
{
	char refused[BPF_OBJ_NAME_LEN] = "";
	struct bpf_object *object = open_object("refuse");
	struct bpf_map *constants = bpf_object__find_map_by_name(object, ".rodata");
	struct bpf_program *program = bpf_object__find_program_by_name(object, "refuse");

	strncpy(refused, name, sizeof(refused) - 1);
	if (!constants || !program || bpf_map__set_initial_value(constants, refused, sizeof(refused)) ||
	    bpf_object__load(object) || bpf_raw_tracepoint_open(NULL, bpf_program__fd(program)) < 0)
		die("can't have it refused", name);
}

/* What a tracer does that takes the BTF's first FUNC for the program's own. */
static void naive(const char *target)
{
	int fd = bpf_program__fd(program_named(target)), program;
	struct btf *btf = btf_of(fd);
	static char log[4096];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_prog_fd = (__u32)fd, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);

	for (__u32 id = 1; id < btf__type_cnt(btf) && !opts.attach_btf_id; id++)
		if (btf_is_func(btf__type_by_id(btf, id)))
			opts.attach_btf_id = id;
	printf("NAIVE_FUNC=%s\n",
	       btf__name_by_offset(btf, btf__type_by_id(btf, opts.attach_btf_id)->name_off));
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "naive", "GPL", nothing, 2, &opts);
	log[strcspn(log, "\n")] = 0;
	printf("NAIVE_RESULT=%s\nNAIVE_LOG=%s\n", program < 0 ? "refused" : "loaded", log);
	fflush(stdout);
	btf__free(btf);
}

static void swap(const char *name, const char *program_name, const char *interface,
		 int milliseconds, int seconds)
{
	struct timespec begin, now;
	__u32 last;
	int times = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		struct bpf_object *object = open_object(name);
		struct bpf_program *program;

		if (bpf_object__load(object))
			die("can't load", name);
		program = bpf_object__find_program_by_name(object, program_name);
		attach_tc(bpf_program__fd(program), interface, "ingress", 1);
		last = id_of(program);
		bpf_object__close(object);
		usleep((useconds_t)milliseconds * 1000);
		times++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < seconds);
	printf("SWAPPED=%d\nLAST=%u\n", times, last);
	fflush(stdout);
}

static char **words;

static char *next(void)
{
	if (!*words) {
		errno = EINVAL;
		die("a word is missing", "the steps are in loader.c");
	}
	return *words++;
}

static void step(const char *what)
{
	char *a, *b, *c, *d, byte;

	if (strcmp(what, "load") == 0) {
		load(next());
	} else if (strcmp(what, "skip") == 0) {
		left_out = next();
	} else if (strcmp(what, "slot") == 0) {
		int map = map_named(next());
		__u32 index = (__u32)atoi(next());
		int program = bpf_program__fd(program_named(next()));

		if (bpf_map_update_elem(map, &index, &program, BPF_ANY))
			die("can't set", "slot");
	} else if (strcmp(what, "value") == 0) {
		int map = map_named(next());
		__u32 zero = 0, value = (__u32)atoi(next());

		if (bpf_map_update_elem(map, &zero, &value, BPF_ANY))
			die("can't set", "value");
	} else if (strcmp(what, "tc") == 0) {
		a = next(), b = next(), c = next();
		attach_tc(bpf_program__fd(program_named(a)), b, c, atoi(next()));
	} else if (strcmp(what, "tcx") == 0) {
		a = next(), b = next(), c = next();
		attach_link(bpf_program__fd(program_named(a)), b,
			    strcmp(c, "egress") ? TCX_INGRESS : TCX_EGRESS);
	} else if (strcmp(what, "netkit") == 0) {
		a = next(), b = next(), c = next();
		attach_link(bpf_program__fd(program_named(a)), b,
			    strcmp(c, "peer") ? NETKIT_PRIMARY : NETKIT_PEER);
	} else if (strcmp(what, "xdp") == 0) {
		a = next(), b = next(), c = next();
		if (bpf_xdp_attach((int)index_of(b), bpf_program__fd(program_named(a)),
				   strcmp(c, "generic") ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
				   NULL))
			die("can't attach XDP", b);
	} else if (strcmp(what, "replace") == 0) {
		a = next(), b = next(), c = next(), d = next();
		replace(a, b, c, d);
	} else if (strcmp(what, "pin") == 0) {
		a = next(), b = next();
		if (bpf_program__pin(program_named(a), b))
			die("can't pin", b);
	} else if (strcmp(what, "pinmap") == 0) {
		a = next(), b = next();
		if (bpf_obj_pin(map_named(a), b))
			die("can't pin", b);
	} else if (strcmp(what, "trace") == 0) {
		a = next(), b = next(), c = next();
		trace(a, b, atoi(c));
	} else if (strcmp(what, "refuse") == 0) {
		refuse(next());
	} else if (strcmp(what, "naive") == 0) {
		naive(next());
	} else if (strcmp(what, "swap") == 0) {
		a = next(), b = next(), c = next(), d = next();
		swap(a, b, c, atoi(d), atoi(next()));
	} else if (strcmp(what, "time") == 0) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("TIME=%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
		fflush(stdout);
	} else if (strcmp(what, "hold") == 0) {
		puts("ready");
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
	} else {
		errno = EINVAL;
		die("no such step", what);
	}
}

/* What libbpf would never do: BTF with lines, and no word on its functions. */
static int without_functions(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	(void)program, (void)cookie;
	opts->func_info = NULL;
	opts->func_info_cnt = 0;
	return 0;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, handler, .prog_prepare_load_fn = without_functions);

	(void)argc;
	if (libbpf_register_prog_handler("lines", BPF_PROG_TYPE_SCHED_CLS, 0, &handler) < 0)
		die("can't register", "lines");
	for (words = argv + 1; *words;)
		step(next());
	return 0;
}
