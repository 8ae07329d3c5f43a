/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of --check share; preflight.h runs them. */
#ifndef PACKET_TRAIL_PREFLIGHT_CHECK_H
#define PACKET_TRAIL_PREFLIGHT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum state { PASS, WARN, FAIL };

struct check {
	const char *name;
	enum state state;
	char detail[256];
	char mend[256];
};

struct preflight {
	struct check checks[16];
	size_t count;
	const char *btf_path; /* NULL = the kernel's own */
	struct btf *btf;
	bool privileged;
};

/* Adds a result; `detail` is a format. */
void preflight_add(struct preflight *preflight, const char *name, enum state state,
		   const char *mend, const char *detail, ...) __attribute__((format(printf, 5, 6)));

/* The mend of something that failed: privileges, if they are missing. */
const char *preflight_mend(const struct preflight *preflight, const char *otherwise);

/* A file's first line without its end. False with errno set when it can't be read. */
bool preflight_line(const char *path, char *line, size_t size);

/* ---- preflight_hooks.c: BTF and privileges are looked at before ---- */

void check_kprobes(struct preflight *preflight);
void check_kprobe_multi(struct preflight *preflight);
void check_fentry(struct preflight *preflight);
void check_tracepoints(struct preflight *preflight);

#endif
