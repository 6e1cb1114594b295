/* Streams that may run at the same time and expect to change the same files (`touches`). Pure, as all of sched/. */
#ifndef SCHED_OVERLAP_H
#define SCHED_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan;

struct overlap {
	uint32_t first, second;               /* streams, in the order of the file */
	const char *first_glob, *second_glob; /* of their `touches`, which meet (path_globs_meet()) */
};

/* Of those that the plan lets run, the first `max` pairs without a way from one to the other; returns how many.
 * *complete is false where there may be more: `max` were found, or there are too many to compare them all */
size_t overlap_find(const struct plan *plan, struct overlap *out, size_t max, bool *complete);
/* the same without a limit to the pairs: *complete is false only where there are too many to compare. The caller
 * frees */
struct overlap *overlap_find_all(const struct plan *plan, size_t *count, bool *complete);

#endif
