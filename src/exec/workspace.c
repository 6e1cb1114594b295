#include "config.h"

#include "exec/workspace_private.h"

#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/escape.h"
#include "exec/redaction.h"
#include "graph/project.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "vcs/commit.h"
#include "vcs/save.h"
#include "vcs/worktree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 5 }; /* files named in a message */

/* --- what is what --- */

bool workspace_is_wanted(const struct stream *stream)
{
	enum isolate isolate = stream->set->isolate;

	if (isolate == ISOLATE_DEFAULT)
		return (stream->prompt.bytes || stream->set->prompt_file) && !stream->outside_repository;
	return isolate == ISOLATE_WORKTREE;
}

char *workspace_path(const struct project *project, const char *stream)
{
	const char *where = project->set.worktrees ? project->set.worktrees : ".orch/worktrees";
	char *parent = path_join(project->dir, where), *path = path_join(parent, stream);

	free(parent);
	return path;
}

char *workspace_branch(const struct stream *stream)
{
	return stream->set->branch ? xstrdup(stream->set->branch) : xasprintf("orch/%s", stream->name);
}

void workspace_free(struct workspace *workspace)
{
	if (!workspace)
		return;
	free(workspace->dir);
	free(workspace->cwd);
	free(workspace->git_dir);
	free(workspace->branch);
	free(workspace->base_name);
	free(workspace->into);
	suspect_free(workspace->suspect);
	free(workspace);
}

/* beside the worktree's index, so that it goes with it */
#define BASE_NOTE "orch-base"

bool workspace_read_base(const char *git_dir, char base[GIT_OID_MAX])
{
	char *path = path_join(git_dir, BASE_NOTE), *text = NULL;
	size_t len = 0;
	bool there = fs_read(path, GIT_OID_MAX, &text, &len, NULL) == 0;

	if (there) {
		len = strcspn(text, "\n");
		there = len > 0 && len < GIT_OID_MAX;
	}
	if (there) {
		memcpy(base, text, len);
		base[len] = '\0';
	}
	free(text);
	free(path);
	return there;
}
int workspace_write_base(const struct workspace *workspace, struct orch_error *err)
{
	char *path = path_join(workspace->git_dir, BASE_NOTE);
	int result = fs_replace(AT_FDCWD, path, workspace->base, strlen(workspace->base), false, err);

	free(path);
	return result;
}

struct workspace_task *workspace_task_new(struct workspaces *all, struct attempt *attempt, workspace_done *done)
{
	struct workspace_task *task = xcalloc(1, sizeof *task);

	task->all = all;
	task->attempt = attempt;
	task->done = done;
	return task;
}

void workspace_task_end(struct workspace_task *task, enum orch_outcome outcome, const char *message)
{
	struct attempt *attempt = task->attempt;
	workspace_done *done = task->done;

	strvec_release(&task->side_names);
	strvec_release(&task->side_oids);
	free(task);
	done(attempt, outcome, message);
}
enum orch_outcome workspace_outcome(const struct vcs_end *end)
{
	switch (end->status) {
	case VCS_OK:
		return ORCH_OUTCOME_SUCCESS;
	case VCS_CONFLICT:
		return ORCH_OUTCOME_MERGE;
	case VCS_REJECTED:
		return ORCH_OUTCOME_CHECK;
	case VCS_STOPPED:
		return ORCH_OUTCOME_STOPPED;
	default:
		return ORCH_OUTCOME_SPAWN;
	}
}
int workspace_mark_set_up(struct workspace *workspace, struct orch_error *err)
{
	if (worktree_mark_set_up(workspace->git_dir, err) != 0)
		return -1;
	workspace->set_up = true;
	return 0;
}
/* part 'g', "commit OID" */
const char *workspace_stamped(const struct stamp_detail *detail, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i < detail->part_count; i++) {
		const char *name = detail->parts[i].name;

		if (detail->parts[i].kind == 'g' && strncmp(name, what, len) == 0 && name[len] == ' ')
			return name + len + 1;
	}
	return NULL;
}

