#include "config.h"

#include "exec/attempt_private.h"

#include "exec/agents.h"
#include "exec/checkin.h"
#include "exec/confine.h"
#include "exec/context.h"
#include "exec/jobserver.h"
#include "exec/redaction.h"
#include "exec/reporting.h"
#include "exec/runners.h"
#include "exec/stint.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "state/logfile.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int start_phase(struct attempt *attempt, unsigned slots, int *error_number, struct orch_error *err);
static void after_job(struct attempt *attempt);

static bool is_shortage(int error_number)
{
	return error_number == EAGAIN || error_number == ENOMEM || error_number == EMFILE || error_number == ENFILE;
}

const char *attempt_phase_name(enum attempt_phase phase)
{
	static const char *const names[] = {
		[PHASE_WORKTREE] = "worktree",
		[PHASE_SETUP] = "setup",
		[PHASE_RECOVER] = "recover",
		[PHASE_RUN] = "run",
		[PHASE_CHECK] = "check",
		[PHASE_COMMIT] = "commit",
		[PHASE_SAVE] = "save",
	};

	return names[phase];
}

void attempt_announce(struct attempt *attempt)
{
	attempt->phase_began(attempt->data, attempt);
	attempt->announced = true;
}

/* --- the end --- */

static void finish(struct attempt *attempt, enum orch_outcome outcome, char *message)
{
	if (attempt->output && attempt->log_fd >= 0 && attempt->watch)
		attempt_tell_output(attempt);
	reporting_end(attempt->reporting);
	attempt_left_queue(attempt);
	attempt_disarm(attempt);
	confine_end(attempt);
	attempt->done = true;
	attempt->outcome = outcome;
	attempt->message = message;
	attempt->duration_ms = clock_mono_ms() - attempt->started_ms - attempt->queued_ms;
	if (!attempt->checkins || checkins_end(attempt->checkins))
		attempt->ended(attempt->data, attempt);
}

/* the last of its check-ins that still ran */
void attempt_checkins_gone(void *data)
{
	struct attempt *attempt = data;

	if (attempt->done)
		attempt->ended(attempt->data, attempt);
}

static char *describe_status(const struct job_exit *how)
{
	if (how->lost)
		return job_exit_loss(how);
	if (how->signalled)
		return xasprintf("killed by signal %d (%s)", how->code, strsignal(how->code));
	return xasprintf("exit status %d", how->code);
}

static char *describe_memory(const struct attempt *attempt, const struct job_exit *how)
{
	char limit[UNITS_TEXT_MAX], peak[UNITS_TEXT_MAX], *status = describe_status(how), *text;

	text = xasprintf("out of memory: %slimit %s, most in use %s, %u process%s ended by the system; %s",
		attempt->phase == PHASE_CHECK ? "its check: " : "", units_size(limit, attempt->stream->set->memory),
		units_size(peak, how->memory_peak), how->oom_kills, how->oom_kills == 1 ? "" : "es", status);
	free(status);
	return text;
}

void attempt_has_news(struct attempt *attempt, unsigned what)
{
	if (what & ATTEMPT_NEWS_COST) {
		attempt->spent += attempt->spent_new;
		attempt->has_cost = true;
	}
	attempt->news(attempt->data, attempt, what);
	attempt->spent_new = 0;
}

/* --- from phase to phase --- */

static void on_saved(void *data, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = data;
	char *why = attempt->message;

	(void)outcome, (void)message; /* what could not be saved has been warned of, and stays where it is */
	attempt->message = NULL;
	finish(attempt, attempt->outcome, why);
}

/* it has gone badly: what it did in its worktree is kept before anything else happens there */
static void fail(struct attempt *attempt, enum orch_outcome outcome, char *message)
{
	if (!attempt->workspace || !attempt->workspace->cwd) {
		finish(attempt, outcome, message);
		return;
	}
	attempt->phase = PHASE_SAVE;
	attempt->outcome = outcome;
	attempt->message = message;
	workspace_save(attempt->workspaces, attempt, orch_outcome_name(outcome), on_saved);
}

