/* Copying files into a fresh worktree. Private to vcs/; blocks, so it is called off the loop's thread. */
#ifndef VCS_COPY_H
#define VCS_COPY_H

#include <stddef.h>

#include "orch/error.h"

struct strvec;

/* copies `path` (a file, a symbolic link as such, or a directory with all in it) from below `from` to the same place
 * below `to`. What is there already stays as it is; other kinds of files are left out. Adds what it copied */
int copy_path(const char *from, const char *to, const char *path, struct strvec *copied, struct orch_error *err);

#endif
