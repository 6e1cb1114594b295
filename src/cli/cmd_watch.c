/* watch: a run on the whole screen. It only reads the run's files, and asks the run for what its keys want. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/find.h"
#include "cli/say.h"
#include "control/client.h"
#include "control/control.h"
#include "orch/history.h"
#include "os/fs.h"
#include "os/guard.h"
#include "os/loop.h"
#include "os/tty.h"
#include "ui/canvas.h"
#include "ui/watch.h"
#include "util/alloc.h"
#include "util/json.h"
#include "util/log.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_PATH ".orch"
#define RUNS_PATH STATE_PATH "/runs"

enum { LOOK_SOON_MS = 50, LOOK_AGAIN_MS = 200 };

struct watch_command_options {
	struct common common;
};

static const struct opt watch_table[] = {CMD_COMMON_OPTIONS, {0}};

/* the current directory is the project's */
struct session {
	const char *wanted; /* run; NULL: the newest, also one that begins later */
	char *id;           /* that is shown; NULL: none yet */
	struct orch_status status;
	uint64_t offset; /* in its journal */
	struct loop *loop;
	struct loop_watch *runs, *here, *journal;
	struct loop_timer *look;
	struct loop_fd *parent;
	struct watch *watch;
	struct orch_error err; /* why it cannot go on */
	bool failed;
	bool running;
	bool left_known; /* of a crashed run */
	bool early;      /* a run is beginning */
};

/* a request on its way: on another thread, since a run may be busy */
struct errand {
	struct session *session;
	struct strbuf request;
	char *said; /* if the run takes it */
	struct orch_error err;
	int result;
};

/* --- reading --- */

static void fail(struct session *session)
{
	session->failed = true;
	loop_stop(session->loop);
}

static void look_soon(void *data)
{
	struct session *session = data;

	/* a busy run writes all the time: what came within a moment is read at once */
	loop_timer_arm_if_idle(session->look, LOOK_SOON_MS);
}

static void watch_journal(struct session *session)
{
	struct strbuf path = {0};

	strbuf_addf(&path, "%s/%s/journal.jsonl", RUNS_PATH, session->id);
	loop_watch_free(session->journal);
	session->journal = loop_watch_new(session->loop, strbuf_cstr(&path), look_soon, session);
	strbuf_release(&path);
}

/* the run to show, if another one is to be shown than until now */
static int find_run(struct session *session, struct orch_error *err)
{
	struct orch_history *history;
	const char *id;

	if (session->wanted && session->id)
		return 0;
	if (orch_history_open(&history, ".", err) < 0)
		return -1;
	id = session->wanted ? session->wanted : orch_history_count(history) ? orch_history_id(history, 0) : NULL;
	if (id && (!session->id || strcmp(id, session->id) != 0)) {
		free(session->id);
		session->id = xstrdup(id);
		orch_status_release(&session->status);
		session->offset = 0;
		session->left_known = false;
		if (session->loop)
			watch_journal(session);
		if (session->watch)
			watch_restarted(session->watch);
	}
	orch_history_close(history);
	return 0;
}

static enum watch_run state_of_run(struct session *session)
{
	struct orch_error err;
	int64_t pid;

	if (!session->id)
		return WATCH_NONE;
	if (session->status.finished_ms)
		return WATCH_FINISHED;
	pid = orch_history_running_pid(".");
	/* the lock may be another run's, where an older one is looked at */
	if (pid && (pid < 0 || session->status.pid < 0 || pid == session->status.pid))
		return WATCH_RUNNING;
	if (!session->left_known) {
		session->left_known = true;
		/* where that cannot be told, nothing is said of it */
		(void)orch_history_left(".", &session->status, NULL, &err);
	}
	return WATCH_CRASHED;
}

