/*
 * What was written: the statements of an Orchfile as nodes in an arena. Nothing is copied out of the source: a node has
 * spans of it. Comments and blank lines are no nodes; who prints finds them in the source between the nodes.
 */
#ifndef LANG_AST_H
#define LANG_AST_H

#include "util/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* bytes of the source that is being parsed */
struct span {
	uint32_t offset, len;
};

enum ast_kind {
	AST_ASSIGN,  /* name op value */
	AST_INCLUDE, /* names; optional */
	AST_PROJECT,
	AST_DEFAULTS, /* children */
	AST_AGENT,    /* name, value: its base; children */
	AST_RECOVER,  /* name; children */
	AST_RUNNER,   /* name; children */
	AST_POOL,     /* name, value */
	AST_ON,       /* name, value: verbatim */
	AST_FOR,      /* name, names: the words; children: statements */
	AST_STREAMS,  /* names, title, deps, order; children */
	AST_SETTING,  /* name op value */
	AST_BLOCK,    /* name, value: verbatim; empty: nothing was there; of `every`: title is the duration */
	AST_SCRIPT,   /* value: verbatim */
};

struct ast_word {
	struct span span;
	struct ast_word *next;
};

struct ast_words {
	struct ast_word *first, *last;
};

struct ast {
	enum ast_kind kind;
	char op;          /* '=', '+', '?', '!' */
	bool optional;    /* include? */
	bool inline_text; /* value is the rest of the line; else whole lines, from the start of the first one's
			     indentation */
	struct span name, value, title;
	struct ast_words names, deps, order;
	struct ast *first_child, *last_child, *next;
	uint32_t start; /* where the statement begins */
	uint32_t end; /* behind the last token of its first (maybe joined) line; of verbatim text below: behind that */
};

struct ast_list {
	struct ast *first, *last;
};

struct ast *ast_new(struct arena *arena, enum ast_kind kind, uint32_t start, uint32_t end);
struct ast_word *ast_word_new(struct arena *arena, struct span span);
void ast_words_add(struct ast_words *words, struct ast_word *word);
/* node may be NULL: what could not be parsed */
void ast_list_add(struct ast_list *list, struct ast *node);
void ast_set_children(struct ast *node, struct ast_list list);

#endif
