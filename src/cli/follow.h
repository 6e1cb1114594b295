/* A log file printed to standard output, piece by piece as it grows: raw, or by lines with a name before each, or only
 * lines that match. On a terminal nothing of it gets through raw. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include <stdbool.h>

#include "orch/error.h"

struct follow;
struct regex;

/* opens the log. `prefix` (NULL: none) and `grep` (NULL: every line; borrowed) say how lines are printed. NULL with
 * *err: it cannot be opened */
struct follow *follow_new(const char *path, const char *prefix, struct regex *grep, struct orch_error *err);
/* prints what has come since the last time; an exit status. `at_end`: nothing more will come, so a last line without a
 * newline is a line */
int follow_print(struct follow *follow, bool at_end);
void follow_free(struct follow *follow);

#endif
