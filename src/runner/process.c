#include "config.h"

#include "runner/tree.h"

#include <stddef.h>

static int process_start(struct job **out, struct runner *runner, const struct command *command,
	const struct job_callbacks *on, int *error_number, struct orch_error *err)
{
	return tree_start(out, runner, command, TREE_WITHOUT, on, error_number, err);
}

const struct runner_ops runner_process = {
	.name = "process",
	.hands_over = true,
	.start = process_start,
	.stop = tree_stop,
	.adopt = tree_adopt,
	.leave = tree_leave,
};
