// SPDX-License-Identifier: Apache-2.0
/* What the kernel says of a BPF program: see program_info.h. */
#include "program_info.h"
#include "tail_calls.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than any program has that the kernel takes; what is beyond isn't told. */
#define MOST_IMAGES 1024
#define MOST_MAPS   128
#define MOST_LINES  4096 /* docs/stream-format.md */
#define LINE_TEXT   256

/* Arguments of a function whose BTF the verifier doesn't believe: MAX_BPF_FUNC_REG_ARGS. */
#define UNBELIEVED_ARGUMENTS 5

void program_free(struct program *program)
{
	for (size_t i = 0; i < program->map_count; i++)
		free(program->maps[i]);
	for (size_t i = 0; i < program->pin_count; i++)
		free(program->pins[i]);
	for (size_t i = 0; i < program->image_count; i++)
		free(program->images[i].name);
	for (size_t i = 0; i < program->line_count; i++) {
		free(program->lines[i].file);
		free(program->lines[i].text);
	}
	free(program->name);
	free(program->reason);
	free(program->log);
	free(program->places);
	free(program->maps);
	free(program->pins);
	free(program->tail_calls);
	free(program->images);
	free(program->lines);
	memset(program, 0, sizeof(*program));
}

/* Arrays that the kernel fills together with the program's information. */
struct arrays {
	struct bpf_prog_info info;
	struct bpf_func_info *functions;
	struct bpf_line_info *lines;
	uint64_t *symbols;
	uint32_t *lengths;
	uint32_t *maps;
};

static void arrays_free(struct arrays *arrays)
{
	free(arrays->functions);
	free(arrays->lines);
	free(arrays->symbols);
	free(arrays->lengths);
	free(arrays->maps);
}

static uint32_t at_most(uint32_t count, uint32_t most)
{
	return count < most ? count : most;
}

/* Asks twice: how much there is, then for it. 0 or -errno. */
static int arrays_read(struct arrays *arrays, int fd)
{
	struct bpf_prog_info sizes, *info = &arrays->info;
	__u32 size = sizeof(sizes);

	memset(&sizes, 0, sizeof(sizes));
	if (bpf_obj_get_info_by_fd(fd, &sizes, &size))
		return -errno;
	memset(info, 0, sizeof(*info));
	info->nr_func_info = at_most(sizes.nr_func_info, MOST_IMAGES);
	info->nr_line_info = at_most(sizes.nr_line_info, MOST_LINES);
	info->nr_jited_ksyms = at_most(sizes.nr_jited_ksyms, MOST_IMAGES);
	info->nr_jited_func_lens = at_most(sizes.nr_jited_func_lens, MOST_IMAGES);
	info->nr_map_ids = at_most(sizes.nr_map_ids, MOST_MAPS);
	info->func_info_rec_size = sizeof(*arrays->functions);
	info->line_info_rec_size = sizeof(*arrays->lines);
	arrays->functions = calloc(info->nr_func_info + 1, sizeof(*arrays->functions));
	arrays->lines = calloc(info->nr_line_info + 1, sizeof(*arrays->lines));
	arrays->symbols = calloc(info->nr_jited_ksyms + 1, sizeof(*arrays->symbols));
	arrays->lengths = calloc(info->nr_jited_func_lens + 1, sizeof(*arrays->lengths));
	arrays->maps = calloc(info->nr_map_ids + 1, sizeof(*arrays->maps));
	if (!arrays->functions || !arrays->lines || !arrays->symbols || !arrays->lengths ||
	    !arrays->maps)
		return -ENOMEM;
	info->func_info = (uintptr_t)arrays->functions;
	info->line_info = (uintptr_t)arrays->lines;
	info->jited_ksyms = (uintptr_t)arrays->symbols;
	info->jited_func_lens = (uintptr_t)arrays->lengths;
	info->map_ids = (uintptr_t)arrays->maps;
	size = sizeof(*info);
	if (bpf_obj_get_info_by_fd(fd, info, &size))
		return -errno;
	/* The kernel tells how many there are, not how many it wrote. */
	info->nr_func_info = at_most(info->nr_func_info, MOST_IMAGES);
	info->nr_line_info = at_most(info->nr_line_info, at_most(sizes.nr_line_info, MOST_LINES));
	info->nr_jited_ksyms = at_most(info->nr_jited_ksyms, MOST_IMAGES);
	info->nr_jited_func_lens = at_most(info->nr_jited_func_lens, MOST_IMAGES);
	info->nr_map_ids = at_most(info->nr_map_ids, at_most(sizes.nr_map_ids, MOST_MAPS));
	return 0;
}