static void on_committed(void *data, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = data;

	if (outcome == ORCH_OUTCOME_SUCCESS)
		finish(attempt, ORCH_OUTCOME_SUCCESS, NULL);
	else
		fail(attempt, outcome, message ? xstrdup(message) : NULL);
}

void attempt_succeed(struct attempt *attempt)
{
	const char *missing = NULL;

	if (attempt->ending) {
		fail(attempt, attempt->ended_by, NULL);
		return;
	}
	/* of one that works beside others that is looked at when all of it is settled, unless it can be seen late */
	if (attempt->workspace || attempt->last.latency_ms > 0)
		missing = attempt_missing_output(attempt);
	if (missing && attempt_looks_again(attempt))
		return;
	if (missing) {
		fail(attempt, ORCH_OUTCOME_OUTPUTS, attempt_missing_text(attempt, missing));
		return;
	}
	if (!attempt->workspace) {
		finish(attempt, ORCH_OUTCOME_SUCCESS, NULL);
		return;
	}
	/* they are beside its work, not beside what is made of it */
	if (attempt->checkins)
		(void)checkins_end(attempt->checkins);
	attempt->phase = PHASE_COMMIT;
	attempt_announce(attempt);
	workspace_commit(attempt->workspaces, attempt, on_committed);
}

/* what is of the phase's command when it could not be started */
static void not_started(struct attempt *attempt, int error_number, const char *message)
{
	static const char *const whose[] = {[PHASE_SETUP] = "its setup: ",
		[PHASE_RECOVER] = "what was to mend it: ",
		[PHASE_RUN] = "",
		[PHASE_CHECK] = "its check: "};

	if (attempt->ending)
		fail(attempt, attempt->ended_by, NULL);
	else if (attempt->adopted && !attempt->remote &&
		attempt->phase != PHASE_SETUP) /* how it ended is still to be had by the next run */
		fail(attempt, ORCH_OUTCOME_INTERNAL, xstrdup(message));
	else if (attempt->phase != PHASE_CHECK && is_shortage(error_number))
		attempt->put_off(attempt->data, attempt, message);
	else if (error_number == RUNNER_NO_DIRECTORY)
		fail(attempt, ORCH_OUTCOME_SPAWN, attempt_not_shared_text(attempt, whose[attempt->phase], message));
	else
		fail(attempt, ORCH_OUTCOME_SPAWN, xasprintf("%s%s", whose[attempt->phase], message));
}

/* where in the log its check begins, for whoever adopts it */
static void note_check(struct attempt *attempt)
{
	struct orch_error err = {0};
	char *path, *text;

	if (!attempt->memory || !attempt_outlives_us(attempt))
		return;
	path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "check-from");
	text = xasprintf("%lld\n", (long long)attempt->check_from);
	if (fs_replace(AT_FDCWD, path, text, strlen(text), false, &err) < 0)
		attempt->warn(attempt->data, attempt, err.message);
	free(text);
	free(path);
}

void attempt_read_check_note(struct attempt *attempt)
{
	char *path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "check-from"), *text;
	size_t len;

	if (fs_exists(path) && fs_read(path, 64, &text, &len, NULL) == 0) {
		attempt->check_from = strtoll(text, NULL, 10);
		free(text);
	}
	free(path);
}

static void begin_phase(struct attempt *attempt, enum attempt_phase phase)
{
	struct orch_error err = {0};
	int error_number = 0;

	attempt->phase = phase;
	if (phase == PHASE_CHECK) {
		struct stat st;

		attempt->check_from = fstat(attempt->log_fd, &st) == 0 ? st.st_size : 0;
		note_check(attempt);
	}
	if (attempt->watched)
		attempt_watch_silence(attempt);
	if (start_phase(attempt, 0, &error_number, &err) < 0)
		not_started(attempt, error_number, err.message);
}

/* an agent's phase: on the stream's prompt, or, `fix`, on what that rule has it mend */
static void begin_stint(
	struct attempt *attempt, enum attempt_phase phase, const struct agent *agent, const struct rule *fix)
{
	struct orch_error err = {0};
	int result;

