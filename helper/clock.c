// SPDX-License-Identifier: Apache-2.0
/* What time it is: see clock.h. */
#include "clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

void clock_pair(uint64_t *monotonic, uint64_t *wall)
{
	*monotonic = read_ns(CLOCK_MONOTONIC);
	*wall = read_ns(CLOCK_REALTIME);
}
