#include "config.h"

#include "exec/checkin.h"

#include "exec/attempt.h"
#include "exec/confine.h"
#include "exec/context.h"
#include "exec/message.h"
#include "exec/redaction.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "state/logfile.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GRACE_MS = 2000 };

struct turn {
	struct checkins *all;
	const struct checkin *what;
	unsigned number; /* of the block, from 1 */
	struct loop_timer *timer;
	struct job *job; /* NULL: not running */
	bool warned;
};

struct checkins {
	struct attempt *attempt;
	void (*gone)(void *data);
	void *data;
	struct loop_timer *kill;
	unsigned running;
	bool ending;
	unsigned count;
	struct turn *turns[];
};

static char *log_path(const struct attempt *attempt)
{
	return statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "every");
}

/* `what` in full, unless it has been said of this one */
static void warn(struct turn *turn, const char *what)
{
	struct attempt *attempt = turn->all->attempt;
	char every[UNITS_TEXT_MAX], *log, *message;

	if (turn->warned || turn->all->ending)
		return;
	turn->warned = true;
	log = log_path(attempt);
	units_duration_exact(every, turn->what->interval_ms);
	message = turn->what->send.bytes
		? xasprintf("its check-in 'every %s' could not be sent: %s", every, what)
		: xasprintf("its check-in 'every %s' failed: %s; what it printed is in %s", every, what, log);
	attempt->warn(attempt->data, attempt, message);
	free(message);
	free(log);
}

/* at the next multiple of its interval since the attempt began */
static void set_timer(struct turn *turn)
{
	int64_t interval = turn->what->interval_ms, now = clock_mono_ms(), since = now - turn->all->attempt->started_ms;

	loop_timer_arm(turn->timer, interval - (since > 0 ? since % interval : 0));
}

/* it does not run any more, or could not */
static void turn_over(struct turn *turn)
{
	struct checkins *all = turn->all;

	all->running--;
	turn->job = NULL;
	if (!all->ending)
		set_timer(turn);
	else if (all->running == 0)
		all->gone(all->data);
}

static void on_started(void *data, int pid, int slot)
{
	(void)data, (void)pid, (void)slot;
}

static void on_failed(void *data, int error_number, const char *message)
{
	struct turn *turn = data;

	(void)error_number;
	warn(turn, message);
	turn_over(turn);
}

static void on_ended(void *data, const struct job_exit *how)
{
	struct turn *turn = data;

	if (how->signalled || how->code != 0) {
		char *what = how->signalled ? xasprintf("killed by signal %d (%s)", how->code, strsignal(how->code))
					    : xasprintf("exit status %d", how->code);

		warn(turn, what);
		free(what);
	}
	turn_over(turn);
}

/* 0, or -1 with *err */
static int start(struct turn *turn, struct orch_error *err)
{
	struct attempt *attempt = turn->all->attempt;
	const struct context *context = attempt->context;
	const struct job_callbacks on = {.started = on_started, .failed = on_failed, .ended = on_ended, .data = turn};
	const struct end_step term = {.signo = SIGTERM, .wait_ms = GRACE_MS};
	char *path = log_path(attempt), *script_path, part[32];
	struct strbuf script = {0};
	struct environment env = {0};
	struct strvec secrets = {0};
	struct confinement confinement = {0};
	struct command command = {.dir = attempt->workspace ? attempt->workspace->cwd : NULL,
		.shell = context->project->set.shell,
		.linger_ms = GRACE_MS,
		.steps = &term,
		.step_count = 1};
	int log = logfile_create(path, err), result = log < 0 ? -1 : 0;

	free(path);
	snprintf(part, sizeof part, "every.%u", turn->number);
	script_path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, part);
	if (result == 0)
		result = context_expand(context, attempt, &turn->what->script, true, &script, err);
	if (result == 0)
		result = context_environment(context, attempt, part, NULL, &env, err);
	if (result == 0) {
		command.script = strbuf_cstr(&script);
		command.script_path = script_path;
		command.env = env.items;
		command.mark = env.mark;
		command.redact = redaction_entries(context->project, env.items, &secrets);
		redaction_learn(context->redact, env.items);
		command.log = log;
		result = confine(&confinement, &command, attempt, part, NULL, err);
	}
	if (result == 0)
		result = runner_process.start(&turn->job, attempt->runner, &command, &on, NULL, err);
	if (log >= 0)
		close(log);
	free(script_path);
	strbuf_release(&script);
	environment_release(&env);
	strvec_release(&secrets);
	confinement_release(&confinement);
	return result;
}