	attempt->phase = phase;
	if (attempt->stint)
		stint_free(attempt->stint);
	attempt->stint = NULL;
	result = stint_new(&attempt->stint, attempt, attempt->agents, agent, fix, &err);
	if (result != 0)
		fail(attempt, result > 0 ? ORCH_OUTCOME_SPAWN : ORCH_OUTCOME_INTERNAL, xstrdup(err.message));
	else
		begin_phase(attempt, phase);
}

/* what a rule has do its work before the stream is tried again */
static void begin_mending(struct attempt *attempt)
{
	const struct rule *rule = attempt->memory->rule;

	attempt->mending = true;
	if (rule->agent)
		begin_stint(attempt, PHASE_RECOVER, agents_next(attempt->agents, attempt->id), rule);
	else
		begin_phase(attempt, PHASE_RECOVER);
}

/* its work itself, or the check of a stream that has nothing else */
static void begin_work(struct attempt *attempt)
{
	attempt_watch(attempt);
	if (attempt->memory && attempt->memory->fix)
		begin_mending(attempt);
	else if (attempt->only_check)
		begin_phase(attempt, PHASE_CHECK);
	else if (stream_has_prompt(attempt->stream))
		begin_stint(attempt, PHASE_RUN, agents_next(attempt->agents, attempt->id), NULL);
	else
		begin_phase(attempt, attempt->stream->run.bytes ? PHASE_RUN : PHASE_CHECK);
}

static void on_prepared(void *data, enum orch_outcome outcome, const char *message);

/* what was to be mended is: the stream goes on. An agent that had done its work, and only its check had failed, has
 * done it */
static void after_mending(struct attempt *attempt)
{
	struct memory *memory = attempt->memory;

	attempt->mending = false;
	attempt->mended = true;
	memory->fix = false;
	memory->interrupted = true;
	attempt->only_check = memory->kind == FAILURE_CHECK && stream_has_prompt(attempt->stream) &&
		attempt->stream->set->check.bytes;
	if (attempt->only_check)
		stint_carry_summary(attempt, memory->attempt);
	if (memory->kind == FAILURE_MERGE && attempt->workspace) {
		attempt->phase = PHASE_WORKTREE;
		workspace_free(attempt->workspace);
		attempt->workspace = NULL;
		workspace_prepare(attempt->workspaces, attempt, false, on_prepared);
	} else {
		begin_work(attempt);
	}
}

/* its agent has ended: what it said counts, as well as how it ended. True: that was no success, and is dealt with */
static bool has_failed_by_words(struct attempt *attempt)
{
	char *objection;

	if (!attempt->stint || (attempt->phase != PHASE_RUN && attempt->phase != PHASE_RECOVER))
		return false;
	objection = stint_objection(attempt->stint);
	if (objection)
		fail(attempt, ORCH_OUTCOME_EXIT, objection);
	return objection != NULL;
}

/* it had said that it was done, and stayed: how it was ended says nothing */
static bool only_lingered(const struct attempt *attempt)
{
	return attempt->stint && attempt->stint->lingered && attempt->phase != PHASE_CHECK &&
		attempt->stint->output.done && !attempt->stint->output.failed;
}

/* the stream's name for what its agent said, which is better than a number */
static char *describe_failure(const struct attempt *attempt)
{
	char *status = describe_status(&attempt->last), *said, *text;

	if (!attempt->stint || (attempt->phase != PHASE_RUN && attempt->phase != PHASE_RECOVER) ||
		!attempt->stint->output.failed)
		return status;
	said = stint_objection(attempt->stint);
	text = xasprintf("%s; %s", said, status);
	free(said);
	free(status);
	return text;
}

