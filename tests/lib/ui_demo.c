/*
 * Feeds scripted events through the real ui, on a real loop, to the terminal it stands on. Usage: ui_demo SCRIPT. A
 * line of the script:
 *
 *   run WANTED STALE          task STREAM STATE [REASON]      start STREAM ATTEMPT [LOG]    output STREAM TEXT finish
 * STREAM OUTCOME CODE MS warn TEXT                 stop WHY                        end                           clock
 * MS (time goes on by that much) many N                    (so many streams, all running)  message TEXT expect STREAM STATE MS
 * agent STREAM NAME   spent STREAM MILLIONTHS   progress STREAM DONE TOTAL   ticks STREAM DONE ALL   note STREAM TEXT
 * held ACCOUNT MS (for so long; 0: until a person ends it)   free ACCOUNT
 * pause, resume wait                      (until SIGUSR1; the screen stands still and can be looked at)   die SIGNAL
 * (by term_restore() and that signal)
 *
 * Text may hold \e (escape), \n, \r, \xHH. Time stands still but for `clock`, so that what is shown is always the same.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/loop.h"
#include "ui/ui.h"

static int64_t now = 1000000000000;
static struct ui *ui;
static struct loop *loop;
static struct loop_timer *timer;
static FILE *script;
static bool waiting;

static int64_t now_ms(void)
{
	return now;
}

static void die(const char *what)
{
	fprintf(stderr, "ui_demo: %s\n", what);
	exit(2);
}

static void unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (*text != '\\') {
			*out++ = *text;
		} else if (text[1] == 'x' && text[2] != '\0' && text[3] != '\0') {
			char digits[3] = {text[2], text[3], '\0'};
			*out++ = (char)strtol(digits, NULL, 16);
			text += 3;
		} else {
			text++;
			*out++ = *text == 'e' ? '\033' : *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text;
		}
	}
	*out = '\0';
}

static int state_of(const char *name)
{
	for (int i = 0; i < ORCH_TASK_STATES; i++)
		if (strcmp(orch_task_state_name((enum orch_task_state)i), name) == 0)
			return i;
	die("no such state");
	return -1;
}

static int outcome_of(const char *name)
{
	for (int i = 0; i < ORCH_OUTCOMES; i++)
		if (strcmp(orch_outcome_name((enum orch_outcome)i), name) == 0)
			return i;
	die("no such outcome");
	return -1;
}

static char *word(char **rest)
{
	char *text = strsep(rest, " ");

	if (text == NULL)
		die("a word is missing");
	return text;
}

static void tell(struct orch_event *event)
{
	const struct orch_listener *listener = ui_listener(ui);
	struct orch_error err = {0};

	event->time_ms = now;
	if (listener->notify(listener->data, event, &err) != 0)
		die(err.message);
}

static void start(const char *stream, int64_t attempt, const char *log)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_ATTEMPT_STARTED);
	event.stream = stream;
	event.attempt = attempt;
	event.log = log;
	tell(&event);
}

static void task(const char *stream, int state, const char *reason)
{
	struct orch_event event;

	orch_event_init(&event, ORCH_EVENT_TASK);
	event.stream = stream;
	event.state = state;
	event.reason = reason;
	tell(&event);
}

static void many(long count)
{
	char name[32];

	for (long i = 1; i <= count; i++) {
		snprintf(name, sizeof name, "stream-%03ld", i);
		task(name, ORCH_TASK_RUNNING, NULL);
		start(name, 1, NULL);
	}
}

/* one line of the script; false: wait before the next one */
static bool command(char *line)
{
	char *rest = line, *verb = word(&rest);
	struct orch_event event;

	if (strcmp(verb, "run") == 0) {
		orch_event_init(&event, ORCH_EVENT_RUN_STARTED);
		event.run = "R1";
		event.count = atol(word(&rest));
		event.stale = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "task") == 0) {
		const char *stream = word(&rest);
		int state = state_of(word(&rest));
		task(stream, state, rest);
	} else if (strcmp(verb, "start") == 0) {
		const char *stream = word(&rest);
		long attempt = atol(word(&rest));
		task(stream, ORCH_TASK_RUNNING, NULL);
		start(stream, attempt, rest);
	} else if (strcmp(verb, "output") == 0) {
		orch_event_init(&event, ORCH_EVENT_OUTPUT);
		event.stream = word(&rest);
		event.message = rest;
		tell(&event);
	} else if (strcmp(verb, "finish") == 0) {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_FINISHED);
		event.stream = word(&rest);
		event.outcome = outcome_of(word(&rest));
		event.exit_code = event.signal = atol(word(&rest));
		event.duration_ms = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "held") == 0 || strcmp(verb, "free") == 0) {
		int64_t ms;

		orch_event_init(&event, *verb == 'h' ? ORCH_EVENT_ACCOUNT_HELD : ORCH_EVENT_ACCOUNT_FREE);
		event.time_ms = now;
		event.account = word(&rest);
		ms = *verb == 'h' ? atol(word(&rest)) : 0;
		if (ms > 0)
			event.until = now + ms;
		event.message = "rule 'usage-limit'";
		tell(&event);
	} else if (strcmp(verb, "agent") == 0) {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_STARTED);
		event.stream = word(&rest);
		event.agent = word(&rest);
		event.attempt = 1;
		tell(&event);
	} else if (strcmp(verb, "spent") == 0) {
		orch_event_init(&event, ORCH_EVENT_ATTEMPT_FINISHED);
		event.stream = word(&rest);
		event.outcome = ORCH_OUTCOME_SUCCESS;
		event.cost_micros = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "progress") == 0) {
		orch_event_init(&event, ORCH_EVENT_PROGRESS);
		event.stream = word(&rest);
		event.done = atol(word(&rest));
		event.total = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "ticks") == 0) {
		orch_event_init(&event, ORCH_EVENT_TASK_DONE);
		event.stream = word(&rest);
		event.ticked = atol(word(&rest));
		event.tasks = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "note") == 0) {
		orch_event_init(&event, ORCH_EVENT_NOTE);
		event.stream = word(&rest);
		event.message = rest;
		tell(&event);
	} else if (strcmp(verb, "warn") == 0 || strcmp(verb, "stop") == 0) {
		orch_event_init(&event, *verb == 'w' ? ORCH_EVENT_WARNING : ORCH_EVENT_STOPPING);
		event.message = rest;
		tell(&event);
	} else if (strcmp(verb, "end") == 0) {
		orch_event_init(&event, ORCH_EVENT_RUN_FINISHED);
		tell(&event);
	} else if (strcmp(verb, "clock") == 0) {
		now += atol(word(&rest));
	} else if (strcmp(verb, "expect") == 0) {
		orch_event_init(&event, ORCH_EVENT_TASK);
		event.stream = word(&rest);
		event.state = state_of(word(&rest));
		event.expected_ms = atol(word(&rest));
		tell(&event);
	} else if (strcmp(verb, "many") == 0) {
		many(atol(word(&rest)));
	} else if (strcmp(verb, "message") == 0) {
		ui_message(ui, rest);
	} else if (strcmp(verb, "pause") == 0) {
		ui_pause(ui);
	} else if (strcmp(verb, "resume") == 0) {
		ui_resume(ui);
	} else if (strcmp(verb, "die") == 0) {
		term_restore();
		raise(atoi(word(&rest)));
	} else if (strcmp(verb, "wait") == 0) {
		waiting = true;
		return false;
	} else {
		die(verb);
	}
	return true;
}

