/* From the command line to a project: the Orchfile here or above, its streams, the plan for targets. What goes wrong is
 * said here; the functions return an exit status, 0 if all is well. */
#ifndef CLI_FIND_H
#define CLI_FIND_H

#include "cli/cmd.h"
#include "orch/plan.h"
#include "orch/project.h"

enum find_how {
	FIND_INSPECT = 1, /* only to look: what this version cannot carry out is no error */
	FIND_WARN = 2,    /* warnings are shown, not only errors */
	FIND_AGENTS = 8,  /* the agents are wanted, with or without an Orchfile */
	FIND_STREAMS = 4, /* an Orchfile without streams is an error; when looking it is only said */
};

/* reads the Orchfile. Free with orch_close() */
int find_orchfile(struct orch **out, const struct common *common, const struct operands *operands, unsigned how);
/* the plan with these options; `targets` are checked: a word that names no stream may be a mistyped command */
int find_plan(struct orch_plan **out, struct orch *orch, const struct orch_plan_options *options,
	const struct operands *operands);
/* the stream of that name */
int find_stream(size_t *out, const struct orch *orch, const char *name);
/* everything is wanted: for looking at all streams. *out is NULL if there is none */
int find_whole_plan(struct orch_plan **out, struct orch *orch, unsigned jobs);
/* the directory of the project, with or without an Orchfile that can be read; it becomes the current one. The caller
 * frees */
int find_project(char **out, const struct common *common);
/* a file named by the user, as the project (whose directory is the current one) would: relative to it where it is
 * below; `from` is where the user stood. The caller frees */
char *find_relative(const struct orch *orch, const char *from, const char *path);

#endif
