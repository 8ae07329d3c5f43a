/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values that options take, from their text. Each returns 0, or -1 after it said what is wrong.
 */
#ifndef PACKET_TRAIL_VALUES_H
#define PACKET_TRAIL_VALUES_H

#include <stdint.h>

struct globs;
struct options;

/* Says that a value is bad, and the mend. -1. */
int value_bad(const char *option, const char *value, const char *mend);

int value_count(const char *option, const char *text, uint64_t low, uint64_t *value);

/* Seconds with up to three decimals, into milliseconds. */
int value_seconds(const char *option, const char *text, uint64_t low_ms, uint64_t *ms);

/* Adds a glob; the text must live as long. */
int value_glob(const char *option, const char *text, struct globs *globs);

/* Percent of a core with up to four decimals, into millionths. */
int value_overhead(const char *text, struct options *options);

int value_mark(const char *text, struct options *options);

/* What sshd puts into $SSH_CONNECTION, as an expression for both directions. */
int value_session(const char *text, struct options *options);

int value_buffer(const char *text, struct options *options);
int value_packets(const char *text, struct options *options);
int value_backend(const char *text, struct options *options);

#endif
