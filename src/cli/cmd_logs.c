#include "config.h"

#include "cli/find.h"
#include "cli/follow.h"
#include "cli/say.h"
#include "orch/history.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/path.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/suggest.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

/* the run's end is looked for in this interval, too: a run that is killed changes no file */
enum { LOOK_MS = 1000, SOON_MS = 50 };

struct logs_options {
	struct common common;
	const char *grep;
	int64_t attempt; /* 0: the newest */
	bool follow;
};

static const struct opt logs_table[] = {
	{'f', "follow", OPT_FLAG, offsetof(struct logs_options, follow),
		.help = "go on as it grows, until the stream and the run end"},
	{0, "attempt", OPT_INT, offsetof(struct logs_options, attempt), .what = "N",
		.help = "of attempt N instead of the newest", .min = 1, .max = INT32_MAX},
	{0, "grep", OPT_TEXT, offsetof(struct logs_options, grep), .what = "RE",
		.help = "only lines in which the pattern (PCRE) is found"},
	CMD_COMMON_OPTIONS_BUT(0),
	{0},
};

/* a log that is being printed */
struct tail {
	char *stream;
	int64_t attempt;
	struct follow *follow;
	struct loop_watch *watch;
	struct logs *logs;
};

struct logs {
	const struct logs_options *options;
	const char *dir, *stream; /* stream NULL: all */
	char *run, *name;         /* of RUN:STREAM.N; NULL: the newest run, and `stream` is as it was given */
	int64_t attempt;          /* asked for; 0: the newest */
	struct regex *grep;
	struct orch_status status;
	uint64_t offset; /* in the journal of the newest run */
	char *id;
	bool running;
	ARRAY(struct tail *) tails;
	ARRAY(int64_t) opened; /* for each stream of the status: its newest attempt that was printed */
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_watch *journal;
	bool soon; /* the timer is set for what the journal just got */
	int exit_status;
};

/* --- the past --- */

/* the log of a stream's attempt, wanted 0: the last, in one run's events */
struct search {
	const char *stream;
	int64_t wanted, attempt;
	char *log;
};

static int search_event(void *data, const struct orch_event *event)
{
	struct search *search = data;

	if (event->type != ORCH_EVENT_ATTEMPT_STARTED || !event->stream || !event->log ||
		strcmp(event->stream, search->stream) != 0)
		return 0;
	search->attempt = event->attempt;
	if (search->wanted && event->attempt != search->wanted)
		return 0;
	free(search->log);
	search->log = xstrdup(event->log);
	return 0;
}

static int print_file(const struct logs *logs, const char *log, const char *prefix)
{
	struct orch_error err;
	struct follow *follow = follow_new(log, prefix, logs->grep, &err);
	int status;

	if (!follow)
		return say_error(&err);
	status = follow_print(follow, true);
	follow_free(follow);
	return status;
}

static bool is_run(const struct logs *logs, const char *name)
{
	struct orch_status status;
	struct orch_error err;
	bool found;

	orch_status_init(&status);
	found = orch_history_replay(logs->dir, name, &status, NULL, &err) == 0;
	orch_status_release(&status);
	return found;
}

static int no_log(const struct logs *logs)
{
	struct suggest near = {.wanted = logs->stream};

	if (orch_status_find(&logs->status, logs->stream))
		return say_usage("'%s' has had no attempt, so it has no log; 'orch status %s' says more", logs->stream,
			logs->stream);
	if (is_run(logs, logs->stream))
		return say_usage("'%s' is a run; 'orch logs %s:' prints all of it", logs->stream, logs->stream);
	for (size_t i = 0; i < logs->status.stream_count; i++)
		suggest_offer(&near, logs->status.streams[i].name);
	if (near.best)
		return say_usage("no run has a log of '%s'; did you mean '%s'?", logs->stream, near.best);
	return say_usage("no run has a log of '%s'", logs->stream);
}

