#include "config.h"

#include "exec/agents.h"

#include "exec/agents_private.h"
#include "exec/attempt.h"
#include "exec/prompt.h"
#include "exec/stint.h"
#include "graph/project.h"
#include "os/clock.h"
#include "os/fs.h"
#include "state/holdfile.h"
#include "state/session.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PREAMBLE_MAX = 1 << 20 };

/* --- life --- */

static void sync_holds(struct agents *all)
{
	const struct holds *holds = &all->purse->holds;
	struct held_account *items = xcalloc(holds->count ? holds->count : 1, sizeof *items);
	struct orch_error err = {0};

	for (size_t i = 0; i < holds->count; i++)
		items[i] = (struct held_account){
			holds->items[i].account, holds->items[i].until_ms, holds->items[i].reason};
	if (holdfile_write(all->dir, items, holds->count, &err) < 0)
		all->warn(all->data, NULL, err.message);
	free(items);
}

void agents_hold(struct agents *all, const char *account, int64_t until_ms, const char *reason)
{
	holds_add(&all->purse->holds, account, until_ms, reason);
	sync_holds(all);
}

static int read_holds(struct agents *all, struct orch_error *err)
{
	struct held_account *items;
	size_t count, bad;

	if (holdfile_read(all->dir, &items, &count, &bad, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		holds_add(&all->purse->holds, items[i].account, items[i].until_ms, items[i].reason);
	holdfile_free(items, count);
	if (bad)
		all->warn(all->data, NULL, "'.orch/holds' has lines that say nothing: they are left out");
	if (holds_expire(&all->purse->holds, clock_wall_ms()) > 0)
		sync_holds(all);
	return 0;
}

static int read_preamble(struct agents *all, struct orch_error *err)
{
	const char *path = all->project->set.preamble;
	size_t len;

	if (!path)
		return 0;
	if (fs_read(path, PREAMBLE_MAX, &all->preamble, &len, err) < 0)
		return error_prefix(err, "preamble = %s", path);
	if (strlen(all->preamble) != len)
		return error_set(err, "preamble = %s: it holds a NUL byte: it is no text", path);
	if (prompt_check_preamble(all->preamble, err) < 0)
		return error_prefix(err, "preamble = %s", path);
	return 0;
}

/* does this Orchfile have to do with agents at all? */
static bool has_any(const struct agents *all)
{
	return all->project->profile_count > 0 || all->project->recovery_count > 0;
}

int agents_new(
	struct agents **out, const struct agents_options *options, const struct agents *before, struct orch_error *err)
{
	struct agents *all = xcalloc(1, sizeof *all);
	bool had_holds = before && has_any(before);

	all->project = options->project;
	all->stream_count = options->project->stream_count;
	all->profile_count = options->project->profile_count;
	all->dir = options->dir;
	all->warn = options->warn;
	all->data = options->data;
	all->limit_wait_ms = options->limit_wait_ms;
	all->purse = before ? before->purse : xcalloc(1, sizeof *all->purse);
	if (!before)
		all->purse->random = (uint64_t)clock_mono_us() ^ (uint64_t)getpid() << 32;
	all->purse->users++;
	all->memories = xcalloc((size_t)all->project->stream_count + 1, sizeof(struct memory *));
	/* one for each agent, and one for commands */
	all->of_work = xcalloc((size_t)all->project->profile_count + 1, sizeof(struct output_patterns *));
	for (uint32_t i = 0; i < all->project->recovery_count; i++)
		all->has_own_rules |= all->project->recoveries[i].origin != SHIPPED;
	*out = NULL;
	if (has_any(all) && ((!had_holds && read_holds(all, err) < 0) || read_preamble(all, err) < 0)) {
		agents_free(all);
		return -1;
	}
	all->purse->budget.limit = budget_millionths(options->budget);
	*out = all;
	return 0;
}

static void purse_leave(struct purse *purse)
{
	if (--purse->users > 0)
		return;
	holds_release(&purse->holds);
	free(purse);
}

void agents_copy_match(struct rule_match *to, const struct rule_match *from)
{
	agents_forget_match(to);
	if (!from)
		return;
	to->matched = from->matched;
	to->group_count = from->group_count;
	to->groups = xcalloc(from->group_count ? from->group_count : 1, sizeof *to->groups);
	for (uint32_t i = 0; i < from->group_count; i++)
		to->groups[i] = (struct rule_group){xstrdup(from->groups[i].name), xstrdup(from->groups[i].value)};
}

void agents_forget_match(struct rule_match *match)
{
	for (uint32_t i = 0; i < match->group_count; i++) {
		free(match->groups[i].name);
		free(match->groups[i].value);
	}
	free(match->groups);
	*match = (struct rule_match){0};
}

static void memory_free(struct memory *memory)
{
	if (!memory)
		return;
	free(memory->session);
	free(memory->what);
	free(memory->log);
	recovery_release(&memory->recovery);
	agents_forget_match(&memory->match);
	free(memory);
}

void agents_free(struct agents *all)
{
	if (!all)
		return;
	for (uint32_t s = 0; s < all->stream_count; s++)
		memory_free(all->memories[s]);
	for (uint32_t i = 0; i <= all->profile_count; i++)
		output_patterns_free(all->of_work[i]);
	output_patterns_free(all->of_check);
	purse_leave(all->purse);
	free(all->of_work);
	free(all->memories);
	free(all->chain);
	free(all->preamble);
	free(all->why);
	free(all);
}

/* --- who --- */

bool stream_has_prompt(const struct stream *stream)
{
	return stream->prompt.bytes || stream->set->prompt_file;
}

bool agents_are_wanted(const struct agents *all, const struct stream *stream)
{
	return stream_has_prompt(stream) || all->has_own_rules;
}

const struct agent *const *agents_chain(struct agents *all, const struct stream *stream, uint32_t *count)
{
	const struct words *names = &stream->set->agent;

	*count = 0;
	if (!stream_has_prompt(stream))
		return NULL;
	/* asked about again and again for streams with the same settings */
	if (all->chain_of != stream->set) {
		all->chain = xreallocarray(all->chain, names->count + 1, sizeof *all->chain);
		for (uint32_t i = 0; i < names->count; i++)
			all->chain[i] = project_agent(all->project, names->items[i]);
		all->chain_of = stream->set;
	}
	*count = names->count;
	return all->chain;
}

/* what a run before has left */
static void remember(struct agents *all, uint32_t id, uint64_t recipe, struct memory *memory)
{
	const struct stream *stream = &all->project->streams[id];
	struct session session;
	struct orch_error err = {0};
	uint32_t count;
	const struct agent *const *chain = agents_chain(all, stream, &count);
	int found = session_read(all->dir, stream->name, &session, &err);

	if (found < 0)
		all->warn(all->data, stream->name, err.message);
	for (uint32_t i = 0; i < count && found > 0; i++) {
		if (strcmp(chain[i]->name, session.agent) != 0 || session.recipe != recipe)
			continue;
		memory->agent = i;
		memory->session = xstrdup(session.id);
		memory->session_agent = chain[i];
		memory->before.cost.of_session = session.cost;
		memory->before.tokens.of_session = session.tokens;
		memory->what = session.failure ? xstrdup(session.failure) : NULL;
		break;
	}
	session_release(&session);
}

struct memory *agents_memory(struct agents *all, uint32_t id, uint64_t recipe, bool fresh)
{
	struct memory *memory = all->memories[id];

	if (memory)
		return memory;
	memory = all->memories[id] = xcalloc(1, sizeof *memory);
	memory->check_from = -1;
	memory->recipe = recipe;
	if (!fresh && stream_has_prompt(&all->project->streams[id]))
		remember(all, id, recipe, memory);
	return memory;
}

const struct agent *agents_next(struct agents *all, uint32_t id)
{
	const struct memory *memory = all->memories[id];
	uint32_t count;
	const struct agent *const *chain;

	if (memory && memory->fix)
		return memory->rule->agent ? project_agent(all->project, memory->rule->agent) : NULL;
	chain = agents_chain(all, &all->project->streams[id], &count);
	return count ? chain[memory ? memory->agent : 0] : NULL;
}

bool agents_will_mend(const struct agents *all, uint32_t id)
{
	return all->memories[id] && all->memories[id]->fix;
}

const struct output_patterns *agents_patterns(
	struct agents *all, const struct agent *agent, enum output_of of, struct orch_error *err)
{
	const struct project *project = all->project;
	struct output_patterns **place = of == OUTPUT_OF_CHECK ? &all->of_check
		: agent                                        ? &all->of_work[agent - project->profiles]
							       : &all->of_work[project->profile_count];

	if (!*place &&
		output_patterns_new(place, of == OUTPUT_OF_CHECK ? NULL : agent, project->recoveries,
			project->recovery_count, of, err) < 0)
		return NULL;
	return *place;
}

const struct statedir *agents_state(const struct agents *all)
{
	return all->dir;
}

const char *agents_preamble(const struct agents *all)
{
	return all->preamble;
}

char *agents_until(int64_t until_ms)
{
	char text[UNITS_TEXT_MAX];

	if (until_ms == INT64_MAX)
		return xstrdup("until 'orch resume'");
	return xasprintf("until %s", units_clock(text, until_ms, clock_wall_ms()));
}

static const char *say_held(struct agents *all, const struct hold *hold)
{
	char *until = agents_until(hold->until_ms);

	free(all->why);
	all->why = xasprintf("account '%s' is held %s: %s", hold->account, until, hold->reason);
	free(until);
	return all->why;
}

const char *agents_admit(struct agents *all, uint32_t id, uint32_t *profile)
{
	const struct stream *stream = &all->project->streams[id];
	struct memory *memory = all->memories[id];
	const struct agent *next;
	const struct hold *hold;
	uint32_t count;
	const struct agent *const *chain;

	*profile = UINT32_MAX;
	next = agents_next(all, id);
	if (!next)
		return NULL;
	hold = holds_find(&all->purse->holds, next->account);
	if (hold && !memory->fix) {
		int first;

		chain = agents_chain(all, stream, &count);
		first = recover_pick_agent(chain, count, &all->purse->holds);
		if (first >= 0) {
			memory->agent = (uint32_t)first;
			next = chain[first];
			hold = NULL;
		}
	}
	if (hold)
		return say_held(all, hold);
	*profile = (uint32_t)(next - all->project->profiles);
	return NULL;
}

/* --- holds --- */

const struct holds *agents_holds(const struct agents *all)
{
	return &all->purse->holds;
}

size_t agents_end_holds(struct agents *all, bool every)
{
	size_t ended = every ? holds_end(&all->purse->holds, NULL) : holds_expire(&all->purse->holds, clock_wall_ms());

	if (ended)
		sync_holds(all);
	return ended;
}

bool agents_may_wait(const struct agents *all, int64_t *left_ms)
{
	int64_t next = holds_next(&all->purse->holds);

	*left_ms = -1;
	if (next == INT64_MAX)
		return false;
	*left_ms = next - clock_wall_ms();
	if (*left_ms < 0)
		*left_ms = 0;
	return all->limit_wait_ms < 0 || *left_ms <= all->limit_wait_ms;
}

/* --- money --- */

bool agents_spend(struct agents *all, int64_t millionths)
{
	bool before = budget_is_reached(&all->purse->budget);

	return budget_spend(&all->purse->budget, millionths) && !before;
}

bool agents_budget_is_reached(const struct agents *all)
{
	return budget_is_reached(&all->purse->budget);
}

/* --- sessions --- */

void agents_write_session(struct agents *all, const struct stream *stream, const struct memory *memory)
{
	struct session session = {
		.agent = xstrdup(memory->session_agent->name),
		.id = memory->session,
		.recipe = memory->recipe,
		.cost = memory->before.cost.of_session,
		.tokens = memory->before.tokens.of_session,
		.failure = memory->interrupted ? NULL : memory->what,
	};
	struct orch_error err = {0};

	if (session_write(all->dir, stream->name, &session, &err) < 0)
		all->warn(all->data, stream->name, err.message);
	free(session.agent);
}

void agents_forget_session(struct agents *all, const struct stream *stream, struct memory *memory)
{
	struct orch_error err = {0};

	free(memory->session);
	memory->session = NULL;
	memory->session_agent = NULL;
	memory->before = (struct meter){0};
	if (session_remove(all->dir, stream->name, &err) < 0)
		all->warn(all->data, stream->name, err.message);
}

void agents_note_session(struct agents *all, const struct attempt *attempt)
{
	const struct stint *stint = attempt->stint;
	struct memory *memory = attempt->memory;

	/* a fixer's is not gone on with */
	if (!stint || stint->fix || !stint->agent->resume.bytes || !stint->session)
		return;
	if (!memory->session || strcmp(memory->session, stint->session) != 0) {
		free(memory->session);
		memory->session = xstrdup(stint->session);
		memory->before = (struct meter){0};
	}
	memory->session_agent = stint->agent;
	agents_write_session(all, attempt->stream, memory);
}

void agents_succeeded(struct agents *all, const struct attempt *attempt)
{
	if (attempt->memory && stream_has_prompt(attempt->stream))
		agents_forget_session(all, attempt->stream, attempt->memory);
}