static void after_job(struct attempt *attempt)
{
	const struct job_exit *how = &attempt->last;
	struct orch_error err = {0};
	char *tampering = confine_tampering(attempt), *problem;

	if (tampering) {
		fail(attempt, ORCH_OUTCOME_CHANGES, tampering);
	} else if (attempt->ending) {
		fail(attempt, attempt->ended_by, NULL);
	} else if (how->fate != JOB_ENDED) {
		fail(attempt, attempt_outcome_of(how->fate), xstrdup(attempt->fate));
	} else if ((problem = confine_problem(
			    attempt, attempt_phase_name(attempt->phase), !how->signalled && how->code != 0))) {
		fail(attempt, ORCH_OUTCOME_SPAWN, problem);
	} else if (only_lingered(attempt)) {
		attempt->exit_code = 0;
		attempt->signal = -1;
		/* the steps of its end are not for what comes next */
		loop_timer_free(attempt->kill);
		attempt->kill = NULL;
		attempt->kill_step = 0;
		if (attempt->phase == PHASE_RECOVER)
			after_mending(attempt);
		else if (attempt->stream->set->check.bytes)
			begin_phase(attempt, PHASE_CHECK);
		else
			attempt_succeed(attempt);
	} else if ((how->signalled || how->code != 0) && how->oom_kills) {
		fail(attempt, ORCH_OUTCOME_MEMORY, describe_memory(attempt, how));
	} else if (how->signalled || how->code != 0) {
		enum orch_outcome outcome = attempt->phase == PHASE_CHECK ? ORCH_OUTCOME_CHECK
			: how->signalled                                  ? ORCH_OUTCOME_SIGNAL
									  : ORCH_OUTCOME_EXIT;
		char *status = describe_failure(attempt);

		fail(attempt, outcome, attempt->phase == PHASE_SETUP ? xasprintf("its setup: %s", status) : status);
		if (attempt->phase == PHASE_SETUP)
			free(status);
	} else if (attempt->phase == PHASE_SETUP) {
		if (workspace_mark_set_up(attempt->workspace, &err) < 0)
			fail(attempt, ORCH_OUTCOME_INTERNAL, xstrdup(err.message));
		else
			begin_work(attempt);
	} else if (has_failed_by_words(attempt)) {
		return;
	} else if (attempt->phase == PHASE_RECOVER) {
		after_mending(attempt);
	} else if (attempt->phase == PHASE_RUN && attempt->stream->set->check.bytes) {
		begin_phase(attempt, PHASE_CHECK);
	} else {
		attempt_succeed(attempt);
	}
}

static void on_prepared(void *data, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = data;

	if (attempt->ending)
		fail(attempt, attempt->ended_by, NULL);
	else if (outcome == ORCH_OUTCOME_MERGE && attempt->memory && attempt->memory->fix && attempt->workspace->cwd) {
		attempt_watch(attempt);
		begin_mending(attempt);
	} else if (outcome != ORCH_OUTCOME_SUCCESS)
		finish(attempt, outcome, message ? xstrdup(message) : NULL);
	else if (attempt->stream->set->setup.bytes && !attempt->workspace->set_up) {
		attempt_watch(attempt);
		begin_phase(attempt, PHASE_SETUP);
	} else
		begin_work(attempt);
}

static void on_found_again(void *data, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = data;

	if (outcome == ORCH_OUTCOME_SUCCESS || (outcome == ORCH_OUTCOME_MERGE && attempt->mending))
		after_job(attempt);
	else
		finish(attempt, outcome, message ? xstrdup(message) : NULL);
}

void attempt_job_ended(void *data, const struct job_exit *how)
{
	struct attempt *attempt = data;

	attempt->job = NULL;
	jobserver_leave(attempt->jobserver, attempt);
	/* what waited is told of late */
	if (attempt->stood_by)
		attempt->started_ms = clock_mono_ms() - how->duration_ms;
	attempt->user_us += how->user_us;
	attempt->system_us += how->system_us;
	if (how->max_rss_kb > attempt->max_rss_kb)
		attempt->max_rss_kb = how->max_rss_kb;
	if (how->memory_peak > attempt->memory_peak)
		attempt->memory_peak = how->memory_peak;
	attempt->oom_kills += how->oom_kills;
	attempt->left_behind += how->left_behind;
	attempt->unkillable += how->unkillable;
	if (how->names && *how->names) {
		free(attempt->names);
		attempt->names = xstrdup(how->names);
	}
	attempt->exit_code = how->signalled ? -1 : how->code;
	attempt->signal = how->signalled ? how->code : -1;

	attempt->last = *how;
	attempt_left_queue(attempt);
	if (how->fate != JOB_ENDED) {
		free(attempt->fate);
		attempt->fate = xstrdup(how->why ? how->why : "");
	}
	if (attempt->stint && (attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER))
		stint_end(attempt->stint);
	/* one that was adopted finds its worktree only now that something is to be done in it */
	if (attempt->workspaces && workspace_is_wanted(attempt->stream) && !attempt->workspace)
		workspace_prepare(attempt->workspaces, attempt, false, on_found_again);
	else
		after_job(attempt);
}

