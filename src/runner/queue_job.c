#include "config.h"

#include "runner/queue_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/exit_text.h"
#include "os/fs.h"
#include "os/loop.h"
#include "runner/query.h"
#include "runner/script.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"

static const char *const fate_texts[] = {
	[JOB_ENDED] = "it was ended there",
	[JOB_TIME_LIMIT] = "it ran into the time limit of its job",
	[JOB_MEMORY] = "it used more memory than its job may",
	[JOB_NODE] = "its node failed, or lost it",
	[JOB_PREEMPTED] = "it had to make room for another job",
	[JOB_CANCELLED] = "its job was cancelled by somebody else",
	[JOB_NEVER_BEGAN] = "its job ended before its command could begin",
};

static enum job_fate fate_of(enum queue_word word)
{
	switch (word) {
	case QUEUE_CANCELLED:
		return JOB_CANCELLED;
	case QUEUE_TIME_LIMIT:
		return JOB_TIME_LIMIT;
	case QUEUE_MEMORY:
		return JOB_MEMORY;
	case QUEUE_NODE:
		return JOB_NODE;
	case QUEUE_WAITING: /* once it has begun: it was put back */
	case QUEUE_PREEMPTED:
		return JOB_PREEMPTED;
	default:
		return JOB_ENDED;
	}
}

/* --- the list --- */

static struct job *job_new(struct queue *queue, const char *record, const struct job_callbacks *on)
{
	struct job *job = xcalloc(1, sizeof *job);
	char *cwd = fs_cwd();

	job->queue = queue;
	job->on = *on;
	job->record = path_join(cwd, record);
	free(cwd);
	job->link = queue->last;
	*queue->last = job;
	queue->last = &job->next;
	queues_watch(queue->all, job->record);
	loop_timer_arm_if_idle(queue->tick, 0);
	return job;
}

void job_free(struct job *job)
{
	*job->link = job->next;
	if (job->next)
		job->next->link = job->link;
	else
		job->queue->last = job->link;
	if (job->submission) {
		job->queue->submitting--;
		query_drop(job->submission);
	}
	free(job->record);
	free(job->log);
	free(job->results);
	free(job->label);
	free(job->options);
	free(job);
}

/* --- ends --- */

static void end(struct job *job, const struct job_exit *how)
{
	remote_tidy(job->record, job->note.token);
	job->on.ended(job->on.data, how);
	job_free(job);
}

/* what its scheduler says of it, and on which node */
static char *describe(const struct job *job, enum job_fate fate)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%s (%s", fate_texts[fate], job->queue->name);
	if (*job->note.id)
		strbuf_addf(&text, " job %s", job->note.id);
	if (*job->word)
		strbuf_addf(&text, ", %s", job->word);
	if (*job->reason)
		strbuf_addf(&text, ", %s", job->reason);
	if (*job->host)
		strbuf_addf(&text, ", on %s", job->host);
	strbuf_addstr(&text, ")");
	return strbuf_detach(&text);
}

/* what the scheduler, or the supervisor in its place, has printed: the last line, or NULL */
static char *read_complaint(const struct job *job)
{
	char *path = remote_path(job->record, job->note.token, "out"), *text, *line = NULL;
	size_t len;

	if (fs_read(path, 65536, &text, &len, NULL) == 0) {
		while (len > 0 && strchr(" \t\r\n", text[len - 1]))
			text[--len] = '\0';
		line = strrchr(text, '\n');
		line = len > 0 ? xstrdup(line ? line + 1 : text) : NULL;
		free(text);
	}
	free(path);
	return line;
}

/* one that its scheduler still has is wanted no more */
static void take_from_queue(struct job *job)
{
	if (*job->note.id && job->sight.word < QUEUE_DONE && !job->cancel_call)
		(void)queue_cancel(job->queue, job->note.id);
}