/* --- what the work comes to --- */

/* the first few that no glob of `touches` names; NULL: none */
static char *untouched(const struct stream *stream, const struct strvec *paths)
{
	struct strbuf text = {0};
	size_t count = 0;

	for (size_t i = 0; i < paths->count; i++) {
		bool named = false;

		for (uint32_t t = 0; t < stream->set->touches.count && !named; t++)
			named = path_match(stream->set->touches.items[t], paths->items[i]);
		if (!named && count++ < SHOWN_MAX)
			strbuf_addf(&text, "%s%s", text.len ? ", " : "", paths->items[i]);
	}
	if (count > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", count - SHOWN_MAX);
	return count ? strbuf_detach(&text) : NULL;
}

static void on_looked(void *data, const char *finding)
{
	struct workspace_task *task = data;
	char *message = task->message;

	task->message = NULL;
	if (finding && task->outcome == ORCH_OUTCOME_SUCCESS && !task->saved)
		workspace_task_end(task, ORCH_OUTCOME_CHANGES, finding);
	else {
		/* it has failed for another reason already */
		if (finding)
			task->all->calls.warning(task->all->calls.data, task->attempt->stream->name, finding);
		workspace_task_end(task, task->outcome, message);
	}
	free(message);
}

/* that is how it ends, but for what it may have done to the checkout */
static void end_after_look(struct workspace_task *task, enum orch_outcome outcome, const char *message)
{
	struct suspect *suspect = task->attempt->workspace->suspect;

	task->outcome = outcome;
	task->message = message ? xstrdup(message) : NULL;
	if (suspect)
		escape_look(suspect, on_looked, task);
	else
		on_looked(task, NULL);
}

static void on_changes(void *data, const struct vcs_end *end, const struct strvec *paths)
{
	struct workspace_task *task = data;
	const struct stream *stream = task->attempt->stream;
	char *text;

	if (end->status != VCS_OK) {
		workspace_task_end(task, ORCH_OUTCOME_INTERNAL, end->err.message);
		return;
	}
	if (stream->set->changes == CHANGES_REQUIRED && paths->count == 0) {
		workspace_task_end(task, ORCH_OUTCOME_CHANGES, "it was to change something, and changed nothing");
		return;
	}
	if (stream->set->changes == CHANGES_FORBIDDEN && paths->count > 0) {
		text = xasprintf("it was to change nothing, and changed %s%s", paths->items[0],
			paths->count > 1 ? " and more" : "");
		workspace_task_end(task, ORCH_OUTCOME_CHANGES, text);
		free(text);
		return;
	}
	text = stream->set->touches.count ? untouched(stream, paths) : NULL;
	if (text) {
		char *message = xasprintf("it changed what its 'touches' does not name: %s", text);

		task->all->calls.warning(task->all->calls.data, stream->name, message);
		free(message);
		free(text);
	}
	end_after_look(task, ORCH_OUTCOME_SUCCESS, NULL);
}

static void warn_of(struct workspace_task *task, const struct commit_result *result)
{
	const struct workspaces_calls *calls = &task->all->calls;
	const char *stream = task->attempt->stream->name;

	if (result->strayed) {
		char *message = xasprintf("it left its branch for %s; '%s' was moved on to what it did there",
			*result->strayed ? result->strayed : "a detached HEAD", task->attempt->workspace->branch);

		calls->warning(calls->data, stream, message);
		free(message);
	}
	for (size_t i = 0; i < result->nested.count; i++) {
		char *message = xasprintf("'%s' is a repository of its own: not committed%s%s", result->nested.items[i],
			result->saved_ref ? ", kept as " : "", result->saved_ref ? result->saved_ref : "");

		calls->warning(calls->data, stream, message);
		free(message);
	}
}

static void on_committed(void *data, const struct vcs_end *end, const struct commit_result *result)
{
	struct workspace_task *task = data;
	struct workspace *workspace = task->attempt->workspace;
	struct strbuf text = {0};

	if (result)
		warn_of(task, result);
	if (end->status == VCS_OK) {
		memcpy(workspace->commit, result->oid, sizeof workspace->commit);
		memcpy(workspace->tree, result->tree, sizeof workspace->tree);
		commit_changes(task->all->repo, workspace->base, workspace->commit, on_changes, task);
		return;
	}
	strbuf_addf(&text, "committing its work: %s", end->err.message);
	for (size_t i = 0; result && i < result->unresolved.count; i++)
		strbuf_addf(&text, "%s %s", i ? "," : ":", result->unresolved.items[i]);
	/* git's words, and a hook's, are for its log, like a check's */
	if (end->said && *end->said)
		(void)redaction_write(task->attempt->context->redact, task->attempt->log_fd, end->said);
	workspace_task_end(task, workspace_outcome(end), strbuf_cstr(&text));
	strbuf_release(&text);
}

void workspace_commit(struct workspaces *all, struct attempt *attempt, workspace_done *done)
{
	struct workspace_task *task = workspace_task_new(all, attempt, done);
	const struct stream *stream = attempt->stream;
	const char *setting = stream->set->commit;
	bool is_message = setting && strcmp(setting, "auto") != 0 && strcmp(setting, "off") != 0;
	char *subject = is_message ? xstrdup(setting)
		: stream->title    ? xasprintf("%s: %s", stream->name, stream->title)
				   : xstrdup(stream->name);
	struct commit_spec spec = {
		.stream = stream->name,
		.dir = attempt->workspace->dir,
		.branch = attempt->workspace->branch,
		.subject = subject,
		.run = attempt->run,
		.attempt = attempt->number,
		.look_only = setting && strcmp(setting, "off") == 0,
	};

	commit_work(all->repo, &spec, on_committed, task);
	free(subject);
}

static void on_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	struct workspace_task *task = data;
	const struct workspaces_calls *calls = &task->all->calls;
	const char *stream = task->attempt->stream->name;
	char *message = NULL;

	if (end->status != VCS_OK)
		message = xasprintf("what it left in '%s' could not be kept under a ref: %s",
			task->attempt->workspace->dir, end->err.message);
	else if (work->missing)
		message = xasprintf("some of what it left could not be read, and is not in %s: %s",
			work->ref ? work->ref : "what was kept", work->missing);
	if (message)
		calls->warning(calls->data, stream, message);
	free(message);
	task->saved = true;
	end_after_look(task, end->status == VCS_OK ? ORCH_OUTCOME_SUCCESS : ORCH_OUTCOME_INTERNAL,
		end->status == VCS_OK ? NULL : end->err.message);
}

