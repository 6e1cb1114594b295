/* A pull request, opened with the user's own gh or glab, which know where and as whom. */
#ifndef CLI_FORGE_H
#define CLI_FORGE_H

#include <stdbool.h>

#include "orch/error.h"

struct forge_request {
	const char *dir; /* in the repository */
	const char *url; /* of the remote that has the branch */
	const char *branch, *into;
	const char *title, *body; /* Markdown */
};

/* is either of them installed? -1 with ORCH_EUSAGE: no */
int forge_check(struct orch_error *err);
/* "gh" or "glab": by the remote's address, else the one that is installed */
const char *forge_program(const char *url);
/* Waits for its end, however long it asks somebody to log in. *page: the address it printed, or NULL if it printed
 * none; the caller frees. *existed: there was one for the branch, which has the new work now. -1: it failed; the
 * message has what it said */
int forge_open(const struct forge_request *request, char **page, bool *existed, struct orch_error *err);

#endif
