#include "config.h"

#include "lang/value.h"

#include <string.h>

#include "lang/eval.h"

#define IS(row, field) ((row)->offset == offsetof(struct settings, field))

bool value_is_list(const struct setting *row)
{
	return row->type == SETTING_WORDS || row->type == SETTING_ENV || row->type == SETTING_TASKS ||
		(row->type == SETTING_PATTERN && row->scope == SCOPE_PROJECT) ||
		(row->type == SETTING_TEXT && (row->scope & SCOPE_STREAM) &&
			(IS(row, slurm) || IS(row, job_options)));
}

static struct words join_words(struct arena *arena, struct words first, struct words second)
{
	const char **items;

	if (!first.count)
		return second;
	items = arena_alloc(arena, ((size_t)first.count + second.count + 1) * sizeof *items);
	memcpy(items, first.items, first.count * sizeof *items);
	if (second.count)
		memcpy(items + first.count, second.items, second.count * sizeof *items);
	return (struct words){items, first.count + second.count};
}

/* the second one's value of a name wins, at the first one's place */
static void join_env(struct arena *arena, const struct env_entry *first, uint32_t first_count,
	const struct env_entry *second, uint32_t second_count, struct settings *to)
{
	struct env_entry *entries = arena_alloc(arena, ((size_t)first_count + second_count + 1) * sizeof *entries);
	uint32_t count = first_count;

	if (first_count)
		memcpy(entries, first, first_count * sizeof *entries);
	for (uint32_t i = 0; i < second_count; i++) {
		uint32_t at = 0;

		while (at < count && strcmp(entries[at].name, second[i].name) != 0)
			at++;
		entries[at] = second[i];
		if (at == count)
			count++;
	}
	to->env = entries;
	to->env_count = count;
}

static const char *join_strings(struct arena *arena, const char *first, const char *second)
{
	return first && second ? arena_printf(arena, "%s %s", first, second) : first ? first : second;
}

static void store_enum(const struct setting *row, const struct value *value, struct settings *set)
{
	if (IS(row, when))
		set->when = (enum when)value->choice;
	else if (IS(row, changes))
		set->changes = (enum changes)value->choice;
	else if (IS(row, isolate))
		set->isolate = (enum isolate)(value->choice + 1);
	else if (IS(row, keep))
		set->keep = (enum keep)value->choice;
	else if (IS(row, jobserver))
		set->jobserver = (enum jobserver_form)value->choice;
	else if (IS(row, sandbox))
		set->sandbox = (enum sandbox)value->choice;
}

void value_store(
	struct eval *eval, const struct setting *row, const struct value *value, bool append, struct settings *set)
{
	struct arena *arena = &eval->project->arena;
	char *field = (char *)set + row->offset;
	int32_t count;
	const char *string;
	struct words words;

	switch (row->type) {
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_COMMIT:
		memcpy(&string, field, sizeof string);
		string = append ? join_strings(arena, string, value->string) : value->string;
		memcpy(field, &string, sizeof string);
		break;
	case SETTING_WORDS:
	case SETTING_TASKS:
		memcpy(&words, field, sizeof words);
		words = append ? join_words(arena, words, value->words) : value->words;
		memcpy(field, &words, sizeof words);
		break;
	case SETTING_BLOCK:
		if (IS(row, prompt_file))
			set->prompt_file = value->string;
		break;
	case SETTING_BOOL:
		if (IS(row, approve))
			set->approve = value->number != 0;
		else if (IS(row, complete))
			set->complete = value->number != 0;
		else
			set->detach = value->number ? TRI_YES : TRI_NO;
		break;
	case SETTING_INT:
		count = (int32_t)value->number;
		memcpy(field, &count, sizeof count);
		break;
	case SETTING_DURATION:
	case SETTING_SIZE:
		memcpy(field, &value->number, sizeof value->number);
		break;
	case SETTING_MEMORY:
		set->memory = value->number;
		set->memory_rlimit = value->choice != 0;
		break;
	case SETTING_BACKOFF:
		set->backoff_ms = value->number;
		set->backoff_max_ms = value->number2;
		break;
	case SETTING_ENUM:
		store_enum(row, value, set);
		break;
	case SETTING_KILL:
		set->kill = value->kill;
		set->kill_count = value->count;
		break;
	case SETTING_ENV:
		join_env(arena, append ? set->env : NULL, append ? set->env_count : 0, value->env, value->count, set);
		break;
	case SETTING_RERUN:
		set->rerun = value->choice;
		set->rerun_words = value->words;
		break;
	case SETTING_EVERY:
	case SETTING_PATTERN:
	case SETTING_MONEY:
		break;
	}
}

