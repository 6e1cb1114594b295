/*
 * make and cargo for agents: their programs close what they inherit (node and Python do), so a jobserver's descriptors
 * do not get through. Scripts of these names, first in PATH, open its two FIFOs by the path in ORCH_JOBSERVER and run
 * the next program of the name with them.
 */
#ifndef EXEC_SHIMS_H
#define EXEC_SHIMS_H

#include "orch/error.h"

/* writes them below the directory of that run; the caller frees *dir, an absolute path. -1 with *err */
int shims_make(char **dir, const char *run, struct orch_error *err);

#endif
