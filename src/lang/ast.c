#include "config.h"

#include "lang/ast.h"

#include <stddef.h>

struct ast *ast_new(struct arena *arena, enum ast_kind kind, uint32_t start, uint32_t end)
{
	struct ast *node = arena_alloc(arena, sizeof *node);

	node->kind = kind;
	node->start = start;
	node->end = end;
	return node;
}

struct ast_word *ast_word_new(struct arena *arena, struct span span)
{
	struct ast_word *word = arena_alloc(arena, sizeof *word);

	word->span = span;
	return word;
}

void ast_words_add(struct ast_words *words, struct ast_word *word)
{
	if (words->last)
		words->last->next = word;
	else
		words->first = word;
	words->last = word;
}

void ast_list_add(struct ast_list *list, struct ast *node)
{
	if (!node)
		return;
	if (list->last)
		list->last->next = node;
	else
		list->first = node;
	list->last = node;
}

void ast_set_children(struct ast *node, struct ast_list list)
{
	node->first_child = list.first;
	node->last_child = list.last;
}
