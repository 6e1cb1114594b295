/* project:, agent, recover, runner, pool and on. */
#include "config.h"

#include <string.h>

#include "lang/eval.h"
#include "lang/expand.h"
#include "lang/value.h"
#include "util/alloc.h"
#include "util/units.h"

static const char *const hook_names[HOOK_EVENTS] = {"start", "stream-success", "stream-failure", "pause", "finish"};

/* an error if the body has `row` twice */
static bool given_twice(
	struct eval *eval, const struct setting *row, char op, struct place place, const struct place *before)
{
	if (!before || op == '+' || row->type == SETTING_EVERY)
		return false;
	if (eval_error(eval, place, "setting '%s' is given twice", row->name))
		diag_note(eval->diags, *before, "the first time is here");
	return true;
}

static bool is_empty_block(struct eval *eval, const struct ast *node)
{
	if (node->value.len)
		return false;
	eval_error(eval, eval_place(eval, node->name),
		"the block '%.*s' is empty: its text goes on the same line, or below it, indented", (int)node->name.len,
		eval_bytes(eval, node->name));
	return true;
}

void eval_project(struct eval *eval, const struct ast *node)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};

	for (const struct ast *item = node->first_child; item; item = item->next) {
		const struct setting *row;
		struct setting_origin *origin;
		struct expanded how;
		struct value value;
		struct text text;
		struct place place;
		const struct place *before = NULL;

		if (item->kind == AST_SCRIPT) {
			eval_no_script(eval, item, "project:");
			continue;
		}
		row = eval_find_setting(eval, item->name, SCOPE_PROJECT, item->kind == AST_BLOCK);
		if (!row)
			continue;
		place = eval->setting_place = eval_place(eval, item->name);
		for (size_t i = 0; i < eval->project_origins.count; i++) {
			if (&setting_table[eval->project_origins.items[i].row] == row)
				before = &eval->project_origins.items[i].place;
		}
		if (given_twice(eval, row, item->op, place, before))
			continue;
		if (item->op == '+' && !value_is_list(row)) {
			eval_error(eval, place, "'%s' takes one value: write '%s = VALUE'", row->name, row->name);
			continue;
		}
		if (row->type == SETTING_PATTERN)
			text = (struct text){eval_bytes(eval, item->value), item->value.len, false};
		else
			text = expand_value(eval, &names, item->value, &how);
		if (!text.bytes ||
			value_parse(eval, row, text, eval_place(eval, item->value.len ? item->value : item->name),
				&value) != 0)
			continue;
		value_store_project(eval, row, &value, item->op == '+', &eval->project->set);
		origin = ARRAY_PUSH(&eval->project_origins);
		origin->row = (uint16_t)(row - setting_table);
		origin->place = place;
	}
}

/* the properties of an agent or a rule */
static void read_properties(
	struct eval *eval, const struct ast *node, unsigned scope, const char *where, struct declaration *out)
{
	struct names names = {scope == SCOPE_AGENT ? NAMES_AGENT | NAMES_LATE
			: scope == SCOPE_RUNNER    ? 0
						   : NAMES_RECOVER | NAMES_LATE,
		NULL, NULL, NO_STREAM};
	struct property *properties;

