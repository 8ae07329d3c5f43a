/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream's frames (docs/stream-format.md) and the way out: messages in protobuf wire encoding,
 * frames, and a queue in front of standard output, text as well, that never blocks. Knows nothing
 * of packets.
 */
#ifndef PACKET_TRAIL_STREAM_H
#define PACKET_TRAIL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame {
	FRAME_HELLO = 1,
	FRAME_HOOKS = 2,
	FRAME_NAMES = 3,
	FRAME_EVENTS = 4,
	FRAME_GAP = 5,
	FRAME_STATUS = 6,
	FRAME_PROGRESS = 7,
	FRAME_COUNTERS = 8,
	FRAME_END = 9,
	FRAME_SYMBOLS = 10,
	FRAME_STACKS = 11,
	FRAME_CLOCK = 12,
	FRAME_REASONS = 13,
	FRAME_PROGRAMS = 15,
	FRAME_SOURCE = 16,
	FRAME_FILTER = 17,
};

#define FRAME_MAX 16777216 /* the length field's upper bound */

/* Bytes that grow. After a failed allocation `failed` is set and writes do nothing. */
struct bytes {
	uint8_t *data;
	size_t length;
	size_t capacity;
	bool failed;
};

void bytes_free(struct bytes *bytes);
/* Room for so many more bytes; false without memory. */
bool bytes_reserve(struct bytes *bytes, size_t more);
void put_bytes(struct bytes *bytes, const void *data, size_t length);
void put_u8(struct bytes *bytes, uint8_t value);
void put_u16(struct bytes *bytes, uint16_t value); /* little endian, like all */
void put_u32(struct bytes *bytes, uint32_t value);
void put_u64(struct bytes *bytes, uint64_t value);
void put_varint(struct bytes *bytes, uint64_t value);
void put_zigzag(struct bytes *bytes, int64_t value);

/* Message fields; a zero or empty value is left out. */
void field_varint(struct bytes *message, uint32_t field, uint64_t value);
void field_fixed64(struct bytes *message, uint32_t field, uint64_t value);
/* Bytes that aren't UTF-8 become U+FFFD. */
void field_string(struct bytes *message, uint32_t field, const char *text);
void field_message(struct bytes *message, uint32_t field, const struct bytes *inner);

/* Standard output's queue. It takes all; who fills it looks whether it is full. */
struct stream {
	int fd;
	struct bytes queue;
	size_t begin; /* first byte of the queue that is not written yet */
	size_t limit;
	int error;   /* why nothing is written any more: EPIPE = the reader left; 0 = it is */
	bool shared; /* an open file of others, too, who don't expect it not to block */
};

void stream_open(struct stream *stream, int fd, size_t limit);
void stream_close(struct stream *stream);

/* Queues a frame and writes what can be written. Returns false if memory ran out or the reader is
 * gone. */
bool stream_frame(struct stream *stream, enum frame type, const struct bytes *payload);

/* Queues text, whole or, when it returns false as above, not at all. */
bool stream_text(struct stream *stream, const char *text, size_t length);

/* Do `limit` bytes wait? Then nothing more should be made that isn't answered for already. */
bool stream_full(const struct stream *stream);

/* Bytes that wait. */
size_t stream_waiting(const struct stream *stream);

/* What to poll for writing; -1 = nothing waits. */
int stream_poll(const struct stream *stream);

/* Writes what the reader takes now. Returns false when nothing can be written any more. */
bool stream_write(struct stream *stream);

/* Writes all that waits, at most `timeout_ms`. Returns true when nothing is left. */
bool stream_drain(struct stream *stream, int timeout_ms);

/* Complains of what keeps it from being written, unless its reader left. */
void stream_explain(const struct stream *stream);

#endif
