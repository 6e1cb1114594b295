/* What is different about an attempt that somebody else runs: runner/queue.h. */
#include "config.h"

#include "exec/attempt_private.h"

#include <string.h>

#include "exec/context.h"
#include "graph/project.h"
#include "os/clock.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/strbuf.h"

bool attempt_is_queued_stream(const struct attempt *attempt)
{
	return attempt->remote || attempt->works_by == &runner_queue;
}

void attempt_ask_queue(
	const struct attempt *attempt, struct command *command, struct strbuf *label, char **results_path)
{
	const struct settings *set = attempt->stream->set;

	strbuf_addf(label, "%s.%s.%u", attempt->run, attempt->stream->name, attempt->number);
	if (attempt->phase != PHASE_RUN)
		strbuf_addf(label, ".%s", attempt_phase_name(attempt->phase));
	command->queue = project_runner_name(attempt->context->project, set);
	command->label = strbuf_cstr(label);
	command->options = set->slurm && strcmp(command->queue, "slurm") == 0 ? set->slurm : set->job_options;
	command->log_path = attempt->log;
	command->results_path = *results_path =
		statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "output");
	command->slot = NULL;
}

void attempt_job_queued(void *data)
{
	struct attempt *attempt = data;

	if (!attempt->announced)
		attempt_announce(attempt);
	attempt->queued_since_ms = clock_mono_ms();
	attempt_pause_watch(attempt);
	attempt_announce(attempt);
}

void attempt_left_queue(struct attempt *attempt)
{
	if (!attempt->queued_since_ms)
		return;
	attempt->queued_ms += clock_mono_ms() - attempt->queued_since_ms;
	attempt->queued_since_ms = 0;
	attempt_resume_watch(attempt);
}

void attempt_job_output(void *data)
{
	attempt_look_at_log(data);
}

char *attempt_not_shared_text(const struct attempt *attempt, const char *whose, const char *message)
{
	return xasprintf("%s%s; %s has to be on a file system that the machines of the runner '%s' share with this one, "
			 "under the same path%s",
		whose, message, attempt->workspace ? "it is a worktree, and" : "it",
		project_runner_name(attempt->context->project, attempt->stream->set),
		attempt->workspace ? ": 'worktrees = DIR' in 'project:' says where worktrees are made" : "");
}

enum orch_outcome attempt_outcome_of(enum job_fate fate)
{
	switch (fate) {
	case JOB_TIME_LIMIT:
		return ORCH_OUTCOME_TIMEOUT;
	case JOB_MEMORY:
		return ORCH_OUTCOME_MEMORY;
	case JOB_PREEMPTED:
		return ORCH_OUTCOME_PREEMPTED;
	case JOB_CANCELLED:
		return ORCH_OUTCOME_CANCELLED;
	case JOB_NEVER_BEGAN:
		return ORCH_OUTCOME_SPAWN;
	case JOB_ENDED:
	case JOB_NODE:
		break;
	}
	return ORCH_OUTCOME_NODE;
}
