/* Attempts that outlived the orch that started them (state/detached.h), for whoever looks. */
#ifndef EXEC_RESUME_H
#define EXEC_RESUME_H

#include "orch/error.h"
#include "os/supervised.h"

struct detached;

/* what the files of its supervisor say, of the phase that it came to last; `dir` is the project's directory, NULL: the
 * current one. -1: they cannot be read */
int resume_look(const char *dir, const struct detached *one, enum supervised_state *state,
	struct supervised_record *record, struct orch_error *err);

#endif
