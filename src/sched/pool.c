#include "config.h"

#include "sched/run_private.h"
#include "util/alloc.h"
#include "util/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* which declared pool each stream is in. Names come from shared settings, so the name of the stream before is often the
 * same pointer */
static void find_pools(struct run *run)
{
	const struct project *project = run->plan->project;
	struct map by_name = {0};
	const char *last_name = NULL;
	uint32_t last = NO_POOL;

	run->pool_of = xmalloc(project->stream_count * sizeof *run->pool_of);
	for (uint32_t p = 0; p < project->pool_count; p++) {
		run->pools[p].limit = project->pools[p].limit > 0 ? project->pools[p].limit : 1;
		map_set(&by_name, project->pools[p].name, &run->pools[p]);
	}
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const char *name = project->streams[s].set->pool;
		const struct run_pool *pool;

		if (name != last_name) {
			pool = name ? map_get(&by_name, name) : NULL;
			last = pool ? (uint32_t)(pool - run->pools) : NO_POOL;
			last_name = name;
		}
		run->pool_of[s] = last;
	}
	map_release(&by_name);
}

/* one pool more for each agent that has a limit */
static void find_agents(struct run *run)
{
	const struct project *project = run->plan->project;
	uint32_t next = project->pool_count;

	run->agent_pool = xmalloc(project->profile_count * sizeof *run->agent_pool);
	run->agent_of = xmalloc(((size_t)project->stream_count + 1) * sizeof *run->agent_of);
	for (uint32_t a = 0; a < project->profile_count; a++) {
		int64_t limit = project->profiles[a].limit;

		run->agent_pool[a] = limit > 0 ? next : NO_POOL;
		if (limit > 0)
			run->pools[next++].limit = limit > UINT32_MAX ? UINT32_MAX : (unsigned)limit;
	}
	for (uint32_t s = 0; s < project->stream_count; s++)
		run->agent_of[s] = NO_POOL;
}

void pool_init(struct run *run)
{
	const struct project *project = run->plan->project;
	uint32_t limited = 0;

	for (uint32_t a = 0; a < project->profile_count; a++)
		limited += project->profiles[a].limit > 0;
	run->slot_of = xmalloc(((size_t)run->plan->graph->count + 1) * sizeof *run->slot_of);
	run->pool_total = project->pool_count + limited;
	if (run->pool_total > 0)
		run->pools = xcalloc(run->pool_total, sizeof *run->pools);
	if (limited > 0)
		find_agents(run);
	if (run->plan->project->pool_count > 0 && run->plan->project->stream_count > 0)
		find_pools(run);
}

void pool_finish(struct run *run)
{
	for (uint32_t p = 0; p < run->pool_total; p++)
		queue_release(&run->pools[p].blocked);
	free(run->pools);
	free(run->agent_pool);
	free(run->agent_of);
	free(run->pool_of);
	free(run->slots);
	free(run->slot_of);
}

static struct run_pool *pool_of(const struct run *run, uint32_t stream)
{
	uint32_t pool = run->pool_of ? run->pool_of[stream] : NO_POOL;

	return pool == NO_POOL ? NULL : &run->pools[pool];
}

/* the pool of the agent that works on it next */
static struct run_pool *agent_of(const struct run *run, uint32_t stream)
{
	uint32_t pool = run->agent_of ? run->agent_of[stream] : NO_POOL;

	return pool == NO_POOL ? NULL : &run->pools[pool];
}

void pool_count_ready(struct run *run, uint32_t stream, int change)
{
	struct run_pool *pool = pool_of(run, stream);

	if (pool)
		pool->ready += (uint32_t)change;
	else
		run->ready_unpooled += (size_t)change;
}

static bool is_full(const struct run_pool *pool)
{
	return pool && pool->used >= pool->limit;
}

bool pool_is_full(const struct run *run, uint32_t stream)
{
	return is_full(pool_of(run, stream)) || is_full(agent_of(run, stream));
}

unsigned pool_weight(const struct run *run, uint32_t stream)
{
	int32_t weight = run_settings(run, stream)->weight;

	if (weight < 1)
		return 1;
	return (unsigned)weight > run->jobs ? run->jobs : (unsigned)weight;
}

static void unblock(struct run *run, struct run_pool *pool)
{
	if (pool && pool->blocked.count > 0)
		queue_push(&run->ready, queue_pop(&pool->blocked));
}

void pool_set_agent(struct run *run, uint32_t stream, uint32_t profile)
{
	uint32_t before = run->agent_of ? run->agent_of[stream] : NO_POOL;

	if (!run->agent_of || before == run->agent_pool[profile])
		return;
	run->agent_of[stream] = run->agent_pool[profile];
	/* it may have been let out of that one's queue for a place that it does not take now */
	if (before != NO_POOL)
		unblock(run, &run->pools[before]);
}

void pool_unblock(struct run *run, uint32_t stream)
{
	unblock(run, pool_of(run, stream));
	unblock(run, agent_of(run, stream));
}

