#include "config.h"

#include "state/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"

enum { FILE_MAX = 4096 };

/* -1 with errno */
static int open_directory(const struct statedir *dir)
{
	return dir->fd < 0 ? (errno = ENOENT, -1)
			   : openat(dir->fd, "detached", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int detached_write(const struct statedir *dir, const struct detached *attempt, struct orch_error *err)
{
	char *text;
	int fd, result;

	if (mkdirat(dir->fd, "detached", 0700) != 0 && errno != EEXIST)
		return error_errno(err, "cannot make '.orch/detached'");
	fd = open_directory(dir);
	if (fd < 0)
		return error_errno(err, "cannot open '.orch/detached'");
	text = xasprintf("orch-detached 1\nrun %s\nattempt %u\nmade-from %016llx %016llx %016llx\nend\n", attempt->run,
		attempt->attempt, (unsigned long long)attempt->recipe, (unsigned long long)attempt->inputs,
		(unsigned long long)attempt->deps);
	result = fs_replace(fd, attempt->stream, text, strlen(text), false, err);
	if (result != 0)
		error_prefix(err, "'.orch/detached'");
	free(text);
	close(fd);
	return result;
}

int detached_remove(const struct statedir *dir, const char *stream, struct orch_error *err)
{
	int fd = open_directory(dir), result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/detached'");
	if (unlinkat(fd, stream, 0) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '.orch/detached/%s'", stream);
	close(fd);
	return result;
}

/* 1: it is one; 0: it says nothing */
static int read_one(int dir_fd, const char *stream, struct detached *out, struct orch_error *err)
{
	int fd = openat(dir_fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	unsigned long long recipe, inputs, deps;
	char *text, run[128], end[8];
	unsigned attempt;
	size_t len;
	int result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot read '.orch/detached/%s'", stream);
	if (fs_read_fd(fd, stream, FILE_MAX, &text, &len, err) != 0) {
		close(fd);
		return error_prefix(err, "'.orch/detached'");
	}
	close(fd);
	if (sscanf(text, "orch-detached 1 run %127s attempt %u made-from %llx %llx %llx %7s", run, &attempt, &recipe,
		    &inputs, &deps, end) == 6 &&
		strcmp(end, "end") == 0 && attempt > 0 && !strchr(run, '/')) {
		*out = (struct detached){
			.stream = xstrdup(stream),
			.run = xstrdup(run),
			.attempt = attempt,
			.recipe = recipe,
			.inputs = inputs,
			.deps = deps,
		};
		result = 1;
	}
	free(text);
	return result;
}

static int by_stream(const void *a, const void *b)
{
	return strcmp(((const struct detached *)a)->stream, ((const struct detached *)b)->stream);
}

int detached_list(const struct statedir *dir, struct detached **items, size_t *count, struct orch_error *err)
{
	ARRAY(struct detached) found = {0};
	int fd = open_directory(dir), result = 0;
	struct dirent *entry;
	DIR *listing;

	*items = NULL;
	*count = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/detached'");
	listing = fdopendir(fd);
	if (!listing) {
		result = error_errno(err, "cannot read '.orch/detached'");
		close(fd);
		return result;
	}
	while (result >= 0 && (entry = readdir(listing))) {
		struct detached one;

		/* no stream's name begins with a dot; temporary files do */
		if (entry->d_name[0] == '.')
			continue;
		result = read_one(dirfd(listing), entry->d_name, &one, err);
		if (result > 0)
			*ARRAY_PUSH(&found) = one;
	}
	closedir(listing);
	if (result < 0) {
		detached_list_free(found.items, found.count);
		return -1;
	}
	if (found.count > 0)
		qsort(found.items, found.count, sizeof *found.items, by_stream);
	*items = found.items;
	*count = found.count;
	return 0;
}

void detached_list_free(struct detached *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].stream);
		free(items[i].run);
	}
	array_free(items);
}
