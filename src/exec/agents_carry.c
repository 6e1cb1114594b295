/* What is known of a stream from one attempt to the next, when the Orchfile has been read again in between: agents and
 * rules are others then, of the same names. */
#include "config.h"

#include "exec/agents.h"

#include "exec/agents_private.h"
#include "graph/project.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

static const struct rule *find_rule(const struct project *project, const char *name)
{
	for (uint32_t i = 0; i < project->recovery_count; i++) {
		if (strcmp(project->recoveries[i].name, name) == 0)
			return &project->recoveries[i];
	}
	return NULL;
}

/* where it is in the chain of the stream; 0, where it is not */
static uint32_t find_in_chain(struct agents *all, const struct stream *stream, const char *agent)
{
	uint32_t count;
	const struct agent *const *chain = agents_chain(all, stream, &count);

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(chain[i]->name, agent) == 0)
			return i;
	}
	return 0;
}

static void carry_uses(struct recovery *to, const struct project *project, const struct recovery *from,
	const struct project *before)
{
	for (uint32_t i = 0; i < from->count; i++) {
		const struct rule *rule = from->used[i] ? find_rule(project, before->recoveries[i].name) : NULL;

		if (!rule)
			continue;
		if (!to->used) {
			to->count = project->recovery_count;
			to->used = xcalloc(to->count, sizeof *to->used);
		}
		to->used[rule - project->recoveries] = from->used[i];
	}
}

void agents_carry(struct agents *to, uint32_t id, uint64_t recipe, const struct agents *from, uint32_t was)
{
	const struct memory *old = from->memories[was];
	const struct stream *stream = &to->project->streams[id], *before = &from->project->streams[was];
	struct memory *memory;

	if (!old || to->memories[id] || old->recipe != recipe || !agents_are_wanted(to, stream))
		return;
	memory = to->memories[id] = xcalloc(1, sizeof *memory);
	memory->recipe = recipe;
	if (before->set->agent.count > old->agent)
		memory->agent = find_in_chain(to, stream, before->set->agent.items[old->agent]);
	memory->session_agent = old->session_agent ? project_agent(to->project, old->session_agent->name) : NULL;
	if (old->session && memory->session_agent) {
		memory->session = xstrdup(old->session);
		memory->before = old->before;
	}
	carry_uses(&memory->recovery, to->project, &old->recovery, from->project);
	memory->what = old->what ? xstrdup(old->what) : NULL;
	memory->log = old->log ? xstrdup(old->log) : NULL;
	memory->attempt = old->attempt;
	memory->check_from = old->check_from;
	memory->found_wrong = old->found_wrong;
	memory->interrupted = old->interrupted;
	memory->kind = old->kind;
	memory->rule = old->rule ? find_rule(to->project, old->rule->name) : NULL;
	if (!memory->rule)
		return;
	agents_copy_match(&memory->match, &old->match);
	memory->fix = old->fix && (memory->rule->agent || memory->rule->run.bytes);
}