void value_store_project(struct eval *eval, const struct setting *row, const struct value *value, bool append,
	struct project_settings *set)
{
	char *field = (char *)set + row->offset;
	struct words words;

	switch (row->type) {
	case SETTING_WORD:
	case SETTING_TEXT:
		memcpy(field, &value->string, sizeof value->string);
		break;
	case SETTING_WORDS:
	case SETTING_PATTERN:
		memcpy(&words, field, sizeof words);
		words = append ? join_words(&eval->project->arena, words, value->words) : value->words;
		memcpy(field, &words, sizeof words);
		break;
	case SETTING_INT:
	case SETTING_DURATION:
		memcpy(field, &value->number, sizeof value->number);
		break;
	case SETTING_MONEY:
		set->budget = value->money;
		break;
	case SETTING_ENUM:
		if (row->offset == offsetof(struct project_settings, merge))
			set->merge = (enum merge_mode)value->choice;
		else
			memcpy(field, &value->string, sizeof value->string);
		break;
	default:
		break;
	}
}

#define COPY(field) (to->field = from->field)

void value_copy(const struct setting *row, struct settings *to, const struct settings *from)
{
	size_t size = 0;

	switch (row->type) {
	case SETTING_WORD:
	case SETTING_TEXT:
	case SETTING_COMMIT:
		size = sizeof(const char *);
		break;
	case SETTING_WORDS:
	case SETTING_TASKS:
		size = sizeof(struct words);
		break;
	case SETTING_BLOCK:
		size = IS(row, prompt_file) ? sizeof(const char *) : sizeof(struct text);
		break;
	case SETTING_BOOL:
		size = IS(row, approve) || IS(row, complete) ? sizeof(bool) : sizeof to->detach;
		break;
	case SETTING_INT:
		size = sizeof(int32_t);
		break;
	case SETTING_DURATION:
	case SETTING_SIZE:
		size = sizeof(int64_t);
		break;
	case SETTING_MEMORY:
		COPY(memory);
		COPY(memory_rlimit);
		break;
	case SETTING_ENUM:
		size = sizeof(enum when);
		break;
	case SETTING_BACKOFF:
		COPY(backoff_ms);
		COPY(backoff_max_ms);
		break;
	case SETTING_KILL:
		COPY(kill);
		COPY(kill_count);
		break;
	case SETTING_ENV:
		COPY(env);
		COPY(env_count);
		break;
	case SETTING_RERUN:
		COPY(rerun);
		COPY(rerun_words);
		break;
	case SETTING_EVERY:
		COPY(every);
		COPY(every_count);
		break;
	case SETTING_PATTERN:
	case SETTING_MONEY:
		break;
	}
	if (size)
		memcpy((char *)to + row->offset, (const char *)from + row->offset, size);
}

void value_prepend(struct eval *eval, const struct setting *row, struct settings *to, const struct settings *from)
{
	struct arena *arena = &eval->project->arena;
	char *field = (char *)to + row->offset;
	const char *first, *second;
	struct words words, others;

	switch (row->type) {
	case SETTING_ENV:
		join_env(arena, from->env, from->env_count, to->env, to->env_count, to);
		break;
	case SETTING_WORDS:
	case SETTING_TASKS:
		memcpy(&words, field, sizeof words);
		memcpy(&others, (const char *)from + row->offset, sizeof others);
		words = join_words(arena, others, words);
		memcpy(field, &words, sizeof words);
		break;
	case SETTING_TEXT:
		memcpy(&first, (const char *)from + row->offset, sizeof first);
		memcpy(&second, field, sizeof second);
		second = join_strings(arena, first, second);
		memcpy(field, &second, sizeof second);
		break;
	default:
		break;
	}
}
