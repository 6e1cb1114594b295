#include "config.h"

#include "vcs/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum { COPY_CHUNK = 128 << 10 };

struct copy {
	const char *from, *to;
	struct strvec left; /* directories still to be read */
	struct strvec *copied;
	struct orch_error *err;
};

static int copy_bytes(int in, int out)
{
	char *chunk;
	ssize_t got = 0;
	int result = 0;

#ifdef FICLONE
	if (ioctl(out, FICLONE, in) == 0)
		return 0;
#endif
	chunk = xmalloc(COPY_CHUNK);
	while (result == 0 && (got = read(in, chunk, COPY_CHUNK)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		result = got < 0 ? -1 : fs_write_all(out, chunk, (size_t)got);
	}
	free(chunk);
	return result;
}

/* under a temporary name first: a copy that was cut short is not taken for the file */
static int copy_file(struct copy *copy, const char *from, const char *to, const struct stat *st)
{
	char *temporary = xasprintf("%s.orch-copy", to);
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW), out = -1, result = -1;
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (in >= 0) {
		unlink(temporary);
		out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	if (out >= 0 && copy_bytes(in, out) == 0 && fchmod(out, st->st_mode & 0777) == 0 && futimens(out, times) == 0)
		result = 0;
	if (result != 0)
		error_errno(copy->err, "cannot copy '%s' to '%s'", from, to);
	if (out >= 0 && close(out) != 0 && result == 0)
		result = error_errno(copy->err, "cannot write '%s'", to);
	if (in >= 0)
		close(in);
	if (result == 0 && rename(temporary, to) != 0)
		result = error_errno(copy->err, "cannot write '%s'", to);
	if (result != 0)
		unlink(temporary);
	free(temporary);
	return result;
}

static int copy_link(struct copy *copy, const char *from, const char *to)
{
	char target[PATH_MAX];
	ssize_t len = readlink(from, target, sizeof target - 1);

	if (len < 0)
		return error_errno(copy->err, "cannot read the link '%s'", from);
	target[len] = '\0';
	return symlink(target, to) == 0 ? 0 : error_errno(copy->err, "cannot make the link '%s'", to);
}

static int copy_one(struct copy *copy, const char *path)
{
	char *from = path_join(copy->from, path), *to = path_join(copy->to, path);
	struct stat st, there;
	int result = 0;

	if (lstat(from, &st) != 0) {
		/* gone meanwhile */
		if (errno != ENOENT)
			result = error_errno(copy->err, "cannot look at '%s'", from);
	} else if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, st.st_mode & 0777) != 0 && errno != EEXIST)
			result = error_errno(copy->err, "cannot make '%s'", to);
		else
			strvec_push(&copy->left, path);
	} else if (lstat(to, &there) != 0) {
		if (S_ISREG(st.st_mode))
			result = copy_file(copy, from, to, &st);
		else if (S_ISLNK(st.st_mode))
			result = copy_link(copy, from, to);
		if (result == 0 && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
			strvec_push(copy->copied, path);
	}
	free(from);
	free(to);
	return result;
}

static int copy_directory(struct copy *copy, const char *path)
{
	char *from = path_join(copy->from, path);
	DIR *dir = opendir(from);
	struct dirent *entry;
	int result = 0;

	if (!dir)
		result = error_errno(copy->err, "cannot look into '%s'", from);
	while (result == 0 && dir && (entry = readdir(dir))) {
		char *inside;

		/* a repository's own directory is not copied */
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			strcmp(entry->d_name, ".git") == 0)
			continue;
		inside = path_join(path, entry->d_name);
		result = copy_one(copy, inside);
		free(inside);
	}
	if (dir)
		closedir(dir);
	free(from);
	return result;
}

int copy_path(const char *from, const char *to, const char *path, struct strvec *copied, struct orch_error *err)
{
	struct copy copy = {.from = from, .to = to, .copied = copied, .err = err};
	char *dir = path_dir(path), *parent = path_join(to, dir);
	int result;

	if (!path_is_inside(path)) {
		result = error_set(err, "'%s' leads out of '%s': it is not copied", path, from);
	} else {
		result = fs_mkdirs(parent, 0777, err);
		if (result == 0)
			result = copy_one(&copy, path);
	}
	while (result == 0 && copy.left.count > 0) {
		char *next = copy.left.items[--copy.left.count];

		copy.left.items[copy.left.count] = NULL;
		result = copy_directory(&copy, next);
		free(next);
	}
	strvec_release(&copy.left);
	free(dir);
	free(parent);
	return result;
}
