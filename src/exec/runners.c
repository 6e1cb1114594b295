#include "config.h"

#include "exec/runners.h"

#include <stddef.h>

#include "exec/attempt.h"
#include "graph/project.h"
#include "graph/stream.h"
#include "runner/runner.h"
#include "sched/plan.h"
#include "util/error.h"

const struct runner_ops *runner_of_stream(const struct project *project, const struct stream *stream)
{
	const char *name = stream->set->runner ? stream->set->runner : project->set.runner;
	const struct runner_ops *ops = name ? runner_find(name) : NULL;

	if (name && !ops && project_runner(project, name))
		return &runner_queue;
	/* what no runner is called is refused when the Orchfile is read */
	return ops ? ops : &runner_process;
}

const struct runner_ops *runner_of_phase(const struct attempt *attempt)
{
	bool is_work = attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER;

	/* what prepares its directory runs where that was made */
	if (attempt->works_by == &runner_queue && attempt->phase == PHASE_SETUP)
		return &runner_process;
	return is_work || !attempt->works_by->only_work ? attempt->works_by : &runner_process;
}

int runners_check(const struct project *project, const struct plan *plan, struct orch_error *err)
{
	const struct runner_ops *checked = &runner_process;

	for (uint32_t i = 0; i < plan->graph->count; i++) {
		const struct runner_ops *ops = plan->items[i].action >= PLAN_PERHAPS
			? runner_of_stream(project, &project->streams[i])
			: checked;

		if (ops == checked || !ops->check)
			continue;
		if (ops->check(err) < 0)
			return error_prefix(err, "'%s'", project->streams[i].name);
		checked = ops;
	}
	return 0;
}
