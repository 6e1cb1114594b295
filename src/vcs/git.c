#include "config.h"

#include "vcs/git.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/child.h"
#include "os/loop.h"
#include "os/system.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "vcs/op.h"

enum {
	WORKERS_MIN = 4,
	OUT_MAX = 256 << 20,
	SAID_MAX = 256 << 10,
	CHUNK = 64 << 10,
	KILL_AFTER_MS = 2000,
};

/* what a command writes, on one of two pipes */
struct pipe_end {
	struct git_job *job;
	int fd; /* -1: at its end */
	struct loop_fd *watch;
	struct strbuf text;
};

struct git_job {
	struct git *git;
	struct git_job *next, **link;
	struct strvec argv, env;
	int in; /* ours; -1: /dev/null */
	struct child *child;
	struct pipe_end out, said;
	struct loop_timer *limit;
	int64_t timeout_ms;
	char *problem;
	bool stopped, timed_out;
	git_done *done;
	void *data;
};

/* a call to be made in a moment */
struct later {
	struct git *git;
	struct later *next, **link;
	struct loop_timer *timer;
	git_call *call;
	void *data;
};

struct git {
	struct loop *loop;
	struct children *children;
	unsigned workers, running, under_way;
	uint64_t number; /* of commands begun */
	bool stopping, waiting_for_idle, no_hooks;
	struct strvec env;
	struct git_job *waiting, **waiting_end; /* in order */
	struct git_job *busy;
	struct later *calls;
	struct loop_timer *dispatch;
	git_call *idle;
	void *idle_data;
};

