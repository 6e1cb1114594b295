/* Agents and recovery rules as declared, bases applied -> struct agent, struct rule. */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "lang/eval.h"
#include "lang/value.h"
#include "os/zone.h"
#include "util/regex.h"
#include "util/suggest.h"
#include "util/when.h"

/* patterns of an agent, and the groups that one of them must have: `group`, or in its place `first`, and with it
 * `second` */
static const struct {
	const char *name;
	size_t offset;
	const char *group, *first, *second;
} patterns[] = {
	{"own", offsetof(struct agent, own), NULL, NULL, NULL},
	{"done", offsetof(struct agent, done), NULL, NULL, NULL},
	{"failed", offsetof(struct agent, failed), NULL, NULL, NULL},
	{"session", offsetof(struct agent, session), "session", NULL, NULL},
	{"cost", offsetof(struct agent, cost), "cost", NULL, NULL},
	{"tokens", offsetof(struct agent, tokens), "tokens", "input", "output"},
	{"progress", offsetof(struct agent, progress), "progress", NULL, NULL},
	{"note", offsetof(struct agent, note), "note", "more", NULL},
	{"summary", offsetof(struct agent, summary), "summary", NULL, NULL},
};

static bool is_row(const struct property *property, const char *name)
{
	return strcmp(setting_table[property->row].name, name) == 0;
}

int eval_known(struct eval *eval, const struct property *property, struct value *value)
{
	const struct setting *row = &setting_table[property->row];

	if (row->type == SETTING_ENV && property->block)
		return value_env_block(eval, property->value, property->place, value);
	if (property->value.late && row->type != SETTING_ENV) {
		eval_error(eval, property->place,
			"'%s' must be known when the file is read: only commands, prompts, env and wait may hold what an attempt knows",
			row->name);
		return -1;
	}
	return value_parse(eval, row, property->value, property->place, value);
}

/* what ships is held against its groups by the tests */
static void check_groups(struct eval *eval, const struct property *property, size_t index)
{
	struct regex *regex;
	size_t where;

	if (eval->origin == SHIPPED || !patterns[index].group ||
		regex_new(&regex, property->value.bytes, property->value.len, &where, NULL) != 0)
		return;
	if (regex_has_group(regex, patterns[index].group) ||
		(patterns[index].first && regex_has_group(regex, patterns[index].first) &&
			(!patterns[index].second || regex_has_group(regex, patterns[index].second))))
		; /* as it should be */
	else if (patterns[index].first && !patterns[index].second)
		eval_error(eval, property->place, "'%s': the pattern needs the group (?<%s>...), or (?<%s>...)",
			patterns[index].name, patterns[index].group, patterns[index].first);
	else if (patterns[index].first)
		eval_error(eval, property->place,
			"'%s': the pattern needs the group (?<%s>...), or (?<%s>...) and (?<%s>...)",
			patterns[index].name, patterns[index].group, patterns[index].first, patterns[index].second);
	else
		eval_error(eval, property->place, "'%s': the pattern needs the group (?<%s>...)", patterns[index].name,
			patterns[index].group);
	regex_free(regex);
}

static bool set_pattern(struct eval *eval, const struct property *property, struct agent *agent)
{
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		if (!is_row(property, patterns[i].name))
			continue;
		check_groups(eval, property, i);
		memcpy((char *)agent + patterns[i].offset, &property->value.bytes, sizeof property->value.bytes);
		return true;
	}
	return false;
}

static void check_state(struct eval *eval, const struct property *property, const struct words *paths)
{
	for (uint32_t i = 0; i < paths->count; i++) {
		const char *path = paths->items[i];

		/* what ships has some from the environment: wrong ones matter only in a sandbox, and are told there */
		if (*path != '/' && strncmp(path, "~/", 2) != 0 && eval->origin != SHIPPED)
			eval_error(eval, property->place,
				"'state': '%s' is neither an absolute path nor one below the home directory (~/...)",
				path);
	}
}

static void set_property(struct eval *eval, const struct property *property, struct agent *agent)
{
	struct value value;

	if (set_pattern(eval, property, agent))
		return;
	if (is_row(property, "run")) {
		agent->run = property->value;
		return;
	}
	if (is_row(property, "resume")) {
		agent->resume = property->value;
		return;
	}
	if (eval_known(eval, property, &value) != 0)
		return;
	if (is_row(property, "args")) {
		agent->args = value.string;
	} else if (is_row(property, "account")) {
		agent->account = value.string;
	} else if (is_row(property, "limit")) {
		agent->limit = value.number;
	} else if (is_row(property, "prompt-max")) {
		agent->prompt_max = value.number;
	} else if (is_row(property, "counts")) {
		agent->counts = (enum agent_counts)value.choice;
	} else if (is_row(property, "estimate")) {
		agent->estimate = value.money;
	} else if (is_row(property, "kill")) {
		agent->kill = value.kill;
		agent->kill_count = value.count;
	} else if (is_row(property, "linger")) {
		agent->linger_ms = value.number;
	} else if (is_row(property, "idle")) {
		agent->idle_ms = value.number;
	} else if (is_row(property, "env")) {
		agent->env = value.env;
		agent->env_count = value.count;
	} else if (is_row(property, "unset")) {
		agent->unset = value.words;
	} else if (is_row(property, "state")) {
		agent->state = value.words;
		check_state(eval, property, &value.words);
	}
}

