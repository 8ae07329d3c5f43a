// SPDX-License-Identifier: Apache-2.0
/* No address has the name of a function that it isn't in. */
#include "promise.h"
#include "symbols.h"
#include "../kallsyms.h"
#include "../sections.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static int read_modules(struct sections *sections, const char *text, uint64_t *hash)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	int err = file ? sections_add_modules(sections, file, hash) : -ENOMEM;

	if (file)
		fclose(file);
	return err;
}

/* The name of the symbol that holds the address, "" for none. */
static const char *name_at(const struct kallsyms *kallsyms, uint64_t address)
{
	const struct symbol *symbol = kallsyms_find(kallsyms, address);

	return symbol ? symbol_name(kallsyms, symbol) : "";
}

#define promise_name(kallsyms, address, name, text)                                                \
	promise(strcmp(name_at(kallsyms, address), name) == 0, text)

static const char symbols[] = "ffffffff81000000 T _stext\n"
			      "ffffffff81000000 T first\n"
			      "ffffffff81000400 t last\n"
			      "ffffffff81000500 T _etext\n"
			      "ffffffff82000000 T _sinittext\n"
			      "ffffffff82000010 t only_at_boot\n"
			      "ffffffff82000200 T _einittext\n"
			      "ffffffff82000208 t no_more\n"
			      "ffffffffc0000000 t veth_first\t[veth]\n"
			      "ffffffffc0000800 t veth_last\t[veth]\n"
			      "ffffffffc0010000 t bridge_last\t[bridge]\n"
			      "ffffffffc0020040 t bpf_prog_d21b07f4313015ba_quiet\t[bpf]\n"
			      "ffffffffc0030000 t bpf_trampoline_6442535936\t[bpf]\n"
			      "ffffffffc0040000 t ftrace_trampoline\t[__builtin__ftrace]\n";
static const char modules[] = "veth 12288 0 - Live 0xffffffffc0000000\n"
			      "bridge 8192 1 br_netfilter, Live 0xffffffffc0010000 (OE)\n"
			      "hidden 8192 0 - Live 0x0000000000000000\n"
			      "no module\n";

static void the_kernels_last_function_ends_with_its_text(void)
{
	struct kallsyms kallsyms;

	promise(read_text(&kallsyms, symbols) == 0, "a table is read");
	promise_name(&kallsyms, 0xffffffff810004ff, "last", "to its end");
	promise_name(&kallsyms, 0xffffffff81000500, "", "_etext is no function");
	promise_name(&kallsyms, 0xffffffff81010000, "", "nor is what is behind it");
	promise_name(&kallsyms, 0xffffffff820001ff, "only_at_boot", "the code for boot");
	promise_name(&kallsyms, 0xffffffff82000200, "", "and its end");
	promise_name(&kallsyms, 0xffffffff82000208, "", "what nobody runs has no name");
	kallsyms_close(&kallsyms);
}

static void a_modules_last_function_ends_with_the_module(void)
{
	struct sections sections = {0};
	struct kallsyms kallsyms;
	uint64_t hash, other;

	promise(read_text(&kallsyms, symbols) == 0, "a table is read");
	promise(read_modules(&sections, modules, &hash) == 0 && sections.count == 2,
		"as /proc/modules has them");
	promise(kallsyms_place(&kallsyms, &sections) == 0 && !sections.items, "taken over");
	promise_name(&kallsyms, 0xffffffffc0002fff, "veth_last", "to its end");
	promise_name(&kallsyms, 0xffffffffc0003000, "", "and no further");
	promise_name(&kallsyms, 0xffffffffc000ffff, "", "up to the next");
	promise_name(&kallsyms, 0xffffffffc0011fff, "bridge_last", "another's");
	promise_name(&kallsyms, 0xffffffff81000500, "", "the kernel's own is still there");
	kallsyms_close(&kallsyms);
	promise(read_modules(&sections, "veth 12288 0 - Live 0xffffffffc0000000\n", &other) == 0 &&
			other != hash,
		"one that went is seen");
	hash = other;
	promise(read_modules(&sections, "veth 12288 0 - Unloading 0xffffffffc0000000\n", &other) ==
				0 &&
			other != hash,
		"and one that goes");
	sections_free(&sections);
}

