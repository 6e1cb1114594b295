/* A terminal of its own, which is shown in a window of tmux; without that window it is none. */
#include "config.h"

#include "os/fs.h"
#include "runner/tmux_server.h"
#include "runner/tree.h"
#include "util/error.h"

#include <stdlib.h>

static int tmux_check(struct orch_error *err)
{
	char *program = fs_find_program("tmux");

	if (!program)
		return error_set(err, "'runner = tmux' needs tmux, which is not here: install the package tmux");
	free(program);
	return 0;
}

static int tmux_start(struct job **out, struct runner *runner, const struct command *command,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	return tree_start(out, runner, command, TREE_IN_WINDOW, on, error_number, err);
}

/* its window is there; what the server leaves when that goes is cleared when we end */
static int tmux_adopt(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err)
{
	(void)tmux_of(runner);
	return tree_adopt_terminal(out, runner, record, on, err);
}

const struct runner_ops runner_tmux = {
	.name = "tmux",
	.hands_over = true,
	.only_work = true,
	.check = tmux_check,
	.start = tmux_start,
	.stop = tree_stop,
	.adopt = tmux_adopt,
	.leave = tree_leave,
	.send = tree_send,
};
