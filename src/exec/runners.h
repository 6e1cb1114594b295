/* Which runner a stream has (runner/runner.h). */
#ifndef EXEC_RUNNERS_H
#define EXEC_RUNNERS_H

struct attempt;
struct project;
struct runner_ops;
struct stream;

/* its own, else the project's, else `process` */
const struct runner_ops *runner_of_stream(const struct project *project, const struct stream *stream);
/* of what an attempt does in its phase */
const struct runner_ops *runner_of_phase(const struct attempt *attempt);

#endif