static void code_of_bpf_is_no_modules(void)
{
	struct sections sections = {0};
	struct kallsyms kallsyms;
	uint64_t hash;

	promise(read_text(&kallsyms, symbols) == 0, "a table is read");
	/* The size of all parts, from where the code is: as since 6.4. */
	promise(read_modules(&sections, "bridge 421888 0 - Live 0xffffffffc0010000\n", &hash) == 0,
		"a module");
	/* With net.core.bpf_jit_harden programs have no symbols. */
	sections_add(&sections, 0xffffffffc0014040, 0x100);
	sections_add(&sections, 0xffffffffc0020040, 0x3000);
	promise(kallsyms_place(&kallsyms, &sections) == 0, "with programs among its parts");
	promise_name(&kallsyms, 0xffffffffc001403f, "bridge_last", "before");
	promise_name(&kallsyms, 0xffffffffc0014080, "", "a program without a symbol");
	promise_name(&kallsyms, 0xffffffffc0014140, "", "and behind it");
	promise_name(&kallsyms, 0xffffffffc002303f, "bpf_prog_d21b07f4313015ba_quiet",
		     "as long as its code is");
	promise_name(&kallsyms, 0xffffffffc0023040, "", "and no longer");
	promise_name(&kallsyms, 0xffffffffc0030000 + PAGE - 1, "bpf_trampoline_6442535936",
		     "a trampoline has a page");
	promise_name(&kallsyms, 0xffffffffc0030000 + PAGE, "", "at most");
	promise_name(&kallsyms, 0xffffffffc0040000 + PAGE - 1, "ftrace_trampoline", "of ftrace's");
	promise_name(&kallsyms, 0xffffffffc0040000 + PAGE, "", "too");
	kallsyms_close(&kallsyms);
}

/* ---- a kernel with two programs, one of which is about to go ---- */

int __wrap_bpf_prog_get_next_id(__u32 id, __u32 *next);
int __wrap_bpf_prog_get_fd_by_id(__u32 id);
int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size);

int __wrap_bpf_prog_get_next_id(__u32 id, __u32 *next)
{
	*next = id < 5 ? 5 : 9;
	return id < 9 ? 0 : -1;
}

int __wrap_bpf_prog_get_fd_by_id(__u32 id)
{
	return id == 5 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	struct bpf_prog_info *program = info;

	(void)fd;
	(void)size;
	if (program->nr_jited_ksyms < 2 || program->nr_jited_func_lens < 2)
		return -1;
	((__u64 *)(uintptr_t)program->jited_ksyms)[0] = 0xffffffffc0020040;
	((__u64 *)(uintptr_t)program->jited_ksyms)[1] = 0xffffffffc0027040;
	((__u32 *)(uintptr_t)program->jited_func_lens)[0] = 0x2000;
	((__u32 *)(uintptr_t)program->jited_func_lens)[1] = 0x40;
	program->nr_jited_ksyms = program->nr_jited_func_lens = 2;
	return 0;
}

static void a_program_is_as_long_as_the_kernel_says(void)
{
	struct sections sections = {0};

	promise(sections_add_programs(&sections) == 0 && sections.count == 2,
		"each function of those that are there");
	sections_sort(&sections);
	promise(sections_end(&sections, 0xffffffffc0020040) == 0xffffffffc0022040 &&
			sections_end(&sections, 0xffffffffc002203f) == 0xffffffffc0022040 &&
			sections_end(&sections, 0xffffffffc0027041) == 0xffffffffc0027080,
		"with its length");
	promise(!sections_end(&sections, 0xffffffffc002003f) &&
			!sections_end(&sections, 0xffffffffc0022040) &&
			!sections_end(&sections, 0xffffffffc0027080),
		"and none beside them");
	sections_free(&sections);
}

int main(void)
{
	the_kernels_last_function_ends_with_its_text();
	a_modules_last_function_ends_with_the_module();
	code_of_bpf_is_no_modules();
	a_program_is_as_long_as_the_kernel_says();
	return promises_told();
}
