/* A window of tmux on its way: a session of its own that shows the terminal of a job. Private to runner/. */
#ifndef RUNNER_WINDOW_H
#define RUNNER_WINDOW_H

#include "runner/runner.h"

struct window;

/* Has it made; `socket`: of the terminal that it shows. `gave_up` comes from the loop if there is none: why, for
 * people. -1: it cannot be */
int window_open(struct window **out, struct runner *runner, const struct command *command, const char *socket,
	void (*gave_up)(void *data, const char *why), void *data, struct orch_error *err);
/* `gave_up` is not called any more; the window itself goes with the terminal. NULL is fine */
void window_free(struct window *window);

#endif
