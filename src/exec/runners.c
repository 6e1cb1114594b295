#include "config.h"

#include "exec/runners.h"

#include <stddef.h>

#include "exec/attempt.h"
#include "graph/project.h"
#include "graph/stream.h"
#include "runner/runner.h"

const struct runner_ops *runner_of_stream(const struct project *project, const struct stream *stream)
{
	const char *name = stream->set->runner ? stream->set->runner : project->set.runner;
	const struct runner_ops *ops = name ? runner_find(name) : NULL;

	/* what no runner is called is refused when the Orchfile is read */
	return ops ? ops : &runner_process;
}

const struct runner_ops *runner_of_phase(const struct attempt *attempt)
{
	bool is_work = attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER;

	return is_work || !attempt->works_by->only_work ? attempt->works_by : &runner_process;
}
