/* The runners that are declared, as queues of the run: runner/queue.h. */
#include "config.h"

#include "exec/executor_private.h"

#include "graph/project.h"
#include "runner/queue.h"
#include "util/alloc.h"

#include <stdlib.h>

static void on_warning(void *data, const char *message)
{
	tell_warning(data, NULL, message);
}

void run_queues_declare(struct executor *ex, const struct project *project)
{
	if (project->runner_count == 0)
		return;
	if (!ex->runner.queues) {
		char *scratch = xasprintf(".orch/runs/%s/queue", ex->run_id);

		ex->runner.queues = queues_new(&ex->runner, project->dir, scratch, on_warning, ex);
		free(scratch);
	}
	for (uint32_t i = 0; i < project->runner_count; i++) {
		const struct queue_runner *runner = &project->runners[i];
		char *submit = xstrndup(runner->submit.bytes, runner->submit.len);
		char *poll = xstrndup(runner->poll.bytes, runner->poll.len);
		char *cancel = xstrndup(runner->cancel.bytes, runner->cancel.len);
		const struct queue_spec spec = {.name = runner->name,
			.submit = submit,
			.poll = poll,
			.cancel = cancel,
			.interval_ms = runner->interval_ms,
			.lost_ms = runner->lost_ms,
			.latency_ms = runner->latency_ms};

		queues_declare(ex->runner.queues, &spec);
		free(submit);
		free(poll);
		free(cancel);
	}
}