static bool has_name(struct text text, const char *name)
{
	return text.bytes && memmem(text.bytes, text.len, name, strlen(name)) != NULL;
}

static void build_agent(struct eval *eval, const struct declaration *from, struct agent *agent)
{
	*agent = (struct agent){.name = from->name,
		.args = "",
		.account = from->name,
		.estimate = -1,
		.linger_ms = -1,
		.idle_ms = -1,
		.origin = from->origin,
		.place = from->place};
	for (uint32_t i = 0; i < from->property_count; i++)
		set_property(eval, &from->properties[i], agent);
	/* of a base it is told there */
	if (!agent->run.bytes && !from->base)
		eval_error(eval, from->place,
			"agent '%s' has no 'run:': the command that starts it, which finds its prompt in {{prompt}}",
			from->name);
	agent->chooses_session = has_name(agent->run, "{{session}}");
	if (agent->resume.bytes && !agent->session && !agent->chooses_session)
		eval_error(eval, from->place,
			"agent '%s' has 'resume:', but nothing says which session: give it 'session', or {{session}} in 'run:'",
			from->name);
}

static unsigned kinds_of(const struct value *value)
{
	const struct setting *row = setting_find("kind", 4, SCOPE_RECOVER);
	unsigned kinds = 0;

	for (uint32_t i = 0; i < value->words.count; i++) {
		for (unsigned k = 0; row->choices[k]; k++) {
			if (strcmp(row->choices[k], value->words.items[i]) == 0)
				kinds |= 1u << k;
		}
	}
	return kinds;
}

static void set_wait(struct eval *eval, const struct property *property, struct rule *rule)
{
	static const struct when_zones zones = {zone_offset, NULL};
	int64_t epoch_ms;

	rule->wait = property->value;
	/* any day will do to see whether it is a time */
	if (!rule->wait.late &&
		!when_parse(rule->wait.bytes, rule->wait.len, INT64_C(1600000000000), &zones, &epoch_ms))
		eval_error(eval, property->place,
			"'wait = %.*s': expected a duration, a time, or a group of the pattern such as {{until}}",
			(int)rule->wait.len, rule->wait.bytes);
}

static void set_rule_property(struct eval *eval, const struct property *property, struct rule *rule)
{
	struct value value;

	if (is_row(property, "match")) {
		rule->match = property->value.bytes;
		return;
	}
	if (is_row(property, "wait")) {
		set_wait(eval, property, rule);
		return;
	}
	if (is_row(property, "prompt")) {
		rule->prompt = property->value;
		return;
	}
	if (is_row(property, "run")) {
		rule->run = property->value;
		return;
	}
	if (eval_known(eval, property, &value) != 0)
		return;
	if (is_row(property, "kind")) {
		rule->kinds = kinds_of(&value);
	} else if (is_row(property, "agent")) {
		rule->agent = value.string;
	} else if (is_row(property, "retries")) {
		rule->retries = (int32_t)value.number;
	} else if (is_row(property, "backoff")) {
		rule->backoff_ms = value.number;
		rule->backoff_max_ms = value.number2;
	} else if (is_row(property, "margin")) {
		rule->margin_ms = value.number;
	} else if (is_row(property, "fail")) {
		rule->fail = value.number;
	} else if (is_row(property, "fresh")) {
		rule->fresh = value.number;
	} else if (is_row(property, "channel")) {
		rule->channel = value.choice == 0 ? CHANNEL_OWN : CHANNEL_ALL;
	} else if (is_row(property, "scope")) {
		rule->account = value.choice == 1;
	}
}