static void on_job_started(void *data, int pid, int slot)
{
	struct attempt *attempt = data;

	attempt->pid = pid;
	attempt_left_queue(attempt);
	if (attempt->slot == NO_SLOT_YET) {
		attempt->slot = (unsigned)slot;
		attempt->started_ms = clock_mono_ms();
		attempt->got_slot(attempt->data, attempt);
		attempt_watch(attempt);
	}
	jobserver_join(attempt->jobserver, attempt);
	if (attempt->stint && (attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER))
		stint_follow(attempt->stint);
	attempt_announce(attempt);
}

static void on_job_failed(void *data, int error_number, const char *message)
{
	struct attempt *attempt = data;

	attempt->job = NULL;
	attempt_left_queue(attempt);
	if (attempt->slot == NO_SLOT_YET)
		attempt->put_off(attempt->data, attempt, message);
	else
		not_started(attempt, error_number, message);
}

static void on_unsent(void *data, const char *why)
{
	struct attempt *attempt = data;
	char *message = xasprintf("a message did not reach it: %s", why);

	attempt->warn(attempt->data, attempt, message);
	free(message);
}

struct job_callbacks attempt_callbacks(struct attempt *attempt)
{
	return (struct job_callbacks){.started = on_job_started,
		.failed = on_job_failed,
		.ended = attempt_job_ended,
		.unsent = on_unsent,
		.queued = attempt_job_queued,
		.output = attempt_job_output,
		.data = attempt};
}

/* --- the start --- */

bool attempt_outlives_us(const struct attempt *attempt)
{
	enum tristate detach = attempt->stream->set->detach;

	if (attempt_is_queued_stream(attempt))
		return true;
	return detach == TRI_YES || (detach == TRI_DEFAULT && stream_has_prompt(attempt->stream));
}

char *attempt_record(const char *run, const char *stream, unsigned number, enum attempt_phase phase)
{
	return statedir_attempt_file(run, stream, number,
		phase == PHASE_CHECK             ? "checking"
			: phase == PHASE_RECOVER ? "mending"
						 : "running");
}

/* what the phase runs */
static const struct text *script_of(const struct attempt *attempt)
{
	switch (attempt->phase) {
	case PHASE_CHECK:
		return &attempt->stream->set->check;
	case PHASE_SETUP:
		return &attempt->stream->set->setup;
	case PHASE_RECOVER:
		return attempt->memory->rule->agent ? stint_command(attempt->stint) : &attempt->memory->rule->run;
	default:
		return stream_has_prompt(attempt->stream) ? stint_command(attempt->stint) : &attempt->stream->run;
	}
}

