/* run: what `orch` does without another command. */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/reports.h"
#include "cli/say.h"
#include "control/control.h"
#include "control/registry.h"
#include "listener/jsonl.h"
#include "listener/summary.h"
#include "orch/run.h"
#include "os/clock.h"
#include "os/detach.h"
#include "os/fs.h"
#include "os/loop.h"
#include "ui/ui.h"
#include "ui/words.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct run_options {
	struct common common;
	struct selection selection;
	struct strvec reports;
	int64_t max_failures, seed, min_free, retries, timeout_ms, limit_wait_ms, approval_wait_ms;
	double load, max_pressure, budget;
	int output, progress; /* enum output_mode or -1, enum ui_progress */
	bool keep_going, dry_run, touch, question, silent, verbose, json, detach, fresh, resume;
};

/* absent values of OPT_INT and OPT_DURATION rows */
enum { NOT_GIVEN = -1 };
static const struct run_options run_defaults = {.seed = NOT_GIVEN,
	.retries = NOT_GIVEN,
	.timeout_ms = NOT_GIVEN,
	.limit_wait_ms = NOT_GIVEN,
	.approval_wait_ms = NOT_GIVEN,
	.output = NOT_GIVEN};

/* in the order of enum output_mode and enum ui_progress */
static const char *const output_choices[] = {"none", "stream", "line", NULL};
static const char *const progress_choices[] = {"auto", "live", "plain", "quiet", NULL};

#define FIELD(name) offsetof(struct run_options, name)

static const struct opt run_table[] = {
	SELECTION_OPTIONS(struct run_options, selection),
	{'k', "keep-going", OPT_FLAG, FIELD(keep_going), .help = "a failure stops only what depends on it"},
	{0, "max-failures", OPT_INT, FIELD(max_failures), .what = "N", .help = "start nothing new after N failures",
		.min = 1, .max = INT32_MAX},
	{0, "shuffle", OPT_INT, FIELD(seed), .what = "SEED",
		.help = "a random order that is legal, to find missing dependencies", .min = 1, .max = INT64_MAX,
		.value = OPT_ATTACHED, .bare = 0},
	{'n', "dry-run", OPT_FLAG, FIELD(dry_run),
		.help = "print what would run, in order, and why; run nothing.\nWith -v also the scripts"},
	{'t', "touch", OPT_FLAG, FIELD(touch), .help = "call what is stale complete, run nothing"},
	{'q', "question", OPT_FLAG, FIELD(question),
		.help = "run and print nothing; exit status 1 if something is to do"},
	{'l', "load", OPT_NUMBER, FIELD(load), .what = "N", .help = "start nothing while the load average is above N"},
	{0, "min-free", OPT_SIZE, FIELD(min_free), .what = "SIZE", .help = "start nothing while less memory is free"},
	{0, "max-pressure", OPT_NUMBER, FIELD(max_pressure), .what = "PERCENT",
		.help = "start nothing while processes wait for processor, memory or disk\nfor more of the time"},
	{0, "retries", OPT_INT, FIELD(retries), .what = "N", .help = "attempts after the first, for every stream",
		.min = 0, .max = 1000000},
	{0, "timeout", OPT_DURATION, FIELD(timeout_ms), .what = "TIME",
		.help = "of one attempt, for every stream: 90s, 45m, 1h30m"},
	{0, "resume", OPT_FLAG, FIELD(resume),
		.help = "go on with what an attempt that did not complete left in its worktree\n(default)"},
	{0, "fresh", OPT_FLAG, FIELD(fresh),
		.help = "begin such streams again from their base; what was left is kept under\nrefs/orch/wip/STREAM/N"},
	{0, "budget", OPT_NUMBER, FIELD(budget), .what = "AMOUNT",
		.help = "start nothing new once the agents' work has cost AMOUNT"},
	{0, "limit-wait", OPT_DURATION, FIELD(limit_wait_ms), .what = "TIME",
		.help = "longest wait for a usage limit where nothing else can run;\nelse the run ends with status 75"},
	{0, "approval-wait", OPT_DURATION, FIELD(approval_wait_ms), .what = "TIME",
		.help = "longest wait for 'orch approve' where nothing else can run; else the run\nends with status 75. "
			"Default: as long as it takes, with CI=true not at all"},
	{'s', "silent", OPT_FLAG, FIELD(silent), .help = "only failures"},
	{'v', "verbose", OPT_FLAG, FIELD(verbose), .help = "say more"},
	{'O', "output", OPT_CHOICE, FIELD(output), .what = "MODE",
		.help = "output of streams: none, stream (whole, at its end) or line", .choices = output_choices},
	{0, "progress", OPT_CHOICE, FIELD(progress), .what = "VIEW", .help = "auto, live, plain or quiet",
		.choices = progress_choices},
	{0, "detach", OPT_FLAG, FIELD(detach),
		.help = "go on in the background; 'orch watch' shows it, 'orch stop' ends it"},
	{0, "json", OPT_FLAG, FIELD(json), .help = "events as JSON lines on standard output, nothing else there"},
	{0, "report", OPT_LIST, FIELD(reports), .what = "FILE",
		.help = "at the end write a report: .html, .xml (JUnit), .json, .md, .trace.json\nor .tsv; may be repeated"},
	CMD_COMMON_OPTIONS,
	{0},
};