/* the newest run in which the stream has the attempt asked for */
static int print_stream(const struct logs *logs)
{
	struct search search = {.stream = logs->stream, .wanted = logs->attempt};
	struct orch_history *history;
	struct orch_error err;
	int64_t newest = 0;
	int status = EXIT_COMPLETE;

	if (orch_history_open(&history, logs->dir, &err) < 0)
		return say_error(&err);
	for (size_t i = 0; i < orch_history_count(history) && !search.log && status == EXIT_COMPLETE; i++) {
		struct orch_run_info info;

		if (orch_history_run(history, i, &info, &err) < 0 ||
			orch_history_events(logs->dir, info.id, search_event, &search, &err) < 0)
			status = say_error(&err);
		if (!newest)
			newest = search.attempt;
		/* an attempt number means the newest run that the stream took part in */
		if (search.wanted && newest)
			break;
	}
	orch_history_close(history);
	if (status == EXIT_COMPLETE && search.log)
		status = print_file(logs, search.log, NULL);
	else if (status == EXIT_COMPLETE && newest)
		status = say_usage("'%s' has no attempt %lld; its last one is %lld", logs->stream,
			(long long)search.wanted, (long long)newest);
	else if (status == EXIT_COMPLETE)
		status = no_log(logs);
	free(search.log);
	return status;
}

static bool is_shown(const struct logs *logs, const struct orch_stream_status *stream, bool failed_only)
{
	if (!stream->log)
		return false;
	if (logs->running)
		return stream->state == ORCH_TASK_RUNNING;
	return !failed_only || stream->state == ORCH_TASK_FAILED;
}

/* in the run that was named */
static int print_of_run(const struct logs *logs)
{
	struct search search = {.stream = logs->stream, .wanted = logs->attempt};
	struct orch_error err;
	int status;

	if (orch_history_events(logs->dir, logs->run, search_event, &search, &err) < 0)
		return say_error(&err);
	if (search.log)
		status = print_file(logs, search.log, NULL);
	else if (search.attempt)
		status = say_usage("'%s' has no attempt %lld in run %s; its last one is %lld", logs->stream,
			(long long)search.wanted, logs->run, (long long)search.attempt);
	else if (orch_status_find(&logs->status, logs->stream))
		status = say_usage("'%s' was not started in run %s", logs->stream, logs->run);
	else
		status = say_usage("'%s' took no part in run %s; 'orch report %s' says what did", logs->stream,
			logs->run, logs->run);
	free(search.log);
	return status;
}

/* what runs; where no run is under way, what failed; where nothing did, all */
static int print_all(const struct logs *logs)
{
	const struct orch_status *status = &logs->status;
	bool failed_only = !logs->run && status->count[ORCH_TASK_FAILED] > 0;
	int worst = EXIT_COMPLETE;

	for (size_t i = 0; i < status->stream_count; i++) {
		int printed;

		if (!is_shown(logs, &status->streams[i], failed_only))
			continue;
		printed = print_file(logs, status->streams[i].log, status->streams[i].name);
		if (printed > EXIT_USAGE)
			return printed;
		worst = printed > worst ? printed : worst;
	}
	return worst;
}

/* --- following --- */

static void fail(struct logs *logs, int status)
{
	if (status > logs->exit_status)
		logs->exit_status = status;
	/* nobody reads any more, or it cannot be written */
	if (status != EXIT_COMPLETE)
		loop_stop(logs->loop);
}

static void on_growth(void *data)
{
	struct tail *tail = data;

	fail(tail->logs, follow_print(tail->follow, false));
}

static void close_tail(struct logs *logs, size_t at)
{
	struct tail *tail = logs->tails.items[at];

	fail(logs, follow_print(tail->follow, true));
	if (tail->watch)
		loop_watch_free(tail->watch);
	follow_free(tail->follow);
	free(tail->stream);
	free(tail);
	logs->tails.items[at] = logs->tails.items[--logs->tails.count];
}

static void open_tail(struct logs *logs, const struct orch_stream_status *stream)
{
	struct orch_error err;
	struct follow *follow = follow_new(stream->log, logs->stream ? NULL : stream->name, logs->grep, &err);
	struct tail *tail;

	if (!follow) {
		fail(logs, say_error(&err));
		return;
	}
	tail = xcalloc(1, sizeof *tail);
	tail->stream = xstrdup(stream->name);
	tail->attempt = stream->attempt;
	tail->follow = follow;
	tail->logs = logs;
	*ARRAY_PUSH(&logs->tails) = tail;
	tail->watch = loop_watch_new(logs->loop, stream->log, on_growth, tail);
	on_growth(tail);
}

