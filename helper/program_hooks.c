// SPDX-License-Identifier: Apache-2.0
/* Hooks on a BPF program: see program_hooks.h. */
#include "program_hooks.h"

#include "../bpf/event.h"
#include "load.h"
#include "refused.h"
#include "packet_trail.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_BYTES 65536
#define LOG_KEPT  2048
#define ENTRY	  0
#define VERDICT	  1

/* A pattern's instructions for one program; NULL without memory. `count` gets their number. */
static struct bpf_insn *copy_for(const struct load *load, const struct bpf_program *pattern,
				 uint32_t hook, uint64_t flags, uint32_t arguments, size_t *count)
{
	struct bpf_insn *copy = load_pattern_insns(load, pattern, count);

	if (!copy)
		return NULL;
	for (size_t i = 0; i + 2 < *count; i++) {
		uint64_t value = (uint32_t)copy[i].imm | (uint64_t)(uint32_t)copy[i + 1].imm << 32;

		if (copy[i].code != (BPF_LD | BPF_IMM | BPF_DW) || copy[i].src_reg ||
		    value != PROGRAM_HOOK)
			continue;
		copy[i].imm = (int32_t)hook;
		copy[i + 1].imm = (int32_t)(flags >> 32);
		if (copy[i + 2].code == (BPF_LDX | BPF_MEM | BPF_DW) &&
		    copy[i + 2].off == PROGRAM_VERDICT)
			copy[i + 2].off = (int16_t)(arguments * sizeof(uint64_t));
		break;
	}
	return copy;
}

/* The last lines of what the verifier said. */
static char *last_lines(const char *log)
{
	size_t length = strlen(log);
	const char *at = log;

	if (length > LOG_KEPT) {
		at = log + length - LOG_KEPT;
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : at;
	}
	return *at ? strdup(at) : NULL;
}

/* A program descriptor, or -errno; `log` gets the verifier's words, which are ours to free. */
static int load_copy(const struct load *load, const struct program *program, int fd,
		     const struct bpf_program *pattern, enum bpf_attach_type type, uint32_t hook,
		     char **log)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type, .attach_prog_fd = fd,
		    .attach_btf_id = program->entry_type);
	uint32_t arguments = type == BPF_TRACE_FEXIT ? program->arguments : 0;
	size_t count;
	uint64_t flags = (program->type == BPF_PROG_TYPE_EXT ? PROGRAM_INNER : 0) |
			 (uint64_t)load->filter_number << PROGRAM_FILTER_SHIFT;
	struct bpf_insn *insns = copy_for(load, pattern, hook, flags, arguments, &count);
	int loaded, error;

	if (!insns)
		return -ENOMEM;
	loaded = bpf_prog_load(BPF_PROG_TYPE_TRACING, type == BPF_TRACE_FEXIT ? "verdict" : "entry",
			       "Dual BSD/GPL", insns, count, &opts);
	error = errno;
	if (loaded < 0 && !*log) {
		/* Once more for the reason: the log costs time that a load that goes well needn't.
		 */
		opts.log_buf = calloc(1, LOG_BYTES);
		opts.log_size = LOG_BYTES;
		opts.log_level = 1;
		if (opts.log_buf) {
			loaded = bpf_prog_load(BPF_PROG_TYPE_TRACING, "again", "Dual BSD/GPL",
					       insns, count, &opts);
			error = errno;
			if (loaded < 0)
				*log = last_lines(opts.log_buf);
			free(opts.log_buf);
		}
	}
	free(insns);
	return loaded < 0 ? -error : loaded;
}

static const char *why_not_loaded(int error, const char *log)
{
	switch (error) {
	case ENOENT:
		return "it was unloaded before it could be hooked";
	case EPERM:
	case EACCES:
		return log ? "the verifier refuses our hook" : "not permitted: run as root";
	case ENOMEM:
		return "out of memory";
	case EOPNOTSUPP:
	case E2BIG:
		return "this kernel can't hook it";
	default:
		return "the verifier refuses our hook";
	}
}