/* for whoever comes after us, if we are killed now */
static void note_end(struct job *job, const struct job_exit *how)
{
	struct child_exit child = {.signalled = how->signalled, .code = how->code};
	struct strbuf text = {0};
	struct orch_error err = {0};

	exit_text_begin(&text, &child, how->duration_ms);
	if (how->fate != JOB_ENDED)
		strbuf_addf(&text, "fate %d\nmessage %s\n", (int)how->fate, how->why);
	exit_text_end(&text);
	if (remote_write_exit(job->record, job->note.token, strbuf_cstr(&text), &err) != 0)
		queue_warn(job->queue, err.message);
	strbuf_release(&text);
}

/* it is gone, and nobody has written down how */
static void end_without_exit(struct job *job, enum job_fate fate)
{
	struct job_exit how = {.signalled = true, .code = job->signo ? job->signo : SIGKILL, .fate = fate};
	char *text = describe(job, fate), *complaint = fate == JOB_NEVER_BEGAN ? read_complaint(job) : NULL;

	if (fate == JOB_NEVER_BEGAN) {
		/* where even its files are not there, nobody can say so */
		char *whole = complaint ? xasprintf("%s: %s", text, complaint)
					: xasprintf("%s, and said nothing: is '%s' there, on the machines of '%s'?", text,
						  job->queue->all->dir, job->queue->name);

		free(text);
		text = whole;
	}
	if (job->started_told)
		how.duration_ms = clock_wall_ms() - job->record_of.started_ms;
	how.why = text;
	take_from_queue(job);
	note_end(job, &how);
	end(job, &how);
	free(text);
	free(complaint);
}

/* has the file at least that many bytes? */
static bool is_whole(const char *path, int64_t size)
{
	/* opening it has a file system over a network look again */
	int fd = size > 0 && *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;
	bool whole = size <= 0 || !*path || (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= size);

	if (fd >= 0)
		close(fd);
	return whole;
}

/* over a network what was written last may be seen late. False: it is to be waited for */
static bool has_whole_files(struct job *job, int64_t now_ms)
{
	if (!job->whole_until_ms)
		job->whole_until_ms = now_ms + job->queue->latency_ms;
	return (is_whole(job->log, job->record_of.log_size) && is_whole(job->results, job->record_of.results_size)) ||
		now_ms >= job->whole_until_ms;
}

static void settle(struct job *job, int64_t now_ms)
{
	const struct supervised_record *record = &job->record_of;
	enum job_fate fate = record->fate                                ? (enum job_fate)record->fate
		: job->sight.ended_badly && !job->sight.asked ? fate_of(job->sight.word)
							      : JOB_ENDED;
	struct job_exit how = {
		.signalled = record->how.signalled,
		.code = record->how.code,
		.duration_ms = record->duration_ms,
		.user_us = record->how.user_us,
		.system_us = record->how.system_us,
		.max_rss_kb = record->how.max_rss_kb,
		.memory_peak = record->how.memory_peak,
		.oom_kills = record->how.oom_kills,
		.left_behind = record->how.left_behind,
		.unkillable = record->how.unkillable,
		.names = record->how.names,
		.fate = fate,
		.latency_ms = job->queue->latency_ms,
	};
	char *text;

	if (!has_whole_files(job, now_ms))
		return;
	/* by a scheduler that knows nothing of it any more, or says nothing */
	if (fate == JOB_ENDED && job->sight.ended_badly && record->told && !job->sight.asked)
		how.fate = fate = JOB_CANCELLED;
	if (record->not_started) {
		text = xasprintf("on %s: %s", *job->host ? job->host : "its node", record->message);
		remote_tidy(job->record, job->note.token);
		job->on.failed(job->on.data,
			record->no_directory                 ? RUNNER_NO_DIRECTORY
				: record->not_started == EAGAIN ? EIO
								: record->not_started,
			text);
		free(text);
		job_free(job);
		return;
	}
	text = record->fate ? xstrdup(record->message) : fate != JOB_ENDED ? describe(job, fate) : NULL;
	how.why = text;
	if (fate != JOB_ENDED)
		take_from_queue(job);
	end(job, &how);
	free(text);
}

/* --- handing over --- */

