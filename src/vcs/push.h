/* A branch to a remote, by the user's own configuration and credentials. */
#ifndef VCS_PUSH_H
#define VCS_PUSH_H

#include <stdbool.h>

#include "vcs/git.h"

struct repo;

struct push_spec {
	const char *branch; /* what it is called there: "orch/api" */
	const char *oid;
	const char
		*into; /* whose remote it is: that of this branch, else the one that pushes go to, else the only one */
	bool dry_run;  /* nothing is sent */
};

struct push_result {
	const char *remote, *url;
};

/*
 * Nothing is forced: where the branch there has what is not in `oid`, git refuses, and its words are the
 * message. VCS_ABSENT: there is no remote, or none of several is the one. `result` is NULL unless VCS_OK; valid
 * during the call.
 */
typedef void push_done(void *data, const struct vcs_end *end, const struct push_result *result);
void push_branch(struct repo *repo, const struct push_spec *spec, push_done *done, void *data);

#endif
