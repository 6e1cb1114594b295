#include "config.h"

#include "exec/confine.h"

#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/workspace.h"
#include "graph/project.h"
#include "os/fs.h"
#include "os/landlock.h"
#include "os/sandbox.h"
#include "runner/runner.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/worktree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASIDE_TRIES = 100 };

struct confiner {
	struct workspaces *workspaces;
	struct sandbox_means means;
	bool looked, warned;
};

struct confiner *confiner_new(struct workspaces *workspaces)
{
	struct confiner *confiner = xcalloc(1, sizeof *confiner);

	confiner->workspaces = workspaces;
	return confiner;
}

void confiner_free(struct confiner *confiner)
{
	if (!confiner)
		return;
	sandbox_means_release(&confiner->means);
	free(confiner);
}

/* what attempts write besides their work: absolute, the caller frees */
static char *attempt_path(const struct attempt *attempt, const char *what)
{
	char *below = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, what);
	char *path = path_join(attempt->context->project->dir, below);

	free(below);
	return path;
}

static char *status_path(const struct attempt *attempt, const char *part)
{
	char *what = xasprintf("%s.sandbox", part), *path = attempt_path(attempt, what);

	free(what);
	return path;
}

/* as the kernel knows it: nothing can be mounted on a path with a symbolic link in it. A path that is not there is
 * added as it is, for whoever needs it to say so */
static void add_real(struct strvec *list, const char *path)
{
	char *real = realpath(path, NULL);

	strvec_push(list, real ? real : path);
	free(real);
}

/* `name` in the last directory of `from`, if there is one */
static void add_inside(struct strvec *list, const struct strvec *from, const char *name)
{
	char *path = path_join(from->items[from->count - 1], name);
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
		strvec_push(list, path);
	free(path);
}

/* what would be hidden with the private directories that it lies in */
static void add_visible(struct strvec *list, const char *path)
{
	char *real = path ? realpath(path, NULL) : NULL;

	for (size_t i = 0; real && sandbox_private[i]; i++) {
		size_t len = strlen(sandbox_private[i]);

		if (strncmp(real, sandbox_private[i], len) == 0 && real[len] == '/') {
			strvec_push(list, real);
			break;
		}
	}
	free(real);
}

/* it can be allowed only if it is there */
static int add_file(struct strvec *list, const struct attempt *attempt, const char *what, struct orch_error *err)
{
	char *path = attempt_path(attempt, what);
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), result = 0;

	if (fd < 0)
		result = error_errno(err, "cannot make '%s'", path);
	else
		close(fd);
	add_real(list, path);
	free(path);
	return result;
}

/* is `path`, or what it is in, that directory? Both are as the kernel knows them */
static bool holds(const char *directory, const char *path)
{
	size_t len = strlen(directory);

	return strncmp(directory, path, len) == 0 &&
		(path[len] == '/' || path[len] == '\0' || directory[len - 1] == '/');
}

/* what an agent's program keeps of its own. What is not there and no directory is left out: nothing can be mounted on
 * it, and the program does without, as it does when it is started for the first time */
static int add_state(struct strvec *list, const struct command *command, const struct attempt *attempt,
	const struct agent *agent, struct orch_error *err)
{
	const char *home = NULL;
	char *project = realpath(attempt->context->project->dir, NULL);
	const char *git_dir = workspaces_git_dir(attempt->confiner->workspaces);
	int result = 0;

	for (char *const *entry = command->env; entry && *entry; entry++) {
		if (strncmp(*entry, "HOME=", 5) == 0)
			home = *entry + 5;
	}
	for (uint32_t i = 0; i < agent->state.count && result == 0; i++) {
		const char *name = agent->state.items[i];
		char *path, *real;

		if (*name == '~' && (!home || *home != '/')) {
			result = error_set(err, "HOME is not set, and so there is no '%s'", name);
			break;
		}
		if (*name != '~' && *name != '/') {
			result = error_set(err, "'%s' is no absolute path", name);
			break;
		}
		path = *name == '~' ? path_join(home, name + 2) : xstrdup(name);
		if (name[strlen(name) - 1] == '/')
			result = fs_mkdirs(path, 0700, err);
		real = result == 0 ? realpath(path, NULL) : NULL;
		if (real && ((project && holds(real, project)) || (git_dir && holds(real, git_dir))))
			result = error_set(err, "the project lies in '%s': then nothing would be confined", real);
		else if (real)
			strvec_push(list, real);
		free(real);
		free(path);
	}
	free(project);
	return result == 0 ? 0 : error_prefix(err, "agent %s: state", agent->name);
}

