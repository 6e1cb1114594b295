/*
 * Which of several branches will collide: every pair merged in memory, nothing written that lasts. By
 * libgit2 where it is installed and takes the repository (its recursive merge, on a thread of its own),
 * else by `git merge-tree`: a forecast, not the merge that counts (merge.h).
 */
#ifndef VCS_FORECAST_H
#define VCS_FORECAST_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strvec.h"
#include "vcs/merge.h"

struct repo;

struct forecast_pair {
	size_t a, b; /* numbers of the sides, a < b */
	struct strvec files;
};

struct forecast {
	struct forecast_pair *items; /* those that do not merge, by a, then b */
	size_t count, capacity;
	size_t compared; /* pairs */
	bool by_library;
};

/* `forecast` is NULL unless VCS_OK; valid during the call */
typedef void forecast_done(void *data, const struct vcs_end *end, const struct forecast *forecast);
/* `by_git`: not by libgit2 */
void forecast_conflicts(
	struct repo *repo, const struct merge_side *sides, size_t count, bool by_git, forecast_done *done, void *data);

#endif
