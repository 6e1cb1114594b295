/* What a planning agent is told, and what is taken from its answer. */
#ifndef CLI_DRAFT_H
#define CLI_DRAFT_H

#include <stddef.h>

#include "orch/error.h"

struct strbuf;

/* the language and the rules of good decomposition, in short (assets/draft.md) */
extern const unsigned char asset_draft_md[];
extern const size_t asset_draft_md_len;

/* the prompt: the rules, the project's files (some hundred lines at most), the request */
void draft_prompt(struct strbuf *out, const char *request, size_t len);
/* The Orchfile of an answer: what is in its fenced block (the one that is called `orchfile`, else the last), or all of
 * it. -1: there is none, or it has what a draft must not have */
int draft_extract(struct strbuf *out, const char *answer, size_t len, struct orch_error *err);

#endif
