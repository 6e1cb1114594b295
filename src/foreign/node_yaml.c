/* YAML -> nodes, by the events of libyaml. */
#include "config.h"

#include <yaml.h>

#include "foreign/node.h"

#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/diag.h"
#include "util/map.h"

struct reading {
	struct node_builder builder;
	/* libyaml counts characters: the last one whose byte is known */
	size_t character, byte;
	struct map keys; /* of all maps: the map's number and the key */
	bool has_document;
};

/* events come in the order of the text, so this only ever goes on */
static size_t byte_at(struct reading *reading, size_t character)
{
	const struct node_text *text = reading->builder.text;

	if (character < reading->character) {
		reading->character = 0;
		reading->byte = 0;
	}
	while (reading->character < character && reading->byte < text->len) {
		reading->byte++;
		while (reading->byte < text->len && ((unsigned char)text->bytes[reading->byte] & 0xc0) == 0x80)
			reading->byte++;
		reading->character++;
	}
	return reading->byte;
}

static struct place place_between(struct reading *reading, const yaml_mark_t *from, const yaml_mark_t *to)
{
	const struct node_text *text = reading->builder.text;
	struct place place = text->place;
	size_t start, end;

	if (text->one_place)
		return place;
	start = byte_at(reading, from->index);
	end = to ? byte_at(reading, to->index) : start + 1;
	place.offset += (uint32_t)start;
	place.length = end - start > UINT16_MAX ? UINT16_MAX : (uint16_t)(end - start);
	return place;
}

/* a tag that says more than what is seen anyway */
static bool is_own_tag(const yaml_char_t *tag)
{
	static const char *const plain[] = {"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:int",
		"tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:seq",
		"tag:yaml.org,2002:map"};

	for (size_t i = 0; tag && i < sizeof plain / sizeof *plain; i++) {
		if (strcmp((const char *)tag, plain[i]) == 0)
			return false;
	}
	return tag != NULL;
}

static bool is_null(const char *text)
{
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
		strcmp(text, "NULL") == 0;
}

/* the map that a scalar would be a key of, if it is one */
static struct node *map_at_hand(const struct reading *reading)
{
	const struct node_builder *builder = &reading->builder;
	struct node *open = builder->depth ? builder->open[builder->depth - 1] : NULL;

	return open && open->kind == NODE_MAP && !builder->key ? open : NULL;
}

static bool take_key(struct reading *reading, struct node *map, const char *key, struct place place)
{
	struct arena *arena = reading->builder.text->arena;
	char *whole = arena_printf(arena, "%p %s", (void *)map, key);

	if (map_set(&reading->keys, whole, map)) {
		diag_error(reading->builder.text->diags, place, "'%s' is given twice", key);
		return false;
	}
	reading->builder.key = arena_strdup(arena, key);
	reading->builder.key_place = place;
	return true;
}

static bool take_scalar(struct reading *reading, const yaml_event_t *event)
{
	const struct node_text *text = reading->builder.text;
	struct place place = place_between(reading, &event->start_mark, &event->end_mark);
	const char *value = (const char *)event->data.scalar.value;
	struct node *map = map_at_hand(reading), *node;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (strlen(value) != event->data.scalar.length) {
		diag_error(text->diags, place, "a NUL byte in a text");
		return false;
	}
	if (map)
		return take_key(reading, map, value, place);
	node = node_add(&reading->builder, plain && is_null(value) ? NODE_NULL : NODE_TEXT, place);
	if (!node)
		return false;
	node->plain = plain;
	if (node->kind == NODE_TEXT)
		node->text = arena_strdup(text->arena, value);
	return true;
}

static bool take_start(struct reading *reading, enum node_kind kind, const yaml_event_t *event)
{
	struct place place = place_between(reading, &event->start_mark, NULL);

	if (map_at_hand(reading)) {
		diag_error(reading->builder.text->diags, place, "a name must be a text here, not a list or a map");
		return false;
	}
	return node_add(&reading->builder, kind, place) != NULL;
}

static bool refuse(struct reading *reading, const yaml_event_t *event, const char *what)
{
	diag_error(
		reading->builder.text->diags, place_between(reading, &event->start_mark, &event->end_mark), "%s", what);
	return false;
}

static bool take_event(struct reading *reading, const yaml_event_t *event)
{
	static const char own_tag[] = "tags are not read: only plain texts, lists and maps";

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (reading->has_document)
			return refuse(reading, event, "a second document: one is read");
		reading->has_document = true;
		return true;
	case YAML_ALIAS_EVENT:
		return refuse(reading, event, "aliases are not read: write the value out");
	case YAML_SCALAR_EVENT:
		return is_own_tag(event->data.scalar.tag) ? refuse(reading, event, own_tag)
							  : take_scalar(reading, event);
	case YAML_SEQUENCE_START_EVENT:
		return is_own_tag(event->data.sequence_start.tag) ? refuse(reading, event, own_tag)
								  : take_start(reading, NODE_LIST, event);
	case YAML_MAPPING_START_EVENT:
		return is_own_tag(event->data.mapping_start.tag) ? refuse(reading, event, own_tag)
								 : take_start(reading, NODE_MAP, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		node_close(&reading->builder);
		return true;
	default:
		return true;
	}
}

struct node *node_read_yaml(const struct node_text *text)
{
	struct reading reading = {.builder = {.text = text}};
	yaml_parser_t parser;
	yaml_event_t event;
	bool sound = true, done = false;

	if (!yaml_parser_initialize(&parser)) {
		diag_error(text->diags, text->place, "cannot read YAML: out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->bytes, text->len);
	while (sound && !done) {
		if (!yaml_parser_parse(&parser, &event)) {
			diag_error(text->diags, place_between(&reading, &parser.problem_mark, NULL),
				"this is no YAML: %s", parser.problem ? parser.problem : "it cannot be read");
			sound = false;
			break;
		}
		sound = take_event(&reading, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	map_release(&reading.keys);
	return sound ? reading.builder.root : NULL;
}
