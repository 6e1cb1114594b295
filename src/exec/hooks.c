#include "config.h"

#include "exec/hooks.h"

#include "exec/redaction.h"

#include "os/fs.h"
#include "os/loop.h"
#include "os/supervised.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a hook that hangs must not keep a run from ending */
enum { HOOK_LIMIT_MS = 60000, HOOK_GRACE_MS = 2000 };

static const char *const hook_names[HOOK_EVENTS] = {"start", "stream-success", "stream-failure", "pause", "finish"};

struct hook_job {
	struct hooks *hooks;
	struct hook_job *next;
	struct supervised *tree;
	struct loop_timer *limit;
	char *label; /* "hook 'on finish'" */
	bool timed_out;
};

struct hooks {
	const struct project *project;
	struct redact *redact; /* NULL: none */
	const char *run;
	struct loop *loop;
	struct supervision *supervision;
	hooks_warning *warning;
	hooks_idle *idle;
	void *data;
	struct hook_job *jobs;
	unsigned running;
	unsigned number; /* of hooks fired */
};

struct hooks *hooks_new(const struct project *project, const char *run, struct loop *loop,
	struct supervision *supervision, hooks_warning *warning, hooks_idle *idle, void *data)
{
	struct hooks *hooks = xcalloc(1, sizeof *hooks);

	*hooks = (struct hooks){.project = project,
		.run = run,
		.loop = loop,
		.supervision = supervision,
		.warning = warning,
		.idle = idle,
		.data = data};
	return hooks;
}

static void job_free(struct hook_job *job)
{
	struct hook_job **link = &job->hooks->jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	job->hooks->running--;
	loop_timer_free(job->limit);
	free(job->label);
	free(job);
}

static void warn(struct hooks *hooks, const char *label, const char *what)
{
	char *message = xasprintf("%s: %s; its output is in .orch/runs/%s/hooks.log", label, what, hooks->run);

	hooks->warning(hooks->data, message);
	free(message);
}

static void on_hook_exit(void *data, const struct child_exit *how)
{
	struct hook_job *job = data;
	struct hooks *hooks = job->hooks;

	if (job->timed_out || how->signalled || how->code != 0) {
		char *what = job->timed_out ? xstrdup("ended after 60 s")
			: how->signalled    ? xasprintf("killed by signal %d", how->code)
					    : xasprintf("exit status %d", how->code);

		warn(hooks, job->label, what);
		free(what);
	}
	job_free(job);
	if (!hooks->running)
		hooks->idle(hooks->data);
}

static void on_hook_started(void *data, pid_t pid, int slot)
{
	(void)data, (void)pid, (void)slot;
}

static void on_hook_failed(void *data, int error_number, const char *message)
{
	struct hook_job *job = data;
	struct hooks *hooks = job->hooks;

	(void)error_number;
	warn(hooks, job->label, message);
	job_free(job);
	if (!hooks->running)
		hooks->idle(hooks->data);
}

static void on_limit(void *data)
{
	struct hook_job *job = data;

	job->timed_out = true;
	supervised_signal(job->tree, SIGKILL);
}

/* the event's JSON in a file without a name, to be read from its start */
static int event_file(struct hooks *hooks, const struct orch_event *event)
{
	char *path = xasprintf(".orch/runs/%s/.hook.%u", hooks->run, hooks->number);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct redacted_event told;
	char *json = orch_event_json(redacted_event_make(&told, hooks->redact, event));

	if (fd >= 0) {
		unlink(path);
		if (fs_write_all(fd, json, strlen(json)) < 0 || fs_write_all(fd, "\n", 1) < 0 ||
			lseek(fd, 0, SEEK_SET) < 0) {
			close(fd);
			fd = -1;
		}
	}
	redacted_event_release(&told);
	free(json);
	free(path);
	return fd;
}

/* takes the label over */
static void start(
	struct hooks *hooks, char *label, const char *what, struct text script, const struct orch_event *event)
{
	struct hook_job *job = xcalloc(1, sizeof *job);
	struct orch_error err = {0};
	struct strvec argv = {0}, env = {0}, secrets = {0};
	char *log_path = xasprintf(".orch/runs/%s/hooks.log", hooks->run);
	int in, log, number;
	extern char **environ;

	hooks->number++;
	job->hooks = hooks;
	job->label = label;
	job->next = hooks->jobs;
	hooks->jobs = job;
	hooks->running++;
	for (char **entry = environ; *entry; entry++)
		strvec_push(&env, *entry);
	strvec_setenv(&env, "ORCH_RUN", hooks->run);
	strvec_setenv(&env, "ORCH_DIR", hooks->project->dir);
	strvec_setenv(&env, "ORCH_EVENT", what);
	strvec_setenv(&env, "ORCH_STREAM", event->stream);
	strvec_setenv(&env, "ORCH_LOG", event->log);
	strvec_pushf(&env, "ORCH_JOB=%s:hook:%u", hooks->run, hooks->number);
	strvec_split(&argv, hooks->project->set.shell);
	strvec_push(&argv, "-c");
	strvec_pushn(&argv, script.bytes, script.len);
	in = event_file(hooks, event);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (in < 0 || log < 0) {
		warn(hooks, label, strerror(errno));
		job_free(job);
	} else {
		const struct end_step term = {.signo = SIGTERM, .wait_ms = HOOK_GRACE_MS};
		const struct supervised_calls calls = {
			.started = on_hook_started, .failed = on_hook_failed, .ended = on_hook_exit, .data = job};
		struct supervised_spec spec = {.argv = argv.items,
			.env = env.items,
			.in = in,
			.log = log,
			.linger_ms = HOOK_GRACE_MS,
			.steps = &term,
			.step_count = 1};

		spec.mark = env.items[env.count - 1];
		spec.redact = redaction_entries(hooks->project, env.items, &secrets);
		if (supervised_start(&job->tree, hooks->supervision, &spec, &calls, &number, &err) < 0) {
			warn(hooks, label, err.message);
			job_free(job);
		} else {
			job->limit = loop_timer_new(hooks->loop, on_limit, job);
			loop_timer_arm(job->limit, HOOK_LIMIT_MS);
		}
	}
	if (in >= 0)
		close(in);
	if (log >= 0)
		close(log);
	free(log_path);
	strvec_release(&argv);
	strvec_release(&env);
	strvec_release(&secrets);
}

void hooks_set_project(struct hooks *hooks, const struct project *project)
{
	hooks->project = project;
}

void hooks_set_redact(struct hooks *hooks, struct redact *redact)
{
	hooks->redact = redact;
}

void hooks_fire(struct hooks *hooks, enum hook_event which, const struct orch_event *event)
{
	for (uint32_t i = 0; i < hooks->project->hook_count; i++) {
		if (hooks->project->hooks[i].event == which)
			start(hooks, xasprintf("hook 'on %s'", hook_names[which]), hook_names[which],
				hooks->project->hooks[i].script, event);
	}
}

void hooks_run(struct hooks *hooks, const char *name, const char *script, const struct orch_event *event)
{
	const struct text text = {script, (uint32_t)strlen(script), false};

	start(hooks, xasprintf("'run:' of rule '%s'", name), name, text, event);
}

unsigned hooks_running(const struct hooks *hooks)
{
	return hooks->running;
}

void hooks_stop(struct hooks *hooks, int signo)
{
	for (struct hook_job *job = hooks->jobs; job; job = job->next)
		supervised_signal(job->tree, signo);
}

void hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return;
	while (hooks->jobs)
		job_free(hooks->jobs);
	free(hooks);
}
