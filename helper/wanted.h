/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that are wanted, by name: what BTF says of them, before it is known where they are.
 */
#ifndef PACKET_TRAIL_WANTED_H
#define PACKET_TRAIL_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;
struct functions;
struct options;
struct reasons;

struct wanted {
	const char *name;      /* text is owned by the set of functions */
	const char *module;    /* "" = vmlinux */
	const char *prototype; /* of the first declaration */
	int next;	       /* of the same hash; -1 = last */
	uint8_t position;
	bool helper;
	bool unclear; /* the skb's place can't be told */
	bool several; /* it is declared in several ways */
	bool quiet;
	bool initial;	/* it is among the kernel's start, whose memory is free */
	uint16_t found; /* addresses of this very name */
	uint16_t variants;
};

#define WANTED_BUCKETS 8192

struct wanted_list {
	struct functions *functions; /* owns their text, and takes those that are skipped */
	const struct options *options;
	struct reasons *reasons;
	const char *only;      /* this module's functions alone; NULL = all */
	const struct btf *btf; /* that is being read … */
	const char *module;    /* … and whose it is */
	struct wanted *items;
	int count;
	int capacity;
	int buckets[WANTED_BUCKETS];
};

/* Reads vmlinux's BTF and that of the loaded modules, and the drop reasons on the way. 0 or -errno.
 */
int wanted_read(struct wanted_list *list, struct btf *vmlinux);

/* The one of this name, which needn't end after `length`; NULL when none is wanted. */
struct wanted *wanted_find(const struct wanted_list *list, const char *name, size_t length,
			   const char *module);

#endif