int job_renew(struct job *job, struct orch_error *err)
{
	char old[REMOTE_TOKEN_SIZE];
	int result = job->withdrawn ? 1 : remote_claim(job->record, job->note.token, REMOTE_NEVER, err);

	if (result <= 0)
		return result;
	if (*job->note.id)
		(void)queue_cancel(job->queue, job->note.id);
	if (job->withdrawn)
		return 1;
	memcpy(old, job->note.token, sizeof old);
	remote_token(job->note.token);
	*job->note.id = '\0';
	memset(&job->sight, 0, sizeof job->sight);
	/* the new token counts as soon as it is in the note, and then all else is there */
	if (remote_spec_again(job->record, old, job->note.token, err) != 0 ||
		write_job_script(job->record, job->note.token, job->queue->all->scratch, err) != 0 ||
		remote_note_write(job->record, &job->note, err) != 0)
		return -1;
	remote_tidy(job->record, old);
	return 1;
}

void job_submitted(struct job *job, const char *id, size_t len)
{
	struct orch_error err = {0};

	job->stage = JOB_SUBMITTED;
	job->submitted_ms = clock_mono_ms();
	memcpy(job->note.id, id, len);
	job->note.id[len] = '\0';
	/* without its id it can still be adopted, by its files */
	if (len > 0 && remote_note_write(job->record, &job->note, &err) != 0)
		queue_warn(job->queue, err.message);
	job->queue->changed = true;
	if (job->withdrawn) {
		if (len > 0)
			job->cancel_call = queue_cancel(job->queue, job->note.id);
	}
	if (!job->queue->asking)
		loop_timer_arm_if_idle(job->queue->ask, job->queue->interval_ms);
	loop_timer_arm(job->queue->tick, 0);
}

void job_refused(struct job *job, const char *message)
{
	remote_tidy(job->record, job->note.token);
	job->on.failed(job->on.data, EIO, message);
	job_free(job);
}

/* the scheduler has forgotten it, or ended it, before it began; `fate` is what it says of that */
static void take_back(struct job *job)
{
	bool forgotten = job->sight.word < QUEUE_DONE;
	enum job_fate fate = forgotten ? JOB_ENDED : fate_of(job->sight.word);
	struct orch_error err = {0};
	char *message;
	int won;

	if (!forgotten) {
		won = remote_claim(job->record, job->note.token, REMOTE_NEVER, &err);
		if (won > 0) {
			end_without_exit(job, fate == JOB_ENDED ? JOB_NEVER_BEGAN : fate);
			return;
		}
	} else {
		message = *job->note.id
			? xasprintf("'%s' has forgotten its job %s of %s, which had not begun: it is handed over again",
				  job->queue->name, job->note.id, job->label)
			: xasprintf("it is not known whether %s was handed to '%s', and it has not begun: it is handed over again",
				  job->label, job->queue->name);
		won = job_renew(job, &err);
		if (won > 0) {
			queue_warn(job->queue, message);
			job->stage = JOB_TO_SUBMIT;
			job->submit_at_ms = 0;
		}
		free(message);
	}
	/* else it has just begun after all */
	if (won < 0 && !job->warned) {
		job->warned = true;
		queue_warn(job->queue, err.message);
	}
}

/* --- looking --- */

static void warn_once(struct job *job, const struct orch_error *err)
{
	if (!job->warned)
		queue_warn(job->queue, err->message);
	job->warned = true;
}

static void look_at_claim(struct job *job, int64_t now_ms)
{
	enum remote_claimed claimed;
	struct orch_error err = {0};

	if (remote_claimed(job->record, job->note.token, &claimed, &job->record_of, job->host, &err) != 0) {
		warn_once(job, &err);
		return;
	}
	/* by somebody who stopped it while we were away: his .exit says so */
	if (claimed == REMOTE_NEVER_RUN)
		job->withdrawn = true;
	if (claimed == REMOTE_CLAIMED)
		sight_claimed(&job->sight, now_ms);
}

static void look_at_end(struct job *job, int64_t now_ms)
{
	struct supervised_record *record = &job->record_of;
	struct orch_error err = {0};
	int ended = remote_ended(job->record, job->note.token, record, &err);

	if (ended < 0)
		warn_once(job, &err);
	if (ended > 0)
		sight_ended(&job->sight,
			(record->how.signalled || record->told) && (record->how.signalled || record->how.code != 0),
			now_ms);
}

