#include "config.h"

#include "runner/window.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "os/loop.h"
#include "os/relay.h"
#include "os/supervised.h"
#include "runner/tmux_server.h"
#include "runner/tree.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"

enum { WINDOW_MAX_MS = 60000 };

struct window {
	struct runner *runner;
	struct loop_timer *timer;
	void (*gave_up)(void *data, const char *why);
	void *data;
};

static void give_up(struct window *window, const char *why)
{
	loop_timer_disarm(window->timer);
	window->gave_up(window->data, why);
}

static void on_made(void *data, const char *problem)
{
	if (problem)
		give_up(data, problem);
}

static void on_time(void *data)
{
	give_up(data, "its tmux window did not come up within a minute");
}

/* a name as tmux takes it: '.' and ':' part the words of its own addresses */
static char *session_name(const char *title)
{
	char *name = xstrdup(title), *whole;
	bool changed = false;

	for (char *c = name; *c; c++) {
		if (*c != '.' && *c != ':')
			continue;
		*c = '_';
		changed = true;
	}
	if (!changed)
		return name;
	whole = xasprintf("%s-%08x", name, (unsigned)(digest_bytes(title, strlen(title)) & 0xffffffff));
	free(name);
	return whole;
}

/* for those who look for it: orch attach */
static int note_name(const char *record, const char *name, struct orch_error *err)
{
	char *path = xasprintf("%s" RUNNER_WINDOW, record), *line = xasprintf("%s\n", name);
	int result = fs_replace(AT_FDCWD, path, line, strlen(line), false, err);

	free(path);
	free(line);
	return result;
}

int window_open(struct window **out, struct runner *runner, const struct command *command, const char *socket,
	void (*gave_up)(void *data, const char *why), void *data, struct orch_error *err)
{
	char *helper = supervision_helper(runner->supervision), *name = session_name(command->title);
	char *record = xstrndup(command->terminal, strlen(command->terminal) - strlen(RUNNER_TERMINAL));
	char width[16], height[16];
	char *words[] = {"set", "-s", "escape-time", "25", ";", "set", "-g", "history-limit", "20000", ";", "set", "-g",
		"allow-rename", "off", ";", "setw", "-g", "automatic-rename", "off", ";", "new-session", "-d", "-s", name,
		"-n", name, "-x", width, "-y", height, "--", helper, RELAY_WORD, (char *)socket, ";", "set", "-s",
		"exit-empty", "on", NULL};
	struct window *window = NULL;
	int result = 0;

	snprintf(width, sizeof width, "%d", TERMINAL_COLUMNS);
	snprintf(height, sizeof height, "%d", TERMINAL_ROWS);
	if (!helper)
		result = error_set(err, "there is no program here that could show its terminal in a tmux window");
	else
		result = note_name(record, name, err);
	if (result == 0) {
		window = xcalloc(1, sizeof *window);
		*window = (struct window){.runner = runner, .gave_up = gave_up, .data = data};
		window->timer = loop_timer_new(runner->loop, on_time, window);
		loop_timer_arm(window->timer, WINDOW_MAX_MS);
		tmux_run(tmux_of(runner), words, on_made, window);
	}
	*out = window;
	free(record);
	free(name);
	free(helper);
	return result;
}

void window_free(struct window *window)
{
	if (!window)
		return;
	tmux_forget(tmux_of(window->runner), window);
	loop_timer_free(window->timer);
	free(window);
}
