/* What services that run builds want to see in a log: groups, annotations, a summary file. Told apart by the
 * environment (GITHUB_ACTIONS, GITLAB_CI). */
#ifndef UI_CI_H
#define UI_CI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orch/status.h"

struct strbuf;

enum ci_service { CI_NONE, CI_GITHUB, CI_GITLAB };

struct ci {
	enum ci_service service;
	bool neutral; /* commands in the log are switched off until ci_command() */
	bool in_group;
	char token[40];      /* not to be guessed by what is printed: it switches commands on again */
	unsigned sections;   /* numbers make the names of sections unique */
	const char *summary; /* path of the summary file, borrowed from the environment; NULL: none */
};

/* `service` from the environment if `detect`, else CI_NONE */
void ci_init(struct ci *ci, bool detect);
/* adds to `out` what opens and closes a group around a stream's output. Inside, nothing of the output is taken for a
 * command */
void ci_group(struct ci *ci, struct strbuf *out, const char *stream, int64_t attempt, int64_t now_ms);
void ci_group_end(struct ci *ci, struct strbuf *out, int64_t now_ms);
/* before foreign text without a group, and after the last of it; repeating either does nothing */
void ci_neutral(struct ci *ci, struct strbuf *out);
void ci_command(struct ci *ci, struct strbuf *out);
/* an annotation; `level` is "error" or "warning". Nothing where the service has none */
void ci_annotate(struct ci *ci, struct strbuf *out, const char *level, const char *title, const char *message);
/* makes one line of foreign text harmless where it is printed without ci_neutral() */
void ci_defuse(const struct ci *ci, struct strbuf *line, size_t from);
/* the run as a Markdown table */
void ci_summary(struct strbuf *out, const struct orch_status *status);

#endif
