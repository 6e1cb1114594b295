/* `on EVENT:` commands: one child each, the event's JSON on its standard input, its output in the run's hooks.log.
 * Their failure is a warning, never the run's failure. */
#ifndef EXEC_HOOKS_H
#define EXEC_HOOKS_H

#include "graph/project.h"
#include "orch/event.h"

struct hooks;
struct loop;
struct redact;
struct supervision;

typedef void hooks_warning(void *data, const char *message);
typedef void hooks_idle(void *data);

/* warns by `warning`; `idle` is called when the last running hook has ended */
struct hooks *hooks_new(const struct project *project, const char *run, struct loop *loop,
	struct supervision *supervision, hooks_warning *warning, hooks_idle *idle, void *data);
/* those of another Orchfile from now on; borrowed */
void hooks_set_project(struct hooks *hooks, const struct project *project);
/* what their commands print and are told goes without these secrets from now on; borrowed, NULL: as it is */
void hooks_set_redact(struct hooks *hooks, struct redact *redact);
void hooks_fire(struct hooks *hooks, enum hook_event which, const struct orch_event *event);
/* a rule's script, which only tells somebody, in the same way; `name` is the rule's */
void hooks_run(struct hooks *hooks, const char *name, const char *script, const struct orch_event *event);
unsigned hooks_running(const struct hooks *hooks);
/* signal to all that run */
void hooks_stop(struct hooks *hooks, int signo);
void hooks_free(struct hooks *hooks);

#endif
