/*
 * What the setting `redact` keeps out of logs, events and views: matches of its patterns, and the values of variables,
 * of the environment and the Orchfile's, that are named like secrets. Logs are written through a filter
 * (os/redactor.h), which is told what to take out when a command starts; what orch itself writes or tells goes through
 * the run's own struct redact, which learns the values as commands are given them.
 */
#ifndef EXEC_REDACTION_H
#define EXEC_REDACTION_H

#include "orch/error.h"
#include "orch/event.h"
#include "util/strbuf.h"
#include "util/strvec.h"

struct project;
struct redact;
struct stream;

/* Sets *redact to one for the project, or, if there is one already, adds its patterns; NULL stays where it has none. It
 * knows our own environment. -1: a pattern cannot be compiled, which was seen when the file was read */
int redaction_add_project(struct redact **redact, const struct project *project, struct orch_error *err);
/* the values of secrets in that environment are known from now on; `redact` NULL: nothing to do */
void redaction_learn(struct redact *redact, char *const *env);
/* supervised_spec.redact for a command with that environment, whose texts are in `out`; NULL: it writes its own log */
char *const *redaction_entries(const struct project *project, char *const *env, struct strvec *out);

/* what a stream is made from, as fingerprint_recipe_text() has it, for the stamp, the journal and `orch why` */
void redaction_recipe_text(const struct project *project, const struct stream *stream, struct strbuf *out);

/* an event as it may be told, and what it needs for that */
struct redacted_event {
	struct orch_event event;
	struct strbuf texts[5];
};
/* what may be told: *event itself, if `redact` is NULL; to be released in any case, after the last use of it */
const struct orch_event *redacted_event_make(
	struct redacted_event *out, struct redact *redact, const struct orch_event *event);
void redacted_event_release(struct redacted_event *event);

/* writes a text of ours to a log; -1 with errno */
int redaction_write(struct redact *redact, int fd, const char *text);

#endif
