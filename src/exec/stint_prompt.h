/* The text that an agent gets: gathers what prompt.h makes it of. */
#ifndef EXEC_STINT_PROMPT_H
#define EXEC_STINT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct agents;
struct attempt;
struct context;
struct stint;
struct strbuf;

/* 0; 1 with *err: a name in it has no value, or its file cannot be read; -1 with *err: something of orch's own cannot
 */
int stint_prompt(struct strbuf *out, const struct stint *stint, struct agents *agents, struct orch_error *err);
/* {{kind}}, {{log.tail}}, {{check.tail}} and the groups of the pattern, in what a rule has. False: there is no such
 * name */
bool stint_rule_value(const struct attempt *attempt, const char *name, size_t len, struct strbuf *value);
/* its attempt has completed the stream: what it said in the end is kept, also for when the run's files are gone */
int stint_keep_summary(const struct attempt *attempt, struct orch_error *err);
/* what an agent said in the end, of the attempt that completed a stream; nothing where it said nothing */
int stint_read_summary(
	struct strbuf *out, const char *run, const char *stream, unsigned attempt, struct orch_error *err);

#endif