static bool is_over(enum orch_task_state state)
{
	return state >= ORCH_TASK_COMPLETED;
}

static bool wants_more(const struct logs *logs)
{
	const struct orch_stream_status *stream = logs->stream ? orch_status_find(&logs->status, logs->stream) : NULL;

	return logs->running && !(stream && is_over(stream->state));
}

/* is the attempt one that was not there yet? Those of before are left out, except for the one stream that was asked for
 */
static bool is_new(struct logs *logs, size_t at, bool first_look)
{
	const struct orch_stream_status *stream = &logs->status.streams[at];
	bool is_new;

	while (logs->opened.count <= at)
		*ARRAY_PUSH(&logs->opened) = 0;
	is_new = stream->log && stream->attempt > logs->opened.items[at];
	logs->opened.items[at] = stream->attempt;
	return is_new && (!first_look || logs->stream || stream->state == ORCH_TASK_RUNNING);
}

static void close_ended(struct logs *logs)
{
	for (size_t i = logs->tails.count; i-- > 0;) {
		const struct tail *tail = logs->tails.items[i];
		const struct orch_stream_status *stream = orch_status_find(&logs->status, tail->stream);

		if (!logs->running || !stream || stream->state != ORCH_TASK_RUNNING || stream->attempt != tail->attempt)
			close_tail(logs, i);
		else if (!tail->watch)
			/* where the system cannot tell of changes, looking is all there is */
			on_growth(logs->tails.items[i]);
	}
}

/* what the journal says now: ends logs whose attempt ended, begins those of new attempts, also of such that are over
 * already */
static void look(void *data)
{
	struct logs *logs = data;
	bool first_look = !logs->opened.count;
	struct orch_error err;

	logs->soon = false;
	logs->running = orch_history_running_pid(logs->dir) != 0;
	if (orch_history_replay(logs->dir, logs->id, &logs->status, &logs->offset, &err) < 0) {
		fail(logs, say_error(&err));
		return;
	}
	logs->running = logs->running && !logs->status.finished_ms;
	close_ended(logs);
	for (size_t i = 0; i < logs->status.stream_count; i++) {
		const struct orch_stream_status *stream = &logs->status.streams[i];

		if ((!logs->stream || strcmp(logs->stream, stream->name) == 0) && is_new(logs, i, first_look))
			open_tail(logs, stream);
	}
	close_ended(logs);
	if (!wants_more(logs))
		loop_stop(logs->loop);
	loop_timer_arm(logs->timer, LOOK_MS);
}

/* many events come at once: one look for all of them */
static void on_journal(void *data)
{
	struct logs *logs = data;

	if (!logs->soon)
		loop_timer_arm(logs->timer, SOON_MS);
	logs->soon = true;
}

static int follow_all(struct logs *logs)
{
	char *journal = xasprintf(".orch/runs/%s/journal.jsonl", logs->id);
	struct orch_error err;

	if (loop_new(&logs->loop, &err) < 0) {
		free(journal);
		return say_error(&err);
	}
	logs->timer = loop_timer_new(logs->loop, look, logs);
	logs->journal = loop_watch_new(logs->loop, journal, on_journal, logs);
	look(logs);
	loop_run(logs->loop);
	while (logs->tails.count)
		close_tail(logs, logs->tails.count - 1);
	if (logs->journal)
		loop_watch_free(logs->journal);
	loop_timer_free(logs->timer);
	loop_free(logs->loop);
	free(journal);
	return logs->exit_status;
}

/* --- the command --- */

/* STREAM.N, unless that is the name of a stream of the run */
static void split_attempt(struct logs *logs)
{
	char *dot = strrchr(logs->name, '.');

	if (!dot || orch_status_find(&logs->status, logs->name) ||
		!units_parse_int(dot + 1, 1, INT32_MAX, &logs->attempt))
		return;
	*dot = '\0';
}

/* the run that was named into logs->status */
static int open_named_run(struct logs *logs)
{
	struct orch_error err;

	if (orch_history_replay(logs->dir, logs->run, &logs->status, NULL, &err) < 0)
		return say_error(&err);
	if (!logs->name)
		return EXIT_COMPLETE;
	split_attempt(logs);
	logs->stream = logs->name;
	return EXIT_COMPLETE;
}

