// SPDX-License-Identifier: Apache-2.0
/*
 * Every reason for which a BPF program isn't hooked is told in words, those among them that no
 * kernel of the test nodes can be brought to: a kernel that is played here answers bpf(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <linux/types.h>

#include "../../bpf/event.h"
#include "../closer.h"
#include "../copy.h"
#include "../load.h"
#include "../program_hooks.h"
#include "../program_info.h"
#include "packet_trail.skel.h"
#include "promise.h"

/* ---- the kernel that is played ---- */

/* What it answers, in the order in which it is asked; 0 = it does it. */
static struct {
	int load[8]; /* errno of each bpf_prog_load() */
	int loads;
	int attach[4]; /* … and of each bpf_raw_tracepoint_open() */
	int attaches;
	const char *log; /* the verifier's words, for who gives room for them */
	struct bpf_prog_info info;
	struct bpf_func_info function;
	struct btf *btf;
} kernel;

static void kernel_anew(void)
{
	memset(&kernel, 0, sizeof(kernel));
}

static int some_descriptor(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int answer(int error)
{
	if (!error)
		return some_descriptor();
	errno = error;
	return -error;
}

int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t count,
			 const struct bpf_prog_load_opts *opts);
int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t count,
			 const struct bpf_prog_load_opts *opts)
{
	(void)type, (void)name, (void)license, (void)insns, (void)count;
	if (opts->log_buf && kernel.log)
		snprintf(opts->log_buf, opts->log_size, "%s", kernel.log);
	return answer(kernel.load[kernel.loads++]);
}

int __wrap_bpf_raw_tracepoint_open(const char *name, int program);
int __wrap_bpf_raw_tracepoint_open(const char *name, int program)
{
	(void)name, (void)program;
	return answer(kernel.attach[kernel.attaches++]);
}

int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size);
int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	struct bpf_prog_info *program = info;
	uint64_t functions = program->func_info;

	(void)fd;
	if (functions && program->nr_func_info)
		memcpy((void *)(uintptr_t)functions, &kernel.function, sizeof(kernel.function));
	memcpy(info, &kernel.info, *size < sizeof(kernel.info) ? *size : sizeof(kernel.info));
	return 0;
}

struct btf *__wrap_btf__load_from_kernel_by_id(__u32 id);
struct btf *__wrap_btf__load_from_kernel_by_id(__u32 id)
{
	(void)id;
	return kernel.btf;
}

/* No object is open: the skeleton's programs are NULL. */
const char *__wrap_bpf_program__name(const struct bpf_program *program);
const char *__wrap_bpf_program__name(const struct bpf_program *program)
{
	(void)program;
	return "pattern";
}

/* Instead of load.c: a pattern of two instructions. */
struct bpf_insn *load_pattern_insns(const struct load *load, const struct bpf_program *program,
				    size_t *count)
{
	(void)load, (void)program;
	*count = 2;
	return calloc(2, sizeof(struct bpf_insn));
}

/* ---- why a hook is refused ---- */

static const struct packet_trail_bpf skeleton;
static const struct load load;

static struct program hooked_by_this_kernel(void)
{
	struct program program = {.id = 1, .type = BPF_PROG_TYPE_SCHED_CLS, .context = CONTEXT_TC};

	program_hooks_attach(&load, &program, -1, &skeleton, 1, 2);
	return program;
}

static void let_go(struct program *program)
{
	struct account account = {0};

	copy_close(&program->copies[0], &account);
	copy_close(&program->copies[1], &account);
	program_free(program);
}

static bool says(const struct program *program, const char *reason)
{
	return program->reason && strcmp(program->reason, reason) == 0;
}

static void one_that_is_taken_has_both_hooks_and_no_reason(void)
{
	struct program program;

	kernel_anew();
	program = hooked_by_this_kernel();
	promise(program.state == PROGRAM_HOOKED && !program.reason && !program.log, "hooked");
	promise(program.entry_hook == 1 && program.verdict_hook == 2, "both hooks");
	promise(copy_attached(&program.copies[0]) && copy_attached(&program.copies[1]), "attached");
	let_go(&program);
}

static void the_verifiers_last_lines_are_kept(void)
{
	static const char last[] = "R1 invalid mem access 'scalar'\nprocessed 9 insns\n";
	char log[8192] = "";
	struct program program;

	while (strlen(log) < 6000)
		strcat(log, "12: (79) r1 = *(u64 *)(r6 +8)\n");
	strcat(log, last);
	kernel_anew();
	kernel.log = log;
	/* Each is tried again for the reason, but once that is known. */
	kernel.load[0] = kernel.load[1] = kernel.load[2] = EINVAL;
	program = hooked_by_this_kernel();
	promise(kernel.loads == 3, "the log is asked for once");
	promise(program.state == PROGRAM_REPORTED && !program.entry_hook && !program.verdict_hook,
		"reported");
	promise(says(&program, "the verifier refuses our hook"), "the verifier is named");
	promise(program.log && strlen(program.log) < 2048 && strncmp(program.log, "12: ", 4) == 0,
		"whole lines, not many");
	promise(program.log && strlen(program.log) > sizeof(last) &&
			strcmp(program.log + strlen(program.log) - strlen(last), last) == 0,
		"the last of them");
	let_go(&program);
}

