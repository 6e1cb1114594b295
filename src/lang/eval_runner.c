/* Runners as declared -> struct queue_runner; and that what is named as one is one. */
#include "config.h"

#include <string.h>

#include "lang/eval.h"
#include "lang/value.h"
#include "util/suggest.h"

enum { INTERVAL_MS = 5000, LOST_MS = 120000, LOST_MIN_MS = 2000, LATENCY_MS = 30000 };

/* those that need no declaration */
static const char *const built_in[] = {"process", "pty", "tmux", NULL};

static bool in_list(const char *const *list, const char *name)
{
	for (; *list; list++) {
		if (strcmp(*list, name) == 0)
			return true;
	}
	return false;
}

static bool is_row(const struct property *property, const char *name)
{
	return strcmp(setting_table[property->row].name, name) == 0;
}

static void set_duration(struct eval *eval, const struct property *property, int64_t least, int64_t *to)
{
	struct value value;

	if (eval_known(eval, property, &value) != 0)
		return;
	if (value.number < least)
		eval_error(eval, property->place, "'%s = %.*s': expected at least %lldms",
			setting_table[property->row].name, (int)property->value.len, property->value.bytes,
			(long long)least);
	else
		*to = value.number;
}

static void build(struct eval *eval, const struct declaration *from, struct queue_runner *runner)
{
	*runner = (struct queue_runner){.name = from->name,
		.interval_ms = INTERVAL_MS,
		.lost_ms = LOST_MS,
		.latency_ms = LATENCY_MS,
		.origin = from->origin,
		.place = from->place};
	for (uint32_t i = 0; i < from->property_count; i++) {
		const struct property *property = &from->properties[i];

		if (is_row(property, "submit"))
			runner->submit = property->value;
		else if (is_row(property, "poll"))
			runner->poll = property->value;
		else if (is_row(property, "cancel"))
			runner->cancel = property->value;
		else if (is_row(property, "interval"))
			set_duration(eval, property, 100, &runner->interval_ms);
		else if (is_row(property, "lost"))
			set_duration(eval, property, LOST_MIN_MS, &runner->lost_ms);
		else if (is_row(property, "latency"))
			set_duration(eval, property, 0, &runner->latency_ms);
	}
	if (!runner->submit.bytes)
		eval_error(eval, from->place, "runner '%s' has no 'submit:': the script that hands a job over", from->name);
	if (!runner->poll.bytes)
		eval_error(eval, from->place, "runner '%s' has no 'poll:': the script that says how its jobs stand",
			from->name);
	if (!runner->cancel.bytes)
		eval_error(eval, from->place, "runner '%s' has no 'cancel:': the script that takes jobs back", from->name);
	if (in_list(built_in, from->name))
		eval_error(eval, from->place, "'%s' is a runner of orch itself: give this one another name", from->name);
}

void eval_settle_runners(struct eval *eval)
{
	struct project *project = eval->project;
	enum agent_origin before = eval->origin;
	const struct declaration **kept =
		eval_effective(eval, eval->queues.items, eval->queues.count, &project->runner_count);

	project->runners = arena_alloc(&project->arena, (project->runner_count + 1) * sizeof *project->runners);
	for (uint32_t i = 0; i < project->runner_count; i++) {
		eval->origin = kept[i]->origin;
		build(eval, kept[i], &project->runners[i]);
	}
	eval->origin = before;
}

/* true: it is one that is declared */
static bool check(struct eval *eval, const char *name, struct place place)
{
	struct suggest suggest = {.wanted = name};

	if (project_runner(eval->project, name))
		return true;
	if (in_list(built_in, name))
		return false;
	for (size_t i = 0; built_in[i]; i++)
		suggest_offer(&suggest, built_in[i]);
	for (uint32_t i = 0; i < eval->project->runner_count; i++)
		suggest_offer(&suggest, eval->project->runners[i].name);
	if (suggest.best)
		eval_error(eval, place, "unknown runner '%s'; did you mean '%s'?", name, suggest.best);
	else
		eval_error(eval, place, "unknown runner '%s': 'runner %s:' declares it, with submit:, poll: and cancel:",
			name, name);
	return false;
}

static struct place place_of(const struct setting_origin *origins, uint32_t count, const char *name, struct place other)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(setting_table[origins[i].row].name, name) == 0)
			return origins[i].place;
	}
	return other;
}

void eval_check_runners(struct eval *eval)
{
	struct project *project = eval->project;
	const struct settings *checked = NULL;
	bool is_queue = false, all_are;

	all_are = project->set.runner &&
		check(eval, project->set.runner,
			place_of(project->set.origins, project->set.origin_count, "runner", (struct place){0}));
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];

		/* streams of one set of settings stand in a row */
		if (stream->set == checked)
			continue;
		checked = stream->set;
		is_queue = stream->set->runner
			? check(eval, stream->set->runner,
				  place_of(stream->origins, stream->origin_count, "runner", stream->place))
			: all_are;
		if (is_queue && stream->set->detach == TRI_NO)
			eval_error(eval, place_of(stream->origins, stream->origin_count, "detach", stream->place),
				"'detach = no': what is handed to the runner '%s' goes on when orch is killed",
				project_runner_name(project, stream->set));
		if (is_queue && project->set.redact.count > 0)
			eval_error(eval, place_of(stream->origins, stream->origin_count, "runner", stream->place),
				"'redact' does not reach the log of '%s': the runner '%s' has it written elsewhere",
				stream->name, project_runner_name(project, stream->set));
	}
}