	eval->properties.count = 0;
	eval->groups = NULL;
	for (const struct ast *item = node->first_child; item; item = item->next) {
		if (item->kind == AST_SETTING && item->name.len == 5 &&
			memcmp(eval_bytes(eval, item->name), "match", 5) == 0) {
			eval->groups = eval_bytes(eval, item->value);
			eval->groups_len = item->value.len;
		}
	}
	for (const struct ast *item = node->first_child; item; item = item->next) {
		const struct setting *row;
		struct place place;
		const struct place *before = NULL;
		struct property *property;
		struct expanded how;
		struct value value;
		struct text text;

		if (item->kind == AST_SCRIPT) {
			eval_no_script(eval, item, where);
			continue;
		}
		row = eval_find_setting(eval, item->name, scope, item->kind == AST_BLOCK);
		if (!row)
			continue;
		place = eval->setting_place = eval_place(eval, item->name);
		for (size_t i = 0; i < eval->properties.count; i++) {
			if (&setting_table[eval->properties.items[i].row] == row)
				before = &eval->properties.items[i].place;
		}
		if (given_twice(eval, row, item->op, place, before))
			continue;
		if (item->op == '+') {
			eval_error(eval, place, "'+=' has no meaning here: write '%s = VALUE'", row->name);
			continue;
		}
		if (item->kind == AST_BLOCK) {
			if (is_empty_block(eval, item))
				continue;
			text = expand_block(eval, &names, item, &how);
			if (!text.bytes)
				continue;
		} else {
			if (row->type == SETTING_PATTERN)
				text = (struct text){eval_bytes(eval, item->value), item->value.len, false};
			else
				text = expand_value(eval, &names, item->value, &how);
			if (!text.bytes)
				continue;
			/* what is not yet known cannot be checked yet */
			if (!text.late &&
				value_parse(eval, row, text,
					eval_place(eval, item->value.len ? item->value : item->name), &value) != 0)
				continue;
			if (row->type == SETTING_PATTERN)
				text = (struct text){
					value.words.items[0], (uint32_t)strlen(value.words.items[0]), false};
		}
		property = ARRAY_PUSH(&eval->properties);
		property->row = (uint16_t)(row - setting_table);
		property->value = text;
		property->place = place;
		property->block = item->kind == AST_BLOCK;
	}
	eval->groups = NULL;
	properties = arena_alloc(&eval->project->arena, (eval->properties.count + 1) * sizeof *properties);
	if (eval->properties.count)
		memcpy(properties, eval->properties.items, eval->properties.count * sizeof *properties);
	out->properties = properties;
	out->property_count = (uint32_t)eval->properties.count;
}

static char *copy_name(struct eval *eval, struct span span)
{
	return arena_strndup(&eval->project->arena, eval_bytes(eval, span), span.len);
}

/* one word, with {{x}} expanded; NULL after an error */
static char *declared_name(struct eval *eval, struct span span)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};
	struct expanded how;
	struct text text = expand_value(eval, &names, span, &how);

	if (!text.bytes)
		return NULL;
	if (!text.len || memchr(text.bytes, ' ', text.len)) {
		eval_error(eval, eval_place(eval, span), "expected one name, found '%.*s'", (int)text.len, text.bytes);
		return NULL;
	}
	return arena_strndup(&eval->project->arena, text.bytes, text.len);
}

static bool declared_twice(
	struct eval *eval, const char *what, const char *name, struct place place, struct place before)
{
	if (eval_error(eval, place, "%s '%s' is declared twice", what, name))
		diag_note(eval->diags, before, "the first declaration is here");
	return true;
}

void eval_agent(struct eval *eval, const struct ast *node)
{
	struct declaration agent = {.place = eval_place(eval, node->name), .origin = eval->origin};

	agent.name = declared_name(eval, node->name);
	if (!agent.name)
		return;
	for (size_t i = 0; i < eval->agents.count; i++) {
		if (eval->agents.items[i].origin == eval->origin &&
			strcmp(eval->agents.items[i].name, agent.name) == 0 &&
			declared_twice(eval, "agent", agent.name, agent.place, eval->agents.items[i].place))
			return;
	}
	if (node->value.len) {
		agent.base = copy_name(eval, node->value);
		eval->wants_agents = true;
	}
	read_properties(eval, node, SCOPE_AGENT, "an agent", &agent);
	*ARRAY_PUSH(&eval->agents) = agent;
}

