#include "config.h"

#include "lang/prompt_file.h"

#include <stdlib.h>
#include <string.h>

#include "lang/eval.h"
#include "lang/expand.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/template.h"
#include "util/utf8.h"

/* of a file that has nothing to expand, or cannot be looked at now; numbers of sources are below */
enum { NOTHING_TO_EXPAND = 0x10000, CANNOT_LOOK };

void prompt_file_note(struct eval *eval, uint32_t stream, struct place place)
{
	struct noted_prompt *noted = ARRAY_PUSH(&eval->prompts);
	struct scope_loop **link = &noted->loop;

	noted->stream = stream;
	noted->place = place;
	/* the loops themselves are gone when the file is looked at */
	for (const struct scope_loop *loop = eval->scope.loop; loop; loop = loop->outer) {
		struct scope_loop *copy = arena_alloc(&eval->project->arena, sizeof *copy);

		copy->name = arena_strndup(&eval->project->arena, loop->name, strlen(loop->name));
		copy->value = arena_strndup(&eval->project->arena, loop->value, strlen(loop->value));
		copy->outer = NULL;
		*link = copy;
		link = &copy->outer;
	}
}

void prompt_file_used(struct eval *eval, const char *name, size_t len, const char *value)
{
	struct arena *arena = &eval->project->arena;
	struct env_entry *entry;

	for (size_t i = 0; i < eval->prompt_values.count; i++) {
		const char *known = eval->prompt_values.items[i].name;

		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return;
	}
	entry = ARRAY_PUSH(&eval->prompt_values);
	entry->name = arena_strndup(arena, name, len);
	entry->value = (struct text){arena_strndup(arena, value, strlen(value)), (uint32_t)strlen(value), false};
}

/* paths that streams make, of those that are declared */
static void gather_outputs(struct map *made, const struct project *project)
{
	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct words *outputs = &project->streams[s].set->outputs;

		for (uint32_t i = 0; i < outputs->count; i++) {
			char *clean = path_clean(outputs->items[i]);

			map_set(made, clean, made);
			free(clean);
		}
	}
}

/* it, or a directory that it is in */
static bool is_made(const struct map *made, const char *path)
{
	char *clean = path_clean(path);
	size_t len = strlen(clean);
	bool found = map_get(made, clean) != NULL;

	while (!found && len > 0) {
		if (clean[--len] == '/')
			found = map_getn(made, clean, len) != NULL;
	}
	free(clean);
	return found;
}

/* number of its source, or one of the two words above; read once, however many streams have it */
static size_t source_of(struct eval *eval, const struct noted_prompt *noted, const char *file)
{
	size_t number = (size_t)map_get(&eval->prompt_sources, file), len;
	char *path, *text;

	if (number)
		return number;
	path = path_join(eval->project->dir, file);
	/* that it is not there is said by the attempt, for which it may have been made */
	if (fs_read(path, EVAL_TEXT_MAX, &text, &len, NULL) != 0) {
		number = CANNOT_LOOK;
	} else if (!template_has_parts(text, len) || memchr(text, '\0', len) || utf8_invalid_at(text, len) < len) {
		number = template_has_parts(text, len) ? CANNOT_LOOK : NOTHING_TO_EXPAND;
		free(text);
	} else {
		number = source_add(&eval->project->sources, file, text, len, noted->place);
		if (number == 0)
			number = CANNOT_LOOK;
	}
	free(path);
	map_set(&eval->prompt_sources, file, (void *)number);
	return number;
}

static void look_at(struct eval *eval, const struct noted_prompt *noted, uint16_t number)
{
	const struct stream *stream = &eval->project->streams[noted->stream];
	const struct source *source = source_get(&eval->project->sources, number);
	struct names names = {NAMES_STREAM | NAMES_LATE, stream->name, stream->title, noted->stream};
	struct eval_file file = {.number = number, .source = source, .outer = eval->file}, *outer = eval->file;
	struct piece piece = {source->text, source->len, {0, number, 0}, NULL, 0};
	struct scope_loop *loops = eval->scope.loop;
	struct strbuf out = {0};
	struct expanded how;

	eval->file = &file;
	eval->scope.loop = noted->loop;
	eval->in_prompt_file = true;
	(void)expand(eval, &names, &piece, &out, &how);
	eval->in_prompt_file = false;
	eval->scope.loop = loops;
	eval->file = outer;
	strbuf_release(&out);
}

static void keep_values(struct eval *eval, struct settings *set)
{
	struct env_entry *values;
	size_t count = eval->prompt_values.count;

	if (count == 0)
		return;
	values = arena_alloc(&eval->project->arena, count * sizeof *values);
	memcpy(values, eval->prompt_values.items, count * sizeof *values);
	set->prompt_values = values;
	set->prompt_value_count = (uint32_t)count;
}

void prompt_files_check(struct eval *eval)
{
	struct map made = {0};

	if (eval->prompts.count == 0 || eval->options->isolated)
		return;
	map_init_owning(&made);
	gather_outputs(&made, eval->project);
	for (size_t i = 0; i < eval->prompts.count; i++) {
		const struct noted_prompt *noted = &eval->prompts.items[i];
		/* a stream with a file of its own has settings of its own, made by eval */
		struct settings *set = (struct settings *)(uintptr_t)eval->project->streams[noted->stream].set;
		size_t number = is_made(&made, set->prompt_file) ? CANNOT_LOOK
								 : source_of(eval, noted, set->prompt_file);

		if (number == NOTHING_TO_EXPAND)
			continue;
		eval->prompt_values.count = 0;
		if (number != CANNOT_LOOK)
			look_at(eval, noted, (uint16_t)number);
		/* what it will be made of is not known: the loops' values can be had only here */
		for (const struct scope_loop *loop = noted->loop; loop && number == CANNOT_LOOK; loop = loop->outer)
			prompt_file_used(eval, loop->name, strlen(loop->name), loop->value);
		keep_values(eval, set);
	}
	map_release(&made);
}

void prompt_files_release(struct eval *eval)
{
	ARRAY_RELEASE(&eval->prompts);
	ARRAY_RELEASE(&eval->prompt_values);
	map_release(&eval->prompt_sources);
}