/* what an enclosing git (a hook, `rebase --exec`) says to its commands about its repository */
static const char *const local_variables[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_GRAFT_FILE", "GIT_PREFIX",
	"GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_INTERNAL_SUPER_PREFIX", "GIT_REFLOG_ACTION",
	"GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
	"GIT_EXTERNAL_DIFF", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", NULL};

static const char *const own_variables[][2] = {{"LC_ALL", "C"}, {"GIT_TERMINAL_PROMPT", "0"}, {"GIT_EDITOR", ":"},
	{"GIT_SEQUENCE_EDITOR", ":"}, {"GIT_MERGE_AUTOEDIT", "no"}, {"GIT_PAGER", "cat"}, {"GIT_ADVICE", "0"},
	{"GIT_OPTIONAL_LOCKS", "0"}};

/* no daemon and no background housekeeping, which would be ended with the command that started it; locks of others are
 * waited for */
static const char *const own_settings[] = {"core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false",
	"core.filesRefLockTimeout=5000", "core.packedRefsTimeout=5000", "color.ui=false"};

static void dispatch(void *data);

struct git *git_new(struct loop *loop, struct children *children, unsigned workers)
{
	struct git *git = xcalloc(1, sizeof *git);
	extern char **environ;

	git->loop = loop;
	git->children = children;
	git->workers = workers ? workers : 2 * system_processors();
	if (!workers && git->workers < WORKERS_MIN)
		git->workers = WORKERS_MIN;
	git->waiting_end = &git->waiting;
	git->dispatch = loop_timer_new(loop, dispatch, git);
	for (char **entry = environ; *entry; entry++)
		strvec_push(&git->env, *entry);
	for (size_t i = 0; local_variables[i]; i++)
		strvec_setenv(&git->env, local_variables[i], NULL);
	for (size_t i = 0; i < sizeof own_variables / sizeof *own_variables; i++)
		strvec_setenv(&git->env, own_variables[i][0], own_variables[i][1]);
	return git;
}

void git_leave_out_hooks(struct git *git)
{
	git->no_hooks = true;
}

static void close_end(struct pipe_end *end)
{
	loop_fd_free(end->watch);
	end->watch = NULL;
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void job_free(struct git_job *job)
{
	close_end(&job->out);
	close_end(&job->said);
	strbuf_release(&job->out.text);
	strbuf_release(&job->said.text);
	loop_timer_free(job->limit);
	if (job->in >= 0)
		close(job->in);
	strvec_release(&job->argv);
	strvec_release(&job->env);
	free(job->problem);
	free(job);
}

static void later_free(struct later *later)
{
	*later->link = later->next;
	if (later->next)
		later->next->link = later->link;
	loop_timer_free(later->timer);
	free(later);
}

void git_free(struct git *git)
{
	if (!git)
		return;
	while (git->waiting) {
		struct git_job *job = git->waiting;

		git->waiting = job->next;
		job_free(job);
	}
	while (git->busy) {
		struct git_job *job = git->busy;

		git->busy = job->next;
		job_free(job);
	}
	while (git->calls)
		later_free(git->calls);
	loop_timer_free(git->dispatch);
	strvec_release(&git->env);
	free(git);
}

unsigned git_under_way(const struct git *git)
{
	return git->under_way;
}

void git_on_idle(struct git *git, git_call *idle, void *data)
{
	git->idle = idle;
	git->idle_data = data;
}

bool git_is_stopping(const struct git *git)
{
	return git->stopping;
}

struct loop *git_loop(const struct git *git)
{
	return git->loop;
}

void git_hold(struct git *git)
{
	git->under_way++;
}

void git_release(struct git *git)
{
	if (--git->under_way > 0)
		return;
	if (git->waiting_for_idle)
		loop_stop(git->loop);
	if (git->idle)
		git->idle(git->idle_data);
}

void git_wait(struct git *git, struct loop *loop)
{
	if (git->under_way == 0)
		return;
	git->waiting_for_idle = true;
	loop_run(loop);
	git->waiting_for_idle = false;
}

/* --- calls in a moment --- */

static void on_later(void *data)
{
	struct later *later = data;
	git_call *call = later->call;
	void *call_data = later->data;

	later_free(later);
	call(call_data);
}

void git_later(struct git *git, int64_t delay_ms, git_call *call, void *data)
{
	struct later *later = xcalloc(1, sizeof *later);

	later->git = git;
	later->call = call;
	later->data = data;
	later->next = git->calls;
	later->link = &git->calls;
	if (git->calls)
		git->calls->link = &later->next;
	git->calls = later;
	later->timer = loop_timer_new(git->loop, on_later, later);
	loop_timer_arm(later->timer, delay_ms);
}

/* --- a command's life --- */

static void set_problem(struct git_job *job, const char *text)
{
	if (!job->problem)
		job->problem = xstrdup(text);
}

/* takes what there is to read; at the end of the pipe, or if it is too much, no more */
static void take(struct pipe_end *end)
{
	while (end->fd >= 0) {
		char chunk[CHUNK];
		ssize_t got = read(end->fd, chunk, sizeof chunk);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got < 0)
			set_problem(end->job, "its output cannot be read");
		if (got <= 0) {
			close_end(end);
			return;
		}
		strbuf_add(&end->text, chunk, (size_t)got);
		/* what is said is cut; output is needed whole */
		if (end->text.truncated && end == &end->job->out) {
			set_problem(end->job, "more output than is allowed");
			if (end->job->child)
				child_signal(end->job->child, SIGKILL);
			close_end(end);
			return;
		}
	}
}

static void on_readable(void *data)
{
	take(data);
}

static void give_result(struct git_job *job, const struct child_exit *how)
{
	struct git *git = job->git;
	struct git_result result = {.code = -1, .stopped = job->stopped, .timed_out = job->timed_out};

	take(&job->out);
	take(&job->said);
	if (how && how->signalled) {
		char text[60];

		snprintf(text, sizeof text, "killed by signal %d", how->code);
		set_problem(job, text);
	}
	result.problem = job->problem;
	if (how && !job->problem)
		result.code = how->code;
	result.out = strbuf_cstr(&job->out.text);
	result.out_len = job->out.text.len;
	result.said = strbuf_cstr(&job->said.text);
	job->done(job->data, &result);
	job_free(job);
	git_release(git);
}

static void on_exit_of_job(void *data, const struct child_exit *how)
{
	struct git_job *job = data;
	struct git *git = job->git;

	job->child = NULL;
	*job->link = job->next;
	if (job->next)
		job->next->link = job->link;
	git->running--;
	if (git->waiting)
		loop_timer_arm_if_idle(git->dispatch, 0);
	give_result(job, how);
}

/* of a command that takes too long, or that was asked to end */
static void on_limit(void *data)
{
	struct git_job *job = data;

	if (!job->child)
		return;
	if (job->problem) {
		child_signal(job->child, SIGKILL);
		return;
	}
	job->timed_out = true;
	set_problem(job, "it takes too long");
	child_signal(job->child, SIGTERM);
	loop_timer_arm(job->limit, KILL_AFTER_MS);
}

/* a pipe whose end to read is ours; the other one, for the child. -1: none to be had */
static int open_end(struct pipe_end *end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	end->fd = fds[0];
	end->watch = loop_fd_new(end->job->git->loop, end->fd, on_readable, end);
	return fds[1];
}

static void spawn(struct git_job *job)
{
	struct git *git = job->git;
	struct orch_error err = {0};
	int out = job->problem ? -1 : open_end(&job->out), said = job->problem ? -1 : open_end(&job->said);
	struct child_spec spec = {.argv = job->argv.items,
		.env = job->env.items,
		.in = job->in,
		.out = out,
		.err = said,
		.mark = job->env.items[job->env.count - 1],
		.on_exit = on_exit_of_job,
		.data = job};

	if (out < 0 || said < 0)
		set_problem(job, strerror(errno));
	else if (child_spawn(&job->child, git->children, &spec, NULL, &err) != 0)
		set_problem(job, err.message);
	if (out >= 0)
		close(out);
	if (said >= 0)
		close(said);
	if (!job->child) {
		give_result(job, NULL);
		return;
	}
	git->running++;
	job->next = git->busy;
	job->link = &git->busy;
	if (git->busy)
		git->busy->link = &job->next;
	git->busy = job;
	if (job->timeout_ms > 0) {
		job->limit = loop_timer_new(git->loop, on_limit, job);
		loop_timer_arm(job->limit, job->timeout_ms);
	}
}

/* starts what may start */
static void dispatch(void *data)
{
	struct git *git = data;

	while (git->waiting && (git->stopping || git->running < git->workers)) {
		struct git_job *job = git->waiting;

		git->waiting = job->next;
		if (!git->waiting)
			git->waiting_end = &git->waiting;
		job->next = NULL;
		if (git->stopping) {
			job->stopped = true;
			set_problem(job, "stopped");
			give_result(job, NULL);
		} else {
			spawn(job);
		}
	}
}

void git_start(struct git *git, const struct git_command *command, git_done *done, void *data)
{
	struct git_job *job = xcalloc(1, sizeof *job);

	job->git = git;
	job->done = done;
	job->data = data;
	job->timeout_ms = command->timeout_ms;
	job->out.job = job->said.job = job;
	job->out.fd = job->said.fd = -1;
	job->out.text.limit = command->out_max ? command->out_max : OUT_MAX;
	job->said.text.limit = SAID_MAX;
	strvec_push(&job->argv, "git");
	for (size_t i = 0; i < sizeof own_settings / sizeof *own_settings; i++) {
		strvec_push(&job->argv, "-c");
		strvec_push(&job->argv, own_settings[i]);
	}
	if (git->no_hooks) {
		strvec_push(&job->argv, "-c");
		strvec_push(&job->argv, "core.hooksPath=/dev/null");
	}
	if (command->dir) {
		strvec_push(&job->argv, "-C");
		strvec_push(&job->argv, command->dir);
	}
	for (const char *const *word = command->argv; *word; word++)
		strvec_push(&job->argv, *word);
	for (size_t i = 0; i < git->env.count; i++)
		strvec_push(&job->env, git->env.items[i]);
	for (const char *const *entry = command->env; entry && *entry; entry++) {
		char *name = xstrndup(*entry, strcspn(*entry, "="));

		strvec_setenv(&job->env, name, strchr(*entry, '=') ? strchr(*entry, '=') + 1 : NULL);
		free(name);
	}
	if (command->dir && command->not_above) {
		char *above = path_dir(command->dir);

		strvec_setenv(&job->env, "GIT_CEILING_DIRECTORIES", above);
		free(above);
	}
	/* the mark comes last */
	strvec_setenv(&job->env, "ORCH_JOB", NULL);
	strvec_pushf(&job->env, "ORCH_JOB=git:%ld:%llu", (long)getpid(), (unsigned long long)++git->number);
	job->in = command->in < 0 ? -1 : fcntl(command->in, F_DUPFD_CLOEXEC, 3);
	if (command->in >= 0 && job->in < 0)
		set_problem(job, strerror(errno));
	*git->waiting_end = job;
	git->waiting_end = &job->next;
	git_hold(git);
	loop_timer_arm_if_idle(git->dispatch, 0);
}

void git_stop(struct git *git)
{
	git->stopping = true;
	for (struct git_job *job = git->busy; job; job = job->next) {
		if (job->problem)
			continue;
		job->stopped = true;
		set_problem(job, "stopped");
		child_signal(job->child, SIGTERM);
		if (!job->limit)
			job->limit = loop_timer_new(git->loop, on_limit, job);
		loop_timer_arm(job->limit, KILL_AFTER_MS);
	}
	loop_timer_arm_if_idle(git->dispatch, 0);
}

void git_resume(struct git *git)
{
	git->stopping = false;
}

/* --- the version --- */

struct version_check {
	git_version_done *done;
	void *data;
};

static void on_version(void *data, const struct git_result *result)
{
	struct version_check *check = data;
	struct vcs_end end = {.said = result->said};
	struct git_version version = {0};
	const char *text = result->out + strcspn(result->out, "0123456789");

	snprintf(version.text, sizeof version.text, "%.*s", (int)strcspn(text, " \n"), text);
	if (result->problem || result->code != 0 ||
		sscanf(text, "%d.%d.%d", &version.major, &version.minor, &version.patch) < 2) {
		version = (struct git_version){0};
		end.status = result->stopped ? VCS_STOPPED : VCS_FAILED;
		snprintf(end.err.message, sizeof end.err.message, "git cannot be run: %s; install git %d.%d or later",
			result->problem ? result->problem : "it does not say its version", GIT_VERSION_MAJOR,
			GIT_VERSION_MINOR);
	} else if (version.major < GIT_VERSION_MAJOR ||
		(version.major == GIT_VERSION_MAJOR && version.minor < GIT_VERSION_MINOR)) {
		end.status = VCS_FAILED;
		snprintf(end.err.message, sizeof end.err.message, "git is %s; worktrees and merges need %d.%d or later",
			version.text, GIT_VERSION_MAJOR, GIT_VERSION_MINOR);
	}
	if (end.status != VCS_OK)
		end.err.code = ORCH_EFAILED;
	check->done(check->data, &end, &version);
	free(check);
}

void git_check_version(struct git *git, git_version_done *done, void *data)
{
	static const char *const argv[] = {"--version", NULL};
	struct version_check *check = xcalloc(1, sizeof *check);

	check->done = done;
	check->data = data;
	git_start(git, &(struct git_command){.argv = argv, .in = -1, .timeout_ms = 30000}, on_version, check);
}
