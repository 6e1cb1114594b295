/* Views without a terminal: events in, bytes out. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listener/jsonl.h"
#include "listener/summary.h"
#include "ui/canvas.h"
#include "ui/ci.h"
#include "ui/entry.h"
#include "ui/output.h"
#include "ui/plain.h"
#include "ui/term.h"
#include "ui/ui.h"
#include "ui/words.h"
#include "util/strbuf.h"
#include "util/utf8.h"

static char dir[] = "/tmp/orch-test-ui.XXXXXX";

/* ---- help ---- */

static const char *in_dir(const char *name)
{
	static char path[8][256];
	static unsigned next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof path[0], "%s/%s", dir, name);
	return p;
}

static void write_file(const char *name, const void *bytes, size_t len, bool append)
{
	FILE *file = fopen(in_dir(name), append ? "a" : "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static char *read_file(const char *name)
{
	static char text[1 << 20];
	FILE *file = fopen(in_dir(name), "r");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof text - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static struct orch_event make(enum orch_event_type type, const char *stream)
{
	struct orch_event event;

	orch_event_init(&event, type);
	event.stream = stream;
	event.time_ms = 1000000;
	return event;
}

static struct orch_event run_started(int64_t wanted, int64_t stale)
{
	struct orch_event event = make(ORCH_EVENT_RUN_STARTED, NULL);

	event.run = "R1";
	event.count = wanted;
	event.stale = stale;
	event.jobs = 2;
	return event;
}

static struct orch_event task(const char *stream, enum orch_task_state state, const char *reason)
{
	struct orch_event event = make(ORCH_EVENT_TASK, stream);

	event.state = (int)state;
	event.reason = reason;
	return event;
}

static struct orch_event started(const char *stream, int64_t attempt, const char *log)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_STARTED, stream);

	event.attempt = attempt;
	event.log = log;
	return event;
}

static struct orch_event finished(
	const char *stream, int64_t attempt, enum orch_outcome outcome, int64_t code, const char *message)
{
	struct orch_event event = make(ORCH_EVENT_ATTEMPT_FINISHED, stream);

	event.attempt = attempt;
	event.outcome = (int)outcome;
	if (outcome == ORCH_OUTCOME_SIGNAL)
		event.signal = code;
	else
		event.exit_code = code;
	event.duration_ms = 12300;
	event.message = message;
	return event;
}

/* a ui on files, told the events */
static void tell(struct ui *ui, struct orch_event event)
{
	const struct orch_listener *listener = ui_listener(ui);
	struct orch_error err = {0};

	if (listener->notify(listener->data, &event, &err) != 0)
		fail_msg("%s", err.message);
}

struct files {
	struct ui *ui;
	int out, err;
};

static void files_open(struct files *files, enum ui_progress progress, enum term_color color, int output, int verbosity)
{
	struct ui_options options = UI_OPTIONS_INIT;

	files->out = open(in_dir("out"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	files->err = open(in_dir("err"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	options.progress = progress;
	options.color = color;
	options.output = output;
	options.verbosity = verbosity;
	options.out_fd = files->out;
	options.err_fd = files->err;
	files->ui = ui_new(&options);
}

static void files_close(struct files *files)
{
	ui_finish(files->ui);
	ui_free(files->ui);
	close(files->out);
	close(files->err);
}

static void tell_story(struct ui *ui)
{
	tell(ui, run_started(7, 4));
	tell(ui, task("a", ORCH_TASK_WAITING, "never completed"));
	tell(ui, task("b", ORCH_TASK_WAITING, "its recipe changed"));
	tell(ui, task("c", ORCH_TASK_WAITING, "depends on b, which runs"));
	tell(ui, task("d", ORCH_TASK_WAITING, "depends on a, which runs"));
	tell(ui, task("a", ORCH_TASK_RUNNING, NULL));
	tell(ui, started("a", 1, in_dir("a.log")));
	tell(ui, task("b", ORCH_TASK_RUNNING, NULL));
	tell(ui, started("b", 1, in_dir("b.log")));
	tell(ui, finished("a", 1, ORCH_OUTCOME_SUCCESS, 0, NULL));
	tell(ui, task("a", ORCH_TASK_COMPLETED, NULL));
	tell(ui, task("d", ORCH_TASK_COMPLETED, "its dependencies made the same as before"));
	tell(ui, finished("b", 1, ORCH_OUTCOME_SIGNAL, SIGSEGV, NULL));
	tell(ui, task("b", ORCH_TASK_BACKOFF, "signal"));
	tell(ui, task("b", ORCH_TASK_READY, NULL));
	tell(ui, task("b", ORCH_TASK_RUNNING, NULL));
	tell(ui, started("b", 2, in_dir("b.log")));
	tell(ui, finished("b", 2, ORCH_OUTCOME_EXIT, 3, NULL));
	tell(ui, task("b", ORCH_TASK_FAILED, "exit"));
	tell(ui, task("c", ORCH_TASK_SKIPPED, "depends on b, which failed"));
	{
		struct orch_event warning = make(ORCH_EVENT_WARNING, "b"), end = make(ORCH_EVENT_RUN_FINISHED, NULL);
		warning.message = "left 2 processes\nbehind";
		tell(ui, warning);
		end.exit_code = 1;
		end.time_ms = 1020000;
		end.sum_ms = 36900;
		tell(ui, end);
	}
}

static void story_logs(void)
{
	write_file("a.log", "", 0, false);
	write_file("b.log", "one\ntwo \033[31mred\033[0m\nlast", 25, false);
}

static void environment_clear(void)
{
	static const char *const names[] = {"NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "CI", "GITHUB_ACTIONS",
		"GITLAB_CI", "GITHUB_STEP_SUMMARY", "LC_ALL", "LC_CTYPE"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", "xterm", 1);
}

static int before_each(void **state)
{
	(void)state;
	environment_clear();
	story_logs();
	return 0;
}

/* ---- text ---- */

static void expect_clean(const char *in, size_t len, const char *want)
{
	struct strbuf out = {0};

	term_clean(&out, in, len, true);
	assert_string_equal(strbuf_cstr(&out), want);
	strbuf_truncate(&out, 0);
	/* the same whatever the pieces it comes in */
	struct term_filter filter = {.unicode = true};
	for (size_t i = 0; i < len; i++)
		term_filter_feed(&filter, in + i, 1, &out);
	term_filter_end(&filter, &out);
	assert_string_equal(strbuf_cstr(&out), want);
	strbuf_release(&out);
}

#define CLEAN(in, want) expect_clean(in, sizeof(in) - 1, want)

static void test_clean(void **state)
{
	(void)state;
	CLEAN("plain\ttext\n", "plain\ttext\n");
	CLEAN("\033[31mred\033[0m \033[2J\033[1;1Hhome", "red home");
	CLEAN("\033]0;title\007a\033]8;;http://x\033\\b", "ab");
	CLEAN("\033Pq#0;2;0;0\033\\x\033_apc\033\\y\033cz", "xyz");
	CLEAN("open \033]0;never closed\nnext line", "open \nnext line");
	CLEAN("cut \033[12", "cut ");
	CLEAN("\033(Bcharset\033#8", "charset");
	CLEAN("a\x08\x07\x00\x7f\x0e b", "a b");
	CLEAN("dos\r\nmac\rend\r\r\n", "dos\nmac\nend\n");
	CLEAN("bad \xff\xfe\xc0\xaf\xe2\x82", "bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	CLEAN("\xed\xa0\x80", "\xef\xbf\xbd");
	CLEAN("c1 \xc2\x9b"
	      "31m \xc2\x85",
		"c1 31m ");
	CLEAN("gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80");
	CLEAN("bidi \xe2\x80\xae"
	      "abc\xe2\x81\xa6",
		"bidi abc");
}

static void test_clean_hides_little(void **state)
{
	struct strbuf in = {0}, out = {0};

	(void)state;
	strbuf_addstr(&in, "\033]");
	for (int i = 0; i < 10000; i++)
		strbuf_addch(&in, 'x');
	term_clean(&out, in.data, in.len, true);
	assert_true(out.len > 5000);
	strbuf_release(&in);
	strbuf_release(&out);
}

static void test_keeps_colors(void **state)
{
	struct term_filter filter = {.unicode = true, .keep_sgr = true};
	struct strbuf out = {0};
	const char text[] = "\033[1;31mred\033[2K\033[?25l\033[38:5:1mx";

	(void)state;
	term_filter_feed(&filter, text, sizeof text - 1, &out);
	term_filter_end(&filter, &out);
	assert_string_equal(out.data, "\033[1;31mred\033[38:5:1mx\033[0m");
	strbuf_release(&out);
}

static void expect_line(const char *in, unsigned columns, bool unicode, const char *want)
{
	struct strbuf out = {0};
	unsigned width = term_line(&out, in, strlen(in), columns, unicode);

	assert_string_equal(strbuf_cstr(&out), want);
	assert_int_equal(width, utf8_text_width(strbuf_cstr(&out), out.len));
	assert_true(width <= columns);
	strbuf_release(&out);
}

static void test_line(void **state)
{
	(void)state;
	expect_line("hello", 5, true, "hello");
	expect_line("hello!", 5, true, "hell\xe2\x80\xa6");
	expect_line("hello!", 5, false, "he...");
	expect_line("10%\r20%\r30%", 20, true, "30%");
	expect_line("done\r\n", 20, true, "done");
	expect_line("two\nlines\there", 20, true, "two lines here");
	expect_line("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 5, true, "\xe6\xbc\xa2\xe5\xad\x97\xe2\x80\xa6");
	expect_line("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 4, true, "\xe6\xbc\xa2\xe2\x80\xa6");
	expect_line(
		"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81x", 9, true, "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81x");
	expect_line("\xe2\x9d\xa4\xef\xb8\x8f", 9, true, "\xe2\x9d\xa4");
	expect_line("\xc3\xbc", 9, false, "?");
	expect_line("abc", 0, true, "");
	expect_line("abc", 2, false, "");
}

static void test_term(void **state)
{
	struct term term;

	(void)state;
	term_init(&term, -1, TERM_COLOR_AUTO);
	assert_false(term.tty || term.color || term.dumb || term.ci);
	assert_true(term.unicode);
	setenv("CLICOLOR_FORCE", "1", 1);
	term_init(&term, -1, TERM_COLOR_AUTO);
	assert_true(term.color);
	setenv("NO_COLOR", "1", 1);
	term_init(&term, -1, TERM_COLOR_AUTO);
	assert_false(term.color);
	assert_string_equal(term_style(&term, TERM_BAD), "");
	term_init(&term, -1, TERM_COLOR_ALWAYS);
	assert_true(term.color);
	setenv("TERM", "dumb", 1);
	setenv("CI", "true", 1);
	setenv("LC_ALL", "C", 1);
	term_init(&term, -1, TERM_COLOR_NEVER);
	assert_true(term.dumb && term.ci && !term.unicode && !term.color);
}

static void expect_words(enum orch_outcome outcome, int64_t code, const char *message, const char *want)
{
	struct orch_stream_status stream = {.name = (char *)"x",
		.outcome = (int)outcome,
		.exit_code = code,
		.signal = code,
		.duration_ms = 7200000,
		.message = (char *)message};
	struct strbuf out = {0};

	words_outcome(&out, &stream, true);
	assert_string_equal(out.data, want);
	strbuf_release(&out);
}

static void test_words(void **state)
{
	(void)state;
	expect_words(ORCH_OUTCOME_EXIT, 3, NULL, "exit status 3");
	expect_words(ORCH_OUTCOME_SIGNAL, SIGSEGV, NULL, "killed by SIGSEGV");
	expect_words(ORCH_OUTCOME_SIGNAL, 60, NULL, "killed by signal 60");
	expect_words(ORCH_OUTCOME_TIMEOUT, 0, NULL, "timed out after 2h00m");
	expect_words(ORCH_OUTCOME_CHECK, 0, "exit status 1", "check failed: exit status 1");
	expect_words(ORCH_OUTCOME_OUTPUTS, 0, "out\033[2J.txt", "output missing: out.txt");
	expect_words(ORCH_OUTCOME_SPAWN, 0, "cannot run 'x'", "cannot run 'x'");
}

static void expect_progress(const struct orch_stream_status *stream, const char *want)
{
	struct strbuf out = {0};

	assert_int_equal(words_progress(&out, stream, true), *want != '\0');
	assert_string_equal(strbuf_cstr(&out), want);
	strbuf_release(&out);
}

static void test_progress(void **state)
{
	struct orch_stream_status stream = {.state = ORCH_TASK_RUNNING, .done = -1, .total = -1};

	(void)state;
	expect_progress(&stream, "");
	stream.done = 3;
	stream.total = 7;
	expect_progress(&stream, "3/7");
	stream.total = 100;
	expect_progress(&stream, "3%");
	/* its tasks say it better, once one of them is done */
	stream.tasks = 5;
	expect_progress(&stream, "3%");
	stream.ticked = 2;
	expect_progress(&stream, "2/5");
	stream.state = ORCH_TASK_COMPLETED;
	expect_progress(&stream, "2/5");
	stream.tasks = stream.ticked = 0;
	expect_progress(&stream, "");
	stream.state = ORCH_TASK_FAILED;
	expect_progress(&stream, "3%");
	stream.done = stream.total = -1;
	stream.progress = (char *)"half \033[31mway\n through, or so I think";
	expect_progress(&stream, "half way  through, \xe2\x80\xa6");
	assert_null(words_noted(&stream));
	stream.note = (char *)"at work";
	assert_null(words_noted(&stream));
	stream.agent = (char *)"claude";
	assert_string_equal(words_noted(&stream), "at work");
}

/* ---- plain lines ---- */

static const char story[] = "orch: run    R1: 4 of 7 streams, 2 at once\n"
			    "orch: start  a (1/4): never completed\n"
			    "orch: start  b (2/4): its recipe changed\n"
			    "orch: done   a (1/4) in 12.3s\n"
			    "orch: same   d (2/4): its dependencies made the same as before\n"
			    "orch: retry  b attempt 1: killed by SIGSEGV after 12.3s; again after a while\n"
			    "orch: start  b (2/4) attempt 2\n"
			    "orch: FAILED b (3/4): exit status 3 after 12.3s, attempt 2\n";
static const char story_tail[] = "    | one\n"
				 "    | two red\n"
				 "    | last\n"
				 "    orch logs b\n";
static const char story_end[] = "orch: skip   c (4/4): depends on b, which failed\n"
				"orch: warn   b: left 2 processes behind\n";

static void test_plain(void **state)
{
	struct files files;
	char want[2048];

	(void)state;
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, OUTPUT_NONE, 0);
	tell_story(files.ui);
	files_close(&files);
	snprintf(want, sizeof want, "%s%s%s", story, story_tail, story_end);
	assert_string_equal(read_file("err"), want);
	assert_string_equal(read_file("out"), "");
}

static void test_plain_color(void **state)
{
	struct files files;

	(void)state;
	files_open(&files, UI_PROGRESS_LIVE, TERM_COLOR_ALWAYS, OUTPUT_NONE, 0);
	tell_story(files.ui);
	files_close(&files);
	assert_non_null(strstr(read_file("err"), "orch: \033[1;31mFAILED\033[0m b (3/4)"));
	assert_null(strstr(read_file("err"), "\033[?"));
}

static void test_quiet(void **state)
{
	struct files files;
	char want[2048];

	(void)state;
	files_open(&files, UI_PROGRESS_QUIET, TERM_COLOR_AUTO, -1, 0);
	tell_story(files.ui);
	files_close(&files);
	snprintf(want, sizeof want,
		"orch: FAILED b (3/4): exit status 3 after 12.3s, attempt 2\n%sorch: warn   b: left 2 processes behind\n",
		story_tail);
	assert_string_equal(read_file("err"), want);
	assert_string_equal(read_file("out"), "");
}

static void test_hostile_names(void **state)
{
	struct files files;

	(void)state;
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, OUTPUT_NONE, 0);
	tell(files.ui, task("a", ORCH_TASK_WAITING, "x\033[2J\ny"));
	tell(files.ui, task("a", ORCH_TASK_SKIPPED, "x\033[2J\ny"));
	files_close(&files);
	assert_string_equal(read_file("err"), "orch: skip   a (1/1): x y\n");
}

/* ---- output of streams ---- */

static void test_output_stream(void **state)
{
	struct files files;
	char want[2048];

	(void)state;
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, -1, 0);
	tell_story(files.ui);
	files_close(&files);
	/* as it is, since it does not go to a terminal */
	assert_string_equal(read_file("out"),
		"==> b <==\none\ntwo \033[31mred\033[0m\nlast\n"
		"==> b (attempt 2) <==\none\ntwo \033[31mred\033[0m\nlast\n");
	/* the log is not said twice */
	snprintf(want, sizeof want, "%s%s", story, story_end);
	assert_string_equal(read_file("err"), want);
}

static void test_output_large(void **state)
{
	struct files files;
	static char bytes[3 << 20];
	struct strbuf name = {0};
	int fd;
	off_t size;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7);
	bytes[sizeof bytes - 1] = '\n';
	write_file("big.log", bytes, sizeof bytes, false);
	files_open(&files, UI_PROGRESS_QUIET, TERM_COLOR_AUTO, OUTPUT_STREAM, 0);
	tell(files.ui, run_started(1, 1));
	tell(files.ui, started("big", 1, in_dir("big.log")));
	tell(files.ui, finished("big", 1, ORCH_OUTCOME_SUCCESS, 0, NULL));
	files_close(&files);
	fd = open(in_dir("out"), O_RDONLY);
	size = lseek(fd, 0, SEEK_END);
	close(fd);
	assert_int_equal(size, sizeof bytes + strlen("==> big <==\n"));
	strbuf_release(&name);
}

static void test_output_line(void **state)
{
	struct files files;
	struct orch_event output = make(ORCH_EVENT_OUTPUT, "a");

	(void)state;
	output.attempt = 1;
	files_open(&files, UI_PROGRESS_QUIET, TERM_COLOR_AUTO, OUTPUT_LINE, 0);
	assert_true(ui_wants_output(files.ui));
	write_file("a.log", "one\ntw", 6, false);
	tell(files.ui, started("a", 1, in_dir("a.log")));
	tell(files.ui, output);
	assert_string_equal(read_file("out"), "a | one\n");
	write_file("a.log", "o\n\nthr", 6, true);
	tell(files.ui, output);
	assert_string_equal(read_file("out"), "a | one\na | two\na | \n");
	write_file("a.log", "ee", 2, true);
	tell(files.ui, finished("a", 1, ORCH_OUTCOME_SUCCESS, 0, NULL));
	assert_string_equal(read_file("out"), "a | one\na | two\na | \na | three\n");
	/* another attempt has a log of its own */
	write_file("a2.log", "x\n", 2, false);
	tell(files.ui, started("a", 2, in_dir("a2.log")));
	tell(files.ui, finished("a", 2, ORCH_OUTCOME_SUCCESS, 0, NULL));
	assert_string_equal(read_file("out"), "a | one\na | two\na | \na | three\na | x\n");
	files_close(&files);
}

static void test_output_no_log(void **state)
{
	struct files files;
	const struct orch_listener *listener;
	struct orch_event event;
	struct orch_error err = {0};

	(void)state;
	files_open(&files, UI_PROGRESS_QUIET, TERM_COLOR_AUTO, OUTPUT_STREAM, 0);
	listener = ui_listener(files.ui);
	event = finished("a", 1, ORCH_OUTCOME_EXIT, 1, NULL);
	event.log = in_dir("absent.log");
	assert_int_equal(listener->notify(listener->data, &event, &err), -1);
	assert_non_null(strstr(err.message, "absent.log"));
	/* one that could not be started has none, and that is no news */
	event = finished("b", 1, ORCH_OUTCOME_SPAWN, -1, "no such file");
	tell(files.ui, event);
	files_close(&files);
}

static void test_output_closed_pipe(void **state)
{
	struct ui_options options = UI_OPTIONS_INIT;
	int ends[2];
	struct ui *ui;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	options.out_fd = options.err_fd = ends[1];
	ui = ui_new(&options);
	tell_story(ui);
	assert_int_equal(ui_status(ui)->count[ORCH_TASK_FAILED], 1);
	ui_free(ui);
	close(ends[1]);
}

static void test_output_full_disk(void **state)
{
	struct ui_options options = UI_OPTIONS_INIT;
	const struct orch_listener *listener;
	struct orch_event event = run_started(3, 3);
	struct orch_error err = {0};
	struct ui *ui;
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(fd >= 0);
	options.out_fd = options.err_fd = fd;
	ui = ui_new(&options);
	listener = ui_listener(ui);
	assert_int_equal(listener->notify(listener->data, &event, &err), -1);
	assert_non_null(strstr(err.message, "cannot write the progress"));
	/* told once */
	assert_int_equal(listener->notify(listener->data, &event, &err), 0);
	ui_free(ui);
	close(fd);
}

/* ---- CI ---- */

/* the token is random: every occurrence becomes T */
static char *without_token(char *text)
{
	char *at, *token;

	for (token = text; (token = strstr(token, "orch")) != NULL; token++)
		if (strspn(token + 4, "0123456789abcdef") == 32) {
			at = token + 36;
			*token = 'T';
			memmove(token + 1, at, strlen(at) + 1);
		}
	return text;
}

static void test_github(void **state)
{
	struct files files;

	(void)state;
	setenv("GITHUB_ACTIONS", "true", 1);
	setenv("CI", "true", 1);
	setenv("GITHUB_STEP_SUMMARY", in_dir("summary.md"), 1);
	write_file("b.log", "::error::not mine\n50% ##[x]\n", 28, false);
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, -1, 0);
	tell_story(files.ui);
	files_close(&files);
	assert_string_equal(without_token(read_file("out")),
		"::group::b\n::stop-commands::T\n::error::not mine\n50% ##[x]\n::T::\n::endgroup::\n"
		"::group::b (attempt 2)\n::stop-commands::T\n::error::not mine\n50% ##[x]\n::T::\n::endgroup::\n"
		"::error title=orch%3A b failed::exit status 3%0A::error::not mine%0A50%25 ##[x]%0Aorch logs b\n"
		"::warning title=b::left 2 processes%0Abehind\n");
	assert_string_equal(read_file("summary.md"),
		"### orch: 2 completed, 1 failed, 1 skipped, 0 cancelled\n\n"
		"Time 20.0s, streams 36.9s\n\n"
		"| stream | result | attempts | time |\n| --- | --- | ---: | ---: |\n"
		"| b | **exit status 3** | 2 | 24.6s |\n"
		"| c | **skipped: depends on b, which failed** | | |\n"
		"| a | completed | 1 | 12.3s |\n"
		"| d | unchanged | | |\n\n");
}

static void test_github_lines(void **state)
{
	struct files files;

	(void)state;
	setenv("GITHUB_ACTIONS", "true", 1);
	write_file("b.log", "::error::x\n", 11, false);
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, OUTPUT_LINE, -1);
	tell_story(files.ui);
	files_close(&files);
	assert_string_equal(without_token(read_file("out")),
		"::stop-commands::T\nb | ::error::x\nb | ::error::x\n::T::\n"
		"::error title=orch%3A b failed::exit status 3%0A::error::x%0Aorch logs b\n::warning title=b::left 2 processes%0Abehind\n");
}

static void test_gitlab(void **state)
{
	struct files files;
	char *text;

	(void)state;
	setenv("GITLAB_CI", "true", 1);
	write_file("b.log", "\033[31mred\033[0m section_end:1:orch_1\r\033[0K\n", 39, false);
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, OUTPUT_STREAM, -1);
	tell_story(files.ui);
	files_close(&files);
	text = read_file("out");
	assert_int_equal(strncmp(text, "section_start:", 14), 0);
	assert_non_null(strstr(
		text, ":orch_1[collapsed=true]\r\033[0Kb\n\033[31mred\033[0m section_end:1:orch_1\n\nsection_end:"));
	assert_non_null(strstr(text, ":orch_2[collapsed=true]\r\033[0Kb (attempt 2)\n"));
}

static void test_github_one_stream(void **state)
{
	struct files files;

	(void)state;
	setenv("GITHUB_ACTIONS", "true", 1);
	write_file("a.log", "x", 1, false);
	files_open(&files, UI_PROGRESS_AUTO, TERM_COLOR_AUTO, OUTPUT_STREAM, -1);
	tell(files.ui, run_started(1, 1));
	tell(files.ui, started("a", 1, in_dir("a.log")));
	tell(files.ui, finished("a", 1, ORCH_OUTCOME_SUCCESS, 0, NULL));
	tell(files.ui, make(ORCH_EVENT_RUN_FINISHED, NULL));
	files_close(&files);
	assert_string_equal(without_token(read_file("out")), "::stop-commands::T\n==> a <==\nx\n::T::\n");
}

/* ---- the end ---- */

static void expect_summary(const struct orch_status *status, const struct summary_options *options, const char *want)
{
	struct strbuf out = {0};

	summary_write(&out, status, options);
	assert_string_equal(strbuf_cstr(&out), want);
	strbuf_release(&out);
}

static void test_summary(void **state)
{
	struct files files;
	struct summary_options options = {
		.log_lines = 2, .outcome = words_outcome, .unicode = true, .command = "orch -k"};

	(void)state;
	files_open(&files, UI_PROGRESS_QUIET, TERM_COLOR_AUTO, -1, 0);
	tell_story(files.ui);
	options.clean = ui_clean;
	options.clean_data = files.ui;
	expect_summary(ui_status(files.ui), &options,
		"  failed   b: exit status 3, after 2 attempts and 24.6s\n"
		"      | two red\n"
		"      | last\n"
		"      orch logs b\n"
		"  skipped   c: depends on b, which failed\n"
		"4 streams: 2 completed, 1 failed, 1 skipped\n"
		"time 20.0s, streams 36.9s, speedup 1.8\n"
		"next: mend what failed, then run 'orch -k' again; what completed is not repeated\n");
	files_close(&files);
}

static void test_summary_many_skipped(void **state)
{
	struct orch_status status;
	struct summary_options options = {0};
	struct strbuf out = {0};
	char name[32], command[SUMMARY_COMMAND + 2] = "";
	unsigned lines = 0;

	(void)state;
	orch_status_init(&status);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "s%d", i);
		struct orch_event event = task(name, i % 2 ? ORCH_TASK_SKIPPED : ORCH_TASK_CANCELLED, "because");
		orch_status_apply(&status, &event);
	}
	summary_write(&out, &status, &options);
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, 20 + 1 + 3);
	assert_non_null(strstr(out.data, "  and 30 more: orch status\n50 streams: 25 skipped, 25 cancelled\n"));
	assert_non_null(strstr(out.data, "next: run 'orch' again to continue with what is left\n"));
	/* one of many words is not repeated */
	memset(command, 'x', SUMMARY_COMMAND);
	options.command = command;
	summary_write(&out, &status, &options);
	assert_non_null(strstr(out.data, "xxx' again to continue with what is left\n"));
	strbuf_release(&out);
	command[SUMMARY_COMMAND] = 'x';
	summary_write(&out, &status, &options);
	assert_non_null(strstr(out.data, "next: run the same command again to continue with what is left\n"));
	assert_null(strstr(out.data, "xxx"));
	strbuf_release(&out);
	orch_status_release(&status);
}