/* the newest run into logs->status */
static int open_run(struct logs *logs)
{
	struct orch_history *history;
	struct orch_run_info info;
	struct orch_error err;
	int status = EXIT_COMPLETE;

	if (logs->run)
		return open_named_run(logs);

	if (orch_history_open(&history, logs->dir, &err) < 0)
		return say_error(&err);
	if (!orch_history_count(history)) {
		status = say_usage("nothing has run here yet, so there are no logs");
	} else if (orch_history_run(history, 0, &info, &err) < 0) {
		status = say_error(&err);
	} else {
		logs->id = xstrdup(info.id);
		logs->running = info.running;
		if (orch_history_replay(logs->dir, info.id, &logs->status, &logs->offset, &err) < 0)
			status = say_error(&err);
	}
	orch_history_close(history);
	return status;
}

/* does the run under way have more to say of what was asked for? */
static bool can_follow(const struct logs *logs)
{
	if (!logs->options->follow || logs->options->attempt)
		return false;
	return wants_more(logs) && (!logs->stream || orch_status_find(&logs->status, logs->stream));
}

static int print_logs(struct logs *logs)
{
	struct orch_error err;
	size_t where;
	int status;

	if (logs->options->grep &&
		regex_new(&logs->grep, logs->options->grep, strlen(logs->options->grep), &where, &err) < 0)
		return say_usage("--grep: at character %zu of '%s': %s", where + 1, logs->options->grep, err.message);
	status = open_run(logs);
	if (status != EXIT_COMPLETE)
		return status;
	if (can_follow(logs))
		return follow_all(logs);
	if (logs->run && logs->stream)
		return print_of_run(logs);
	return logs->stream ? print_stream(logs) : print_all(logs);
}

/* RUN:, RUN:STREAM and RUN:STREAM.N; a name of a stream has no colon */
static int split_run(struct logs *logs)
{
	const char *colon = logs->stream ? strchr(logs->stream, ':') : NULL;

	logs->attempt = logs->options->attempt;
	if (!colon)
		return EXIT_COMPLETE;
	if (logs->options->follow)
		return say_usage("-f is for the run under way: leave out the run, 'orch logs -f %s'", colon + 1);
	if (logs->options->attempt)
		return say_usage("the attempt of a run is part of its name: '%s.%lld'", logs->stream,
			(long long)logs->options->attempt);
	logs->run = xstrndup(logs->stream, (size_t)(colon - logs->stream));
	logs->name = colon[1] ? xstrdup(colon + 1) : NULL;
	logs->stream = NULL;
	return EXIT_COMPLETE;
}

static int logs_run(void *data, const struct operands *operands)
{
	const struct logs_options *options = data;
	struct logs logs = {.options = options, .stream = operands->words.count ? operands->words.items[0] : NULL};
	char *dir = NULL;
	int status;

	if (options->attempt && !logs.stream)
		return say_usage("--attempt needs a STREAM");
	status = split_run(&logs);
	if (status != EXIT_COMPLETE)
		return status;
	status = find_project(&dir, &options->common);
	if (status == EXIT_COMPLETE) {
		logs.dir = dir;
		orch_status_init(&logs.status);
		status = print_logs(&logs);
		orch_status_release(&logs.status);
	}
	regex_free(logs.grep);
	ARRAY_RELEASE(&logs.tails);
	ARRAY_RELEASE(&logs.opened);
	free(logs.id);
	free(logs.run);
	free(logs.name);
	free(dir);
	return status;
}

const struct cmd cmd_logs = {
	.name = "logs",
	.operands = "[STREAM | RUN:[STREAM[.N]]]",
	.summary = "The output of a stream's newest attempt; of all that run",
	.about =
		"RUN:STREAM.N is attempt N of a past run, RUN:STREAM its last attempt there, RUN: all of it; 'orch history' lists runs.\n"
		"Without a name: all that run now, with the stream's name before each line; when no run is under way, those that failed\n"
		"in the last one, or all of it if none did.\n",
	.group = CMD_LOOKING,
	.options = logs_table,
	.size = sizeof(struct logs_options),
	.max = 1,
	.run = logs_run,
};
