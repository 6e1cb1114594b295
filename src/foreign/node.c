#include "config.h"

#include "foreign/node.h"

#include <string.h>

#include "util/arena.h"
#include "util/diag.h"

struct node *node_add(struct node_builder *builder, enum node_kind kind, struct place place)
{
	struct node *parent = builder->depth ? builder->open[builder->depth - 1] : NULL, *node;

	if (++builder->count > NODE_COUNT_MAX) {
		diag_error(builder->text->diags, place, "too much: at most %d values are read", NODE_COUNT_MAX);
		return NULL;
	}
	if ((kind == NODE_LIST || kind == NODE_MAP) && builder->depth == NODE_DEPTH_MAX) {
		diag_error(
			builder->text->diags, place, "nested too deeply: at most %d levels are read", NODE_DEPTH_MAX);
		return NULL;
	}
	node = arena_alloc(builder->text->arena, sizeof *node);
	node->kind = kind;
	node->place = place;
	node->key = builder->key;
	node->key_place = builder->key ? builder->key_place : place;
	builder->key = NULL;
	if (!parent) {
		builder->root = node;
	} else {
		if (parent->last)
			parent->last->next = node;
		else
			parent->first = node;
		parent->last = node;
		parent->count++;
	}
	if (kind == NODE_LIST || kind == NODE_MAP)
		builder->open[builder->depth++] = node;
	return node;
}

void node_close(struct node_builder *builder)
{
	builder->depth--;
}

const struct node *node_member(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (const struct node *node = map->first; node; node = node->next) {
		if (strcmp(node->key, key) == 0)
			return node->kind == NODE_NULL ? NULL : node;
	}
	return NULL;
}

const char *node_member_text(const struct node *map, const char *key)
{
	const struct node *node = node_member(map, key);

	return node && node->kind == NODE_TEXT ? node->text : NULL;
}