void eval_rule(struct eval *eval, const struct ast *node)
{
	struct declaration rule = {.place = eval_place(eval, node->name), .origin = eval->origin};

	rule.name = declared_name(eval, node->name);
	if (!rule.name)
		return;
	for (size_t i = 0; i < eval->rules.count; i++) {
		if (eval->rules.items[i].origin == eval->origin && strcmp(eval->rules.items[i].name, rule.name) == 0 &&
			declared_twice(eval, "recovery rule", rule.name, rule.place, eval->rules.items[i].place))
			return;
	}
	read_properties(eval, node, SCOPE_RECOVER, "a recovery rule", &rule);
	*ARRAY_PUSH(&eval->rules) = rule;
}

void eval_runner(struct eval *eval, const struct ast *node)
{
	struct declaration queue = {.place = eval_place(eval, node->name), .origin = eval->origin};

	queue.name = declared_name(eval, node->name);
	if (!queue.name)
		return;
	for (size_t i = 0; i < eval->queues.count; i++) {
		if (eval->queues.items[i].origin == eval->origin &&
			strcmp(eval->queues.items[i].name, queue.name) == 0 &&
			declared_twice(eval, "runner", queue.name, queue.place, eval->queues.items[i].place))
			return;
	}
	read_properties(eval, node, SCOPE_RUNNER, "a runner", &queue);
	*ARRAY_PUSH(&eval->queues) = queue;
}

void eval_pool(struct eval *eval, const struct ast *node)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};
	struct place place = eval_place(eval, node->name);
	const char *name = declared_name(eval, node->name);
	struct expanded how;
	struct text text = expand_value(eval, &names, node->value, &how);
	struct pool *pool;
	char *number;
	int64_t limit;
	uintptr_t before;

	if (!name || !text.bytes)
		return;
	before = (uintptr_t)map_get(&eval->pool_numbers, name);
	if (before && declared_twice(eval, "pool", name, place, eval->pools.items[before - 1].place))
		return;
	number = arena_strndup(&eval->project->arena, text.bytes, text.len);
	if (!units_parse_int(number, 1, 1000000, &limit)) {
		eval_error(eval, eval_place(eval, node->value),
			"'pool %s = %s': expected a number of slots, at least 1", name, number);
		return;
	}
	pool = ARRAY_PUSH(&eval->pools);
	pool->name = name;
	map_set(&eval->pool_numbers, name, (void *)(uintptr_t)eval->pools.count);
	pool->limit = (uint32_t)limit;
	pool->place = place;
}

void eval_hook(struct eval *eval, const struct ast *node)
{
	static const struct names names = {0, NULL, NULL, NO_STREAM};
	const char *name = eval_bytes(eval, node->name);
	struct suggest suggest = {0};
	struct expanded how;
	struct text text;
	char *wanted;

	if (is_empty_block(eval, node))
		return;
	for (int i = 0; i < HOOK_EVENTS; i++) {
		struct hook *hook;

		if (strlen(hook_names[i]) != node->name.len || memcmp(hook_names[i], name, node->name.len) != 0)
			continue;
		text = expand_block(eval, &names, node, &how);
		if (!text.bytes)
			return;
		hook = ARRAY_PUSH(&eval->hooks);
		hook->event = (enum hook_event)i;
		hook->script = text;
		hook->place = eval_place(eval, node->name);
		return;
	}
	wanted = copy_name(eval, node->name);
	suggest.wanted = wanted;
	for (int i = 0; i < HOOK_EVENTS; i++)
		suggest_offer(&suggest, hook_names[i]);
	if (suggest.best)
		eval_error(eval, eval_place(eval, node->name), "unknown event '%s'; did you mean '%s'?", wanted,
			suggest.best);
	else
		eval_error(eval, eval_place(eval, node->name),
			"unknown event '%s'; there are start, stream-success, stream-failure, pause and finish",
			wanted);
}

/* the agent that `agent` starts from: one of its own name is that of the user or the one that ships */
static struct declaration *find_base(struct eval *eval, const struct declaration *agent)
{
	struct declaration *found = NULL;