void pool_block(struct run *run, struct queue_item item)
{
	struct run_pool *pool = pool_of(run, item.stream);

	queue_push(is_full(pool) ? &pool->blocked : &agent_of(run, item.stream)->blocked, item);
}

static void grow_slots(struct run *run, uint32_t count)
{
	if (count <= run->slot_count)
		return;
	run->slots = xreallocarray(run->slots, count, sizeof *run->slots);
	for (; run->slot_count < count; run->slot_count++)
		run->slots[run->slot_count] = (struct run_slot){.stream = NO_STREAM};
}

static void fill_slot(struct run *run, uint32_t slot, struct run_slot what)
{
	run->slots[slot] = what;
	if (what.stream != OUTSIDE) {
		run->slot_of[what.stream] = slot;
		apart_began(run, what.stream);
	} else {
		apart_outside_began(run, what.touches);
	}
	if (slot == run->first_free)
		run->first_free = slot + 1;
	run->used += what.weight;
	if (what.pool != NO_POOL)
		run->pools[what.pool].used++;
	if (what.agent != NO_POOL)
		run->pools[what.agent].used++;
}

static void take_slot(struct run *run, uint32_t stream, uint32_t slot)
{
	fill_slot(run, slot,
		(struct run_slot){.stream = stream,
			.weight = pool_weight(run, stream),
			.pool = run->pool_of ? run->pool_of[stream] : NO_POOL,
			.agent = run->agent_of ? run->agent_of[stream] : NO_POOL});
}

/* the pool of that name, or of the agent of that name, in the run; NO_POOL: there is none any more */
static uint32_t carried_pool(const struct run *run, const struct run *old, uint32_t pool)
{
	const struct project *project = run->plan->project;

	for (uint32_t p = 0; pool != NO_POOL && run->pools && p < project->pool_count; p++) {
		if (strcmp(project->pools[p].name, old->plan->project->pools[pool].name) == 0)
			return p;
	}
	return NO_POOL;
}

static uint32_t carried_agent(const struct run *run, const struct run *old, uint32_t pool)
{
	const struct project *project = run->plan->project, *before = old->plan->project;
	uint32_t was = 0;

	if (pool == NO_POOL || !run->agent_pool)
		return NO_POOL;
	while (old->agent_pool[was] != pool)
		was++;
	for (uint32_t a = 0; a < project->profile_count; a++) {
		if (strcmp(project->profiles[a].name, before->profiles[was].name) == 0)
			return run->agent_pool[a];
	}
	return NO_POOL;
}

void pool_carry(struct run *run, uint32_t stream, uint32_t slot, const struct run *old, const struct words *touches)
{
	const struct run_slot *had = &old->slots[slot];

	grow_slots(run, slot + 1);
	fill_slot(run, slot,
		(struct run_slot){.stream = stream,
			.weight = had->weight,
			.pool = carried_pool(run, old, had->pool),
			.agent = carried_agent(run, old, had->agent),
			.touches = stream == OUTSIDE ? touches : NULL});
}

void pool_take(struct run *run, uint32_t stream)
{
	uint32_t slot = run->first_free;

	while (slot < run->slot_count && run->slots[slot].stream != NO_STREAM)
		slot++;
	if (slot == run->slot_count)
		grow_slots(run, run->slot_count ? 2 * run->slot_count : 16);
	run->first_free = slot;
	take_slot(run, stream, slot);
}

void pool_hand_over(struct run *run, uint32_t stream, unsigned slot)
{
	assert(slot < run->slot_count);
	if (run->slots[slot].stream != NO_STREAM)
		pool_give_back(run, run->slots[slot].stream);
	take_slot(run, stream, slot);
}

void pool_give_back_slot(struct run *run, uint32_t slot)
{
	struct run_pool *pool = run->slots[slot].pool == NO_POOL ? NULL : &run->pools[run->slots[slot].pool];
	struct run_pool *agent = run->slots[slot].agent == NO_POOL ? NULL : &run->pools[run->slots[slot].agent];

	if (run->slots[slot].stream != OUTSIDE)
		apart_ended(run, run->slots[slot].stream);
	else
		apart_outside_ended(run, run->slots[slot].touches);
	run->used -= run->slots[slot].weight;
	run->slots[slot].stream = NO_STREAM;
	if (slot < run->first_free)
		run->first_free = slot;
	if (pool)
		pool->used--;
	if (agent)
		agent->used--;
	unblock(run, pool);
	unblock(run, agent);
}

void pool_give_back(struct run *run, uint32_t stream)
{
	uint32_t slot = run->slot_of[stream];

	if (slot == NO_SLOT)
		return; /* it was given back before */
	run->slot_of[stream] = NO_SLOT;
	pool_give_back_slot(run, slot);
}

size_t pool_startable(const struct run *run)
{
	size_t sum = run->ready_unpooled;

	for (uint32_t p = 0; run->pool_of && p < run->plan->project->pool_count; p++) {
		const struct run_pool *pool = &run->pools[p];
		unsigned room = pool->used < pool->limit ? pool->limit - pool->used : 0;

		sum += pool->ready < room ? pool->ready : room;
	}
	return sum;
}