static void test_summary_nothing(void **state)
{
	struct strbuf out = {0};

	(void)state;
	summary_nothing(&out, 7);
	summary_nothing(&out, 1);
	assert_string_equal(out.data, "nothing to do: 7 streams are complete\nnothing to do: 1 stream is complete\n");
	strbuf_release(&out);
}

/* ---- JSON ---- */

static void test_jsonl(void **state)
{
	FILE *file = fopen(in_dir("events"), "w");
	struct jsonl *jsonl = jsonl_new(file, NULL);
	const struct orch_listener *listener = jsonl_listener(jsonl);
	struct orch_event event = task("a", ORCH_TASK_SKIPPED, "x\ny");
	struct orch_error err = {0};
	char *text, *newline;

	(void)state;
	assert_int_equal(listener->notify(listener->data, &event, &err), 0);
	text = read_file("events");
	newline = strchr(text, '\n');
	assert_non_null(newline);
	assert_string_equal(newline, "\n");
	assert_non_null(strstr(text, "\"state\":\"skipped\""));
	assert_int_equal(jsonl_close(jsonl, &err), 0);
	jsonl_free(jsonl);
	fclose(file);
}

static void test_jsonl_errors(void **state)
{
	int ends[2];
	struct jsonl *jsonl;
	const struct orch_listener *listener;
	struct orch_event event = task("a", ORCH_TASK_SKIPPED, NULL);
	struct orch_error err = {0};
	FILE *file;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	file = fdopen(ends[1], "w");
	jsonl = jsonl_new(file, NULL);
	listener = jsonl_listener(jsonl);
	assert_int_equal(listener->notify(listener->data, &event, &err), 0);
	assert_int_equal(listener->notify(listener->data, &event, &err), 0);
	assert_int_equal(jsonl_close(jsonl, &err), 0);
	jsonl_free(jsonl);
	fclose(file);
	if ((file = fopen("/dev/full", "w")) == NULL)
		return;
	jsonl = jsonl_new(file, NULL);
	listener = jsonl_listener(jsonl);
	assert_int_equal(listener->notify(listener->data, &event, &err), -1);
	assert_non_null(strstr(err.message, "--json"));
	assert_int_equal(jsonl_close(jsonl, &err), -1);
	jsonl_free(jsonl);
	fclose(file);
}