static void refuse(struct program *program, const char *reason)
{
	program->state = PROGRAM_REPORTED;
	if (!program->reason)
		program->reason = strdup(reason);
}

static const struct btf_type *function_type(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	return type && btf_is_func(type) ? type : NULL;
}

static const char *function_name(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = function_type(btf, id);
	const char *name = type ? btf__name_by_offset(btf, type->name_off) : NULL;

	return name ? name : "";
}

/* The struct's name that an argument points to, "" when it points to none. */
static const char *pointed_struct(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;
	bool pointer = false;

	for (int i = 0; type && i < 32; i++) {
		if (btf_is_ptr(type) && !pointer)
			pointer = true;
		else if (!btf_is_mod(type) && !btf_is_typedef(type))
			break;
		type = btf__type_by_id(btf, type->type);
	}
	if (!pointer || !type || !btf_is_struct(type))
		return "";
	name = btf__name_by_offset(btf, type->name_off);
	return name ? name : "";
}

static enum program_context context_of_struct(const char *name)
{
	if (strcmp(name, "__sk_buff") == 0)
		return CONTEXT_TC;
	return strcmp(name, "xdp_md") == 0 ? CONTEXT_XDP : CONTEXT_NONE;
}

/*
 * What fentry and fexit see of the entry function's arguments. A main program whose arguments
 * aren't exactly its context is "unreliable" to the verifier, and they see five registers
 * (do_check_common() and bpf_check_attach_target() in kernel/bpf/verifier.c). An freplace
 * program's arguments are always believed.
 */
static void read_arguments(struct program *program, const struct btf *btf)
{
	const struct btf_type *function = function_type(btf, program->entry_type);
	const struct btf_type *proto = function ? btf__type_by_id(btf, function->type) : NULL;
	enum program_context first = CONTEXT_NONE;

	if (!proto || !btf_is_func_proto(proto)) {
		refuse(program, "its BTF doesn't describe its entry function");
		return;
	}
	if (btf_vlen(proto))
		first = context_of_struct(pointed_struct(btf, btf_params(proto)->type));
	if (program->type == BPF_PROG_TYPE_EXT) {
		program->context = first;
		program->arguments = btf_vlen(proto);
		if (first == CONTEXT_NONE)
			refuse(program, "the function that it replaces is given no packet");
		return;
	}
	program->context = program->type == BPF_PROG_TYPE_XDP ? CONTEXT_XDP : CONTEXT_TC;
	program->arguments =
		btf_vlen(proto) == 1 && first == program->context ? 1 : UNBELIEVED_ARGUMENTS;
}

static int read_images(struct program *program, const struct arrays *arrays, const struct btf *btf)
{
	size_t count = at_most(arrays->info.nr_jited_ksyms, arrays->info.nr_jited_func_lens);

	program->images = calloc(count + 1, sizeof(*program->images));
	if (!program->images)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct image *image = &program->images[i];
		const char *name = "";

		if (btf && i < arrays->info.nr_func_info)
			name = function_name(btf, arrays->functions[i].type_id);
		image->address = arrays->symbols[i];
		image->size = arrays->lengths[i];
		image->name = strdup(*name ? name : i ? "" : program->name);
		if (!image->name)
			return -ENOMEM;
		program->image_count++;
	}
	return 0;
}

static int read_lines(struct program *program, const struct arrays *arrays, const struct btf *btf)
{
	uint32_t function = 0;

	if (!btf || !arrays->info.nr_line_info)
		return 0;
	program->lines = calloc(arrays->info.nr_line_info, sizeof(*program->lines));
	if (!program->lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < arrays->info.nr_line_info; i++) {
		const struct bpf_line_info *info = &arrays->lines[i];
		struct source_line *line = &program->lines[program->line_count];
		const char *file = btf__name_by_offset(btf, info->file_name_off);
		const char *text = btf__name_by_offset(btf, info->line_off);

		while (function + 1 < arrays->info.nr_func_info &&
		       arrays->functions[function + 1].insn_off <= info->insn_off)
			function++;
		line->line = info->line_col >> 10; /* BPF_LINE_INFO_LINE_NUM */
		line->column = info->line_col & 0x3ff;
		if (!line->line)
			continue;
		text = text ? text + strspn(text, " \t") : "";
		line->file = strdup(file ? file : "");
		line->text = strndup(text, LINE_TEXT);
		line->function =
			function < program->image_count ? program->images[function].name : "";
		program->line_count++;
		if (!line->file || !line->text)
			return -ENOMEM;
	}
	return 0;
}

