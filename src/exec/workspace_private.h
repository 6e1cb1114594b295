/*
 * What the parts of exec/workspace.h share: workspaces.c, the repository of a run; workspace_prepare.c, how a worktree
 * comes to be; workspace.c, the rest of an attempt's.
 */
#ifndef EXEC_WORKSPACE_PRIVATE_H
#define EXEC_WORKSPACE_PRIVATE_H

#include "exec/workspace.h"
#include "orch/error.h"
#include "util/strvec.h"
#include "vcs/op.h"

struct escape;
struct repo;
struct workspace_task;

struct workspaces {
	struct git *git;
	char *dir; /* the repository, or below it where the project is */
	struct stamp_store *store;
	struct workspaces_calls calls;
	struct escape *escape;
	bool distrusts;     /* hooks that streams could change */
	char *hooks_inside; /* where those are, if they are not left out yet; NULL: there are none */
	struct repo *repo;
	bool opening, opened;
	struct orch_error refusal; /* why there is no repository to work in, once opened */
	char *base_name;           /* NULL until it is known, unless `project: base` says it */
	char *into;                /* the branch that base is, where work comes home to; NULL: it is none */
	char base[GIT_OID_MAX];
	workspaces_opened *asked; /* who waits for it besides; NULL: nobody */
	void *asked_data;
	struct workspace_task *waiting; /* for the repository to be opened, newest first */
};

/* one call, from its begin to its `done` */
struct workspace_task {
	struct workspaces *all;
	struct attempt *attempt;
	struct workspace_task *next;
	bool afresh, saved;
	workspace_done *done;
	size_t home;                         /* of what the dependencies made: contained in the run's base */
	struct strvec side_names, side_oids; /* what the dependencies made */
	size_t looked_up;                    /* of them: found to be there */
	char *problem;                       /* what is to be said if all are */
	size_t checked;                      /* of them: contained in the stream's branch */
	char tip[GIT_OID_MAX];               /* of that branch */
	enum orch_outcome outcome;           /* what there is to tell once the checkout has been looked at */
	char *message;
	size_t stuck; /* which of them does not go together with those before it; 0: none */
};

struct workspace_task *workspace_task_new(struct workspaces *all, struct attempt *attempt, workspace_done *done);
/* frees it, then calls its `done` */
void workspace_task_end(struct workspace_task *task, enum orch_outcome outcome, const char *message);
/* what it is to an attempt that git's work ended so */
enum orch_outcome workspace_outcome(const struct vcs_end *end);
int workspace_write_base(const struct workspace *workspace, struct orch_error *err);
/* once the repository is opened */
void workspace_task_begin(struct workspace_task *task);
/* unless it is open or about to be; what waits is begun then */
void workspaces_open_repository(struct workspaces *all);

#endif