/* its end was asked for before it could begin */
static void look_at_withdrawn(struct job *job, int64_t now_ms)
{
	look_at_end(job, now_ms);
	if (job->stage == JOB_SUBMITTING || (job->cancel_call && job->cancel_call > job->queue->cancelled))
		return;
	if (job->sight.ended || job->signo) {
		end_without_exit(job, JOB_ENDED);
		return;
	}
	/* a claim of ours from which nothing had followed yet when we were killed */
	job->withdrawn = false;
	memset(&job->sight, 0, sizeof job->sight);
	job->sight.absences = UINT16_MAX;
	take_back(job);
}

void job_look(struct job *job, bool closely, int64_t now_ms)
{
	struct orch_error err = {0};

	/* from the moment in which it begins to wait for somebody else */
	if (!job->queued_told) {
		job->queued_told = true;
		if (job->on.queued)
			job->on.queued(job->on.data);
	}
	if (!job->sight.claimed && !job->withdrawn)
		look_at_claim(job, now_ms);
	if (job->withdrawn) {
		look_at_withdrawn(job, now_ms);
		return;
	}
	if (job->sight.claimed && !job->started_told) {
		job->started_told = true;
		job->stage = job->stage == JOB_TO_SUBMIT ? JOB_SUBMITTED : job->stage;
		if (job->on.started)
			job->on.started(job->on.data, 0, -1);
	}
	if (job->sight.claimed && !job->sight.ended) {
		if (closely)
			sight_beat(&job->sight, remote_beat(job->record, job->note.token), now_ms);
		look_at_end(job, now_ms);
		if (closely && job->on.output)
			job->on.output(job->on.data);
	}
	if (job->stage != JOB_SUBMITTED)
		return;
	switch (sight_decide(&job->sight, job->queue->lost_ms, now_ms)) {
	case SIGHT_WAIT:
		break;
	case SIGHT_ASK:
		if (*job->note.id)
			queue_ask_soon(job->queue);
		else if (job->sight.ended)
			settle(job, now_ms);
		else if (now_ms - job->sight.beat_ms > job->queue->lost_ms)
			/* its scheduler cannot be asked about it */
			end_without_exit(job, JOB_NODE);
		break;
	case SIGHT_TAKE:
		take_back(job);
		break;
	case SIGHT_REVOKE:
		job->sight.revoked = true;
		if (remote_ask(job->record, job->note.token, "revoke", &err) != 0)
			warn_once(job, &err);
		break;
	case SIGHT_GIVE_UP:
		end_without_exit(job,
			job->sight.asked                             ? JOB_ENDED
				: fate_of(job->sight.word) != JOB_ENDED ? fate_of(job->sight.word)
									: JOB_NODE);
		break;
	case SIGHT_SETTLE:
		settle(job, now_ms);
		break;
	}
}

/* --- the runner --- */

