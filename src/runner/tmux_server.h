/*
 * The tmux server of a project, with a socket of its own: started when it is needed, as a process tree that goes on
 * when we are gone (os/supervised.h), and taken over where it did. It ends with its last window. Private to runner/.
 */
#ifndef RUNNER_TMUX_SERVER_H
#define RUNNER_TMUX_SERVER_H

#include "runner/runner.h"

struct tmux;

/* the runner's, made at the first call; nothing is started yet */
struct tmux *tmux_of(struct runner *runner);
/* Runs a command in the server, which is started if it does not run: `words` as after "tmux", with ";" between several.
 * `done` comes from the loop, once: problem NULL: it was done; else why not, for people. The words are copied */
void tmux_run(struct tmux *tmux, char *const *words, void (*done)(void *data, const char *problem), void *data);
/* `done` is not called any more for commands with that `data` */
void tmux_forget(struct tmux *tmux, const void *data);
/* the server goes on if it has windows. NULL is fine */
void tmux_free(struct tmux *tmux);

#endif
