/* stop, pause, resume, retry, jobs, reload: requests to the run under way. */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/say.h"
#include "cli/steer.h"
#include "control/client.h"
#include "control/control.h"
#include "orch/history.h"
#include "orch/run.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/lockfile.h"
#include "util/json.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PATH ".orch/lock"

enum {
	/* a run that has just begun does not listen yet; what a killed one leaves ends first */
	LISTENS_WITHIN_MS = 20 * 1000,
	LOOK_AGAIN_MS = 20,
};

struct control_options {
	struct common common;
	bool now;
};

#define FIELD(name) offsetof(struct control_options, name)

static const struct opt stop_table[] = {
	{0, "now", OPT_FLAG, FIELD(now), .help = "kill at once, without asking politely first"},
	CMD_COMMON_OPTIONS,
	{0},
};

static const struct opt plain_table[] = {CMD_COMMON_OPTIONS, {0}};

static void sleep_ms(long ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

int steer_connect(int *status)
{
	int64_t until = clock_mono_ms() + LISTENS_WITHIN_MS;
	struct orch_error err;
	int pid, fd;

	*status = EXIT_COMPLETE;
	for (;;) {
		fd = client_connect(CONTROL_PATH, &err);
		if (fd >= 0)
			return fd;
		if (err.code != ORCH_ENOTFOUND) {
			*status = say_error(&err);
			return -1;
		}
		if (!lockfile_is_held(LOCK_PATH, &pid))
			return -1;
		if (clock_mono_ms() > until)
			break;
		sleep_ms(LOOK_AGAIN_MS);
	}
	if (pid > 0)
		*status = say_usage("process %d holds this project and does not listen; 'kill %d' ends it", pid, pid);
	else
		*status =
			say_usage("another process holds this project and does not listen; 'orch status' may say more");
	return -1;
}

/* "now" is a truth value */
void steer_write_request(
	struct strbuf *out, const char *name, const struct strvec *streams, const char *key, int64_t number)
{
	struct json_writer w = {.out = out};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, CONTROL_VERSION);
	json_add_key(&w, "request");
	json_add_string(&w, name);
	if (streams && streams->count) {
		json_add_key(&w, "streams");
		json_begin_array(&w);
		for (size_t i = 0; i < streams->count; i++)
			json_add_string(&w, streams->items[i]);
		json_end_array(&w);
	}
	if (key && strcmp(key, "now") == 0) {
		json_add_key(&w, key);
		json_add_bool(&w, number != 0);
	} else if (key) {
		json_add_key(&w, key);
		json_add_int(&w, number);
	}
	json_end_object(&w);
}

int steer_nothing_runs(void)
{
	say("nothing is running here");
	return EXIT_STREAM_FAILED;
}

int steer_ask(int fd, const struct strbuf *request, size_t *count)
{
	struct json_value *answer;
	struct orch_error err;

	if (client_ask(fd, request, &answer, &err) < 0) {
		int status = say_error(&err);

		json_value_free(answer);
		return err.code == ORCH_ENOTFOUND ? EXIT_STREAM_FAILED : status;
	}
	if (count)
		*count = (size_t)json_member_int(answer, "count", 0);
	json_value_free(answer);
	return EXIT_COMPLETE;
}

/* one request to the run of the project that the options name */
static int steer(const struct control_options *options, const char *name, const struct strvec *streams, const char *key,
	int64_t number, size_t *count)
{
	struct strbuf request = {0};
	char *dir = NULL;
	int status = find_project(&dir, &options->common), fd = -1;

	free(dir);
	if (status != EXIT_COMPLETE)
		return status;
	fd = steer_connect(&status);
	if (fd < 0)
		return status == EXIT_COMPLETE ? steer_nothing_runs() : status;
	steer_write_request(&request, name, streams, key, number);
	status = steer_ask(fd, &request, count);
	strbuf_release(&request);
	close(fd);
	return status;
}

static void say_count(size_t count, const char *what)
{
	struct strbuf text = {0};

	plan_add_count(&text, count, "stream");
	say("%s %s", strbuf_cstr(&text), what);
	strbuf_release(&text);
}

/* --- stop --- */

/* how the run `id` ended */
static int say_end(const char *id)
{
	struct orch_history *history;
	struct orch_run_info info = {0};
	struct orch_error err;
	int status = EXIT_COMPLETE;

	if (orch_history_open(&history, ".", &err) < 0)
		return say_error(&err);
	/* newest first: it is the first one, or the next has begun already */
	for (size_t i = 0; i < orch_history_count(history) && status == EXIT_COMPLETE; i++) {
		if (orch_history_run(history, i, &info, &err) < 0)
			status = say_error(&err);
		else if (!id || strcmp(info.id, id) == 0)
			break;
	}
	if (status == EXIT_COMPLETE && info.finished_ms)
		say("run %s has ended: %lld completed, %lld failed, %lld skipped, %lld cancelled", info.id,
			(long long)info.completed, (long long)info.failed, (long long)info.skipped,
			(long long)info.cancelled);
	else if (status == EXIT_COMPLETE)
		status = say_usage("the run has ended without saying how; 'orch status' shows it");
	orch_history_close(history);
	return status;
}

