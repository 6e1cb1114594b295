/*
 * Diagnostics: what is wrong in an Orchfile, and where. All of a file are collected, sorted by place
 * and printed together. Messages follow CLI.md: FILE:LINE:COLUMN: error: MESSAGE, the line, a caret
 * under the range. Tabs in the line are kept in the caret line, so that the caret stands right.
 */
#ifndef UTIL_DIAG_H
#define UTIL_DIAG_H

#include "util/source.h"

#include <stdbool.h>
#include <stdarg.h>

struct strbuf;

enum diag_severity { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR };

struct diag {
	enum diag_severity severity;
	struct place place;
	char *message;
	uint32_t notes; /* how many diags after this one are its notes */
};

struct diag_list {
	struct diag *items;
	size_t count;
	size_t capacity;
	size_t errors;
	size_t warnings;
	size_t limit;  /* of errors kept, 0: 1000; what is more is counted in `errors`, and said at the end */
	size_t owner;  /* the last that is no note: the next note is its */
	bool dropping; /* the last one was past the limit, and its notes go with it */
};

__attribute__((format(printf, 3, 4))) void diag_error(
	struct diag_list *list, struct place place, const char *format, ...);
__attribute__((format(printf, 3, 4))) void diag_warning(
	struct diag_list *list, struct place place, const char *format, ...);
/* belongs to the diagnostic added last; place.source may be 0 */
__attribute__((format(printf, 3, 4))) void diag_note(
	struct diag_list *list, struct place place, const char *format, ...);
void diag_add(
	struct diag_list *list, enum diag_severity severity, struct place place, const char *format, va_list args);
/* by source, then by offset, stable; notes stay behind their diagnostic */
void diag_sort(struct diag_list *list);
/* the text of all, with lines, carets and the chain of includes; colour on request. Control characters, what
 * is no UTF-8 and marks that turn the direction of writing are shown as '?', in names and messages too */
void diag_render(const struct diag_list *list, const struct source_set *sources, bool color, struct strbuf *out);
void diag_list_release(struct diag_list *list);

#endif