static const char *why_not_attached(int error)
{
	switch (error) {
	case EBUSY:
		return "an freplace program has replaced its entry function";
	case E2BIG:
		return "it is traced by as many hooks as the kernel allows";
	case ENOENT:
		return "it was unloaded before it could be hooked";
	default:
		return strerror(error);
	}
}

/* The pattern of a program's hook. */
static const struct bpf_program *pattern_of(const struct packet_trail_bpf *skeleton,
					    const struct program *program, int which)
{
	if (program->context == CONTEXT_TC)
		return which == ENTRY ? skeleton->progs.on_tc_entry : skeleton->progs.on_tc_verdict;
	return which == ENTRY ? skeleton->progs.on_xdp_entry : skeleton->progs.on_xdp_verdict;
}

/* Attaches one hook. NULL, or why it isn't. */
static const char *attach_one(const struct load *load, struct program *program, int fd,
			      const struct packet_trail_bpf *skeleton, int which, uint32_t hook,
			      struct copy *copy)
{
	enum bpf_attach_type type = which == ENTRY ? BPF_TRACE_FENTRY : BPF_TRACE_FEXIT;
	const struct bpf_program *pattern = pattern_of(skeleton, program, which);
	int loaded, err;

	if (load_refused(load, bpf_program__name(pattern)))
		return "the kernel refuses our program for it";
	loaded = load_copy(load, program, fd, pattern, type, hook, &program->log);
	if (loaded < 0)
		return why_not_loaded(-loaded, program->log);
	err = copy_attach(copy, loaded);
	return err ? why_not_attached(-err) : NULL;
}

void program_hooks_attach(const struct load *load, struct program *program, int fd,
			  const struct packet_trail_bpf *skeleton, uint32_t entry_hook,
			  uint32_t verdict_hook)
{
	const char *no_entry =
		attach_one(load, program, fd, skeleton, ENTRY, entry_hook, &program->copies[ENTRY]);
	const char *no_verdict = attach_one(load, program, fd, skeleton, VERDICT, verdict_hook,
					    &program->copies[VERDICT]);
	char text[256] = "";

	program->entry_hook = no_entry ? 0 : entry_hook;
	program->verdict_hook = no_verdict ? 0 : verdict_hook;
	program->state = no_entry && no_verdict ? PROGRAM_REPORTED : PROGRAM_HOOKED;
	if (no_entry && no_verdict)
		snprintf(text, sizeof(text), "%s", no_entry);
	else if (no_entry)
		snprintf(text, sizeof(text), "verdicts only: %s", no_entry);
	else if (no_verdict)
		snprintf(text, sizeof(text), "no verdicts: %s", no_verdict);
	if (*text)
		program->reason = strdup(text);
}

void program_hooks_renew(const struct load *load, struct program *program, int fd,
			 const struct packet_trail_bpf *skeleton, struct copy next[2])
{
	const uint32_t hooks[2] = {program->entry_hook, program->verdict_hook};

	for (int which = ENTRY; which <= VERDICT; which++) {
		const char *reason = NULL;
		char text[256];

		memset(&next[which], 0, sizeof(next[which]));
		if (copy_attached(&program->copies[which]))
			reason = attach_one(load, program, fd, skeleton, which, hooks[which],
					    &next[which]);
		if (!reason)
			continue;
		snprintf(text, sizeof(text), "%s with the new filter: %s",
			 which == ENTRY ? "no entries" : "no verdicts", reason);
		free(program->reason);
		program->reason = strdup(text);
	}
}

int kernel_hook_attach(struct copy *copy, const struct load *load,
		       const struct bpf_program *pattern, int btf, uint32_t function,
		       uint32_t argument)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_btf_obj_fd = btf, .attach_btf_id = function);
	size_t count;
	struct bpf_insn *insns = copy_for(load, pattern, 0, 0, argument, &count);
	int loaded, error;

	if (!insns)
		return -ENOMEM;
	loaded = bpf_prog_load(BPF_PROG_TYPE_TRACING, "xdp_skb", "Dual BSD/GPL", insns, count,
			       &opts);
	error = errno;
	free(insns);
	return loaded < 0 ? -error : copy_attach(copy, loaded);
}