/* the next run shall be able to start when we say that this one has ended */
static void wait_for_lock(int64_t run_pid)
{
	int pid;

	/* what the run leaves may hold the lock for a moment longer; the next run may have begun already */
	while (lockfile_is_held(LOCK_PATH, &pid) && (pid == 0 || pid == run_pid))
		sleep_ms(LOOK_AGAIN_MS);
}

static int stop_run(int fd, const struct strbuf *request)
{
	struct json_value *answer;
	struct orch_error err;
	int status;

	/* one that has just ended has done what was asked */
	if (client_ask(fd, request, &answer, &err) < 0 && err.code != ORCH_ENOTFOUND) {
		json_value_free(answer);
		return say_error(&err);
	}
	client_wait_for_end(fd);
	wait_for_lock(json_member_int(answer, "pid", 0));
	status = say_end(json_member_string(answer, "run"));
	json_value_free(answer);
	return status;
}

static void on_orphan(void *data, const struct orch_orphan *orphan)
{
	(void)data;
	say("%s (attempt %u of run %s, whose orch is gone) was stopped", orphan->stream, orphan->attempt, orphan->run);
}

/* no orch runs, but what it started may */
static int stop_orphans(const struct control_options *options, const struct operands *operands)
{
	struct orch_orphan *orphans;
	struct orch_error err;
	size_t count;

	if (orch_orphans_find(&orphans, &count, ".", &err) < 0)
		return say_error(&err);
	orch_orphans_free(orphans, count);
	if (count &&
		orch_orphans_stop(".", (const char *const *)operands->words.items, options->now, on_orphan, NULL,
			&count, &err) < 0)
		return say_error(&err);
	if (!count)
		say(operands->words.count ? "none of these is running here" : "nothing is running here");
	return EXIT_COMPLETE;
}

static int stop_command(void *data, const struct operands *operands)
{
	const struct control_options *options = data;
	struct strbuf request = {0};
	char *dir = NULL;
	size_t count = 0;
	int status = find_project(&dir, &options->common), fd;

	free(dir);
	if (status != EXIT_COMPLETE)
		return status;
	fd = steer_connect(&status);
	if (fd < 0)
		return status == EXIT_COMPLETE ? stop_orphans(options, operands) : status;
	steer_write_request(&request, "stop", &operands->words, options->now ? "now" : NULL, 1);
	if (operands->words.count) {
		status = steer_ask(fd, &request, &count);
		if (status == EXIT_COMPLETE)
			say_count(count, count == 1 ? "is being stopped" : "are being stopped");
	} else {
		status = stop_run(fd, &request);
	}
	strbuf_release(&request);
	close(fd);
	return status;
}

/* --- the others --- */

static int pause_command(void *data, const struct operands *operands)
{
	int status = steer(data, "pause", NULL, NULL, 0, NULL);

	(void)operands;
	if (status == EXIT_COMPLETE)
		say("the run is paused: what runs goes on, nothing new starts; 'orch resume' lets it go on");
	return status;
}

/* no run is under way, but the last one may have left holds */
static int end_holds(void)
{
	struct orch_error err;
	size_t count = 0;

	if (access(".orch/holds", F_OK) == 0 && orch_holds_end(".", &count, &err) < 0)
		return say_error(&err);
	if (!count)
		return steer_nothing_runs();
	say("%zu account%s not held any more: the next run uses %s", count, count == 1 ? " is" : "s are",
		count == 1 ? "it" : "them");
	return EXIT_COMPLETE;
}

static int resume_command(void *data, const struct operands *operands)
{
	const struct control_options *options = data;
	struct strbuf request = {0};
	char *dir = NULL;
	int status = find_project(&dir, &options->common), fd;

	(void)operands;
	free(dir);
	if (status != EXIT_COMPLETE)
		return status;
	fd = steer_connect(&status);
	if (fd < 0)
		return status == EXIT_COMPLETE ? end_holds() : status;
	steer_write_request(&request, "resume", NULL, NULL, 0);
	status = steer_ask(fd, &request, NULL);
	strbuf_release(&request);
	close(fd);
	if (status == EXIT_COMPLETE)
		say("the run goes on");
	return status;
}

static int retry_command(void *data, const struct operands *operands)
{
	size_t count = 0;
	int status = steer(data, "retry", &operands->words, NULL, 0, &count);

	if (status == EXIT_COMPLETE)
		say_count(count, "will be tried again");
	return status;
}

