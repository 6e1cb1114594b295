/* Streams that may run at the same time and expect to change the same files: said before they start, and of new ones
 * when the Orchfile was read again. */
#include "config.h"

#include "exec/executor_private.h"

#include "graph/project.h"
#include "sched/overlap.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 10 };

static bool same_touches(const struct plan *plan, uint32_t id, const struct plan *before, uint32_t was)
{
	const struct words *a = &plan->project->streams[id].set->touches;
	const struct words *b = &before->project->streams[was].set->touches;

	if (a->count != b->count || before->items[was].action < PLAN_PERHAPS)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

/* was it there before? */
static bool is_known(
	const struct plan *plan, const struct overlap *pair, const struct plan *before, const uint32_t *map)
{
	return before && map[pair->first] != NO_STREAM && map[pair->second] != NO_STREAM &&
		same_touches(plan, pair->first, before, map[pair->first]) &&
		same_touches(plan, pair->second, before, map[pair->second]);
}

static void tell_pair(struct executor *ex, const struct overlap *pair)
{
	const char *other = ex->project->streams[pair->second].name;
	bool same = strcmp(pair->first_glob, pair->second_glob) == 0;
	char *message = same
		? xasprintf("it and '%s' may run at the same time, and both expect to change '%s'; a dependency "
			    "between them would keep them apart",
			  other, pair->first_glob)
		: xasprintf("it and '%s' may run at the same time, and expect to change the same files: '%s' and "
			    "'%s'; a dependency between them would keep them apart",
			  other, pair->first_glob, pair->second_glob);

	tell_warning(ex, ex->project->streams[pair->first].name, message);
	free(message);
}

void tell_overlaps(struct executor *ex, const struct plan *before, const uint32_t *map)
{
	bool apart = ex->project->set.overlap && strcmp(ex->project->set.overlap, "serialize") == 0, complete;
	struct overlap first[TOLD_MAX], *pairs = first;
	size_t count, told = 0;

	/* of very many pairs only so many are looked for; those that are new may be anywhere among them */
	if (apart || before)
		pairs = overlap_find_all(ex->plan, &count, &complete);
	else
		count = overlap_find(ex->plan, first, TOLD_MAX, &complete);
	for (size_t i = 0; i < count && !apart; i++) {
		if (is_known(ex->plan, &pairs[i], before, map))
			continue;
		if (told == TOLD_MAX) {
			complete = false;
			break;
		}
		tell_pair(ex, &pairs[i]);
		told++;
	}
	/* those are kept apart; a limit of how many are compared holds for that too */
	if (!complete && apart)
		tell_warning(ex, NULL, "there are too many streams with 'touches' to compare all of them: "
				       "not all that expect to change the same files are kept apart");
	else if (!complete)
		tell_warning(ex, NULL, "more streams that may run at the same time may expect to change the same files: "
				       "not all of them were compared");
	if (pairs != first)
		free(pairs);
}
