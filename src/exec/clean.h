/*
 * What streams have left in git, and which of it is provably not needed any more (`orch clean`). Nothing is removed
 * that would take away the only way to a commit or a file; what is in doubt stays, with the reason.
 */
#ifndef EXEC_CLEAN_H
#define EXEC_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/work.h"

struct project;
struct stamp_store;
struct strvec;

struct clean_spec {
	const struct project *project;
	struct stamp_store *store; /* who has completed */
	const struct strvec *busy; /* streams with an attempt that goes on, or is not settled yet: theirs stays */
	bool dry_run;
	bool running; /* a run is under way: what has not completed may be in it */
	void (*each)(void *data, const struct orch_cleaned *item);
	void *data;
};

/* -1: it cannot be looked at; or, once all was told, how many could not be removed. No repository is nothing to do */
int clean_git(const struct clean_spec *spec, struct orch_error *err);

/* Forgets what a stream has made: its worktree and its branch go, once refs below refs/orch/wip/ hold all that is in
 * them; these are added to `kept`. -1: something is in the way, and what is left is as it was */
struct repository;
struct stream;
int clean_stream(
	struct repository *repository, const struct stream *stream, struct strvec *kept, struct orch_error *err);

#endif