void workspace_save(struct workspaces *all, struct attempt *attempt, const char *reason, workspace_done *done)
{
	struct save_spec spec = {.stream = attempt->stream->name, .dir = attempt->workspace->dir, .reason = reason};

	save_work(all->repo, &spec, on_saved, workspace_task_new(all, attempt, done));
}

/* --- what stays --- */

struct leaving {
	struct workspaces *all;
	char *stream;
};

static void on_removed(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	struct leaving *leaving = data;

	(void)removed;
	/* that it stays is no harm: 'orch clean' says why it does */
	if (end->status != VCS_OK && end->status != VCS_STOPPED && end->status != VCS_REFUSED)
		leaving->all->calls.warning(leaving->all->calls.data, leaving->stream, end->err.message);
	free(leaving->stream);
	free(leaving);
}

void workspace_leave(struct workspaces *all, const struct attempt *attempt, bool success)
{
	enum keep keep = attempt->stream->set->keep;
	struct leaving *leaving;
	struct worktree_removal spec = {.stream = attempt->stream->name, .path = attempt->workspace->dir, .save = true};

	if (!attempt->workspace->git_dir || keep == KEEP_ALWAYS || (keep == KEEP_FAILED && !success))
		return;
	leaving = xcalloc(1, sizeof *leaving);
	leaving->all = all;
	leaving->stream = xstrdup(attempt->stream->name);
	worktree_remove(all->repo, &spec, on_removed, leaving);
}
