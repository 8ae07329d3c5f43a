// SPDX-License-Identifier: Apache-2.0
/* The reading end of a BPF ring buffer: see ring.h. */
#include "ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW (1UL << 20)

static void close_window(struct ring *ring)
{
	if (ring->window)
		munmap((void *)ring->window, ring->window_size + ring->page);
	ring->window = NULL;
}

/* The record at this position, NULL when it can't be mapped. */
static const uint8_t *record_at(struct ring *ring, unsigned long at)
{
	size_t place = at & (ring->size - 1), begin = place & ~(ring->window_size - 1);
	void *window;

	if (!ring->window || ring->window_begin != begin) {
		close_window(ring);
		/* Behind the two pages of positions; the data are followed by themselves. */
		window = mmap(NULL, ring->window_size + ring->page, PROT_READ, MAP_SHARED,
			      ring->map, (off_t)(2 * ring->page + begin));
		if (window == MAP_FAILED)
			return NULL;
		ring->window = window;
		ring->window_begin = begin;
	}
	return ring->window + (place - begin);
}

int ring_open(struct ring *ring, int map, size_t size)
{
	/* Edge-triggered: that there is data says nothing, that the kernel side woke us does. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	void *consumer, *producer;
	int err;

	memset(ring, 0, sizeof(*ring));
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = size;
	ring->epoll = epoll_create1(EPOLL_CLOEXEC);
	ring->map = map;
	ring->window_size = size < WINDOW ? size : WINDOW;
	consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	producer = mmap(NULL, ring->page, PROT_READ, MAP_SHARED, map, (off_t)ring->page);
	err = errno;
	ring->consumer = consumer == MAP_FAILED ? NULL : consumer;
	ring->producer = producer == MAP_FAILED ? NULL : producer;
	if (!ring->consumer || !ring->producer || ring->epoll < 0) {
		ring_close(ring);
		return -err;
	}
	if (epoll_ctl(ring->epoll, EPOLL_CTL_ADD, map, &event)) {
		err = errno;
		ring_close(ring);
		return -err;
	}
	return 0;
}

void ring_close(struct ring *ring)
{
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap((void *)ring->producer, ring->page);
	close_window(ring);
	if (ring->epoll > 0)
		close(ring->epoll);
	memset(ring, 0, sizeof(*ring));
}

size_t ring_read(struct ring *ring, size_t most,
		 void (*record)(void *context, const void *data, size_t size), void *context)
{
	unsigned long at = *ring->consumer;
	unsigned long end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	size_t count = 0;

	while (at < end && count < most) {
		const uint8_t *header = record_at(ring, at);
		uint32_t length;

		/* Without memory for a window it waits, and what finds no room is counted. */
		if (!header)
			break;
		length = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			record(context, header + BPF_RINGBUF_HDR_SZ, length);
			count++;
		}
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		at += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return count;
}

void ring_woken(const struct ring *ring)
{
	struct epoll_event event;

	/* Only that it was asked counts. */
	(void)!epoll_wait(ring->epoll, &event, 1, 0);
}