static int queue_start(struct job **out, struct runner *runner, const struct command *command,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	extern char **environ;
	struct queue *queue = queues_find(runner->queues, command->queue);
	struct strvec argv = {0};
	struct remote_spec spec = {
		.env = (char **)(uintptr_t)(command->env ? command->env : environ),
		.writable = (char **)(uintptr_t)command->writable,
		.mark = command->mark,
		.step_count = command->step_count,
		.steps = (struct end_step *)(uintptr_t)command->steps,
		.linger_ms = command->linger_ms,
		.memory = command->memory,
		.memory_each = command->memory_each,
		.wraps = command->wraps,
	};
	char *cwd = fs_cwd(), *dir = NULL, *log = NULL, *results = NULL;
	struct job *job;
	int result = 0;

	*error_number = EINVAL;
	if (!queue)
		result = error_set(err, "there is no runner '%s'", command->queue);
	else if (!command->record)
		result = error_set(err, "a command for the runner '%s' needs files of its own", queue->name);
	else
		result = script_words(&argv, command, err);
	if (result != 0) {
		if (errno)
			*error_number = errno;
		strvec_release(&argv);
		free(cwd);
		return -1;
	}
	job = job_new(queue, command->record, on);
	spec.argv = argv.items;
	spec.dir = dir = command->dir ? path_join(cwd, command->dir) : xstrdup(queue->all->dir);
	spec.log = log = path_join(cwd, command->log_path);
	spec.results = results = command->results_path ? path_join(cwd, command->results_path) : xstrdup("");
	spec.label = command->label;
	spec.options = command->options;
	spec.lease_ms = queue->lost_ms;
	job->log = xstrdup(log);
	job->results = xstrdup(results);
	job->label = xstrdup(command->label);
	job->options = command->options ? xstrdup(command->options) : NULL;
	snprintf(job->note.runner, sizeof job->note.runner, "%s", queue->name);
	remote_token(job->note.token);
	job->note.submitted_ms = clock_wall_ms();
	errno = 0;
	result = remote_spec_write(job->record, job->note.token, &spec, err);
	if (result == 0)
		result = write_job_script(job->record, job->note.token, queue->all->scratch, err);
	if (result == 0)
		result = remote_note_write(job->record, &job->note, err);
	*error_number = errno ? errno : EIO;
	strvec_release(&argv);
	free(dir);
	free(log);
	free(results);
	free(cwd);
	if (result != 0) {
		remote_tidy(job->record, job->note.token);
		job_free(job);
		return -1;
	}
	*out = job;
	return 0;
}

static void queue_stop(struct job *job, int signo)
{
	struct orch_error err = {0};
	char line[32];
	int won = 0;

	job->sight.asked = true;
	if (!job->signo || signo == SIGKILL)
		job->signo = signo;
	if (job->withdrawn)
		return;
	if (!job->sight.claimed) {
		won = remote_claim(job->record, job->note.token, REMOTE_NEVER, &err);
		if (won > 0) {
			job->withdrawn = true;
			if (*job->note.id)
				job->cancel_call = queue_cancel(job->queue, job->note.id);
			loop_timer_arm(job->queue->tick, 0);
			return;
		}
	}
	snprintf(line, sizeof line, "signal %d", signo);
	if (won < 0 || remote_ask(job->record, job->note.token, signo == SIGKILL ? "revoke" : line, &err) != 0)
		warn_once(job, &err);
	if (signo != SIGKILL)
		return;
	job->sight.revoked = true;
	if (*job->note.id && !job->cancel_call)
		job->cancel_call = queue_cancel(job->queue, job->note.id);
}

static int queue_adopt(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err)
{
	struct remote_note note;
	struct remote_spec *spec;
	struct queue *queue;
	struct job *job;
	int found = remote_note_read(record, &note, err);

	if (found < 0)
		return -1;
	if (found == 0)
		return error_code(err, ORCH_ENOTFOUND, "'%s.remote' is gone", record);
	queue = queues_find(runner->queues, note.runner);
	if (!queue)
		return error_set(err,
			"it was handed to the runner '%s', which is in the Orchfile no more: declare it again, or 'orch stop' ends it",
			note.runner);
	job = job_new(queue, record, on);
	job->note = note;
	job->stage = JOB_SUBMITTED;
	job->submitted_ms = clock_mono_ms();
	/* that it has begun is told only if it had not by now */
	look_at_claim(job, clock_mono_ms());
	job->started_told = job->sight.claimed;
	job->queued_told = true;
	spec = remote_spec_read(job->record, note.token, NULL);
	job->log = xstrdup(spec ? spec->log : "");
	job->results = xstrdup(spec ? spec->results : "");
	job->label = xstrdup(spec ? spec->label : path_file(record));
	job->options = spec && spec->options ? xstrdup(spec->options) : NULL;
	free(spec);
	/* whether it was handed over is not known: if it has not begun by now, it is as one that was forgotten */
	if (!*note.id)
		job->sight.absences = UINT16_MAX;
	else
		loop_timer_arm_if_idle(queue->ask, 0);
	*out = job;
	return 0;
}

static void queue_leave(struct job *job)
{
	job_free(job);
}

const struct runner_ops runner_queue = {
	.name = "queue",
	.start = queue_start,
	.stop = queue_stop,
	.adopt = queue_adopt,
	.leave = queue_leave,
};
