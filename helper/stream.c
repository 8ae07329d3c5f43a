// SPDX-License-Identifier: Apache-2.0
/* Frames and the queue in front of standard output: see stream.h. */
#include "stream.h"
#include "clock.h"
#include "log.h"
#include "utf8.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	memset(bytes, 0, sizeof(*bytes));
}

bool bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity ? bytes->capacity : 256;
	uint8_t *data;

	if (bytes->failed)
		return false;
	if (more <= bytes->capacity - bytes->length)
		return true;
	while (capacity - bytes->length < more)
		capacity *= 2;
	data = realloc(bytes->data, capacity);
	if (!data) {
		bytes->failed = true;
		return false;
	}
	bytes->data = data;
	bytes->capacity = capacity;
	return true;
}

void put_bytes(struct bytes *bytes, const void *data, size_t length)
{
	if (!length || !bytes_reserve(bytes, length))
		return;
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

static void put_little(struct bytes *bytes, uint64_t value, int size)
{
	uint8_t out[8];

	for (int i = 0; i < size; i++)
		out[i] = value >> (8 * i);
	put_bytes(bytes, out, size);
}

void put_u8(struct bytes *bytes, uint8_t value)
{
	put_little(bytes, value, 1);
}

void put_u16(struct bytes *bytes, uint16_t value)
{
	put_little(bytes, value, 2);
}

void put_u32(struct bytes *bytes, uint32_t value)
{
	put_little(bytes, value, 4);
}

void put_u64(struct bytes *bytes, uint64_t value)
{
	put_little(bytes, value, 8);
}

void put_varint(struct bytes *bytes, uint64_t value)
{
	uint8_t out[10];
	int length = 0;

	while (value >= 0x80) {
		out[length++] = value | 0x80;
		value >>= 7;
	}
	out[length++] = value;
	put_bytes(bytes, out, length);
}

void put_zigzag(struct bytes *bytes, int64_t value)
{
	put_varint(bytes, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static void put_tag(struct bytes *message, uint32_t field, enum wire wire)
{
	put_varint(message, (uint64_t)field << 3 | wire);
}

void field_varint(struct bytes *message, uint32_t field, uint64_t value)
{
	if (!value)
		return;
	put_tag(message, field, WIRE_VARINT);
	put_varint(message, value);
}

void field_fixed64(struct bytes *message, uint32_t field, uint64_t value)
{
	if (!value)
		return;
	put_tag(message, field, WIRE_FIXED64);
	put_u64(message, value);
}

void field_string(struct bytes *message, uint32_t field, const char *text)
{
	struct bytes clean = {0};

	if (!text || !*text)
		return;
	while (*text) {
		const char *at = text;

		if (utf8_next(&text) < 0)
			put_bytes(&clean, "\xef\xbf\xbd", 3);
		else
			put_bytes(&clean, at, (size_t)(text - at));
	}
	field_message(message, field, &clean);
	bytes_free(&clean);
}

void field_message(struct bytes *message, uint32_t field, const struct bytes *inner)
{
	if (inner->failed) {
		message->failed = true;
		return;
	}
	put_tag(message, field, WIRE_BYTES);
	put_varint(message, inner->length);
	put_bytes(message, inner->data, inner->length);
}

void stream_open(struct stream *stream, int fd, size_t limit)
{
	memset(stream, 0, sizeof(*stream));
	stream->fd = fd;
	stream->limit = limit;
}

void stream_close(struct stream *stream)
{
	bytes_free(&stream->queue);
	stream->begin = 0;
}

size_t stream_waiting(const struct stream *stream)
{
	return stream->queue.length - stream->begin;
}

bool stream_full(const struct stream *stream)
{
	return stream_waiting(stream) >= stream->limit;
}

int stream_poll(const struct stream *stream)
{
	return stream_waiting(stream) && !stream->error ? stream->fd : -1;
}

/* Room in the queue, or false, and it is as it was. */
static bool make_room(struct stream *stream, size_t length)
{
	if (bytes_reserve(&stream->queue, length))
		return true;
	stream->queue.failed = false;
	return false;
}

bool stream_text(struct stream *stream, const char *text, size_t length)
{
	if (stream->error || !make_room(stream, length))
		return false;
	put_bytes(&stream->queue, text, length);
	return true;
}

bool stream_frame(struct stream *stream, enum frame type, const struct bytes *payload)
{
	if (stream->error || payload->failed || payload->length + 1 > FRAME_MAX ||
	    !make_room(stream, payload->length + 5))
		return false;
	put_u32(&stream->queue, payload->length + 1);
	put_u8(&stream->queue, type);
	put_bytes(&stream->queue, payload->data, payload->length);
	return stream_write(stream);
}

/* How much write() may be given that it doesn't wait: a pipe that can be written to has room for
 * PIPE_BUF bytes (pipe(7)). */
static size_t writable(const struct stream *stream)
{
	size_t waits = stream_waiting(stream);
	struct pollfd poller = {.fd = stream->fd, .events = POLLOUT};

	if (!stream->shared)
		return waits;
	if (poll(&poller, 1, 0) <= 0)
		return 0;
	return waits < PIPE_BUF ? waits : PIPE_BUF;
}

bool stream_write(struct stream *stream)
{
	size_t length;

	while (!stream->error && (length = writable(stream))) {
		ssize_t wrote = write(stream->fd, stream->queue.data + stream->begin, length);

		if (wrote >= 0) {
			stream->begin += wrote;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			/* A socket's reader that left something unread. */
			stream->error = errno == ECONNRESET ? EPIPE : errno;
		}
	}
	if (!stream_waiting(stream)) {
		stream->queue.length = stream->begin = 0;
	} else if (stream->begin >= stream->queue.capacity / 2) {
		memmove(stream->queue.data, stream->queue.data + stream->begin,
			stream_waiting(stream));
		stream->queue.length -= stream->begin;
		stream->begin = 0;
	}
	return !stream->error;
}

bool stream_drain(struct stream *stream, int timeout_ms)
{
	int64_t deadline = (int64_t)clock_ms() + timeout_ms;

	while (stream_write(stream) && stream_waiting(stream)) {
		struct pollfd poller = {.fd = stream->fd, .events = POLLOUT};
		int64_t left = deadline - (int64_t)clock_ms();

		if (left <= 0)
			return false;
		if (poll(&poller, 1, (int)left) < 0 && errno != EINTR)
			return false;
	}
	return !stream->error;
}

void stream_explain(const struct stream *stream)
{
	if (stream->error && stream->error != EPIPE)
		complain("can't write the events: standard output (%s): give it room, or send them "
			 "elsewhere",
			 strerror(stream->error));
}
