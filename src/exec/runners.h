/* Which runner a stream has (runner/runner.h). */
#ifndef EXEC_RUNNERS_H
#define EXEC_RUNNERS_H

#include "orch/error.h"

struct attempt;
struct plan;
struct project;
struct runner_ops;
struct stream;

/* its own, else the project's, else `process` */
const struct runner_ops *runner_of_stream(const struct project *project, const struct stream *stream);
/* of what an attempt does in its phase */
const struct runner_ops *runner_of_phase(const struct attempt *attempt);
/* -1: what may run would have a runner that this machine cannot have; says which stream's */
int runners_check(const struct project *project, const struct plan *plan, struct orch_error *err);

#endif
