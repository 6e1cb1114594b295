/*
 * Files that match a glob, sorted by bytes. `**` goes through directories, not through symbolic links to directories;
 * names that start with '.' are matched only by a pattern part that starts with '.', so `.git` and `.orch` are never
 * entered by a
 * `**`. A `**` matches files at its end, `*` directories too. In a pattern with `**`, a link that leads back to where
 * the path comes from is not followed by wildcards.
 */
#ifndef OS_GLOB_H
#define OS_GLOB_H

#include <stdbool.h>

#include "orch/error.h"

struct strvec;

/* adds the matches of `pattern` below `dir` (NULL: the current one), as paths relative to it (absolute if the pattern
 * is). A pattern without glob characters gives itself if it exists. No match: adds nothing. -1 for an unreadable
 * directory, a loop of links, or more than 64 parts */
int glob_files(const char *dir, const char *pattern, struct strvec *out, struct orch_error *err);

#endif
