/* What an attempt wrote to $ORCH_OUTPUT: `key=value` lines, for its dependents. */
#ifndef EXEC_VALUES_H
#define EXEC_VALUES_H

#include "orch/error.h"

struct stamp_detail;

/* adds each as a part 'v' ("key=value"). No file: no values. -1: a line is not key=value, or the file is over 1 MiB;
 * the message says which */
int values_read(
	struct stamp_detail *detail, const char *run, const char *stream, unsigned attempt, struct orch_error *err);

#endif
