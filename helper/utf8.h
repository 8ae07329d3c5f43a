/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 that may be broken, character by character. Names of interfaces, processes and files are
 * bytes to the kernel: whoever gave them chose them.
 */
#ifndef PACKET_TRAIL_UTF8_H
#define PACKET_TRAIL_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The character at *text, and *text behind it; -1 for a byte that begins none, and *text behind
 * that byte. A zero ends the text, and is not to be read over.
 */
int32_t utf8_next(const char **text);

/*
 * Has the character no shape of its own? Controls, ends of lines and format characters move, hide
 * or turn round what stands beside them.
 */
bool utf8_unseen(int32_t character);

#endif
