/* Bringing the work of streams in worktrees home: into the branch that their run began on, or to a remote. */
#ifndef ORCH_MERGE_H
#define ORCH_MERGE_H

#include "orch/project.h"

#ifdef __cplusplus
extern "C" {
#endif

struct orch_merge_options {
	const char *const *targets; /* streams, as in orch_plan_options.only; a group means what it depends on. NULL or
				       empty: all that is complete and that no other stream goes on from */
	const char *into;           /* a branch; NULL: for each stream the one that its run began on */
	bool squash;                /* one commit, without the branch's own */
	bool dry_run;               /* only say what would become of it */
	bool push;                  /* instead of merging: each branch to the remote of `into` */
};

enum orch_merge_end {
	ORCH_MERGE_DONE,     /* with dry_run: it would be */
	ORCH_MERGE_NOTHING,  /* `into` had all of it */
	ORCH_MERGE_PUSHED,   /* with dry_run: it could be */
	ORCH_MERGE_CONFLICT, /* it does not go together with what `into` has; both are as they were */
	ORCH_MERGE_REFUSED,  /* nothing was changed; the message says why and what to do */
	ORCH_MERGE_LEFT,     /* not tried: the stream is not complete, or there was a conflict or a refusal before */
};

/* what became of one stream's work; borrowed during the call */
struct orch_merged {
	enum orch_merge_end end;
	const char *stream;
	const char *title;    /* of the stream; NULL: none */
	const char *branch;   /* "orch/api" */
	const char *into;     /* NULL: it began on no branch */
	const char *commit;   /* what `into` is now, or what was pushed; NULL unless DONE, NOTHING or PUSHED */
	const char *checkout; /* DONE: the checkout that was brought up to date; NULL: `into` is checked out nowhere */
	const char *message;  /* one or more lines for people: why not, and what to do; NULL: nothing to say */
	const char *const *files; /* CONFLICT: which */
	size_t file_count;
	const char *remote, *url; /* PUSHED: its name, and where it is */
	const char *body;         /* PUSHED: a description in Markdown: streams, checks, times. NULL otherwise */
};

typedef void orch_merge_told(void *data, const struct orch_merged *merged);

/*
 * One stream after the other, each behind those it depends on; behind a conflict or a refusal nothing is tried.
 * `told` is called once for each. No run is needed, and none that is under way is in the way. The result is 0 if all
 * of them came home, not counting leaves that are not complete where no target is given; else 1. -1 with ORCH_EUSAGE:
 * a target names nothing that has a branch.
 */
int orch_merge(struct orch *orch, const struct orch_merge_options *options, orch_merge_told *told, void *data,
	struct orch_error *err);
/* a directory of the git repository that streams in worktrees work on, absolute; the caller frees */
char *orch_repository(const struct orch *orch);

#ifdef __cplusplus
}
#endif
#endif
