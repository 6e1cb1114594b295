#include "config.h"

#include "runner/runner.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "os/child.h"
#include "os/filter.h"
#include "os/terminal.h"
#include "runner/tmux_server.h"
#include "util/alloc.h"

static const struct runner_ops *const runners[] = {
	&runner_process,
	&runner_pty,
	&runner_tmux,
};

const struct runner_ops *runner_find(const char *name)
{
	for (size_t i = 0; i < sizeof runners / sizeof *runners; i++) {
		if (strcmp(runners[i]->name, name) == 0)
			return runners[i];
	}
	return NULL;
}

struct job_exit job_exit_of(const struct child_exit *how)
{
	return (struct job_exit){
		.signalled = how->signalled,
		.code = how->code,
		.duration_ms = how->duration_ms,
		.user_us = how->user_us,
		.system_us = how->system_us,
		.max_rss_kb = how->max_rss_kb,
		.memory_peak = how->memory_peak,
		.oom_kills = how->oom_kills,
		.left_behind = how->left_behind,
		.unkillable = how->unkillable,
		.lost = how->lost,
		.names = how->names,
	};
}

char *job_exit_loss(const struct job_exit *how)
{
	if (how->lost == TERMINAL_LOST_WINDOW)
		return xstrdup("its tmux window is gone: it was closed, or the tmux server was ended");
	if (how->lost == FILTER_LOST)
		return xstrdup("what keeps secrets out of its log (the setting 'redact') was killed");
	return xasprintf("what it prints cannot be written to its log: %s", strerror(how->lost));
}

void runner_release(struct runner *runner)
{
	tmux_free(runner->tmux);
	runner->tmux = NULL;
}
