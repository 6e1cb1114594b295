/* AST -> canonical Orchfile. */
#ifndef LANG_AST_PRINT_H
#define LANG_AST_PRINT_H

#include "lang/ast.h"

#include <stddef.h>

struct strbuf;

/* Tabs, `key = value`, one blank line around statements that have a body; comments stay where they are, verbatim texts
 * as they are but for their indentation. `text` is the source that the nodes have spans of */
void ast_print(const struct ast *first, const char *text, size_t len, struct strbuf *out);

#endif
