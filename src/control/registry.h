/*
 * The runs of this user, of all projects: one small file for each, in $XDG_STATE_HOME/orch/runs (default
 * ~/.local/state), for as long as it goes on; and beside them, in orch/projects, one for each project in which
 * something has run. A file says where to look and nothing that is believed: whether a run is under way is told by its
 * project's lock.
 */
#ifndef CONTROL_REGISTRY_H
#define CONTROL_REGISTRY_H

#include <stddef.h>

#include "orch/error.h"

struct strvec;

struct registry_entry {
	char *file; /* private */
	char *dir;  /* of the project, absolute */
	char *run;  /* its id */
};

/* to be called with the project's lock held, so that a project has one writer */
int registry_add(const char *dir, const char *run, struct orch_error *err);
/* absent is fine */
void registry_remove(const char *dir);

/* by directory; the caller frees with registry_free(). Nothing there is none */
int registry_list(struct registry_entry **out, size_t *count, struct orch_error *err);
/* what it says is so no more: the file goes, unless another run has written it anew meanwhile */
void registry_forget(const struct registry_entry *entry);
void registry_free(struct registry_entry *entries, size_t count);

/* Directories of all projects that are known, by name, added to `dirs`; those that have no state directory any more are
 * forgotten */
int registry_projects(struct strvec *dirs, struct orch_error *err);
/* the directory in which a file is added for each new project, made if it is not there; the caller frees. NULL: there
 * is no place for it */
char *registry_projects_path(struct orch_error *err);

#endif
