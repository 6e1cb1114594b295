/* JSON -> nodes. Whether it is JSON, jansson says; where its values stand, it does not: so the text, which is sound by
 * then, is walked over once more here. */
#include "config.h"

#include <string.h>

#include "foreign/node.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/error.h"
#include "util/json.h"
#include "util/strbuf.h"

struct walk {
	struct node_builder builder;
	const char *start, *at, *end;
	struct strbuf string;
};

static struct place place_of(const struct node_text *text, size_t offset, size_t len)
{
	struct place place = text->place;

	if (text->one_place)
		return place;
	place.offset += (uint32_t)offset;
	place.length = len > UINT16_MAX ? UINT16_MAX : (uint16_t)len;
	return place;
}

static void skip_blanks(struct walk *walk)
{
	while (walk->at < walk->end && strchr(" \t\r\n", *walk->at))
		walk->at++;
}

/* behind its opening quote; where it stands in *place */
static char *take_string(struct walk *walk, struct place *place)
{
	const char *start = walk->at, *end = start;

	while (*end != '"')
		end += *end == '\\' ? 2 : 1;
	walk->at = end + 1;
	*place = place_of(walk->builder.text, (size_t)(start - walk->start), (size_t)(end - start));
	strbuf_truncate(&walk->string, 0);
	json_unescape(&walk->string, start, (size_t)(end - start));
	return arena_strndup(walk->builder.text->arena, strbuf_cstr(&walk->string), walk->string.len);
}

/* a number, true, false, null */
static bool take_word(struct walk *walk)
{
	size_t len = strcspn(walk->at, " \t\r\n,]}"), offset = (size_t)(walk->at - walk->start);
	bool is_null = len == 4 && memcmp(walk->at, "null", 4) == 0;
	struct node *node =
		node_add(&walk->builder, is_null ? NODE_NULL : NODE_TEXT, place_of(walk->builder.text, offset, len));

	if (!node)
		return false;
	node->plain = true;
	if (!is_null)
		node->text = arena_strndup(walk->builder.text->arena, walk->at, len);
	walk->at += len;
	return true;
}

static bool take_text(struct walk *walk)
{
	struct place place;
	const char *string;
	struct node *node;

	walk->at++;
	string = take_string(walk, &place);
	skip_blanks(walk);
	/* of an object's member, the name: whatever else it is, a ':' does not follow */
	if (walk->at < walk->end && *walk->at == ':') {
		walk->at++;
		walk->builder.key = string;
		walk->builder.key_place = place;
		return true;
	}
	node = node_add(&walk->builder, NODE_TEXT, place);
	if (node)
		node->text = string;
	return node != NULL;
}

struct node *node_read_json(const struct node_text *text)
{
	struct walk walk = {.builder = {.text = text}, .start = text->bytes};
	struct orch_error err = {0};
	size_t bad, mark = text->len >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	bool sound = true;

	if (json_check(text->bytes + mark, text->len - mark, &bad, &err) != 0) {
		diag_error(
			text->diags, place_of(text, mark + (bad ? bad - 1 : 0), 1), "this is no JSON: %s", err.message);
		return NULL;
	}
	walk.at = text->bytes + mark;
	walk.end = text->bytes + text->len;
	for (skip_blanks(&walk); sound && walk.at < walk.end; skip_blanks(&walk)) {
		size_t offset = (size_t)(walk.at - walk.start);

		switch (*walk.at) {
		case '{':
		case '[':
			sound = node_add(&walk.builder, *walk.at == '{' ? NODE_MAP : NODE_LIST,
					place_of(text, offset, 1)) != NULL;
			walk.at++;
			break;
		case '}':
		case ']':
			node_close(&walk.builder);
			walk.at++;
			break;
		case ',':
			walk.at++;
			break;
		case '"':
			sound = take_text(&walk);
			break;
		default:
			sound = take_word(&walk);
			break;
		}
	}
	strbuf_release(&walk.string);
	return sound ? walk.builder.root : NULL;
}