/* a run under way, for what comes in on the loop */
struct session {
	const struct run_options *options;
	struct loop *loop;
	struct ui *ui;
	struct jsonl *jsonl;
	struct orch_run *run;
	struct control *control;
	struct detach *detach; /* in the background: to whom it is to be said; NULL: not */
	struct orch_listener first;
	struct loop_idle *begun;
	bool registered;
	struct loop_signal *watches[3], *reload;
	int signal; /* the first that came; 0: none */
};

struct watched_signal {
	struct session *session;
	int signo;
	const char *name;
};

static void on_signal(void *data)
{
	const struct watched_signal *watched = data;
	struct session *session = watched->session;

	orch_run_stop(session->run, session->signal ? ORCH_STOP_KILL : ORCH_STOP_TERM, watched->name);
	if (!session->signal)
		session->signal = watched->signo;
}

static void on_reload(void *data)
{
	struct session *session = data;
	struct orch_reload reload;
	struct orch_error err;

	/* the run is told what is wrong with the Orchfile; that it is over need not be said */
	(void)orch_run_reload(session->run, "SIGUSR1", &reload, &err);
	free(reload.diagnostics);
}

static void watch_signals(struct session *session, struct watched_signal *watched)
{
	for (size_t i = 0; i < sizeof session->watches / sizeof session->watches[0]; i++) {
		struct sigaction now;

		watched[i].session = session;
		/* nohup and its like asked that the end of the terminal be no end */
		if (watched[i].signo == SIGHUP && sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			continue;
		session->watches[i] = loop_signal_new(session->loop, watched[i].signo, on_signal, &watched[i]);
	}
	session->reload = loop_signal_new(session->loop, SIGUSR1, on_reload, session);
}

/* --- in the background --- */

static void on_begun(void *data)
{
	struct session *session = data;

	detach_let_go(session->detach);
}

/* the first event is on the disk when this turn of the loop ends: then 'orch status' sees the run */
static int on_first_event(void *data, const struct orch_event *event, struct orch_error *err)
{
	struct session *session = data;

	(void)err;
	if (event->type == ORCH_EVENT_RUN_STARTED)
		loop_idle_arm(session->begun);
	return 0;
}

/* from here on nobody looks at our standard output and error; what has been wrong so far was said there */
static int go_to_background(struct session *session)
{
	const char *run = orch_run_id(session->run);
	struct strbuf path = {0};
	struct orch_error err;
	int status = EXIT_COMPLETE;

	strbuf_addf(&path, ".orch/runs/%s/console.log", run);
	/* who started us was interrupted: nothing shall begin */
	if (detach_say(session->detach, run) < 0)
		status = EXIT_SIGNAL + SIGINT;
	else if (detach_redirect(strbuf_cstr(&path), &err) < 0)
		status = say_error(&err);
	strbuf_release(&path);
	session->begun = loop_idle_new(session->loop, on_begun, session);
	session->first = (struct orch_listener){.name = "detach", .notify = on_first_event, .data = session};
	orch_run_listen(session->run, &session->first);
	return status;
}

/* what the copy in the background says until the run has begun, or how it ended before */
static int wait_for_begin(const struct run_options *options, struct detach *detach)
{
	char *run;
	int ended, status;

	ended = detach_wait(detach, &run, &status);
	run[strcspn(run, "\n")] = '\0';
	if (!ended && !options->silent)
		say("run %s goes on in the background, process %ld; 'orch watch' shows it, 'orch stop' ends it", run,
			(long)detach->pid);
	else if (ended && *run)
		say("run %s ended before it had begun; .orch/runs/%s/console.log says why", run, run);
	free(run);
	if (!ended)
		return EXIT_COMPLETE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

static int check_detach(const struct run_options *options)
{
	if (options->json)
		return say_usage("--detach leaves nobody to read --json; 'orch status --json' and the journal have it");
	if (options->dry_run || options->question || options->touch)
		return say_usage("--detach is for a run: it does not go with -n, -q or -t");
	if (options->progress == UI_PROGRESS_LIVE)
		return say_usage("--detach has no terminal for --progress=live; 'orch watch' shows the run");
	return EXIT_COMPLETE;
}

/* --- a run --- */

static void on_log(enum log_level level, const char *message, void *data)
{
	struct session *session = data;
	struct strbuf text = {0};

	strbuf_addf(&text, "orch: %s%s", level == LOG_WARN ? "warning: " : "", message);
	if (session->ui)
		ui_message(session->ui, strbuf_cstr(&text));
	else
		say("%s%s", level == LOG_WARN ? "warning: " : "", message);
	strbuf_release(&text);
}

static void make_ui(struct session *session)
{
	const struct run_options *options = session->options;
	struct ui_options ui = UI_OPTIONS_INIT;

	ui.progress = (enum ui_progress)options->progress;
	ui.color = (enum term_color)options->common.color;
	ui.output = options->output;
	ui.verbosity = options->silent ? -1 : options->verbose ? 1 : 0;
	ui.loop = session->loop;
	if (options->json) {
		/* standard output belongs to the events */
		ui.output = OUTPUT_NONE;
		if (ui.progress == UI_PROGRESS_AUTO)
			ui.progress = UI_PROGRESS_QUIET;
	}
	if (session->detach) {
		if (ui.progress == UI_PROGRESS_AUTO)
			ui.progress = UI_PROGRESS_PLAIN;
		if (ui.color == TERM_COLOR_AUTO)
			ui.color = TERM_COLOR_NEVER;
		if (ui.output == NOT_GIVEN)
			ui.output = OUTPUT_NONE;
	}
	session->ui = ui_new(&ui);
}

static struct orch_run_options run_options(const struct session *session)
{
	const struct run_options *options = session->options;
	struct orch_run_options run = ORCH_RUN_OPTIONS_INIT;

	run.jobs = selection_jobs(&options->selection);
	run.keep_going = options->keep_going;
	run.max_failures = (unsigned)options->max_failures;
	run.shuffle = options->seed != NOT_GIVEN;
	run.seed = run.shuffle ? (uint64_t)options->seed : 0;
	run.max_load = options->load;
	run.min_free = options->min_free;
	run.max_pressure = options->max_pressure;
	run.retries = (int)options->retries;
	run.timeout_ms = options->timeout_ms;
	run.limit_wait_ms = options->limit_wait_ms;
	/* nobody is there who could give it */
	run.approval_wait_ms = options->approval_wait_ms == NOT_GIVEN && say_err()->ci ? 0 : options->approval_wait_ms;
	run.budget = options->budget;
	run.touch = options->touch;
	run.fresh = options->fresh;
	run.follow_output = session->ui && (ui_wants_output(session->ui) || (options->json && options->verbose));
	run.loop = session->loop;
	return run;
}

/* what was typed, as far as it matters for typing it again */
static void add_command(struct strbuf *out, const struct run_options *options, const struct operands *operands)
{
	strbuf_addstr(out, "orch");
	if (options->common.file) {
		strbuf_addstr(out, " -f ");
		path_quote(out, options->common.file);
	}
	for (size_t i = 0; i < operands->assignments.count; i++) {
		strbuf_addch(out, ' ');
		path_quote(out, operands->assignments.items[i]);
	}
	for (size_t i = 0; i < operands->words.count; i++) {
		strbuf_addch(out, ' ');
		path_quote(out, operands->words.items[i]);
	}
}

static void print_summary(const struct session *session, const struct operands *operands)
{
	const struct term *term = ui_term(session->ui);
	struct strbuf out = {0}, command = {0};
	const struct orch_status *status = ui_status(session->ui);
	/* the end of a log was printed when its stream failed: again only where much may lie between */
	bool logs_in_sight = ui_shows_logs(session->ui) || status->stream_count <= SUMMARY_IN_SIGHT;
	struct summary_options options = {
		.log_lines = logs_in_sight ? 0 : SUMMARY_LOG_LINES,
		.clean = ui_clean,
		.clean_data = session->ui,
		.outcome = words_outcome,
		.unicode = term->unicode,
		.good = term_style(term, TERM_GOOD),
		.bad = term_style(term, TERM_BAD),
		.warn = term_style(term, TERM_WARN),
		.bold = term_style(term, TERM_BOLD),
		.reset = term_style(term, TERM_RESET),
	};

	add_command(&command, session->options, operands);
	options.command = strbuf_cstr(&command);
	summary_write(&out, status, &options);
	/* nobody is left to tell if standard error cannot be written */
	(void)!fs_write_all(term->fd, strbuf_cstr(&out), out.len);
	strbuf_release(&out);
	strbuf_release(&command);
}

/* the end of the events: what could not be written makes the run a failed one */
static int close_jsonl(struct session *session, int status)
{
	struct orch_error err;

	if (session->jsonl && jsonl_close(session->jsonl, &err) < 0 && status == EXIT_COMPLETE)
		return say_error(&err);
	return status;
}

static int run_session(
	struct session *session, struct orch *orch, struct orch_plan *plan, const struct operands *operands)
{
	struct watched_signal watched[] = {{.signo = SIGINT, .name = "SIGINT"}, {.signo = SIGTERM, .name = "SIGTERM"},
		{.signo = SIGHUP, .name = "SIGHUP"}};
	struct orch_run_options options;
	struct orch_error err;
	int result, status;

	if (loop_new(&session->loop, &err) < 0)
		return say_error(&err);
	log_set_sink(on_log, session, session->options->verbose ? LOG_INFO : LOG_WARN);
	make_ui(session);
	options = run_options(session);
	if (orch_run_new(&session->run, orch, plan, &options, &err) < 0)
		return say_error(&err);
	orch_run_listen(session->run, ui_listener(session->ui));
	if (session->options->json) {
		session->jsonl = jsonl_new(stdout, session->loop);
		orch_run_listen(session->run, jsonl_listener(session->jsonl));
	}
	watch_signals(session, watched);
	if (session->detach && orch_run_id(session->run)) {
		status = go_to_background(session);
		if (status != EXIT_COMPLETE)
			return status;
	}
	/* a run that cannot be steered is still a run */
	if (orch_run_id(session->run) && control_new(&session->control, session->loop, session->run, &err) < 0)
		log_warn("'orch stop' and its like cannot reach this run: %s", err.message);
	/* whoever wants to see all runs misses this one, which is no reason not to run */
	if (orch_run_id(session->run)) {
		session->registered = registry_add(orch_dir(orch), orch_run_id(session->run), &err) == 0;
		if (!session->registered)
			log_info("'orch ps' will not show this run: %s", err.message);
	}
	result = orch_run_execute(session->run, &err);
	control_free(session->control);
	session->control = NULL;
	/* a run that could not go on may have left attempts that do */
	if (session->registered && result >= 0)
		registry_remove(orch_dir(orch));
	ui_finish(session->ui);
	status = result < 0 ? say_error(&err) : result;
	if (orch_run_id(session->run) && (!session->options->silent || status != EXIT_COMPLETE) &&
		(!session->options->json || session->options->progress != UI_PROGRESS_AUTO))
		print_summary(session, operands);
	status = close_jsonl(session, status);
	return session->signal ? EXIT_SIGNAL + session->signal : status;
}

/* every report is tried; what could not be written makes the run a failed one */
static int write_reports(const struct run_options *options, const struct report *report, const char *from)
{
	int worst = EXIT_COMPLETE;

	for (size_t i = 0; i < options->reports.count; i++) {
		enum report_format format = REPORT_HTML;
		int saved;

		report_format_of(options->reports.items[i], &format);
		saved = reports_save(report, options->reports.items[i], format, from);
		worst = saved > worst ? saved : worst;
	}
	return worst;
}

/* of the run that just ended; its own failure counts for more than one to report it */
static int report_session(const struct session *session, const char *from, int status)
{
	struct report report;
	int reported;

	if (!session->options->reports.count || !orch_run_id(session->run))
		return status;
	reported = reports_read(&report, orch_run_id(session->run), orch_run_orchfile(session->run));
	if (reported == EXIT_COMPLETE)
		reported = write_reports(session->options, &report, from);
	report_release(&report);
	return status == EXIT_COMPLETE ? reported : status;
}

static int report_nothing(const struct run_options *options, const struct orch *orch, size_t complete, const char *from)
{
	struct report report;
	int status;

	if (!options->reports.count)
		return EXIT_COMPLETE;
	reports_nothing(&report, orch, complete);
	status = write_reports(options, &report, from);
	report_release(&report);
	return status;
}

static int check_reports(const struct run_options *options, const char *from)
{
	if (options->reports.count && (options->dry_run || options->question || options->touch))
		return say_usage("--report is about a run: -n, -q and -t make none");
	for (size_t i = 0; i < options->reports.count; i++) {
		int status = reports_check(options->reports.items[i], from);

		if (status != EXIT_COMPLETE)
			return status;
	}
	return EXIT_COMPLETE;
}

static void end_session(struct session *session)
{
	log_set_sink(NULL, NULL, LOG_WARN);
	for (size_t i = 0; i < sizeof session->watches / sizeof session->watches[0]; i++) {
		if (session->watches[i])
			loop_signal_free(session->watches[i]);
	}
	loop_signal_free(session->reload);
	/* one that comes late ends nothing */
	signal(SIGUSR1, SIG_IGN);
	control_free(session->control);
	loop_idle_free(session->begun);
	orch_run_free(session->run);
	jsonl_free(session->jsonl);
	ui_free(session->ui);
	loop_free(session->loop);
}

/* nothing is stale: still, another run may hold the project, and then what is complete is not known */
static int run_nothing(const struct run_options *options, struct orch *orch, struct orch_plan *plan, const char *from)
{
	struct orch_run_options none = ORCH_RUN_OPTIONS_INIT;
	struct orch_run *run;
	struct orch_error err;

	if (orch_run_new(&run, orch, plan, &none, &err) < 0)
		return say_error(&err);
	orch_run_free(run);
	if (!options->silent) {
		struct strbuf text = {0};

		summary_nothing(&text, orch_plan_wanted(plan));
		say("%s", strbuf_cstr(&text));
		strbuf_release(&text);
	}
	return report_nothing(options, orch, orch_plan_wanted(plan), from);
}

/* `detach`: it is the copy in the background */
static int run_plan(const struct run_options *options, struct orch *orch, struct orch_plan *plan,
	const struct operands *operands, const char *from, struct detach *detach)
{
	struct session session = {.options = options, .detach = detach};
	size_t stale = orch_plan_run_count(plan) + orch_plan_perhaps_count(plan);
	bool owes_merge = !options->touch && orch_plan_owes_merge(plan);
	int status;

	if (options->question)
		return stale || owes_merge ? EXIT_STREAM_FAILED : EXIT_COMPLETE;
	if (options->dry_run)
		return plan_print_dry_run(orch, plan, options->verbose, options->json);
	if (!stale && !owes_merge)
		return run_nothing(options, orch, plan, from);
	/* a reader who goes away ends neither the run nor its other listeners */
	signal(SIGPIPE, SIG_IGN);
	/* nor does one who wants the Orchfile to be read again, before there is a run or after it */
	signal(SIGUSR1, SIG_IGN);
	status = run_session(&session, orch, plan, operands);
	status = report_session(&session, from, status);
	if (options->touch && status == EXIT_COMPLETE && !options->silent) {
		struct strbuf text = {0};

		plan_add_count(&text, stale, "stream");
		say("%s now count%s as complete", strbuf_cstr(&text), stale == 1 ? "s" : "");
		strbuf_release(&text);
	}
	end_session(&session);
	return status;
}

static int run_run(void *data, const struct operands *operands)
{
	struct run_options *options = data;
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	struct detach detach = {.fd = -1};
	struct orch_error err;
	char *from;
	int status;

	if (options->json && options->output != NOT_GIVEN && options->output != OUTPUT_NONE)
		return say_usage("--json leaves standard output to the events: -O cannot print there too");
	if (options->silent && options->verbose)
		return say_usage("-s and -v exclude each other");
	if (options->fresh && options->resume)
		return say_usage("--fresh and --resume exclude each other");
	if (options->fresh && options->touch)
		return say_usage("--fresh is for a run: -t makes none");
	from = fs_cwd();
	status = check_reports(options, from ? from : ".");
	if (status != EXIT_COMPLETE) {
		free(from);
		return status;
	}
	if (options->detach) {
		status = check_detach(options);
		if (status == EXIT_COMPLETE) {
			/* before anything is open: what is wrong with the Orchfile is said by the copy */
			int copy = detach_start(&detach, &err);

			status = copy < 0 ? say_error(&err) : EXIT_COMPLETE;
			if (copy > 0)
				status = wait_for_begin(options, &detach);
		}
		if (status != EXIT_COMPLETE || detach.pid > 0) {
			free(from);
			return status;
		}
	}
	status = find_orchfile(&orch, &options->common, operands,
		FIND_STREAMS | (options->silent || options->question ? 0 : FIND_WARN));
	if (status == EXIT_COMPLETE)
		status = selection_plan(&plan, orch, &options->selection, operands, from ? from : ".");
	if (status == EXIT_COMPLETE)
		status = run_plan(options, orch, plan, operands, from ? from : ".", options->detach ? &detach : NULL);
	orch_plan_free(plan);
	orch_close(orch);
	free(from);
	return status;
}

const struct cmd cmd_run = {
	.name = "run",
	.operands = "[TARGET | NAME=value]...",
	.summary = "Run what is not complete (also without the word run)",
	.about =
		"A TARGET is a stream, a group, a glob ('AUTH-*'), a pattern (/^AUTH-/) or tag:NAME; with + behind it, also what depends\n"
		"on it. What targets depend on runs too. No target: 'project: default', else everything.\n"
		"With --detach it goes on in the background once it has begun: the exit status is 0 then, whatever becomes of it.\n"
		"Ctrl-C once: nothing new starts and what runs is ended politely; twice: it is killed. SIGUSR1: the Orchfile is read again.\n"
		"Exit status: 0 complete, 1 a stream failed, 2 wrong usage or Orchfile, 3 another run holds the project, 128+N signal N.\n",
	.group = CMD_RUNNING,
	.options = run_table,
	.size = sizeof(struct run_options),
	.defaults = &run_defaults,
	.max = CMD_ANY,
	.assigns = true,
	.run = run_run,
};
