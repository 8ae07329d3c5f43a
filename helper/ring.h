/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading end of a BPF ring buffer (Documentation/bpf/ringbuf.rst). Maps a window of the data,
 * where the usual way maps all of it twice, because each mapped page counts as ours.
 */
#ifndef PACKET_TRAIL_RING_H
#define PACKET_TRAIL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	unsigned long *consumer; /* position, ours */
	const unsigned long *producer;
	const uint8_t *window; /* NULL = none is mapped */
	size_t window_size; /* a power of two; a page more is mapped, for a record across the end */
	size_t window_begin; /* its place in the data */
	size_t size;	     /* of the data, a power of two */
	size_t page;
	int map;   /* not ours */
	int epoll; /* readable when the kernel side woke us */
};

/* Records are at most a page long. 0 or -errno. */
int ring_open(struct ring *ring, int map, size_t size);
void ring_close(struct ring *ring);

/*
 * Calls back for what there is, at most `most` records; each is valid during the call. Returns how
 * many.
 */
size_t ring_read(struct ring *ring, size_t most,
		 void (*record)(void *context, const void *data, size_t size), void *context);

/* Takes back that `epoll` is readable, until the next time. */
void ring_woken(const struct ring *ring);

#endif
