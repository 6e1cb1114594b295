/* The runners that are declared, as queues of the run: runner/queue.h. */
#include "config.h"

#include "exec/executor_private.h"

#include "exec/workspace.h"
#include "graph/project.h"
#include "os/fs.h"
#include "runner/queue.h"
#include "util/alloc.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

static void on_warning(void *data, const char *message)
{
	tell_warning(data, NULL, message);
}

/* Only of the nodes of a cluster it is known that they are other machines. What is on a disk of this one may be shared
 * by it with others: of that the node tells, if it is not */
void run_queues_look_at_sharing(struct executor *ex, const struct stream *stream)
{
	const char *kind;
	char *path, *dir, *message;

	if (ex->sharing_looked_at || !workspace_is_wanted(stream) ||
		strcmp(project_runner_name(ex->project, stream->set), "slurm") != 0)
		return;
	ex->sharing_looked_at = true;
	path = workspace_path(ex->project, ".");
	dir = path_clean(path);
	free(path);
	kind = fs_private_kind(dir);
	if (kind) {
		message = xasprintf("worktrees are made in '%s', on a file system that only this machine has (%s), so the "
				    "nodes of 'slurm' will not find them: say 'worktrees = DIR' in 'project:', with a "
				    "directory that they share",
			dir, kind);
		tell_warning(ex, stream->name, message);
		free(message);
	}
	free(dir);
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
