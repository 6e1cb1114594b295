#include "config.h"

#include "state/fragment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"

static char *name_of(const char *stream)
{
	return xasprintf("%s.orch", stream);
}

char *fragment_path(const char *stream)
{
	return xasprintf(".orch/generated/%s.orch", stream);
}

/* -1 with errno */
static int open_directory(const struct statedir *dir)
{
	return openat(dir->fd, "generated", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int fragment_keep(const struct statedir *dir, const char *stream, const char *text, size_t len, struct orch_error *err)
{
	char *name;
	int fd, result;

	if (mkdirat(dir->fd, "generated", 0700) == 0)
		(void)fs_sync_dir(dir->fd);
	else if (errno != EEXIST)
		return error_errno(err, "cannot make '.orch/generated'");
	fd = open_directory(dir);
	if (fd < 0)
		return error_errno(err, "cannot open '.orch/generated'");
	name = name_of(stream);
	result = fs_replace(fd, name, text, len, true, err);
	if (result == 0 && fs_sync_dir(fd) != 0)
		result = error_errno(err, "cannot sync it");
	if (result != 0)
		error_prefix(err, "'.orch/generated'");
	free(name);
	close(fd);
	return result;
}

int fragment_forget(const struct statedir *dir, const char *stream, struct orch_error *err)
{
	char *name = name_of(stream);
	int fd = open_directory(dir), result = 0;

	if (fd < 0 ? errno != ENOENT : unlinkat(fd, name, 0) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '.orch/generated/%s'", name);
	if (fd >= 0)
		close(fd);
	free(name);
	return result;
}
