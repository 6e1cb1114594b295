/*
 * A job whose command is a process tree of this machine, looked after by a supervisor (os/supervised.h): what the
 * runners `process`, `pty` and `tmux` have in common. Private to runner/.
 */
#ifndef RUNNER_TREE_H
#define RUNNER_TREE_H

#include "runner/runner.h"

struct strvec;
struct supervised;
struct typist;
struct window;

struct job {
	struct runner *runner;
	struct supervised *tree;
	struct job_callbacks on;
	char *socket;          /* of its terminal; NULL: it has none */
	struct typist *typist; /* NULL: nothing was typed yet */
	struct window *window; /* that it waits for; NULL: it does not */
	char *problem;         /* why that cannot be had; NULL */
};

/* until somebody looks on, whose size it gets */
enum { TERMINAL_COLUMNS = 120, TERMINAL_ROWS = 40 };

/* as runner_ops.start */
enum tree_terminal { TREE_WITHOUT, TREE_PTY, TREE_IN_WINDOW };
int tree_start(struct job **out, struct runner *runner, const struct command *command, enum tree_terminal terminal,
	const struct job_callbacks *on, int *error_number, struct orch_error *err);
/* as the functions of runner_ops */
void tree_stop(struct job *job, int signo);
int tree_adopt(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err);
/* the same for one with a terminal */
int tree_adopt_terminal(struct job **out, struct runner *runner, const char *record, const struct job_callbacks *on,
	struct orch_error *err);
void tree_leave(struct job *job);
int tree_send(struct job *job, const char *text, size_t len, struct orch_error *err);

#endif
