/* SPDX-License-Identifier: Apache-2.0 */
/* What a test program promises, and how many of its promises were kept. */
#ifndef PACKET_TRAIL_PROMISE_H
#define PACKET_TRAIL_PROMISE_H

#include <stdio.h>

static unsigned passed, failed;

#define promise(condition, text)                                                                   \
	do {                                                                                       \
		if (condition) {                                                                   \
			passed++;                                                                  \
		} else {                                                                           \
			failed++;                                                                  \
			printf("FAILED %s:%d %s\n", __FILE__, __LINE__, text);                     \
		}                                                                                  \
	} while (0)

/* The last line, which the Makefile adds up; the program's exit status. */
static inline int promises_told(void)
{
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}

#endif