static void one_hook_stands_alone(void)
{
	struct program program;

	kernel_anew();
	kernel.load[0] = kernel.load[1] = EINVAL; /* entry, and again for the reason */
	program = hooked_by_this_kernel();
	promise(program.state == PROGRAM_HOOKED && !program.entry_hook && program.verdict_hook == 2,
		"verdicts are seen");
	promise(says(&program, "verdicts only: the verifier refuses our hook"), "and it says so");
	let_go(&program);
	kernel_anew();
	kernel.attach[1] = E2BIG;
	program = hooked_by_this_kernel();
	promise(program.state == PROGRAM_HOOKED && program.entry_hook == 1 && !program.verdict_hook,
		"entries are seen");
	promise(says(&program, "no verdicts: it is traced by as many hooks as the kernel allows"),
		"and it says so");
	let_go(&program);
}

static void each_reason_is_told(void)
{
	static const struct {
		int load, attach;
		const char *reason;
	} cases[] = {
		{ENOENT, 0, "it was unloaded before it could be hooked"},
		{EPERM, 0, "not permitted: run as root"},
		{ENOMEM, 0, "out of memory"},
		{EOPNOTSUPP, 0, "this kernel can't hook it"},
		{0, ENOENT, "it was unloaded before it could be hooked"},
		{0, E2BIG, "it is traced by as many hooks as the kernel allows"},
		{0, EBUSY, "an freplace program has replaced its entry function"},
		{0, EIO, "Input/output error"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct program program;

		kernel_anew();
		for (int n = 0; n < 4; n++) {
			kernel.load[n] = cases[i].load;
			kernel.attach[n] = cases[i].attach;
		}
		program = hooked_by_this_kernel();
		promise(program.state == PROGRAM_REPORTED, "reported");
		promise(says(&program, cases[i].reason), cases[i].reason);
		let_go(&program);
	}
}

/* ---- what can't be hooked from the start ---- */

/* BTF of `int entry(struct __sk_buff *skb)`. */
static struct btf *some_btf(uint32_t *function)
{
	struct btf *btf = btf__new_empty();
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int skb = btf__add_struct(btf, "__sk_buff", 4);
	int pointer = btf__add_ptr(btf, skb);
	int proto = btf__add_func_proto(btf, number);

	btf__add_func_param(btf, "skb", pointer);
	*function = (uint32_t)btf__add_func(btf, "entry", BTF_FUNC_STATIC, proto);
	return btf;
}

static struct program read_from(bool btf, bool function, bool jited)
{
	struct program program = {.id = 1};

	kernel_anew();
	kernel.info.type = BPF_PROG_TYPE_SCHED_CLS;
	memcpy(kernel.info.name, "entry", 6);
	kernel.info.btf_id = btf ? 1 : 0;
	kernel.info.nr_func_info = function;
	kernel.info.jited_prog_len = jited ? 64 : 0;
	if (btf)
		kernel.btf = some_btf(&kernel.function.type_id);
	promise(program_info_read(&program, -1) == 0, "it is read");
	return program;
}

static void what_cannot_be_hooked_has_its_reason(void)
{
	static const struct {
		bool btf, function, jited;
		const char *reason; /* its begin; NULL = none */
	} cases[] = {
		{true, true, true, NULL},
		{false, false, true, "it has no BTF"},
		{true, false, true, "its BTF has no func_info"},
		{true, true, false, "it is interpreted: set net.core.bpf_jit_enable to 1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *reason = cases[i].reason;
		struct program program = read_from(cases[i].btf, cases[i].function, cases[i].jited);

		promise(program.name && strcmp(program.name, "entry") == 0, "its name is known");
		promise((program.state == PROGRAM_REPORTED) == (reason != NULL), "its state");
		promise(reason ? program.reason &&
					 strncmp(program.reason, reason, strlen(reason)) == 0
			       : !program.reason,
			reason ? reason : "no reason");
		program_free(&program);
	}
}

/* ---- what our copies did ---- */

static void what_a_copy_missed_is_counted_once_and_to_its_end(void)
{
	struct closer *closer = closer_open();
	struct account account = {0};
	struct copy copy;
	atomic_int waiting = 0;

	kernel_anew();
	promise(closer && !copy_attach(&copy, some_descriptor()), "attached");
	kernel.info.recursion_misses = 3;
	kernel.info.run_cnt = 10;
	kernel.info.run_time_ns = 1000;
	copy_look(&copy, 1000000000, &account);
	copy_look(&copy, 2000000000, &account);
	promise(account.misses == 3 && account.runs == 10 && account.run_ns == 1000, "once");
	kernel.info.run_cnt = 40;
	copy_look(&copy, 3000000000, &account);
	promise(copy.rate == 30, "runs a second");
	/* What happens until the kernel has let go of it counts, too. */
	kernel.info.recursion_misses = 5;
	closer_close(closer, &copy, &waiting);
	promise(!copy_attached(&copy), "given away");
	closer_wait(closer);
	promise(!atomic_load(&waiting), "closed");
	closer_account(closer, &account);
	closer_account(closer, &account);
	promise(account.misses == 5 && account.runs == 40, "to its end, and once");
	closer_free(closer);
}

int main(void)
{
	one_that_is_taken_has_both_hooks_and_no_reason();
	the_verifiers_last_lines_are_kept();
	one_hook_stands_alone();
	each_reason_is_told();
	what_cannot_be_hooked_has_its_reason();
	what_a_copy_missed_is_counted_once_and_to_its_end();
	return promises_told();
}