/* slots: how many there are, if it has none yet; else 0 */
static int start_phase(struct attempt *attempt, unsigned slots, int *error_number, struct orch_error *err)
{
	const struct text *text = script_of(attempt);
	const struct job_callbacks on = attempt_callbacks(attempt);
	const struct settings *set = attempt->stream->set;
	const struct context *context = attempt->context;
	struct strbuf script = {0}, label = {0};
	struct environment env = {0};
	struct strvec secrets = {0};
	struct confinement confinement = {0};
	const struct supervised_slot slot = {
		.number = slots ? -1 : (int)attempt->slot,
		.env = slots ? context_slots(attempt->context, slots) : NULL,
		.slots = slots,
		.per_slot = CONTEXT_SLOT_VARIABLES,
	};
	struct command command = {
		.shell = context->project->set.shell,
		.dir = attempt->workspace ? attempt->workspace->cwd : NULL,
		.log = attempt->log_fd,
		.linger_ms = 2000,
		.memory = set->memory,
		.memory_each = set->memory_rlimit,
		.slot = attempt_outlives_us(attempt) ? NULL : &slot,
	};
	char *script_path = NULL, *record, *terminal, *title, *results_path = NULL;
	uint32_t step_count;
	const struct kill_step *kill = attempt_kill_steps(attempt, &step_count);
	struct end_step *steps = xreallocarray(NULL, step_count + 1, sizeof *steps);
	int status;

	for (uint32_t i = 0; i < step_count; i++) {
		const struct kill_step *step = &kill[i];

		steps[i].signo = step->signo;
		steps[i].wait_ms = step->wait_ms >= 0 ? step->wait_ms : set->grace_ms;
	}
	command.steps = steps;
	command.step_count = step_count;
	attempt->ops = runner_of_phase(attempt);
	record = attempt_record(attempt->run, attempt->stream->name, attempt->number, attempt->phase);
	command.terminal = terminal = xasprintf("%s" RUNNER_TERMINAL, record);
	command.title = title = xasprintf("%s-%u%s", attempt->stream->name, attempt->number,
		attempt->phase == PHASE_RECOVER ? "-mending" : "");
	if (attempt_outlives_us(attempt) && attempt->phase != PHASE_SETUP)
		command.record = record;
	if (attempt->ops == &runner_queue)
		attempt_ask_queue(attempt, &command, &label, &results_path);
	status = context_expand(context, attempt, text, true, &script, err);
	jobserver_prepare(attempt->jobserver, attempt, &command);
	if (status == 0)
		status = context_environment(context, attempt, NULL, &command, &env, err);
	if (status == 0) {
		script_path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number,
			attempt->phase == PHASE_RUN ? "script" : attempt_phase_name(attempt->phase));
		command.script = strbuf_cstr(&script);
		command.script_path = script_path;
		command.env = env.items;
		command.mark = env.mark;
		command.redact = redaction_entries(context->project, env.items, &secrets);
		redaction_learn(context->redact, env.items);
		status = confine(&confinement, &command, attempt, attempt_phase_name(attempt->phase),
			attempt->stint && text == stint_command(attempt->stint) ? attempt->stint->agent : NULL, err);
	}
	if (status == 0)
		status = attempt->ops->start(&attempt->job, attempt->runner, &command, &on, error_number, err);
	confinement_release(&confinement);
	free(script_path);
	free(record);
	free(terminal);
	free(title);
	free(results_path);
	free(steps);
	strbuf_release(&script);
	strbuf_release(&label);
	environment_release(&env);
	strvec_release(&secrets);
	return status;
}

int attempt_start(struct attempt *attempt, struct orch_error *err)
{
	attempt->exit_code = attempt->signal = -1;
	attempt->started_ms = clock_mono_ms();
	attempt->log_fd = logfile_create(attempt->log, err);
	if (attempt->log_fd < 0) {
		if (is_shortage(errno))
			return 1;
		finish(attempt, ORCH_OUTCOME_INTERNAL, xstrdup(err->message));
		return 0;
	}
	if (workspace_is_wanted(attempt->stream)) {
		attempt->phase = PHASE_WORKTREE;
		attempt_announce(attempt);
		workspace_prepare(attempt->workspaces, attempt, attempt->afresh, on_prepared);
	} else {
		begin_work(attempt);
	}
	return 0;
}

int attempt_stand_by(struct attempt *attempt, unsigned slots, struct orch_error *err)
{
	int error_number;

	attempt->exit_code = attempt->signal = -1;
	attempt->slot = NO_SLOT_YET;
	attempt->stood_by = true;
	attempt->phase = PHASE_RUN;
	attempt->log_fd = logfile_create(attempt->log, err);
	return attempt->log_fd < 0 ? -1 : start_phase(attempt, slots, &error_number, err);
}

void attempt_free(struct attempt *attempt)
{
	if (!attempt)
		return;
	attempt_disarm(attempt);
	checkins_free(attempt->checkins);
	reporting_free(attempt->reporting);
	stint_free(attempt->stint);
	if (attempt->log_fd >= 0)
		close(attempt->log_fd);
	free(attempt->log);
	free(attempt->own_run);
	workspace_free(attempt->workspace);
	free(attempt->message);
	free(attempt->names);
	free(attempt->fate);
	free(attempt);
}
