#include "config.h"

#include "exec/attempt.h"

#include "exec/agents.h"
#include "exec/checkin.h"
#include "exec/confine.h"
#include "exec/context.h"
#include "exec/stint.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "lang/setting.h"
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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OUTPUT_INTERVAL_MS = 100, /* between two notices that a log grew */
	LAST_LINE_MAX = 4096,
};

static int start_phase(struct attempt *attempt, unsigned slots, int *error_number, struct orch_error *err);
static void after_job(struct attempt *attempt);
static void on_found_again(void *data, enum orch_outcome outcome, const char *message);

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

static void announce(struct attempt *attempt)
{
	attempt->phase_began(attempt->data, attempt);
	attempt->announced = true;
}

/* --- output --- */

/* the last line that says something, of a log of `size` bytes, into `buffer` */
static void read_last_line(int fd, int64_t size, char *buffer)
{
	int64_t from = size > LAST_LINE_MAX ? size - LAST_LINE_MAX : 0;
	ssize_t got = pread(fd, buffer, LAST_LINE_MAX, (off_t)from);
	size_t end = got > 0 ? (size_t)got : 0, start;

	while (end > 0 && strchr("\r\n\t ", buffer[end - 1]))
		end--;
	start = end;
	while (start > 0 && buffer[start - 1] != '\n' && buffer[start - 1] != '\r')
		start--;
	memmove(buffer, buffer + start, end - start);
	buffer[end - start] = '\0';
}

static void tell_output(struct attempt *attempt)
{
	char line[LAST_LINE_MAX + 1];
	struct stat st;

	if (fstat(attempt->log_fd, &st) < 0 || st.st_size == attempt->seen_bytes)
		return;
	attempt->seen_bytes = st.st_size;
	/* an agent's last line is seldom for people */
	if (attempt->stint && !attempt->stint->over && *stint_last_words(attempt->stint)) {
		attempt->output(attempt->data, attempt, stint_last_words(attempt->stint), st.st_size);
		return;
	}
	read_last_line(attempt->log_fd, st.st_size, line);
	attempt->output(attempt->data, attempt, line, st.st_size);
}

static void on_output_timer(void *data)
{
	tell_output(data);
}

static void on_log_change(void *data)
{
	struct attempt *attempt = data;

	/* arming an armed timer would put a steady writer's notice off for ever */
	if (attempt->done || !attempt->output_timer)
		return;
	loop_timer_arm_if_idle(attempt->output_timer, OUTPUT_INTERVAL_MS);
}

/* --- the end --- */

static void disarm(struct attempt *attempt)
{
	loop_timer_free(attempt->timeout);
	loop_timer_free(attempt->idle);
	loop_timer_free(attempt->kill);
	loop_timer_free(attempt->output_timer);
	loop_watch_free(attempt->watch);
	attempt->timeout = attempt->idle = attempt->kill = attempt->output_timer = NULL;
	attempt->watch = NULL;
}

static void finish(struct attempt *attempt, enum orch_outcome outcome, char *message)
{
	if (attempt->output && attempt->log_fd >= 0 && attempt->watch)
		tell_output(attempt);
	disarm(attempt);
	confine_end(attempt);
	attempt->done = true;
	attempt->outcome = outcome;
	attempt->message = message;
	attempt->duration_ms = clock_mono_ms() - attempt->started_ms;
	if (!attempt->checkins || checkins_end(attempt->checkins))
		attempt->ended(attempt->data, attempt);
}

/* the last of its check-ins that still ran */
static void on_checkins_gone(void *data)
{
	struct attempt *attempt = data;

	if (attempt->done)
		attempt->ended(attempt->data, attempt);
}

static char *describe_status(const struct job_exit *how)
{
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

/* --- what its agent's profile says, where the stream does not --- */

static bool stream_says(const struct stream *stream, const char *name)
{
	const struct setting *row = setting_find(name, strlen(name), SCOPE_STREAM);

	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (&setting_table[stream->origins[i].row] == row)
			return true;
	}
	return false;
}

/* the agent at work, if the stream leaves `name` to it */
static const struct agent *profile_for(const struct attempt *attempt, const char *name)
{
	if (!attempt->stint || (attempt->phase != PHASE_RUN && attempt->phase != PHASE_RECOVER) ||
		stream_says(attempt->stream, name))
		return NULL;
	return attempt->stint->agent;
}

static const struct kill_step *kill_steps(const struct attempt *attempt, uint32_t *count)
{
	const struct agent *agent = profile_for(attempt, "kill");

	*count = agent && agent->kill ? agent->kill_count : attempt->stream->set->kill_count;
	return agent && agent->kill ? agent->kill : attempt->stream->set->kill;
}

