/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns for function names: `*`, `?` and `[…]`, nothing else is special. */
#ifndef PACKET_TRAIL_GLOB_H
#define PACKET_TRAIL_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Does the whole text match? A `[` that is never closed stands for itself. Linear in text ×
 * pattern. */
bool glob_match(const char *pattern, const char *text);

/* Does any of the patterns match? */
bool glob_any(const char *const *patterns, size_t count, const char *text);

#endif
