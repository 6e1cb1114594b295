#include "config.h"

#include "exec/attempt_private.h"

#include "exec/agents.h"
#include "exec/context.h"
#include "exec/redaction.h"
#include "exec/runners.h"
#include "exec/stint.h"
#include "os/clock.h"
#include "os/supervised.h"
#include "state/logfile.h"
#include "util/alloc.h"
#include "util/error.h"

#include <stdlib.h>

/* the files of the phase that it was in last */
static int look(struct attempt *attempt, char **record, enum supervised_state *state, struct supervised_record *found,
	struct orch_error *err)
{
	static const enum attempt_phase phases[] = {PHASE_CHECK, PHASE_RUN, PHASE_RECOVER};

	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
		attempt->phase = phases[i];
		*record = attempt_record(attempt->run, attempt->stream->name, attempt->number, phases[i]);
		if (supervised_look(*record, state, found, err) != 0) {
			free(*record);
			return -1;
		}
		if (*state != SUPERVISED_NONE)
			return 0;
		free(*record);
	}
	return 1;
}

/* it ended while nobody was there to see it */
static void settle_end(struct attempt *attempt, const struct supervised_record *found)
{
	const struct job_exit how = job_exit_of(&found->how);

	attempt->started_ms = clock_mono_ms() - found->duration_ms;
	attempt_announce(attempt);
	attempt_job_ended(attempt, &how);
}

/* who was at work, as it was noted down; what a rule was to mend is known from there too */
static int adopt_stint(struct attempt *attempt, struct orch_error *err)
{
	int result = stint_adopt(&attempt->stint, attempt, attempt->agents, err);

	if (result == 0 && attempt->phase == PHASE_CHECK)
		attempt->stint->to = attempt->check_from;
	if (result != 0 || !attempt->stint->fix || attempt->phase != PHASE_RECOVER)
		return result < 0 ? -1 : 0;
	attempt->mending = true;
	attempt->memory->rule = attempt->stint->fix;
	attempt->memory->fix = true;
	return 0;
}

/* what it was given when it began, as far as that is still to be had */
static void learn_secrets(struct attempt *attempt)
{
	const struct context *context = attempt->context;
	struct environment env = {0};
	struct orch_error err = {0};

	if (!context->redact)
		return;
	if (context_environment(context, attempt, NULL, NULL, &env, &err) == 0) {
		redaction_learn(context->redact, env.items);
	} else {
		char *message = xasprintf("the setting 'redact' does not know its variables: %s", err.message);

		attempt->warn(attempt->data, attempt, message);
		free(message);
	}
	environment_release(&env);
}

int attempt_adopt(struct attempt *attempt, struct orch_error *err)
{
	const struct job_callbacks on = attempt_callbacks(attempt);
	struct supervised_record found;
	enum supervised_state state;
	char *record;
	int result = look(attempt, &record, &state, &found, err);

	if (result != 0)
		return result;
	attempt->adopted = true;
	attempt->ops = runner_of_phase(attempt);
	attempt->exit_code = attempt->signal = -1;
	attempt->pid = (int)found.leader;
	attempt->log_fd = logfile_create(attempt->log, err);
	if (attempt->log_fd < 0) {
		free(record);
		return -1;
	}
	if (attempt->phase == PHASE_CHECK)
		attempt_read_check_note(attempt);
	if (!attempt->memory && attempt->phase == PHASE_RECOVER)
		result = error_set(err, "it was being mended by a rule that there is no more; 'orch stop %s' ends it",
			attempt->stream->name);
	if (result == 0 && attempt->memory && (stream_has_prompt(attempt->stream) || attempt->phase == PHASE_RECOVER))
		result = adopt_stint(attempt, err);
	if (result < 0) {
		free(record);
		return -1;
	}
	learn_secrets(attempt);
	/* what it said before its check */
	if (attempt->stint && attempt->phase == PHASE_CHECK)
		stint_end(attempt->stint);
	if (found.remote) {
		attempt->remote = true;
		attempt->ops = &runner_queue;
	} else if (attempt->ops == &runner_queue) {
		/* it had another runner when it began */
		attempt->ops = &runner_process;
	}
	/* of one elsewhere its scheduler may know more than its files */
	if (state == SUPERVISED_RUNNING || found.remote) {
		result = attempt->ops->adopt(&attempt->job, attempt->runner, record, &on, err);
		/* it may have ended just now, and then has written how before its supervisor went */
		if (result != 0)
			result = err->code == ORCH_ENOTFOUND ? supervised_look(record, &state, &found, err) : -1;
	}
	free(record);
	if (result != 0)
		return -1;
	if (attempt->job) {
		/* one elsewhere may have ended long ago */
		attempt->started_ms =
			state == SUPERVISED_ENDED ? clock_mono_ms() - found.duration_ms : found.mono_ms;
		attempt_announce(attempt);
		attempt_watch(attempt);
		if (found.unclaimed)
			attempt_job_queued(attempt);
		else if (attempt->stint && attempt->phase != PHASE_CHECK)
			stint_follow(attempt->stint);
		return 0;
	}
	if (state != SUPERVISED_ENDED)
		return 1;
	settle_end(attempt, &found);
	return 0;
}
