/* What orch_run.c and orch_reload.c share; nobody else includes it. */
#ifndef API_ORCH_RUN_PRIVATE_H
#define API_ORCH_RUN_PRIVATE_H

#include "api/orch.h"
#include "orch/run.h"
#include "state/statedir.h"

struct orch_run {
	struct orch *orch; /* as it was read first */
	struct orch *now;  /* that, or the one that was read last */
	struct orch_plan *plan;
	struct orch_run_options options;
	struct statedir dir;
	struct loop *own_loop;
	struct executor *executor; /* NULL: nothing to do, or only stamps */
	char *targets;
};

/* -1 with *err: there was nothing to do */
int run_is_nothing(struct orch_error *err);

/* orch_reload.c: the calls of struct executor_generate; `data` is the run */
int generated_check(void *data, const char *stream, const char *name, const char *text, size_t len, char **line,
	char **all, struct orch_error *err);
int generated_grow(void *data, const char *stream, struct orch_error *err);

#endif