static int read_run(struct session *session, struct orch_error *err)
{
	session->early = false;
	if (find_run(session, err) < 0)
		return -1;
	if (!session->id || orch_history_replay(".", session->id, &session->status, &session->offset, err) == 0)
		return 0;
	if (session->wanted || err->code != ORCH_ENOTFOUND)
		return -1;
	/* its directory is there, and its journal is not yet: a moment later; or it was removed */
	free(session->id);
	session->id = NULL;
	orch_status_release(&session->status);
	if (session->watch)
		watch_restarted(session->watch);
	session->early = true;
	return 0;
}

/* an end that is read after the lock was seen free is no crash: so it is read once more */
static enum watch_run refresh(struct session *session)
{
	enum watch_run run;

	if (read_run(session, &session->err) < 0) {
		fail(session);
		return WATCH_NONE;
	}
	run = state_of_run(session);
	if (run == WATCH_CRASHED && read_run(session, &session->err) == 0 && session->status.finished_ms)
		run = WATCH_FINISHED;
	return run;
}

static void watch_runs(struct session *session)
{
	if (!session->runs)
		session->runs = loop_watch_new(session->loop, RUNS_PATH, look_soon, session);
	/* there was no run yet, so there may be no such directory; when it is there it is waited for instead */
	if (!session->runs && !session->here)
		session->here = loop_watch_new(session->loop, ".", look_soon, session);
}

static void look(void *data)
{
	struct session *session = data;
	enum watch_run run;

	/* .orch may have been removed, and made again: who watches the old directory hears nothing of the next run */
	if (!session->running) {
		loop_watch_free(session->runs);
		session->runs = NULL;
	}
	watch_runs(session);
	run = refresh(session);
	session->running = run == WATCH_RUNNING;
	if (session->failed)
		return;
	if (session->early || (!session->runs && fs_is_directory(STATE_PATH)))
		loop_timer_arm(session->look, LOOK_AGAIN_MS);
	watch_changed(session->watch, run);
}

/* what no change of a file tells: that the run was killed; and all of it where files cannot be watched */
static void on_tick(void *data)
{
	struct session *session = data;

	if (!session->journal || !orch_history_running_pid("."))
		look_soon(session);
}

/* --- asking --- */

static void do_errand(void *data)
{
	struct errand *errand = data;
	struct json_value *answer = NULL;
	int fd = client_connect(CONTROL_PATH, &errand->err);

	errand->result = fd < 0 ? -1 : client_ask(fd, &errand->request, &answer, &errand->err);
	json_value_free(answer);
	if (fd >= 0)
		close(fd);
}

static void errand_done(void *data)
{
	struct errand *errand = data;
	struct session *session = errand->session;

	/* the view may have been left meanwhile */
	if (session->watch)
		watch_say(
			session->watch, errand->result != 0, errand->result == 0 ? errand->said : errand->err.message);
	strbuf_release(&errand->request);
	free(errand->said);
	free(errand);
}

static void ask(void *data, enum watch_request what, const char *stream, int64_t number, const char *text)
{
	static const char *const names[] = {
		[WATCH_STOP] = "stop",
		[WATCH_STOP_RUN] = "stop",
		[WATCH_RETRY] = "retry",
		[WATCH_APPROVE] = "approve",
		[WATCH_SEND] = "send",
		[WATCH_PAUSE] = "pause",
		[WATCH_RESUME] = "resume",
		[WATCH_JOBS] = "jobs",
	};
	static const char *const said[] = {
		[WATCH_STOP] = "%s is being stopped",
		[WATCH_STOP_RUN] = "the run is being stopped",
		[WATCH_RETRY] = "%s will be tried again",
		[WATCH_APPROVE] = "%s is approved",
		[WATCH_SEND] = "%s was told",
		[WATCH_PAUSE] = "paused: what runs goes on, nothing new starts; p goes on",
		[WATCH_RESUME] = "the run goes on",
	};
	struct session *session = data;
	struct errand *errand = xcalloc(1, sizeof *errand);
	struct json_writer w = {.out = &errand->request};

	errand->session = session;
	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, CONTROL_VERSION);
	json_add_key(&w, "request");
	json_add_string(&w, names[what]);
	if (stream) {
		json_add_key(&w, "streams");
		json_begin_array(&w);
		json_add_string(&w, stream);
		json_end_array(&w);
	}
	if (text) {
		json_add_key(&w, "text");
		json_add_string(&w, text);
	}
	if (what == WATCH_JOBS) {
		json_add_key(&w, "jobs");
		json_add_int(&w, number);
		errand->said = xasprintf("at most %lld at once from now on", (long long)number);
	} else {
		const char *mark = strstr(said[what], "%s");

		errand->said = mark && stream ? xasprintf("%s%s", stream, mark + 2) : xstrdup(said[what]);
	}
	json_end_object(&w);
	loop_work(session->loop, do_errand, errand_done, errand);
}