static int64_t idle_limit(const struct attempt *attempt)
{
	const struct agent *agent = profile_for(attempt, "idle");

	return agent && agent->idle_ms >= 0 ? agent->idle_ms : attempt->stream->set->idle_ms;
}

int64_t attempt_linger_ms(const struct attempt *attempt)
{
	const struct agent *agent = profile_for(attempt, "linger");

	return agent && agent->linger_ms >= 0 ? agent->linger_ms : attempt->stream->set->linger_ms;
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

static void on_timeout(void *data);
static void on_idle(void *data);

/* of the phase that has begun: what an agent is given is its own */
static void watch_silence(struct attempt *attempt)
{
	int64_t limit = idle_limit(attempt);
	struct stat st;

	if (limit <= 0) {
		if (attempt->idle)
			loop_timer_disarm(attempt->idle);
		return;
	}
	quiet_begin(
		&attempt->quiet, fstat(attempt->log_fd, &st) == 0 ? st.st_size : 0, clock_mono_ms(), clock_wall_ms());
	if (!attempt->idle)
		attempt->idle = loop_timer_new(attempt->runner->loop, on_idle, attempt);
	loop_timer_arm(attempt->idle, limit);
}

/* the limits on its time, counted from its start, and its output */
static void watch(struct attempt *attempt)
{
	struct loop *loop = attempt->runner->loop;

	if (attempt->watched)
		return;
	attempt->watched = true;
	if (attempt->timeout_ms > 0) {
		int64_t left = attempt->started_ms + attempt->timeout_ms - clock_mono_ms();

		attempt->timeout = loop_timer_new(loop, on_timeout, attempt);
		loop_timer_arm(attempt->timeout, left > 0 ? left : 0);
	}
	watch_silence(attempt);
	attempt->checkins = checkins_new(attempt, on_checkins_gone, attempt);
	if (attempt->follow_output) {
		attempt->output_timer = loop_timer_new(loop, on_output_timer, attempt);
		attempt->watch = loop_watch_new(loop, attempt->log, on_log_change, attempt);
		/* what was written before anybody watched */
		on_log_change(attempt);
	}
}

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

/* NULL: all that it declared is there. Of the others that is looked at when all of it is settled */
static const char *missing_in_worktree(const struct attempt *attempt)
{
	const struct words *outputs = &attempt->stream->set->outputs;
	const char *missing = NULL;

	for (uint32_t i = 0; i < outputs->count && !missing; i++) {
		char *path = path_join(attempt->workspace->cwd, outputs->items[i]);

		if (!fs_exists(path))
			missing = outputs->items[i];
		free(path);
	}
	return missing;
}

static void succeed(struct attempt *attempt)
{
	const char *missing = attempt->workspace ? missing_in_worktree(attempt) : NULL;

	if (!attempt->workspace) {
		finish(attempt, ORCH_OUTCOME_SUCCESS, NULL);
		return;
	}
	if (missing) {
		fail(attempt, ORCH_OUTCOME_OUTPUTS,
			xasprintf("it succeeded, but its output '%s' does not exist in its worktree", missing));
		return;
	}
	/* they are beside its work, not beside what is made of it */
	if (attempt->checkins)
		(void)checkins_end(attempt->checkins);
	attempt->phase = PHASE_COMMIT;
	announce(attempt);
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
	else if (attempt->adopted &&
		attempt->phase != PHASE_SETUP) /* how it ended is still to be had by the next run */
		fail(attempt, ORCH_OUTCOME_INTERNAL, xstrdup(message));
	else if (attempt->phase != PHASE_CHECK && is_shortage(error_number))
		attempt->put_off(attempt->data, attempt, message);
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

static void read_check_note(struct attempt *attempt)
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
		watch_silence(attempt);
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
	watch(attempt);
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
			succeed(attempt);
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
		succeed(attempt);
	}
}