static int add_writable(struct strvec *list, const struct command *command, const struct attempt *attempt,
	const struct agent *agent, struct orch_error *err)
{
	if (agent && add_state(list, command, attempt, agent, err) != 0)
		return -1;
	add_real(list, attempt->workspace ? attempt->workspace->dir : attempt->context->project->dir);
	if (add_file(list, attempt, "output", err) != 0)
		return -1;
	return add_file(list, attempt, "report", err);
}

static int use_bubblewrap(struct confinement *out, struct command *command, const struct attempt *attempt,
	const char *part, const struct agent *agent, struct orch_error *err)
{
	const struct confiner *confiner = attempt->confiner;
	const struct project *project = attempt->context->project;
	char *status = status_path(attempt, part), *self = fs_self(), *dir = NULL;
	struct sandbox_spec spec = {.bwrap = confiner->means.bwrap,
		.status = status,
		.offline = attempt->stream->set->sandbox == SANDBOX_OFFLINE};
	struct strvec here = {0};
	int result = 0;

	/* of an attempt of that number before */
	if (unlink(status) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '%s'", status);
	add_visible(&spec.visible, project->dir);
	add_visible(&spec.visible, workspaces_top(confiner->workspaces));
	add_visible(&spec.visible, workspaces_git_dir(confiner->workspaces));
	/* for `orch report` */
	add_visible(&spec.visible, self);
	add_real(&here, attempt->workspace ? attempt->workspace->dir : project->dir);
	if (result == 0)
		result = add_writable(&spec.writable, command, attempt, agent, err);
	/* Git, which works there later and outside, reads these. In a worktree the first is a file */
	add_inside(&spec.read_only, &here, ".git");
	if (!attempt->workspace) {
		char *worktrees = workspace_path(project, ".");

		add_inside(&spec.read_only, &here, ".orch");
		/* what is not in there cannot be written in any case */
		if (project->set.worktrees && fs_is_directory(worktrees))
			add_real(&spec.read_only, worktrees);
		free(worktrees);
	}
	dir = realpath(command->dir ? command->dir : project->dir, NULL);
	spec.dir = dir ? dir : "/";
	sandbox_words(&out->wrap, &spec);
	command->wrap = out->wrap.items;
	command->wraps = true;
	strvec_release(&spec.visible);
	strvec_release(&spec.writable);
	strvec_release(&spec.read_only);
	strvec_release(&here);
	free(status);
	free(self);
	free(dir);
	return result;
}

static void warn_of_landlock(struct confiner *confiner, struct attempt *attempt)
{
	char *message;

	if (confiner->warned)
		return;
	confiner->warned = true;
	message = xasprintf(
		"bubblewrap is not installed, so the kernel's Landlock keeps it from writing elsewhere; but it sees other "
		"processes%s, /tmp is not to be written at all, and modes and times of files elsewhere are not protected",
		confiner->means.landlock < LANDLOCK_SIGNALS ? " and may end them" : "");
	attempt->warn(attempt->data, attempt, message);
	free(message);
}

static int use_landlock(struct confinement *out, struct command *command, struct attempt *attempt,
	const struct agent *agent, struct orch_error *err)
{
	char *temporary = attempt_path(attempt, "tmp");
	int result = 0;

	/* a rule holds for all that is below a directory: none can except the git directory in it */
	if (!attempt->workspace)
		result = error_set(err, "without a worktree of its own it cannot be confined by Landlock alone: install "
					"bubblewrap (bwrap), or give it 'isolate = worktree'");
	if (result == 0)
		result = fs_mkdirs(temporary, 0700, err);
	if (result == 0)
		result = add_writable(&out->writable, command, attempt, agent, err);
	if (result == 0) {
		add_real(&out->writable, temporary);
		strvec_push(&out->wrap, "/usr/bin/env");
		strvec_pushf(&out->wrap, "TMPDIR=%s", temporary);
		strvec_push(&out->wrap, "IS_SANDBOX=1"); /* as in sandbox_words() */
		command->wrap = out->wrap.items;
		command->writable = out->writable.items;
		warn_of_landlock(attempt->confiner, attempt);
	}
	free(temporary);
	return result;
}

int confine(struct confinement *out, struct command *command, struct attempt *attempt, const char *part,
	const struct agent *agent, struct orch_error *err)
{
	enum sandbox sandbox = attempt->stream->set->sandbox;
	struct confiner *confiner = attempt->confiner;
	const char *refusal;
	int result;

	if (sandbox == SANDBOX_OFF)
		return 0;
	if (!confiner->looked)
		sandbox_look(&confiner->means);
	confiner->looked = true;
	workspaces_distrust_hooks(confiner->workspaces);
	refusal = sandbox_refusal(&confiner->means, sandbox == SANDBOX_OFFLINE);
	if (refusal)
		result = error_set(err, "%s", refusal);
	else if (confiner->means.bwrap)
		result = use_bubblewrap(out, command, attempt, part, agent, err);
	else
		result = use_landlock(out, command, attempt, agent, err);
	return result == 0 ? 0 : error_prefix(err, "sandbox = %s", sandbox == SANDBOX_OFFLINE ? "offline" : "worktree");
}

void confinement_release(struct confinement *confinement)
{
	strvec_release(&confinement->wrap);
	strvec_release(&confinement->writable);
}

/* From this file git has the worktree's repository, and with it programs to run. Without it git takes the checkout that
 * is around the worktree. A sandbox by Landlock lets it be replaced, and no sandbox keeps nobody from that */
static bool git_file_is_ours(const struct workspace *workspace)
{
	char *path = path_join(workspace->dir, ".git"), *git_dir = NULL;
	struct stat st, named, ours;
	bool is = lstat(path, &st) == 0 && S_ISREG(st.st_mode);

	if (is) {
		git_dir = worktree_git_dir(workspace->dir);
		is = git_dir[0] && stat(git_dir, &named) == 0 && stat(workspace->git_dir, &ours) == 0 &&
			named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
	}
	free(git_dir);
	free(path);
	return is;
}

/* What is there instead is put beside the worktree: *aside, NULL if there was nothing. The caller frees */
static bool put_git_file_back(const struct workspace *workspace, char **aside)
{
	char *path = path_join(workspace->dir, ".git"), *text = xasprintf("gitdir: %s\n", workspace->git_dir);
	bool done = !fs_exists(path);

	*aside = NULL;
	for (int i = 1; i < ASIDE_TRIES && !done; i++) {
		free(*aside);
		*aside = xasprintf("%s.git-%d", workspace->dir, i);
		if (fs_exists(*aside))
			continue;
		done = rename(path, *aside) == 0;
		if (!done && errno != EEXIST && errno != ENOTEMPTY)
			break;
	}
	done = done && fs_replace(AT_FDCWD, path, text, strlen(text), false, NULL) == 0;
	free(text);
	free(path);
	return done;
}

char *confine_tampering(struct attempt *attempt)
{
	struct workspace *workspace = attempt->workspace;
	bool sandboxed = attempt->stream->set->sandbox != SANDBOX_OFF;
	char *aside, *message;

	if (!workspace || !workspace->git_dir || git_file_is_ours(workspace))
		return NULL;
	if (put_git_file_back(workspace, &aside)) {
		message = xasprintf("it %s the file .git of its worktree '%s', %s; the file is there again%s%s%s",
			aside ? "replaced" : "removed", workspace->dir,
			sandboxed && aside ? "by which git would have run what it likes outside its sandbox"
					   : "without which git does not know its branch",
			aside ? ", and what it put there is now '" : "", aside ? aside : "", aside ? "'" : "");
	} else {
		message = xasprintf("it removed or replaced the file .git of its worktree '%s', without which git does "
				    "not know its branch, and this could not be undone",
			workspace->dir);
		/* whoever would work there looks at these first */
		free(workspace->cwd);
		free(workspace->git_dir);
		workspace->cwd = workspace->git_dir = NULL;
	}
	free(aside);
	return message;
}

char *confine_problem(const struct attempt *attempt, const char *part, bool failed)
{
	char *status, *said, *problem = NULL;

	if (attempt->stream->set->sandbox == SANDBOX_OFF)
		return NULL;
	status = status_path(attempt, part);
	/* by Landlock, there is none */
	if (failed && fs_exists(status) && !sandbox_was_made(status)) {
		said = sandbox_complaint(attempt->log_fd);
		problem = xasprintf("its sandbox could not be made, so it was not run: %s; see 'orch doctor'",
			said ? said : "bubblewrap ended before that, and said nothing");
		free(said);
	}
	free(status);
	return problem;
}

void confine_end(const struct attempt *attempt)
{
	char *temporary;

	if (attempt->stream->set->sandbox == SANDBOX_OFF || !attempt->context)
		return;
	temporary = attempt_path(attempt, "tmp");
	if (fs_is_directory(temporary))
		(void)fs_remove_tree(temporary, NULL); /* what stays goes with the run */
	free(temporary);
}