	for (size_t i = 0; i < eval->agents.count; i++) {
		struct declaration *base = &eval->agents.items[i];

		if (strcmp(base->name, agent->base) != 0 || (found && found->origin <= base->origin))
			continue;
		if (strcmp(base->name, agent->name) != 0 || base->origin > agent->origin)
			found = base;
	}
	return found;
}

/* properties of the base that the agent has not itself go before its own */
static void add_base(struct eval *eval, struct declaration *agent, const struct declaration *base)
{
	struct property *all = arena_alloc(
		&eval->project->arena, ((size_t)base->property_count + agent->property_count + 1) * sizeof *all);
	uint32_t count = 0;

	for (uint32_t i = 0; i < base->property_count; i++) {
		uint32_t k = 0;

		while (k < agent->property_count && agent->properties[k].row != base->properties[i].row)
			k++;
		if (k == agent->property_count)
			all[count++] = base->properties[i];
	}
	memcpy(all + count, agent->properties, agent->property_count * sizeof *all);
	agent->properties = all;
	agent->property_count += count;
}

static void apply_bases(struct eval *eval)
{
	for (size_t i = 0; i < eval->agents.count; i++) {
		struct declaration *agent = &eval->agents.items[i];
		const struct declaration *base = agent;
		size_t steps = 0;

		/* each ancestor in turn: the nearer one's properties are there first, and win */
		while (base->base) {
			const struct declaration *next = find_base(eval, base);

			if (!next && strcmp(base->base, base->name) == 0) {
				eval_error(eval, base->place,
					"agent '%s' starts from itself: there is none of that name among those that ship or in the user's agents.orch",
					base->name);
				break;
			}
			if (!next) {
				struct suggest suggest = {.wanted = base->base};

				for (size_t k = 0; k < eval->agents.count; k++)
					suggest_offer(&suggest, eval->agents.items[k].name);
				if (suggest.best)
					eval_error(eval, base->place,
						"unknown agent '%s' to start from; did you mean '%s'?", base->base,
						suggest.best);
				else
					eval_error(eval, base->place, "unknown agent '%s' to start from", base->base);
				break;
			}
			if (next == agent || ++steps > eval->agents.count) {
				eval_error(eval, agent->place, "agent '%s' starts from itself", agent->name);
				break;
			}
			base = next;
			add_base(eval, agent, base);
		}
	}
}

#define TO_ARENA(eval, array, to, count_to) \
	do { \
		(to) = arena_alloc(&(eval)->project->arena, ((eval)->array.count + 1) * sizeof *(to)); \
		if ((eval)->array.count) \
			memcpy((to), (eval)->array.items, (eval)->array.count * sizeof *(to)); \
		(count_to) = (uint32_t)(eval)->array.count; \
	} while (0)

void eval_settle_declarations(struct eval *eval)
{
	struct project *project = eval->project;
	struct setting_origin *origins;

	apply_bases(eval);
	TO_ARENA(eval, pools, project->pools, project->pool_count);
	TO_ARENA(eval, hooks, project->hooks, project->hook_count);
	TO_ARENA(eval, agents, project->agents, project->agent_count);
	TO_ARENA(eval, rules, project->rules, project->rule_count);
	TO_ARENA(eval, queues, project->queues, project->queue_count);
	eval_settle_runners(eval);
	eval_settle_agents(eval);
	/* those of the Orchfile stand before the others */
	while (project->agent_count && project->agents[project->agent_count - 1].origin != FROM_ORCHFILE)
		project->agent_count--;
	while (project->rule_count && project->rules[project->rule_count - 1].origin != FROM_ORCHFILE)
		project->rule_count--;
	while (project->queue_count && project->queues[project->queue_count - 1].origin != FROM_ORCHFILE)
		project->queue_count--;
	TO_ARENA(eval, project_origins, origins, project->set.origin_count);
	project->set.origins = origins;
}
