/* What an attempt wrote to $ORCH_OUTPUT: `key=value` lines, for its dependents. */
#ifndef EXEC_VALUES_H
#define EXEC_VALUES_H

#include "orch/error.h"

struct redact;
struct stamp_detail;

/* of one line; all of them together have at most 1 MiB */
enum { VALUE_MAX = 64 * 1024 };

/* adds each as a part 'v' ("key=value"), without what `redact` (NULL: nothing) takes out. No file: no values. 1 with *err: what it wrote is wrong (a line is not
 * key=value, over 1 MiB); -1: it cannot be read */
int values_read(struct stamp_detail *detail, struct redact *redact, const char *run, const char *stream,
	unsigned attempt, struct orch_error *err);

#endif
