// SPDX-License-Identifier: Apache-2.0
/* Functions as BTF has them: see btf.h. */
#include "btf.h"

#include <bpf/btf.h>
#include <string.h>

static const struct btf_type *skip_modifiers(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	/* A crafted BTF may hold a cycle; no real one nests this deep. */
	for (int i = 0; type && i < 32; i++) {
		if (!btf_is_mod(type) && !btf_is_typedef(type))
			return type;
		type = btf__type_by_id(btf, type->type);
	}
	return NULL;
}

static bool is_skb_pointer(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = skip_modifiers(btf, id);
	const char *name;

	if (!type || !btf_is_ptr(type))
		return false;
	type = skip_modifiers(btf, type->type);
	if (!type || (!btf_is_struct(type) && !btf_is_fwd(type)))
		return false;
	name = btf__name_by_offset(btf, type->name_off);
	return name && strcmp(name, "sk_buff") == 0;
}

/* Does an argument of this type take exactly one place in the calling convention? */
static bool one_place(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = skip_modifiers(btf, id);

	return type && (btf_is_ptr(type) || ((btf_is_int(type) || btf_is_any_enum(type)) &&
					     type->size <= sizeof(uint64_t)));
}

/* Position of the first skb, 0 = there is one but what stands before it hides its place, -1 = none.
 */
static int skb_position(const struct btf *btf, const struct btf_type *proto)
{
	const struct btf_param *params = btf_params(proto);
	bool certain = true;

	for (int i = 0; i < btf_vlen(proto); i++) {
		if (is_skb_pointer(btf, params[i].type))
			return certain ? i + 1 : 0;
		if (!one_place(btf, params[i].type))
			certain = false;
	}
	return -1;
}

/*
 * A function that BPF programs call with their packet: BPF_CALL_… (include/linux/filter.h) declares
 * it with registers for arguments, of which the first is named skb.
 */
static bool is_program_helper(const struct btf *btf, const struct btf_type *proto, const char *name)
{
	const struct btf_param *params = btf_params(proto);
	const struct btf_type *type;
	const char *first;

	if (!name || strncmp(name, "bpf_", 4) != 0 || !btf_vlen(proto))
		return false;
	first = btf__name_by_offset(btf, params[0].name_off);
	type = skip_modifiers(btf, params[0].type);
	return first && strcmp(first, "skb") == 0 && type && btf_is_int(type) &&
	       type->size == sizeof(uint64_t);
}

int btf_each_candidate(const struct btf *btf, uint32_t first,
		       int (*each)(const struct candidate *candidate, void *context), void *context)
{
	uint32_t count = btf__type_cnt(btf);

	for (uint32_t id = first; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const struct btf_type *proto;
		struct candidate candidate;
		int err;

		if (!type || !btf_is_func(type))
			continue;
		proto = btf__type_by_id(btf, type->type);
		if (!proto || !btf_is_func_proto(proto))
			continue;
		candidate.name = btf__name_by_offset(btf, type->name_off);
		candidate.helper = is_program_helper(btf, proto, candidate.name);
		candidate.position = candidate.helper ? 1 : skb_position(btf, proto);
		candidate.proto = type->type;
		if (candidate.position < 0 || !candidate.name || !*candidate.name)
			continue;
		err = each(&candidate, context);
		if (err)
			return err;
	}
	return 0;
}

struct text {
	char *at;
	size_t left; /* the final zero included */
};

static void add_text(struct text *text, const char *more)
{
	size_t length = strlen(more);

	if (length >= text->left)
		length = text->left - 1;
	memcpy(text->at, more, length);
	text->at += length;
	text->left -= length;
	*text->at = 0;
}

static void add_type(const struct btf *btf, uint32_t id, struct text *text, int depth)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;

	if (!id || depth > 16 || !type) {
		add_text(text, id ? "?" : "void");
		return;
	}
	name = btf__name_by_offset(btf, type->name_off);
	if (!name || !*name)
		name = "{…}";
	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
		add_type(btf, type->type, text, depth + 1);
		if (text->at[-1] != '*')
			add_text(text, " ");
		add_text(text, "*");
		return;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE: {
		const struct btf_type *inner = btf__type_by_id(btf, type->type);
		const char *word = btf_is_const(type) ? "const" : "volatile";

		if (inner && btf_is_ptr(inner)) {
			add_type(btf, type->type, text, depth + 1);
			add_text(text, word);
			return;
		}
		add_text(text, word);
		add_text(text, " ");
		add_type(btf, type->type, text, depth + 1);
		return;
	}
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		add_type(btf, type->type, text, depth + 1);
		return;
	case BTF_KIND_STRUCT:
		add_text(text, "struct ");
		break;
	case BTF_KIND_UNION:
		add_text(text, "union ");
		break;
	case BTF_KIND_FWD:
		add_text(text, btf_kflag(type) ? "union " : "struct ");
		break;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		add_text(text, "enum ");
		break;
	case BTF_KIND_FUNC_PROTO:
		add_type(btf, type->type, text, depth + 1);
		add_text(text, " (…)");
		return;
	case BTF_KIND_ARRAY:
		add_type(btf, btf_array(type)->type, text, depth + 1);
		add_text(text, "[]");
		return;
	default:
		break;
	}
	add_text(text, name);
}

void btf_prototype(const struct btf *btf, uint32_t proto, const char *name, char *out, size_t size)
{
	const struct btf_type *type = btf__type_by_id(btf, proto);
	const struct btf_param *params;
	struct text text = {.at = out + 1, .left = size - 1};

	/* One character in front, so that add_type() may look back. */
	out[0] = ' ';
	out[1] = 0;
	if (type && btf_is_func_proto(type)) {
		params = btf_params(type);
		add_type(btf, type->type, &text, 0);
		if (text.at[-1] != '*')
			add_text(&text, " ");
		add_text(&text, name);
		add_text(&text, "(");
		for (int i = 0; i < btf_vlen(type); i++) {
			const char *param = btf__name_by_offset(btf, params[i].name_off);

			if (i)
				add_text(&text, ", ");
			if (i == btf_vlen(type) - 1 && !params[i].type && !params[i].name_off) {
				add_text(&text, "...");
				break;
			}
			add_type(btf, params[i].type, &text, 0);
			if (param && *param) {
				if (text.at[-1] != '*')
					add_text(&text, " ");
				add_text(&text, param);
			}
		}
		add_text(&text, btf_vlen(type) ? ")" : "void)");
	}
	memmove(out, out + 1, strlen(out + 1) + 1);
}

bool btf_has_drop_reason(const struct btf *btf)
{
	int32_t id = btf__find_by_name_kind(btf, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);
	const struct btf_type *type = id > 0 ? skip_modifiers(btf, id) : NULL;

	if (type && btf_is_ptr(type))
		type = skip_modifiers(btf, type->type);
	return type && btf_is_func_proto(type) && btf_vlen(type) >= 4;
}

bool btf_has_function(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}
