#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "vcs/repo.h"
#include "vcs/worktree.h"

/*
 * A worktree and its git directory name each other by their paths. In a repository that was moved or copied with its
 * worktrees both names are the old ones. `git worktree repair` is not for that: in a copy it would also lead the
 * original's worktrees into the copy.
 */

static bool is_of_stream(const char *admin, const char *stream)
{
	static const char ours[] = "orch: ";
	char *reason = worktree_file_text(admin, "locked");
	const char *last = strrchr(reason, ' ');
	bool yes = strncmp(reason, ours, sizeof ours - 1) == 0 && strcmp(last + 1, stream) == 0;

	free(reason);
	return yes;
}

/* is the worktree that `admin` names still one of it? */
static bool is_linked_elsewhere(const char *admin)
{
	char *link = worktree_file_text(admin, "gitdir"), *dir = path_dir(link), *git_dir = worktree_git_dir(dir);
	char *there = git_dir[0] ? realpath(git_dir, NULL) : NULL, *here = realpath(admin, NULL);
	bool linked = there && here && strcmp(there, here) == 0;

	free(link);
	free(dir);
	free(git_dir);
	free(there);
	free(here);
	return linked;
}

static int link_again(const char *admin, const char *path, struct orch_error *err)
{
	struct strbuf text = {0};
	char *git_file = path_join(path, ".git"), *link = path_join(admin, "gitdir");
	int result;

	/* this one first: a worktree whose own file is wrong is found, and mended, by its path */
	strbuf_addf(&text, "%s\n", git_file);
	result = fs_replace(AT_FDCWD, link, strbuf_cstr(&text), text.len, true, err);
	if (result == 0) {
		strbuf_release(&text);
		text = (struct strbuf){0};
		strbuf_addf(&text, "gitdir: %s\n", admin);
		result = fs_replace(AT_FDCWD, git_file, strbuf_cstr(&text), text.len, true, err);
	}
	strbuf_release(&text);
	free(git_file);
	free(link);
	return result;
}

int worktree_relink(const struct repo *repo, const char *stream, const char *path, struct orch_error *err)
{
	char *old = worktree_git_dir(path), *base = path_join(repo->common_dir, "worktrees");
	const char *name = path_file(old);
	char *admin = old[0] && name[0] && name[0] != '.' ? path_join(base, name) : NULL;
	int result = 0;

	if (admin && is_of_stream(admin, stream) && !is_linked_elsewhere(admin))
		result = link_again(admin, path, err) == 0 ? 1 : -1;
	free(old);
	free(base);
	free(admin);
	return result;
}
