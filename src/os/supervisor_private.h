/* What supervisor.c and supervisor_tree.c share. */
#ifndef OS_SUPERVISOR_PRIVATE_H
#define OS_SUPERVISOR_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "os/cgroup.h"
#include "os/child.h"
#include "os/end_steps.h"
#include "os/supervisor.h"
#include "os/supervisor_request.h"
#include "util/array.h"
#include "util/strbuf.h"

struct supervisor;

struct tree {
	struct supervisor *all;
	struct tree *next, **link;
	uint64_t id;
	int slot; /* -1: none */
	struct child *child;
	struct cgroup *group; /* NULL: none */
	struct end_step *steps;
	struct end_steps end;
	struct loop_timer *again;  /* the next try to write .exit; NULL: it was written, or there is nothing to write */
	bool signalled;            /* by the other end: whatever its status, it has not ended well */
	struct terminal *terminal; /* NULL: none */
	int lost;                  /* see child_exit; 0: it was not */
	struct filter *filter;     /* NULL: none, or it has ended */
	bool ended;                /* it has, as `how` says, and its filter not yet */
	struct child_exit how;
	struct request *waiting; /* until its window is there; NULL: it has been started */
	int waiting_log;

	char *record; /* NULL: it does not outlive the other end */
	int64_t started_ms, mono_ms;
	pid_t leader;
	int control; /* -1: none */
	struct loop_fd *control_watch;
	struct strbuf control_line;
	struct strbuf exit_text; /* what is still to be written */
	int64_t again_ms;
};

struct supervisor {
	struct loop *loop;
	struct children *children;
	struct loop_fd *socket;
	bool connected, kept_open;
	struct strbuf received;
	/* descriptors that came, in the order of the requests that they came with; FDS_LOST: for some of a request
	 * there was no room */
	ARRAY(int) fds;
	struct tree *trees;
	struct cgroup_places places;
	bool places_found;

	int (*tokens)[2];         /* [SUPERVISED_TOKENS_MAX], of each slot; -1: none. NULL: no slot has any */
	struct waiting_line line; /* see supervised_slot */
	struct strbuf answers;    /* not sent yet */
	struct loop_timer *send_late;
};

/* --- supervisor.c --- */

/* without its message, unless it is one. It goes with the others, by one of the next two */
void supervisor_answer(struct supervisor *all, const struct answer *answer);
/* `data`: the supervisor */
void supervisor_send_answers(void *data);
/* at once, unless there is enough to start meanwhile: who is told often does nothing else */
void supervisor_send_answers_in_time(struct supervisor *all);
/* answers that a request could not be carried out; `number`: an errno */
void supervisor_refuse(struct supervisor *all, uint64_t id, int number, const char *message);
/* ends the loop when nobody is there and nothing runs */
void supervisor_leave_if_done(struct supervisor *all);
/* the two tokens of a slot, borrowed; NULL: they did not come, or there was no room for them */
const int *supervisor_tokens_of(const struct supervisor *all, int slot);
/* a tree in `slot` has ended: what waits for one begins, or is refused */
void supervisor_slot_ended(struct supervisor *all, int slot, bool well);

/* --- supervisor_tree.c --- */

struct tree *supervisor_tree_new(struct supervisor *all, uint64_t id, int slot);
/* out of all lists, with its files' descriptors; whoever still runs in it is not waited for */
void supervisor_tree_free(struct tree *tree);
/* `in` (-1: /dev/null) and `log` are borrowed. False: it could not be started, and is gone */
bool supervisor_tree_start(struct tree *tree, struct request *request, int in, int log);
/* in a terminal of its own; takes over the request and its descriptors */
void supervisor_tree_start_in_terminal(struct supervisor *all, struct request *request, int listener, int log);
/* one that waits for its window is not to begin */
void supervisor_tree_take_back(struct tree *tree, const char *why);
/* by its steps */
void supervisor_tree_end(struct tree *tree);

#endif