/* 0, or -1 with *err */
static int say(const struct turn *turn, struct orch_error *err)
{
	struct attempt *attempt = turn->all->attempt;
	char every[UNITS_TEXT_MAX], from[UNITS_TEXT_MAX + 8];
	struct strbuf text = {0};
	int result = context_expand(attempt->context, attempt, &turn->what->send, false, &text, err);

	snprintf(from, sizeof from, "every %s", units_duration_exact(every, turn->what->interval_ms));
	if (result == 0)
		result = message_send(attempt, text.data, text.len, from, NULL, err);
	strbuf_release(&text);
	return result;
}

/* what is said between the parts of its work nobody is there to hear */
static void speak(struct turn *turn)
{
	const struct attempt *attempt = turn->all->attempt;
	struct orch_error err = {0};

	if (attempt->phase == PHASE_RUN && !attempt->ending && say(turn, &err) < 0)
		warn(turn, err.message);
	set_timer(turn);
}

static void on_turn(void *data)
{
	struct turn *turn = data;
	struct orch_error err = {0};

	/* before its turn has come there is nothing to look after */
	if (turn->all->attempt->queued_since_ms) {
		set_timer(turn);
		return;
	}
	if (turn->what->send.bytes) {
		speak(turn);
		return;
	}
	turn->all->running++;
	if (start(turn, &err) < 0) {
		warn(turn, err.message);
		turn_over(turn);
	}
}

static void signal_all(struct checkins *all, int signo)
{
	for (unsigned i = 0; i < all->count; i++) {
		if (all->turns[i]->job)
			runner_process.stop(all->turns[i]->job, signo);
	}
}

static void on_kill(void *data)
{
	signal_all(data, SIGKILL);
}

struct checkins *checkins_new(struct attempt *attempt, void (*gone)(void *data), void *data)
{
	const struct settings *set = attempt->stream->set;
	struct checkins *all;

	if (set->every_count == 0)
		return NULL;
	all = xcalloc(1, sizeof *all + set->every_count * sizeof *all->turns);
	all->attempt = attempt;
	all->gone = gone;
	all->data = data;
	all->count = set->every_count;
	all->kill = loop_timer_new(attempt->runner->loop, on_kill, all);
	for (unsigned i = 0; i < all->count; i++) {
		struct turn *turn = xcalloc(1, sizeof *turn);

		*turn = (struct turn){.all = all, .what = &set->every[i], .number = i + 1};
		turn->timer = loop_timer_new(attempt->runner->loop, on_turn, turn);
		set_timer(turn);
		all->turns[i] = turn;
	}
	return all;
}

bool checkins_end(struct checkins *all)
{
	if (!all->ending) {
		all->ending = true;
		for (unsigned i = 0; i < all->count; i++)
			loop_timer_disarm(all->turns[i]->timer);
		if (all->running > 0) {
			signal_all(all, SIGTERM);
			loop_timer_arm(all->kill, GRACE_MS);
		}
	}
	return all->running == 0;
}

void checkins_free(struct checkins *all)
{
	if (!all)
		return;
	signal_all(all, SIGKILL);
	loop_timer_free(all->kill);
	for (unsigned i = 0; i < all->count; i++) {
		struct turn *turn = all->turns[i];

		if (turn->job)
			runner_process.leave(turn->job);
		loop_timer_free(turn->timer);
		free(turn);
	}
	free(all);
}