/* --- the view --- */

static void on_parent_gone(void *data)
{
	struct session *session = data;

	loop_stop(session->loop);
}

/* messages would stand in the middle of the screen */
static void on_log(enum log_level level, const char *message, void *data)
{
	struct session *session = data;

	if (session->watch)
		watch_say(session->watch, level == LOG_WARN, message);
}

static int show(struct session *session, int parent)
{
	struct watch_options options = {
		.term = say_out(),
		.status = &session->status,
		.ask = ask,
		.tick = on_tick,
		.data = session,
	};
	struct orch_error err;
	struct watch *watch;
	int status = EXIT_COMPLETE, signo;

	if (loop_new(&session->loop, &err) < 0)
		return say_error(&err);
	options.loop = session->loop;
	session->look = loop_timer_new(session->loop, look, session);
	session->parent = loop_fd_new(session->loop, parent, on_parent_gone, session);
	if (session->id)
		watch_journal(session);
	watch_runs(session);
	if (watch_new(&session->watch, &options, &err) < 0) {
		status = say_error(&err);
	} else {
		log_set_sink(on_log, session, LOG_WARN);
		look(session);
		if (!session->failed)
			loop_run(session->loop);
	}
	watch = session->watch;
	session->watch = NULL;
	signo = watch ? watch_signal(watch) : 0;
	watch_free(watch);
	log_set_sink(NULL, NULL, LOG_WARN);
	if (session->failed)
		status = say_error(&session->err);
	loop_timer_free(session->look);
	if (session->parent)
		loop_fd_free(session->parent);
	loop_watch_free(session->journal);
	loop_watch_free(session->runs);
	loop_watch_free(session->here);
	loop_free(session->loop);
	return signo ? EXIT_SIGNAL + signo : status;
}

static int watch_run(void *data, const struct operands *operands)
{
	const struct watch_command_options *options = data;
	struct session session = {.wanted = operands->words.count ? operands->words.items[0] : NULL};
	struct guard guard;
	struct orch_error err;
	char *dir = NULL;
	int status = find_project(&dir, &options->common), copy;

	if (status != EXIT_COMPLETE)
		return status;
	free(dir);
	if (!tty_is(STDIN_FILENO) || !say_out()->tty || say_out()->dumb)
		return say_usage(
			"orch watch needs a terminal that can be drawn on; 'orch status' and 'orch status --watch' do not");
	orch_status_init(&session.status);
	/* what is wrong is said before the screen is taken */
	if (read_run(&session, &err) < 0) {
		status = say_error(&err);
	} else {
		copy = guard_terminal(&guard, say_out()->fd, canvas_restore, &status, &err);
		if (copy < 0)
			status = say_error(&err);
		else if (copy == 0)
			status = show(&session, guard.parent);
	}
	orch_status_release(&session.status);
	free(session.id);
	return status;
}

const struct cmd cmd_watch = {
	.name = "watch",
	.operands = "[RUN]",
	.summary = "A run on the whole screen: streams, logs, and keys to steer it",
	.about =
		"Shows the run under way, or the last one, and goes on with the next when it begins; or a RUN of 'orch history'.\n"
		"Leaving it (q) leaves the run alone. '?' lists the keys.\n",
	.group = CMD_LOOKING,
	.options = watch_table,
	.size = sizeof(struct watch_command_options),
	.max = 1,
	.run = watch_run,
};