static void build_rule(struct eval *eval, const struct declaration *from, struct rule *rule)
{
	*rule = (struct rule){.name = from->name,
		.retries = -1,
		.backoff_ms = -1,
		.backoff_max_ms = -1,
		.margin_ms = -1,
		.origin = from->origin,
		.place = from->place};
	for (uint32_t i = 0; i < from->property_count; i++)
		set_rule_property(eval, &from->properties[i], rule);
	if (rule->agent && !rule->prompt.bytes)
		eval_error(eval, from->place, "recovery rule '%s' has an agent, but no 'prompt:' for it", rule->name);
	if (rule->prompt.bytes && !rule->agent)
		eval_error(eval, from->place, "recovery rule '%s' has a prompt, but no 'agent' who works on it",
			rule->name);
	if (rule->agent && rule->run.bytes)
		eval_error(eval, from->place, "recovery rule '%s' has both an agent and 'run:': it can be one of them",
			rule->name);
	if (rule->fail && (rule->wait.bytes || rule->agent || rule->retries > 0))
		eval_error(eval, from->place,
			"recovery rule '%s' ends the stream ('fail = yes'): it cannot wait or try again", rule->name);
	if (rule->margin_ms >= 0 && (!rule->account || !rule->wait.bytes))
		eval_error(eval, from->place,
			"recovery rule '%s': 'margin' is how much longer an account is held: it needs 'wait', and 'scope = account'",
			rule->name);
	if (rule->account && !rule->wait.bytes && !rule->fail)
		eval_error(eval, from->place,
			"recovery rule '%s': 'scope = account' says who is held; it needs 'wait', or 'fail = yes'",
			rule->name);
}

const struct declaration **eval_effective(
	struct eval *eval, const struct declaration *list, size_t all, uint32_t *count)
{
	const struct declaration **kept = arena_alloc(&eval->project->arena, (all + 1) * sizeof *kept);
	struct map names = {0};

	*count = 0;
	for (int origin = FROM_ORCHFILE; origin <= SHIPPED; origin++) {
		for (size_t i = 0; i < all; i++) {
			if ((int)list[i].origin != origin || map_get(&names, list[i].name))
				continue;
			map_set(&names, list[i].name, eval);
			kept[(*count)++] = &list[i];
		}
	}
	map_release(&names);
	return kept;
}

void eval_settle_agents(struct eval *eval)
{
	struct project *project = eval->project;
	enum agent_origin before = eval->origin;
	const struct declaration **kept =
		eval_effective(eval, eval->agents.items, eval->agents.count, &project->profile_count);

	project->profiles = arena_alloc(&project->arena, (project->profile_count + 1) * sizeof *project->profiles);
	for (uint32_t i = 0; i < project->profile_count; i++) {
		eval->origin = kept[i]->origin;
		build_agent(eval, kept[i], &project->profiles[i]);
	}
	kept = eval_effective(eval, eval->rules.items, eval->rules.count, &project->recovery_count);
	project->recoveries = arena_alloc(&project->arena, (project->recovery_count + 1) * sizeof *project->recoveries);
	for (uint32_t i = 0; i < project->recovery_count; i++) {
		eval->origin = kept[i]->origin;
		build_rule(eval, kept[i], &project->recoveries[i]);
	}
	eval->origin = before;
}

static void check_agent(struct eval *eval, const char *name, struct place place)
{
	struct suggest suggest = {.wanted = name};
	const struct agent *agent = project_agent(eval->project, name);

	if (agent) {
		if (eval->project->set.budget > 0 && !agent->cost && agent->estimate < 0)
			eval_error(eval, place,
				"agent '%s' does not say what it costs, so the budget cannot be kept: 'estimate = AMOUNT' in 'agent %s: %s:' says what an attempt costs",
				name, name, name);
		return;
	}
	for (uint32_t i = 0; i < eval->project->profile_count; i++)
		suggest_offer(&suggest, eval->project->profiles[i].name);
	if (suggest.best)
		eval_error(eval, place, "unknown agent '%s'; did you mean '%s'?", name, suggest.best);
	else
		eval_error(eval, place, "unknown agent '%s'; 'orch agents' lists those that are known", name);
}

static struct place setting_place(const struct stream *stream, const char *name)
{
	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (strcmp(setting_table[stream->origins[i].row].name, name) == 0)
			return stream->origins[i].place;
	}
	return stream->place;
}

void eval_check_agents(struct eval *eval)
{
	struct project *project = eval->project;
	const struct settings *checked = NULL;

	for (uint32_t i = 0; i < project->recovery_count; i++) {
		if (project->recoveries[i].agent)
			check_agent(eval, project->recoveries[i].agent, project->recoveries[i].place);
	}
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];
		struct place place;

		if ((stream->prompt.bytes || stream->set->prompt_file) && !stream->set->agent.count)
			eval_error(eval, stream->place,
				"stream '%s' has a prompt, but no agent that works on it: 'agent = NAME', here or in 'defaults:'",
				stream->name);
		/* streams of one set of settings stand in a row */
		if (stream->set == checked || !stream->set->agent.count)
			continue;
		checked = stream->set;
		place = setting_place(stream, "agent");
		for (uint32_t i = 0; i < stream->set->agent.count; i++)
			check_agent(eval, stream->set->agent.items[i], place);
	}
}