static void remove_dir(void)
{
	static const char *const names[] = {
		"a.log", "a2.log", "b.log", "big.log", "out", "err", "events", "summary.md"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(in_dir(names[i]));
	rmdir(dir);
}

/* keys as they come, to the text and the bytes before the cursor; '\1' begins and ends what is pasted */
static void expect_entry(const int *keys, size_t max, bool lines, const char *text, size_t at)
{
	struct entry entry = {0};
	bool pasted = false;

	entry_begin(&entry, max, lines);
	for (; *keys; keys++) {
		if (*keys == 1)
			pasted = !pasted;
		else
			assert_int_equal(entry_key(&entry, *keys, pasted), ENTRY_GOES_ON);
	}
	assert_string_equal(strbuf_cstr(&entry.text), text);
	assert_int_equal(entry.at, at);
	assert_int_equal(entry_key(&entry, '\n', false), ENTRY_DONE);
	assert_int_equal(entry_key(&entry, 27, false), ENTRY_CANCELLED);
	entry_release(&entry);
}

#define ENTRY(max, lines, text, at, ...) expect_entry((const int[]){__VA_ARGS__, 0}, max, lines, text, at)

static void test_entry(void **state)
{
	(void)state;
	ENTRY(99, false, "abc", 3, 'a', 'b', 'c');
	ENTRY(99, false, "xabc", 1, 'a', 'b', 'c', CANVAS_KEY_HOME, 'x');
	ENTRY(99, false, "ac", 1, 'a', 'b', 'c', CANVAS_KEY_LEFT, CANVAS_KEY_BACKSPACE);
	ENTRY(99, false, "ab", 2, 'a', 'b', 'c', CANVAS_KEY_LEFT, CANVAS_KEY_DELETE, CANVAS_KEY_DELETE);
	/* characters of two, three and four bytes */
	ENTRY(99, false, "\xc3\xa9\xf0\x9f\x98\x80", 2, 0xe9, 0x20ac, 0x1f600, CANVAS_KEY_LEFT, CANVAS_KEY_BACKSPACE);
	ENTRY(99, false, "\xe2\x82\xac", 0, 0xe9, 0x20ac, CANVAS_KEY_HOME, CANVAS_KEY_DELETE);
	/* Ctrl-W, Ctrl-K, Ctrl-U */
	ENTRY(99, false, "one ", 4, 'o', 'n', 'e', ' ', 't', 'w', 'o', ' ', 23);
	ENTRY(99, false, "o", 1, 'o', 'n', 'e', CANVAS_KEY_HOME, CANVAS_KEY_RIGHT, 11);
	ENTRY(99, false, "e", 0, 'o', 'n', 'e', CANVAS_KEY_LEFT, 21);
	/* not more than there is room for, and no half characters; nothing that is no text */
	ENTRY(3, false, "abc", 3, 'a', 'b', 'c', 'd', 0xe9);
	ENTRY(3, false, "ab", 2, 'a', 'b', 0xe9);
	ENTRY(99, false, "a", 1, 2, 3, 'a', 0x85, 0xd800, CANVAS_KEY_UP, CANVAS_KEY_OTHER);
	/* pasted: Enter and Esc end nothing, and lines are kept where they may be */
	ENTRY(99, true, "a\n\tb", 4, 1, 'a', '\n', '\t', 27, CANVAS_KEY_LEFT, 'b', 1);
	ENTRY(99, false, "a b", 3, 1, 'a', '\n', 'b', 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry),
		cmocka_unit_test_setup(test_clean, before_each),
		cmocka_unit_test_setup(test_clean_hides_little, before_each),
		cmocka_unit_test_setup(test_keeps_colors, before_each),
		cmocka_unit_test_setup(test_line, before_each),
		cmocka_unit_test_setup(test_term, before_each),
		cmocka_unit_test_setup(test_words, before_each),
		cmocka_unit_test_setup(test_progress, before_each),
		cmocka_unit_test_setup(test_plain, before_each),
		cmocka_unit_test_setup(test_plain_color, before_each),
		cmocka_unit_test_setup(test_quiet, before_each),
		cmocka_unit_test_setup(test_hostile_names, before_each),
		cmocka_unit_test_setup(test_output_stream, before_each),
		cmocka_unit_test_setup(test_output_large, before_each),
		cmocka_unit_test_setup(test_output_line, before_each),
		cmocka_unit_test_setup(test_output_no_log, before_each),
		cmocka_unit_test_setup(test_output_closed_pipe, before_each),
		cmocka_unit_test_setup(test_output_full_disk, before_each),
		cmocka_unit_test_setup(test_github, before_each),
		cmocka_unit_test_setup(test_github_lines, before_each),
		cmocka_unit_test_setup(test_github_one_stream, before_each),
		cmocka_unit_test_setup(test_gitlab, before_each),
		cmocka_unit_test_setup(test_summary, before_each),
		cmocka_unit_test_setup(test_summary_many_skipped, before_each),
		cmocka_unit_test_setup(test_summary_nothing, before_each),
		cmocka_unit_test_setup(test_jsonl, before_each),
		cmocka_unit_test_setup(test_jsonl_errors, before_each),
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_dir();
	return failed;
}