static int jobs_command(void *data, const struct operands *operands)
{
	const char *word = operands->words.items[0];
	char *end;
	long jobs;
	int status;

	errno = 0;
	jobs = strtol(word, &end, 10);
	if (*end || end == word || errno || jobs < 1 || jobs > INT32_MAX)
		return say_usage("orch jobs takes a number from 1 on, but '%s' is given", word);
	status = steer(data, "jobs", NULL, "jobs", jobs, NULL);
	if (status == EXIT_COMPLETE)
		say("at most %ld at once from now on", jobs);
	return status;
}

static void say_reloaded(const struct json_value *answer)
{
	long long added = (long long)json_member_int(answer, "added", 0);
	long long removed = (long long)json_member_int(answer, "removed", 0);
	long long changed = (long long)json_member_int(answer, "changed", 0);

	if (added + removed + changed == 0)
		say("the Orchfile was read again, and is as it was");
	else
		say("the Orchfile was read again: %lld added, %lld removed, %lld changed", added, removed, changed);
}

static int reload_command(void *data, const struct operands *operands)
{
	const struct control_options *options = data;
	struct strbuf request = {0};
	struct json_value *answer;
	struct orch_error err;
	char *dir = NULL;
	const char *diagnostics;
	int status = find_project(&dir, &options->common), fd;

	(void)operands;
	free(dir);
	if (status != EXIT_COMPLETE)
		return status;
	fd = steer_connect(&status);
	if (fd < 0)
		return status == EXIT_COMPLETE ? steer_nothing_runs() : status;
	steer_write_request(&request, "reload", NULL, NULL, 0);
	if (client_ask(fd, &request, &answer, &err) < 0)
		status = err.code == ORCH_ENOTFOUND ? EXIT_STREAM_FAILED : EXIT_USAGE;
	diagnostics = json_member_string(answer, "diagnostics");
	if (diagnostics)
		(void)!fs_write_all(say_err()->fd, diagnostics, strlen(diagnostics));
	if (status == EXIT_COMPLETE)
		say_reloaded(answer);
	else
		say_error(&err);
	json_value_free(answer);
	strbuf_release(&request);
	close(fd);
	return status;
}

#define CONTROL_COMMAND .group = CMD_STEERING, .size = sizeof(struct control_options)

const struct cmd cmd_stop = {
	.name = "stop",
	.operands = "[TARGET]...",
	.summary = "End the run under way, or some of its streams",
	.about =
		"Nothing new starts, and running attempts are ended as their 'kill' says; waits until the run is over. With\n"
		"TARGETs only those are stopped, what needs them is skipped and the rest goes on; that is not waited for.\n"
		"Where orch was killed and attempts with 'detach = yes' go on without it, those are ended, and waited for.\n"
		"Exit status: 0, also when nothing was running.\n",
	.options = stop_table,
	.max = CMD_ANY,
	.run = stop_command,
	CONTROL_COMMAND,
};

const struct cmd cmd_pause = {
	.name = "pause",
	.operands = "",
	.summary = "Let the run under way start nothing new",
	.about = "What runs goes on. 'orch resume' ends it. Exit status 1 if nothing is running.\n",
	.options = plain_table,
	.run = pause_command,
	CONTROL_COMMAND,
};

const struct cmd cmd_resume = {
	.name = "resume",
	.operands = "",
	.summary = "Let a run go on that is paused, or held by a usage limit",
	.about =
		"Accounts that are held, for a usage limit or a failed login, are used again at once; also where no run is under\n"
		"way. Exit status 1 if nothing is running and nothing is held.\n",
	.options = plain_table,
	.run = resume_command,
	CONTROL_COMMAND,
};

const struct cmd cmd_retry = {
	.name = "retry",
	.operands = "TARGET...",
	.summary = "Try streams of the run under way again that failed or were stopped",
	.about =
		"What was skipped because of them waits for them again. One that waits for its next attempt starts at once.\n"
		"If a failure had kept new streams from starting, they start again. Exit status 1 if nothing is running.\n",
	.options = plain_table,
	.min = 1,
	.max = CMD_ANY,
	.run = retry_command,
	CONTROL_COMMAND,
};

const struct cmd cmd_jobs = {
	.name = "jobs",
	.operands = "N",
	.summary = "Change how many slots the run under way has",
	.about = "What runs goes on, also where it is more than N. Exit status 1 if nothing is running.\n",
	.options = plain_table,
	.min = 1,
	.max = 1,
	.run = jobs_command,
	CONTROL_COMMAND,
};

const struct cmd cmd_reload = {
	.name = "reload",
	.operands = "",
	.summary = "Let the run under way read its Orchfile again",
	.about =
		"New streams join, those that have not started take their new form, what runs goes on as it began. What failed\n"
		"or completed runs again if its recipe or its dependencies are other ones; what is gone is skipped. An Orchfile\n"
		"with errors changes nothing. SIGUSR1 to orch does the same. Exit status 1 if nothing is running, 2 if the\n"
		"Orchfile cannot be used.\n",
	.options = plain_table,
	.run = reload_command,
	CONTROL_COMMAND,
};