static void step(void *data)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool more = true;

	(void)data;
	while (more && (len = getline(&line, &size, script)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		unescape(line);
		if (*line != '\0')
			more = command(line);
	}
	free(line);
	if (more)
		loop_stop(loop);
}

static void on_usr1(void *data)
{
	(void)data;
	if (waiting) {
		waiting = false;
		loop_timer_arm(timer, 0);
	}
}

int main(int argc, char **argv)
{
	struct ui_options options = UI_OPTIONS_INIT;
	struct orch_error err = {0};
	struct loop_signal *go;

	if (argc != 2 || (script = fopen(argv[1], "re")) == NULL)
		die("usage: ui_demo SCRIPT");
	if (loop_new(&loop, &err) != 0)
		die(err.message);
	signal(SIGPIPE, SIG_IGN);
	options.progress = UI_PROGRESS_AUTO;
	options.loop = loop;
	options.now = now_ms;
	ui = ui_new(&options);
	go = loop_signal_new(loop, SIGUSR1, on_usr1, NULL);
	timer = loop_timer_new(loop, step, NULL);
	loop_timer_arm(timer, 0);
	loop_run(loop);
	ui_finish(ui);
	ui_free(ui);
	loop_timer_free(timer);
	loop_signal_free(go);
	loop_free(loop);
	fclose(script);
	return 0;
}
