#include "config.h"

#include "cli/find.h"

#include "cli/say.h"
#include "orch/history.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARNINGS_SHOWN = 5 };

/* who only looks wants to see something else: many warnings are counted */
static void say_warnings(const struct orch *orch, unsigned how)
{
	size_t count = orch_warning_count(orch);

	if ((how & FIND_INSPECT) && count > WARNINGS_SHOWN)
		say("%s: %zu warnings; 'orch check' shows them", orch_file(orch), count);
	else if (count)
		say_diagnostics(orch);
}

static int check_streams(struct orch **orch, unsigned how)
{
	if (orch_stream_count(*orch) || !(how & (FIND_STREAMS | FIND_WARN)))
		return EXIT_COMPLETE;
	say("%s has no streams; one is a line 'NAME:' with its commands indented below (see Orchfile(5))",
		orch_file(*orch));
	if (!(how & FIND_STREAMS))
		return EXIT_COMPLETE;
	orch_close(*orch);
	*orch = NULL;
	return EXIT_USAGE;
}

int find_orchfile(struct orch **out, const struct common *common, const struct operands *operands, unsigned how)
{
	struct orch_error err;
	struct orch_open_options options = {
		.file = common->file,
		.assignments = (const char *const *)operands->assignments.items,
		.inspect = (how & FIND_INSPECT) != 0,
		.agents = (how & FIND_AGENTS) != 0,
	};
	const char *near;

	if (orch_open(out, &options, &err) == 0) {
		if (how & FIND_WARN)
			say_warnings(*out, how);
		return check_streams(out, how);
	}
	if (*out) {
		say_diagnostics(*out);
		if (orch_error_count(*out) != 1)
			say("%s", err.message);
		orch_close(*out);
		*out = NULL;
		return EXIT_USAGE;
	}
	near = err.code == ORCH_ENOTFOUND && operands->no_command && operands->words.count
		? cmd_suggest(operands->words.items[0])
		: NULL;
	if (near)
		return say_usage("%s; no command is named '%s' either: did you mean 'orch %s'?", err.message,
			operands->words.items[0], near);
	return say_error(&err);
}

/* a word that can only be meant as a stream's name, not a glob or a pattern: its length without the `+`; else 0 */
static size_t plain_name(const char *word)
{
	size_t len = strlen(word);

	if (path_has_glob(word) || strpbrk(word, "/:"))
		return 0;
	while (len && word[len - 1] == '+')
		len--;
	return len;
}

static int unknown_word(const struct orch *orch, const char *name)
{
	struct suggest command = {.wanted = name}, stream = {.wanted = name};
	const char *near_stream = orch_stream_suggest(orch, name);

	for (size_t i = 0; cmd_table[i]; i++)
		suggest_offer(&command, cmd_table[i]->name);
	if (near_stream)
		suggest_offer(&stream, near_stream);
	if (command.best && stream.best && command.distance == stream.distance)
		return say_usage("no stream and no command is named '%s'; did you mean 'orch %s', or the stream '%s'?",
			name, command.best, stream.best);
	if (command.best && (!stream.best || command.distance < stream.distance))
		return say_usage("no stream and no command is named '%s'; did you mean 'orch %s'?", name, command.best);
	if (stream.best)
		return say_usage("no stream and no command is named '%s'; did you mean '%s'?", name, stream.best);
	return say_usage(
		"no stream and no command is named '%s'; 'orch list' shows the streams, 'orch help' the commands",
		name);
}

int find_plan(struct orch_plan **out, struct orch *orch, const struct orch_plan_options *options,
	const struct operands *operands)
{
	struct orch_error err;

	*out = NULL;
	if (operands->no_command && operands->words.count) {
		const char *word = operands->words.items[0];
		char *name = xstrndup(word, plain_name(word));

		if (*name && orch_stream_find(orch, name) == ORCH_NO_STREAM) {
			int status = cmd_find(name)
				? say_usage(
					  "no stream is named '%s'; for the command write it first: orch %s [OPTION]...",
					  name, name)
				: unknown_word(orch, name);

			free(name);
			return status;
		}
		free(name);
	}
	return orch_plan_new(out, orch, options, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
}

int find_stream(size_t *out, const struct orch *orch, const char *name)
{
	int64_t found = orch_stream_find(orch, name);
	const char *near;

	if (found != ORCH_NO_STREAM) {
		*out = (size_t)found;
		return EXIT_COMPLETE;
	}
	near = orch_stream_suggest(orch, name);
	if (near)
		return say_usage("no stream is named '%s'; did you mean '%s'?", name, near);
	return say_usage("no stream is named '%s'; 'orch list' shows them", name);
}

int find_whole_plan(struct orch_plan **out, struct orch *orch, unsigned jobs)
{
	static const char *const everything[] = {"*", NULL};
	struct orch_plan_options options = {.targets = everything, .jobs = jobs};
	struct orch_error err;

	*out = NULL;
	if (!orch_stream_count(orch))
		return EXIT_COMPLETE;
	return orch_plan_new(out, orch, &options, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
}

int find_project(char **out, const struct common *common)
{
	struct orch_error err;
	char *dir = common->file ? path_dir(common->file) : NULL;
	int found = orch_find_project(dir, common->file, out, &err);

	free(dir);
	if (found < 0)
		return say_error(&err);
	if (chdir(*out) < 0) {
		int status = say_usage("cannot enter '%s': %s", *out, strerror(errno));

		free(*out);
		*out = NULL;
		return status;
	}
	return EXIT_COMPLETE;
}

char *find_relative(const struct orch *orch, const char *from, const char *path)
{
	char *whole = path_join(from, path), *clean = path_clean(whole);
	size_t len = strlen(orch_dir(orch));
	char *relative;

	free(whole);
	if (strncmp(clean, orch_dir(orch), len) != 0 || clean[len] != '/')
		return clean;
	relative = xstrdup(clean + len + 1);
	free(clean);
	return relative;
}