/* Names of the maps (once) and what their program arrays hold. */
static int read_maps(struct program *program, const struct arrays *arrays, struct tail_call **slots,
		     size_t *slot_count)
{
	bool names = !program->maps;

	if (names) {
		program->maps = calloc(arrays->info.nr_map_ids + 1, sizeof(*program->maps));
		if (!program->maps)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < arrays->info.nr_map_ids; i++) {
		struct bpf_map_info info;
		__u32 size = sizeof(info);
		int map = bpf_map_get_fd_by_id(arrays->maps[i]), err = 0;
		char name[BPF_OBJ_NAME_LEN + 1] = "";

		if (map < 0)
			continue;
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(map, &info, &size) == 0) {
			memcpy(name, info.name, sizeof(info.name));
			if (names && *name) {
				program->maps[program->map_count] = strdup(name);
				if (program->maps[program->map_count])
					program->map_count++;
			}
			if (info.type == BPF_MAP_TYPE_PROG_ARRAY) {
				program->arrays = true;
				err = tail_calls_add(slots, slot_count, map, &info);
			}
		}
		close(map);
		if (err)
			return err;
	}
	return 0;
}

bool program_info_tail_calls(struct program *program, int fd)
{
	struct arrays arrays = {0};
	struct tail_call *slots = NULL;
	size_t count = 0;
	bool changed = false;

	if (!arrays_read(&arrays, fd) && !read_maps(program, &arrays, &slots, &count)) {
		changed =
			count != program->tail_call_count ||
			(count && memcmp(slots, program->tail_calls, count * sizeof(*slots)) != 0);
		if (changed) {
			free(program->tail_calls);
			program->tail_calls = slots;
			program->tail_call_count = count;
			slots = NULL;
		}
	}
	free(slots);
	arrays_free(&arrays);
	return changed;
}

/* The name is the entry function's, since the kernel's own has 15 bytes at most. */
static int read_name(struct program *program, const struct arrays *arrays, const struct btf *btf)
{
	const char *full = program->entry_type ? function_name(btf, program->entry_type) : "";
	char name[BPF_OBJ_NAME_LEN + 1] = "";

	memcpy(name, arrays->info.name, sizeof(arrays->info.name));
	program->name = strdup(*full ? full : name);
	for (int i = 0; i < BPF_TAG_SIZE; i++) {
		program->tag[2 * i] = "0123456789abcdef"[arrays->info.tag[i] >> 4];
		program->tag[2 * i + 1] = "0123456789abcdef"[arrays->info.tag[i] & 0xf];
	}
	return program->name ? 0 : -ENOMEM;
}

int program_info_read(struct program *program, int fd)
{
	struct arrays arrays = {0};
	struct btf *btf = NULL;
	int err = arrays_read(&arrays, fd);

	if (err == -ENOMEM)
		goto cleanup;
	if (err) {
		refuse(program, "the kernel says nothing about it");
		program->name = strdup("");
		err = program->name ? 0 : -ENOMEM;
		goto cleanup;
	}
	program->type = arrays.info.type;
	if (!arrays.info.btf_id)
		refuse(program, "it has no BTF: load it with BTF (clang -g, and not stripped)");
	else
		btf = btf__load_from_kernel_by_id(arrays.info.btf_id);
	if (arrays.info.btf_id && !btf)
		refuse(program, "its BTF can't be read");
	if (btf && !arrays.info.nr_func_info)
		refuse(program,
		       "its BTF has no func_info: which function it begins with isn't known");
	if (btf && arrays.info.nr_func_info) {
		/* Never by name, and never the BTF's first function: that may be another program's.
		 */
		program->entry_type = arrays.functions[0].type_id;
		read_arguments(program, btf);
	}
	if (!arrays.info.jited_prog_len)
		refuse(program, "it is interpreted: set net.core.bpf_jit_enable to 1 before it is "
				"loaded");
	err = read_name(program, &arrays, btf);
	if (!err)
		err = read_images(program, &arrays, btf);
	if (!err)
		err = read_lines(program, &arrays, btf);
	if (!err)
		err = read_maps(program, &arrays, &program->tail_calls, &program->tail_call_count);
cleanup:
	btf__free(btf);
	arrays_free(&arrays);
	return err;
}