static void on_prepared(void *data, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = data;

	if (attempt->ending)
		fail(attempt, attempt->ended_by, NULL);
	else if (outcome == ORCH_OUTCOME_MERGE && attempt->memory && attempt->memory->fix && attempt->workspace->cwd) {
		watch(attempt);
		begin_mending(attempt);
	} else if (outcome != ORCH_OUTCOME_SUCCESS)
		finish(attempt, outcome, message ? xstrdup(message) : NULL);
	else if (attempt->stream->set->setup.bytes && !attempt->workspace->set_up) {
		watch(attempt);
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

static void on_job_exit(void *data, const struct job_exit *how)
{
	struct attempt *attempt = data;

	attempt->job = NULL;
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
	if (attempt->slot == NO_SLOT_YET) {
		attempt->slot = (unsigned)slot;
		attempt->started_ms = clock_mono_ms();
		attempt->got_slot(attempt->data, attempt);
		watch(attempt);
	}
	if (attempt->stint && (attempt->phase == PHASE_RUN || attempt->phase == PHASE_RECOVER))
		stint_follow(attempt->stint);
	announce(attempt);
}

static void on_job_failed(void *data, int error_number, const char *message)
{
	struct attempt *attempt = data;

	attempt->job = NULL;
	if (attempt->slot == NO_SLOT_YET)
		attempt->put_off(attempt->data, attempt, message);
	else
		not_started(attempt, error_number, message);
}

static void next_kill_step(void *data)
{
	struct attempt *attempt = data;
	const struct settings *set = attempt->stream->set;
	const struct kill_step *steps, *step;
	uint32_t count;

	if (!attempt->job)
		return;
	steps = kill_steps(attempt, &count);
	if (attempt->kill_step >= count) {
		attempt->ops->stop(attempt->job, SIGKILL);
		return;
	}
	step = &steps[attempt->kill_step++];
	if (step->signo != SIGKILL)
		loop_timer_arm(attempt->kill, step->wait_ms >= 0 ? step->wait_ms : set->grace_ms);
	attempt->ops->stop(attempt->job, step->signo);
}

static void begin_killing(struct attempt *attempt, bool now)
{
	/* one that lingers is being ended already */
	if (attempt->kill)
		return;
	attempt->kill = loop_timer_new(attempt->runner->loop, next_kill_step, attempt);
	if (!now)
		next_kill_step(attempt);
}

void attempt_end_lingering(struct attempt *attempt)
{
	if (!attempt->job || attempt->ending || attempt->done)
		return;
	attempt->kill_step = 0;
	begin_killing(attempt, false);
}

void attempt_end(struct attempt *attempt, enum orch_outcome outcome, bool now)
{
	uint32_t count;

	if (attempt->done)
		return;
	if (!attempt->job) {
		/* git is at work: when that is done, it ends; work that is being committed is done */
		attempt->ending = attempt->phase == PHASE_WORKTREE;
		attempt->ended_by = outcome;
		return;
	}
	if (!attempt->ending) {
		attempt->ending = true;
		attempt->ended_by = outcome;
		if (attempt->checkins)
			(void)checkins_end(attempt->checkins);
		begin_killing(attempt, now);
	}
	if (now) {
		(void)kill_steps(attempt, &count);
		attempt->kill_step = count;
		loop_timer_disarm(attempt->kill);
		next_kill_step(attempt);
	}
}

bool attempt_leave(struct attempt *attempt)
{
	if (!attempt_outlives_us(attempt) || attempt->done || attempt->ending || !attempt->job)
		return false;
	disarm(attempt);
	if (attempt->may_write)
		workspaces_note_others(attempt->workspaces, -1);
	checkins_free(attempt->checkins);
	attempt->checkins = NULL;
	attempt->ops->leave(attempt->job);
	attempt->job = NULL;
	return true;
}

static void on_timeout(void *data)
{
	attempt_end(data, ORCH_OUTCOME_TIMEOUT, false);
}

/* no bytes for `idle`; nothing is looked at in between */
static void on_idle(void *data)
{
	struct attempt *attempt = data;
	int64_t limit = idle_limit(attempt), silent = limit;
	struct stat st;

	if (limit <= 0)
		return;
	if (fstat(attempt->log_fd, &st) == 0) {
		int64_t changed = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;

		silent = quiet_look(&attempt->quiet, st.st_size, changed, clock_mono_ms(), clock_wall_ms());
	}
	if (silent >= limit)
		attempt_end(attempt, ORCH_OUTCOME_STALLED, false);
	else
		loop_timer_arm(attempt->idle, limit - silent);
}

/* --- the start --- */

bool attempt_outlives_us(const struct attempt *attempt)
{
	enum tristate detach = attempt->stream->set->detach;

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
	const struct job_callbacks on = {
		.started = on_job_started, .failed = on_job_failed, .ended = on_job_exit, .data = attempt};
	const struct settings *set = attempt->stream->set;
	const struct context *context = attempt->context;
	struct strbuf script = {0};
	struct environment env = {0};
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
	char *script_path = NULL, *record = NULL;
	uint32_t step_count;
	const struct kill_step *kill = kill_steps(attempt, &step_count);
	struct end_step *steps = xreallocarray(NULL, step_count + 1, sizeof *steps);
	int status;

	for (uint32_t i = 0; i < step_count; i++) {
		const struct kill_step *step = &kill[i];

		steps[i].signo = step->signo;
		steps[i].wait_ms = step->wait_ms >= 0 ? step->wait_ms : set->grace_ms;
	}
	command.steps = steps;
	command.step_count = step_count;
	if (attempt_outlives_us(attempt) && attempt->phase != PHASE_SETUP)
		command.record = record =
			attempt_record(attempt->run, attempt->stream->name, attempt->number, attempt->phase);
	status = context_expand(context, attempt, text, true, &script, err);
	if (status == 0)
		status = context_environment(context, attempt, NULL, &env, err);
	if (status == 0) {
		script_path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number,
			attempt->phase == PHASE_RUN ? "script" : attempt_phase_name(attempt->phase));
		command.script = strbuf_cstr(&script);
		command.script_path = script_path;
		command.env = env.items;
		command.mark = env.mark;
		status = confine(&confinement, &command, attempt, attempt_phase_name(attempt->phase),
			attempt->stint && text == stint_command(attempt->stint) ? attempt->stint->agent : NULL, err);
	}
	if (status == 0)
		status = attempt->ops->start(&attempt->job, attempt->runner, &command, &on, error_number, err);
	confinement_release(&confinement);
	free(script_path);
	free(record);
	free(steps);
	strbuf_release(&script);
	environment_release(&env);
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
		announce(attempt);
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
	struct job_exit how = {
		.signalled = found->how.signalled,
		.code = found->how.code,
		.user_us = found->how.user_us,
		.system_us = found->how.system_us,
		.max_rss_kb = found->how.max_rss_kb,
		.memory_peak = found->how.memory_peak,
		.oom_kills = found->how.oom_kills,
		.left_behind = found->how.left_behind,
		.unkillable = found->how.unkillable,
		.names = found->how.names,
	};

	attempt->started_ms = clock_mono_ms() - found->duration_ms;
	announce(attempt);
	on_job_exit(attempt, &how);
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

int attempt_adopt(struct attempt *attempt, struct orch_error *err)
{
	const struct job_callbacks on = {
		.started = on_job_started, .failed = on_job_failed, .ended = on_job_exit, .data = attempt};
	struct supervised_record found;
	enum supervised_state state;
	char *record;
	int result = look(attempt, &record, &state, &found, err);

	if (result != 0)
		return result;
	attempt->adopted = true;
	attempt->exit_code = attempt->signal = -1;
	attempt->pid = (int)found.leader;
	attempt->log_fd = logfile_create(attempt->log, err);
	if (attempt->log_fd < 0) {
		free(record);
		return -1;
	}
	if (attempt->phase == PHASE_CHECK)
		read_check_note(attempt);
	if (!attempt->memory && attempt->phase == PHASE_RECOVER)
		result = error_set(err, "it was being mended by a rule that there is no more; 'orch stop %s' ends it",
			attempt->stream->name);
	if (result == 0 && attempt->memory && (stream_has_prompt(attempt->stream) || attempt->phase == PHASE_RECOVER))
		result = adopt_stint(attempt, err);
	if (result < 0) {
		free(record);
		return -1;
	}
	/* what it said before its check */
	if (attempt->stint && attempt->phase == PHASE_CHECK)
		stint_end(attempt->stint);
	if (state == SUPERVISED_RUNNING) {
		result = attempt->ops->adopt(&attempt->job, attempt->runner, record, &on, err);
		/* it may have ended just now, and then has written how before its supervisor went */
		if (result != 0)
			result = err->code == ORCH_ENOTFOUND ? supervised_look(record, &state, &found, err) : -1;
	}
	free(record);
	if (result != 0)
		return -1;
	if (attempt->job) {
		attempt->started_ms = found.mono_ms;
		announce(attempt);
		watch(attempt);
		if (attempt->stint && attempt->phase != PHASE_CHECK)
			stint_follow(attempt->stint);
		return 0;
	}
	if (state != SUPERVISED_ENDED)
		return 1;
	settle_end(attempt, &found);
	return 0;
}

void attempt_free(struct attempt *attempt)
{
	if (!attempt)
		return;
	disarm(attempt);
	checkins_free(attempt->checkins);
	stint_free(attempt->stint);
	if (attempt->log_fd >= 0)
		close(attempt->log_fd);
	free(attempt->log);
	free(attempt->own_run);
	workspace_free(attempt->workspace);
	free(attempt->message);
	free(attempt->names);
	free(attempt);
}
