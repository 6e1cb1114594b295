#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "vcs/op.h"
#include "vcs/repo.h"
#include "vcs/worktree.h"

/*
 * What `git worktree add` leaves when it is killed: a directory below COMMON/worktrees with some of its files, which no
 * list shows, or, if its file `commondir` was made and not yet written, at which every `git worktree list` fails.
 */

enum { LIST_TRIES_MAX = 50 };

#define MAKING "orch: making "

/* the text of a file, "" if it is not there; the caller frees */
char *worktree_file_text(const char *dir, const char *name)
{
	char *path = path_join(dir, name), *text = NULL;
	size_t len;

	if (fs_read(path, 65536, &text, &len, NULL) != 0)
		text = xstrdup("");
	len = strlen(text);
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	free(path);
	return text;
}

static bool is_missing(const char *dir, const char *name)
{
	char *text = worktree_file_text(dir, name);
	bool missing = text[0] == '\0';

	free(text);
	return missing;
}

/* is an operation on the stream under way, of this process or another? */
static bool is_busy(const struct repo *repo, const char *stream)
{
	char *path = repo_stream_lock(repo, stream);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool busy = fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) != 0 : errno != ENOENT;

	if (fd >= 0)
		close(fd);
	free(path);
	return busy;
}

/* the directory, and what was begun at the worktree's place: no more than its file .git */
static int remove_half(const char *admin, struct orch_error *err)
{
	char *link = worktree_file_text(admin, "gitdir"), *dir = path_dir(link);

	if (link[0] == '/' && strcmp(path_file(link), ".git") == 0) {
		unlink(link);
		rmdir(dir);
	}
	free(link);
	free(dir);
	return fs_remove_tree(admin, err);
}

/* killed before its first file, `locked`, said anything; nothing is removed if there is more in it */
static void remove_empty(const char *admin)
{
	char *locked = path_join(admin, "locked");

	if (rmdir(admin) != 0 && unlink(locked) == 0)
		rmdir(admin);
	free(locked);
}

int worktree_clear_half_made(const struct repo *repo, const char *own_stream, struct orch_error *err)
{
	char *base = path_join(repo->common_dir, "worktrees");
	DIR *dir = opendir(base);
	struct dirent *entry;
	int cleared = 0;

	if (!dir && errno != ENOENT)
		cleared = error_errno(err, "cannot look into '%s'", base);
	while (cleared >= 0 && dir && (entry = readdir(dir))) {
		char *admin, *reason;
		const char *stream;

		if (entry->d_name[0] == '.')
			continue;
		admin = path_join(base, entry->d_name);
		reason = worktree_file_text(admin, "locked");
		stream = strncmp(reason, MAKING, strlen(MAKING)) == 0 ? reason + strlen(MAKING) : NULL;
		if (stream && (is_missing(admin, "commondir") || is_missing(admin, "HEAD")) &&
			((own_stream && strcmp(stream, own_stream) == 0) || !is_busy(repo, stream)))
			cleared = remove_half(admin, err) == 0 ? cleared + 1 : -1;
		else if (own_stream && reason[0] == '\0' && is_missing(admin, "gitdir") && is_missing(admin, "HEAD"))
			remove_empty(admin);
		free(admin);
		free(reason);
	}
	if (dir)
		closedir(dir);
	free(base);
	return cleared;
}

bool worktree_list_mended(struct op *op, const struct repo *repo, const struct git_result *result)
{
	if (result->problem || result->code == 0)
		return false;
	if (!op->mended) {
		op->mended = true;
		if (worktree_clear_half_made(repo, NULL, NULL) > 0)
			return true;
	}
	/* of one that is just being made this file is empty for a moment, shorter than it takes to ask again */
	return strstr(result->said, "commondir") && op->list_tries++ < LIST_TRIES_MAX;
}
