#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "graph/project.h"
#include "sched/overlap.h"
#include "sched/run_private.h"
#include "util/alloc.h"
#include "util/path.h"

/*
 * `overlap = serialize`: streams that expect to change the same files, and that no path orders, are kept apart. Each
 * knows its peers; one that comes to the top of the queue while a peer has a slot is parked, until none has one.
 */

struct apart {
	uint32_t *first; /* [stream + 1]: where its peers begin in `peers` */
	uint32_t *peers;
	uint32_t *busy; /* [stream]: of its peers, and of what is OUTSIDE and meets it, how many have a slot */
	struct queue_item *parked;
	bool *is_parked; /* [stream] */
};

static void make(struct run *run, const struct overlap *pairs, size_t count)
{
	size_t streams = (size_t)run->plan->graph->count + 1;
	struct apart *all = xcalloc(1, sizeof *all);
	uint32_t *next;

	run->apart = all;
	all->first = xcalloc(streams + 1, sizeof *all->first);
	all->peers = xcalloc(2 * count + 1, sizeof *all->peers);
	all->busy = xcalloc(streams, sizeof *all->busy);
	all->parked = xcalloc(streams, sizeof *all->parked);
	all->is_parked = xcalloc(streams, sizeof *all->is_parked);
	for (size_t i = 0; i < count; i++) {
		all->first[pairs[i].first + 1]++;
		all->first[pairs[i].second + 1]++;
	}
	for (size_t s = 0; s < streams; s++)
		all->first[s + 1] += all->first[s];
	next = xmalloc(streams * sizeof *next);
	memcpy(next, all->first, streams * sizeof *next);
	for (size_t i = 0; i < count; i++) {
		all->peers[next[pairs[i].first]++] = pairs[i].second;
		all->peers[next[pairs[i].second]++] = pairs[i].first;
	}
	free(next);
}

static bool is_asked_for(const struct run *run)
{
	const char *mode = run->plan->project->set.overlap;

	return mode && strcmp(mode, "serialize") == 0;
}

void apart_init(struct run *run)
{
	struct overlap *pairs;
	size_t count;
	bool complete;

	if (!is_asked_for(run))
		return;
	pairs = overlap_find_all(run->plan, &count, &complete);
	if (count > 0)
		make(run, pairs, count);
	free(pairs);
}

void apart_finish(struct run *run)
{
	struct apart *all = run->apart;

	if (!all)
		return;
	free(all->first);
	free(all->peers);
	free(all->busy);
	free(all->parked);
	free(all->is_parked);
	free(all);
	run->apart = NULL;
}

bool apart_has_peers(const struct run *run, uint32_t stream)
{
	const struct apart *all = run->apart;

	return all && (all->first[stream] < all->first[stream + 1] || all->busy[stream] > 0);
}

bool apart_is_busy(const struct run *run, uint32_t stream)
{
	return run->apart && run->apart->busy[stream] > 0;
}

void apart_park(struct run *run, struct queue_item item)
{
	run->apart->parked[item.stream] = item;
	run->apart->is_parked[item.stream] = true;
}

void apart_began(struct run *run, uint32_t stream)
{
	const struct apart *all = run->apart;

	if (!all)
		return;
	for (uint32_t i = all->first[stream]; i < all->first[stream + 1]; i++)
		all->busy[all->peers[i]]++;
}

static void let_go(struct run *run, uint32_t stream)
{
	struct apart *all = run->apart;

	if (--all->busy[stream] > 0 || !all->is_parked[stream])
		return;
	all->is_parked[stream] = false;
	queue_push(&run->ready, all->parked[stream]);
}

void apart_ended(struct run *run, uint32_t stream)
{
	const struct apart *all = run->apart;

	if (!all)
		return;
	for (uint32_t i = all->first[stream]; i < all->first[stream + 1]; i++)
		let_go(run, all->peers[i]);
}

static bool meets(const struct words *a, const struct words *b)
{
	for (uint32_t i = 0; i < a->count; i++) {
		for (uint32_t k = 0; k < b->count; k++) {
			if (path_globs_meet(a->items[i], b->items[k]))
				return true;
		}
	}
	return false;
}

void apart_outside_began(struct run *run, const struct words *touches)
{
	if (!is_asked_for(run) || !touches || touches->count == 0)
		return;
	if (!run->apart)
		make(run, NULL, 0);
	for (uint32_t s = 0; s < run->plan->graph->count; s++)
		run->apart->busy[s] += meets(touches, &run_settings(run, s)->touches);
}

void apart_outside_ended(struct run *run, const struct words *touches)
{
	if (!is_asked_for(run) || !touches || touches->count == 0)
		return;
	for (uint32_t s = 0; s < run->plan->graph->count; s++) {
		if (meets(touches, &run_settings(run, s)->touches))
			let_go(run, s);
	}
}
