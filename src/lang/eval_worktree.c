/* What is said of worktrees: streams that have none, and branches that no two can have. */
#include "config.h"

#include "lang/eval.h"

#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/map.h"
#include "util/path.h"

static bool is_isolated(const struct stream *stream)
{
	if (stream->set->isolate == ISOLATE_DEFAULT)
		return (stream->prompt.bytes || stream->set->prompt_file) && !stream->outside_repository;
	return stream->set->isolate == ISOLATE_WORKTREE;
}

/* a setting of worktrees, if the stream has another value of it than that without which it would be the same */
static const char *worktree_setting(const struct settings *set, const char *name)
{
	const struct {
		const char *name;
		bool given;
	} rows[] = {
		{"setup", set->setup.bytes != NULL},
		{"branch", set->branch != NULL},
		{"base", set->base != NULL},
		{"copy", set->copy.count > 0},
		{"commit", set->commit && strcmp(set->commit, "auto") != 0},
		{"changes", set->changes != CHANGES_OPTIONAL},
		{"keep", set->keep != KEEP_FAILED},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].given && strcmp(rows[i].name, name) == 0)
			return rows[i].name;
	}
	return NULL;
}

/* What says something of a worktree, where there is none. Defaults may say it for those that have one */
static void check_isolation(struct eval *eval)
{
	struct project *project = eval->project;
	const struct stream *plain = NULL;
	bool isolated = false;

	for (uint32_t s = 0; s < project->stream_count; s++) {
		const struct stream *stream = &project->streams[s];

		if (is_isolated(stream)) {
			isolated = true;
			continue;
		}
		plain = stream;
		for (uint32_t i = 0; i < stream->origin_count; i++) {
			const struct setting_origin *origin = &stream->origins[i];
			const char *name = worktree_setting(stream->set, setting_table[origin->row].name);

			if (name && !origin->from_defaults)
				eval_warning(eval, origin->place,
					"'%s' is about a worktree, and stream '%s' has none: it works where the Orchfile is, without "
					"'isolate = worktree'",
					name, stream->name);
		}
	}
	for (uint32_t i = 0; plain && !isolated && i < plain->origin_count; i++) {
		const struct setting_origin *origin = &plain->origins[i];
		const char *name = worktree_setting(plain->set, setting_table[origin->row].name);

		if (name && origin->from_defaults)
			eval_warning(eval, origin->place,
				"'%s' is about a worktree, and no stream has one: they work where the Orchfile is, without 'isolate = "
				"worktree'",
				name);
	}
}

/* a checkout, or a directory in one, as git looks for it */
static bool is_in_repository(const char *dir)
{
	char *at = xstrdup(dir);
	bool found = false;

	while (!found) {
		char *git = path_join(at, ".git"), *above = path_dir(at);

		found = fs_exists(git);
		free(git);
		if (found || strcmp(above, at) == 0 || strcmp(above, ".") == 0) {
			free(above);
			break;
		}
		free(at);
		at = above;
	}
	free(at);
	return found;
}

/* outside a repository there are no worktrees, so no agent's stream has one unless it says so */
static void look_for_repository(struct eval *eval)
{
	struct project *project = eval->project;
	bool looked = false, inside = true;

	for (uint32_t s = 0; s < project->stream_count && inside && !eval->options->isolated; s++) {
		const struct stream *stream = &project->streams[s];

		if (stream->set->isolate != ISOLATE_DEFAULT || !(stream->prompt.bytes || stream->set->prompt_file))
			continue;
		if (!looked)
			/* one that is named may be made by a stream first */
			inside = project->set.repository || is_in_repository(project->dir);
		looked = true;
	}
	for (uint32_t s = 0; s < project->stream_count && !inside; s++)
		project->streams[s].outside_repository = true;
}

/* where its branch is said; its name, where it is not */
static struct place branch_place(const struct stream *stream)
{
	for (uint32_t i = 0; i < stream->origin_count; i++) {
		if (strcmp(setting_table[stream->origins[i].row].name, "branch") == 0)
			return stream->origins[i].place;
	}
	return stream->place;
}

static bool is_same_place(struct place a, struct place b)
{
	return a.source == b.source && a.offset == b.offset;
}

static void note_other(struct eval *eval, struct place here, const struct stream *other)
{
	struct place there = branch_place(other);

	if (!is_same_place(here, there))
		diag_note(eval->diags, there, "the other one is here");
}

/* no two streams can be on the same branch, nor can one branch be where git has the directory of another */
static void check_branches(struct eval *eval)
{
	const struct project *project = eval->project;
	struct map users = {0};
	char **branches = xcalloc((size_t)project->stream_count + 1, sizeof *branches);
	struct place here, told = {0};
	bool any = false;

	/* without one that is named all are different */
	for (uint32_t s = 0; s < project->stream_count && !any; s++)
		any = project->streams[s].set->branch && is_isolated(&project->streams[s]);
	for (uint32_t s = 0; s < project->stream_count && any; s++) {
		struct stream *stream = &project->streams[s], *before;

		if (!is_isolated(stream) || stream_is_group(stream))
			continue;
		branches[s] = stream->set->branch ? xstrdup(stream->set->branch) : xasprintf("orch/%s", stream->name);
		before = map_set(&users, branches[s], stream);
		if (!before)
			continue;
		map_set(&users, branches[s], before);
		here = branch_place(stream);
		/* of defaults that say it for all the first two are enough */
		if (is_same_place(here, told))
			continue;
		told = here;
		if (eval_error(eval, here,
			    "streams '%s' and '%s' are on the same branch '%s', and each needs one of its own: with "
			    "'{{stream}}' in its name it is",
			    before->name, stream->name, branches[s]))
			note_other(eval, here, before);
	}
	for (uint32_t s = 0; s < project->stream_count && any; s++) {
		const char *slash = branches[s] ? strchr(branches[s], '/') : NULL;

		for (; slash; slash = strchr(slash + 1, '/')) {
			const struct stream *above = map_getn(&users, branches[s], (size_t)(slash - branches[s]));

			if (above &&
				eval_error(eval, branch_place(&project->streams[s]),
					"branch '%s' of stream '%s' cannot be there beside branch '%.*s' of stream '%s': to "
					"git the one is a file where the other has a directory",
					branches[s], project->streams[s].name, (int)(slash - branches[s]), branches[s],
					above->name))
				note_other(eval, branch_place(&project->streams[s]), above);
		}
	}
	map_release(&users);
	for (uint32_t s = 0; s < project->stream_count; s++)
		free(branches[s]);
	free(branches);
}

void eval_check_worktrees(struct eval *eval)
{
	look_for_repository(eval);
	check_isolation(eval);
	check_branches(eval);
}
