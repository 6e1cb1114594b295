/*
 * Variables: of the command line (which win), of the file, and of the `for` loops around the statement at hand
 * (innermost first).
 */
#ifndef LANG_SCOPE_H
#define LANG_SCOPE_H

#include "graph/project.h"
#include "util/map.h"
#include "util/suggest.h"

#include <stdbool.h>

struct scope_variable {
	char *name, *value;
	size_t len; /* of value */
	struct place place;
	bool fixed;                  /* given on the command line */
	struct scope_variable *next; /* in order of definition */
};

struct scope_loop {
	const char *name, *value;
	struct scope_loop *outer;
};

struct scope {
	struct map by_name;
	struct scope_variable *first, *last;
	struct scope_loop *loop;
	size_t count;
};

/* the value, or NULL */
const char *scope_get(const struct scope *scope, const char *name, size_t len);
/* the variable of the file or the command line, or NULL */
const struct scope_variable *scope_variable(const struct scope *scope, const char *name, size_t len);
/* defines or replaces it; both texts are copied. A fixed one stays */
void scope_set(struct scope *scope, const char *name, size_t name_len, const char *value, size_t len,
	struct place place, bool fixed);
bool scope_is_loop_name(const struct scope *scope, const char *name, size_t len);
void scope_offer(const struct scope *scope, struct suggest *suggest);
/* a copy of the variables, into an empty scope */
void scope_copy(struct scope *to, const struct scope *from);
/* copies the variables to the project */
void scope_export(const struct scope *scope, struct project *project);
void scope_release(struct scope *scope);

#endif
