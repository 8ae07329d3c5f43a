// SPDX-License-Identifier: Apache-2.0
/* Programs as messages: see program_message.h. */
#include "program_message.h"

static void put_place(struct bytes *program, const struct place *place)
{
	struct bytes inner = {0};

	field_string(&inner, 1, place->kind);
	field_varint(&inner, 2, place->direction);
	field_varint(&inner, 3, place->netns);
	field_varint(&inner, 4, place->ifindex);
	field_varint(&inner, 5, place->priority);
	field_varint(&inner, 6, place->handle);
	field_varint(&inner, 7, place->link);
	field_varint(&inner, 8, place->target);
	field_string(&inner, 9, place->label);
	field_varint(&inner, 10, place->direct);
	field_varint(&inner, 11, place->chain);
	field_varint(&inner, 12, place->peer);
	field_varint(&inner, 13, place->block);
	field_message(program, 8, &inner);
	bytes_free(&inner);
}

static void put_tail_call(struct bytes *program, const struct tail_call *call)
{
	struct bytes inner = {0};

	field_string(&inner, 1, call->map);
	field_varint(&inner, 2, call->index);
	field_varint(&inner, 3, call->program);
	field_message(program, 11, &inner);
	bytes_free(&inner);
}

static void put_image(struct bytes *program, const struct image *image)
{
	struct bytes inner = {0};

	field_fixed64(&inner, 1, image->address);
	field_varint(&inner, 2, image->size);
	field_string(&inner, 3, image->name);
	field_message(program, 12, &inner);
	bytes_free(&inner);
}

void put_program(struct bytes *message, const struct program *program)
{
	field_varint(message, 1, program->id);
	field_varint(message, 2, program->type);
	field_string(message, 3, program->name);
	field_string(message, 4, program->tag);
	field_varint(message, 5, program->state);
	field_string(message, 6, program->reason);
	field_string(message, 7, program->log);
	for (size_t i = 0; i < program->place_count; i++)
		put_place(message, &program->places[i]);
	for (size_t i = 0; i < program->map_count; i++)
		field_string(message, 9, program->maps[i]);
	for (size_t i = 0; i < program->pin_count; i++)
		field_string(message, 10, program->pins[i]);
	for (size_t i = 0; i < program->tail_call_count; i++)
		put_tail_call(message, &program->tail_calls[i]);
	for (size_t i = 0; i < program->image_count; i++)
		put_image(message, &program->images[i]);
	field_varint(message, 13, program->entry_hook);
	field_varint(message, 14, program->verdict_hook);
	field_fixed64(message, 15, program->gone_ns);
	if (program->line_count) {
		field_string(message, 16, program->lines[0].file);
		field_varint(message, 17, program->lines[0].line);
	}
}

void put_source(struct bytes *message, const struct program *program)
{
	field_varint(message, 1, program->id);
	for (size_t i = 0; i < program->line_count; i++) {
		const struct source_line *line = &program->lines[i];
		struct bytes inner = {0};

		field_string(&inner, 1, line->file);
		field_varint(&inner, 2, line->line);
		field_varint(&inner, 3, line->column);
		field_string(&inner, 4, line->text);
		field_string(&inner, 5, line->function);
		field_message(message, 2, &inner);
		bytes_free(&inner);
	}
}
