/* The graph as a drawing for the terminal, and for other programs. `plan` chooses what is drawn and marks what is
 * stale; NULL: every stream, unmarked. */
#ifndef CLI_DRAW_H
#define CLI_DRAW_H

#include "orch/plan.h"
#include "orch/project.h"

#include <stdbool.h>

struct strbuf;

void draw_dot(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan);
void draw_mermaid(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan);
void draw_json(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan);
/*
 * Each stream once, as an indented tree that grows from what comes first to what comes last: a stream stands below that
 * one of its dependencies which is furthest from the start; the others are named behind it.
 */
void draw_tree(struct strbuf *out, const struct orch *orch, const struct orch_plan *plan, bool unicode);

#endif
