/*
 * What a JSON or YAML text says, as a tree. Both kinds come out alike: numbers and truth values are texts, as they were
 * written, marked `plain`. Bounded: nesting, number of nodes; no recursion.
 */
#ifndef FOREIGN_NODE_H
#define FOREIGN_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/source.h"

struct arena;
struct diag_list;

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

enum {
	NODE_DEPTH_MAX = 64,
	NODE_COUNT_MAX = 1000 * 1000,
};

struct node {
	enum node_kind kind;
	bool plain;         /* of NODE_TEXT: without quotes, so that it may be meant as a number or a truth value */
	const char *text;   /* of NODE_TEXT: UTF-8 without a NUL inside, NUL-terminated */
	const char *key;    /* of a member of a NODE_MAP */
	struct place place; /* of its value; of a list or map: where it begins */
	struct place key_place;
	struct node *first, *last, *next; /* members, items */
	uint32_t count;                   /* of them */
};

/* the text to read, and who is told */
struct node_text {
	const char *bytes;
	size_t len;
	struct arena *arena;
	struct diag_list *diags;
	struct place place; /* the source, and where in it the text begins */
	bool one_place;     /* the text is none of the source's: everything in it stands at `place` */
};

/* strict JSON (jansson); a name twice in an object is an error. NULL after an error in diags */
struct node *node_read_json(const struct node_text *text);
/* one YAML document (libyaml). Aliases and tags of one's own are errors: an alias of aliases would grow without bounds
 */
struct node *node_read_yaml(const struct node_text *text);

/* the member of that name, which says something (not null); NULL: none, or no map */
const struct node *node_member(const struct node *map, const char *key);
/* its text, NULL if it has none or is no text */
const char *node_member_text(const struct node *map, const char *key);

/* for the readers: puts nodes together as they come */
struct node_builder {
	const struct node_text *text;
	struct node *root;
	struct node *open[NODE_DEPTH_MAX];
	unsigned depth;
	uint32_t count;
	const char *key; /* of the member whose value comes next; NULL: none */
	struct place key_place;
};

/* adds a value; a list or map stays open. NULL after an error (too deep, too many) */
struct node *node_add(struct node_builder *builder, enum node_kind kind, struct place place);
void node_close(struct node_builder *builder);

#endif
