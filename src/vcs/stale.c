#include "config.h"

#include "vcs/stale.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/alloc.h"
#include "util/error.h"
#include "vcs/refs.h"

enum { OLD_S = 2, SHARED_OLD_S = 5 };

/* 1: it is younger */
static int remove_if_older(const char *path, int seconds, struct orch_error *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (time(NULL) - st.st_mtime < seconds)
		return 1;
	return unlink(path) == 0 || errno == ENOENT ? 0 : error_errno(err, "cannot remove '%s'", path);
}

static void worse(int *result, int other)
{
	if (other != 0 && *result >= 0)
		*result = other;
}

/* the *.lock files right in `dir`, which may be absent */
static int clear_directory(const char *dir, int seconds, struct orch_error *err)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	int result = 0;

	if (!stream)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, "cannot look into '%s'", dir);
	while (result >= 0 && (entry = readdir(stream))) {
		size_t len = strlen(entry->d_name);
		char *path;

		if (len <= 5 || strcmp(entry->d_name + len - 5, ".lock") != 0)
			continue;
		path = xasprintf("%s/%s", dir, entry->d_name);
		worse(&result, remove_if_older(path, seconds, err));
		free(path);
	}
	closedir(stream);
	return result;
}

int stale_locks_remove(const char *common_dir, const char *git_dir, const char *branch_ref, const char *stream,
	bool sure, struct orch_error *err)
{
	int seconds = sure ? 0 : OLD_S, result = 0;
	char *path;

	if (git_dir)
		result = clear_directory(git_dir, seconds, err);
	if (branch_ref) {
		path = xasprintf("%s/%s.lock", common_dir, branch_ref);
		worse(&result, remove_if_older(path, seconds, err));
		free(path);
	}
	path = xasprintf("%s/" REFS_WIP "%s", common_dir, stream);
	worse(&result, clear_directory(path, seconds, err));
	free(path);
	if (sure) {
		/* git itself waits for it */
		path = xasprintf("%s/packed-refs.lock", common_dir);
		if (remove_if_older(path, SHARED_OLD_S, err) < 0)
			result = -1;
		free(path);
	}
	return result;
}
