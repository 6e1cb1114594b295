/* A terminal of its own, which whoever wants to can look into. */
#include "config.h"

#include "runner/tree.h"

static int pty_start(struct job **out, struct runner *runner, const struct command *command,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	return tree_start(out, runner, command, TREE_PTY, on, error_number, err);
}

const struct runner_ops runner_pty = {
	.name = "pty",
	.hands_over = true,
	.only_work = true,
	.start = pty_start,
	.stop = tree_stop,
	.adopt = tree_adopt_terminal,
	.leave = tree_leave,
	.send = tree_send,
};
