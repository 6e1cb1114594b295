/*
 * `orchfile = PATH`: the stream is another project. An orch of its own runs it, as its command, in as many slots as the
 * stream takes; so that project has its own variables, agents, pools and `.orch`, and is the same whether it is run
 * from here or by itself.
 */
#include "config.h"

#include "lang/nested.h"

#include "lang/eval.h"

#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/path.h"

enum { NESTED_MAX = 16 };

static struct place place_of(const struct stream *stream, const char *setting)
{
	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (strcmp(setting_table[stream->origins[i].row].name, setting) == 0)
			return stream->origins[i].place;
	}
	return stream->place;
}

/* the Orchfile that is meant, as seen from the project's directory; the caller frees */
static char *file_of(const struct project *project, const char *path)
{
	char *full = path_join(project->dir, path), *clean = path_clean(path), *file;

	file = fs_is_directory(full) ? path_join(clean, "Orchfile") : xstrdup(clean);
	free(full);
	free(clean);
	return file;
}

/* is it one of those that the one at hand is run from, or that one itself? The environment has them, a line each */
static bool is_around(const struct project *project, const char *real, unsigned *depth)
{
	const char *around = getenv("ORCH_WITHIN");
	char *own_path = path_join(project->dir, project->file), *own = realpath(own_path, NULL);
	bool found = own && strcmp(own, real) == 0;
	size_t len = strlen(real);

	*depth = 0;
	while (around && *around) {
		size_t line = strcspn(around, "\n");

		found |= line == len && memcmp(around, real, len) == 0;
		around += line + (around[line] == '\n');
		++*depth;
	}
	free(own);
	free(own_path);
	return found;
}

/* what would go wrong with it, as far as that can be seen before it is there */
static void check_file(struct eval *eval, const struct stream *stream, const char *file)
{
	const struct project *project = eval->project;
	struct place place = place_of(stream, "orchfile");
	char *full = path_join(project->dir, file), *real = realpath(full, NULL);
	char *dir = path_dir(real ? real : full), *here = realpath(project->dir, NULL);
	unsigned depth;

	if (real && is_around(project, real, &depth))
		eval_error(eval, place, "'%s' is this Orchfile, or one that it is run from: it cannot be a stream of itself",
			file);
	else if (real && depth >= NESTED_MAX)
		eval_error(eval, place, "projects within projects are nested too deeply: at most %d", NESTED_MAX);
	else if (real && here && strcmp(dir, here) == 0)
		eval_error(eval, place,
			"'%s' is in the directory of this Orchfile, and would share its '.orch': put it into a directory of its own",
			file);
	free(dir);
	free(here);
	free(real);
	free(full);
}

/* Its command. Where the run lends slots that are free (exec/jobserver.h) it takes them, as a make would, and else has
 * as many as the stream takes. Whether the path is a directory is seen when it starts, since another stream may make
 * it; which program orch is, and how many slots there are for it, the environment says. So none of that is of the
 * recipe */
static struct text command_for(struct eval *eval, const char *path)
{
	struct strbuf text = {0};
	struct text result = {0};

	strbuf_addstr(&text, NESTED_START "file=");
	path_quote(&text, path);
	strbuf_addstr(&text,
		"\n[ ! -d \"$file\" ] || file=$file/Orchfile\n"
		"case $file in */*) ;; *) file=./$file ;; esac\n"
		"case ${MAKEFLAGS-} in *--jobserver-auth=*) set -- ;; *) set -- -j \"$ORCH_WEIGHT\" ;; esac\n"
		"exec \"$ORCH_PROGRAM\" -C \"${file%/*}\" -f \"${file##*/}\" \"$@\"\n");
	result.bytes = arena_strndup(&eval->project->arena, strbuf_cstr(&text), text.len);
	result.len = (uint32_t)text.len;
	strbuf_release(&text);
	return result;
}

void nested_settle(struct eval *eval)
{
	struct project *project = eval->project;

	for (uint32_t id = 0; id < project->stream_count; id++) {
		struct stream *stream = &project->streams[id];
		const char *path = stream->set->orchfile;
		char *file;

		if (!path)
			continue;
		if (stream->run.bytes || stream->prompt.bytes || stream->set->prompt_file) {
			eval_error(eval, place_of(stream, "orchfile"),
				"stream '%s' is another project, and so has no commands or prompt of its own", stream->name);
			continue;
		}
		if (stream->set->isolate == ISOLATE_WORKTREE) {
			eval_error(eval, place_of(stream, "orchfile"),
				"stream '%s' is another project, which works where it is: it has no worktree", stream->name);
			continue;
		}
		file = path_clean(path);
		stream->run = command_for(eval, file);
		free(file);
		if (eval->options->isolated)
			continue;
		file = file_of(project, path);
		check_file(eval, stream, file);
		free(file);
	}
}
