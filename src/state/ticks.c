#include "config.h"

#include "state/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/map.h"
#include "util/strbuf.h"

enum { FILE_MAX = 16 << 20 };

static const char head[] = "orch-ticks 1\n", end[] = "end\n";

/* -1 with errno */
static int open_directory(const struct statedir *dir)
{
	return dir->fd < 0 ? (errno = ENOENT, -1)
			   : openat(dir->fd, "ticks", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* 1: there is one; 0: none */
static int read_file(const struct statedir *dir, const char *stream, char **text, struct orch_error *err)
{
	int fd = open_directory(dir), file, result;
	size_t len;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/ticks'");
	file = openat(fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file < 0) {
		result = errno == ENOENT ? 0 : error_errno(err, "cannot read '.orch/ticks/%s'", stream);
	} else {
		result = fs_read_fd(file, stream, FILE_MAX, text, &len, err) == 0 ? 1
										   : error_prefix(err, "'.orch/ticks'");
		close(file);
	}
	close(fd);
	return result;
}

/* positions by text, each the first that is not taken: `next` chains those with the same text */
struct by_text {
	struct map first; /* text to position + 1 */
	size_t *next;
};

static void index_texts(struct by_text *index, const char *const *tasks, size_t count)
{
	*index = (struct by_text){.next = xcalloc(count + 1, sizeof *index->next)};
	for (size_t i = count; i-- > 0;)
		index->next[i] = (size_t)map_set(&index->first, tasks[i], (void *)(i + 1));
}

static void tick_by_text(struct by_text *index, const char *const *tasks, bool *done, const char *text)
{
	size_t at = (size_t)map_get(&index->first, text);

	while (at && done[at - 1])
		at = index->next[at - 1];
	if (!at)
		return;
	done[at - 1] = true;
	/* those before it are done: nobody has to walk over them again */
	map_set(&index->first, tasks[at - 1], (void *)index->next[at - 1]);
}

/* first those that are where they were */
static void match(char *text, const char *const *tasks, size_t count, bool *done)
{
	struct by_text index;
	char *line, *next, *moved = text;

	for (line = text; *line; line = next) {
		char *task;
		unsigned long number = strtoul(line, &task, 10);

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (*task != ' ')
			continue;
		task++;
		if (number >= 1 && number <= count && strcmp(tasks[number - 1], task) == 0) {
			done[number - 1] = true;
		} else {
			size_t len = strlen(task) + 1;

			memmove(moved, task, len);
			moved += len;
		}
	}
	index_texts(&index, tasks, count);
	for (line = text; line < moved; line += strlen(line) + 1)
		tick_by_text(&index, tasks, done, line);
	map_release(&index.first);
	free(index.next);
}

int ticks_read(const struct statedir *dir, const char *stream, const char *const *tasks, size_t count, bool **done,
	size_t *ticked, struct orch_error *err)
{
	char *text = NULL, *last;
	int result = count ? read_file(dir, stream, &text, err) : 0;

	*done = NULL;
	*ticked = 0;
	if (result <= 0)
		return result;
	last = strlen(text) >= sizeof end - 1 ? text + strlen(text) - (sizeof end - 1) : text;
	if (strncmp(text, head, sizeof head - 1) == 0 && strcmp(last, end) == 0) {
		*last = '\0';
		*done = xcalloc(count, sizeof **done);
		match(text + sizeof head - 1, tasks, count, *done);
		for (size_t i = 0; i < count; i++)
			*ticked += (*done)[i];
	}
	if (*ticked == 0) {
		free(*done);
		*done = NULL;
	}
	free(text);
	return 0;
}

int ticks_write(const struct statedir *dir, const char *stream, const char *const *tasks, size_t count,
	const bool *done, struct orch_error *err)
{
	struct strbuf text = {0};
	size_t ticked = 0;
	int fd, result;

	strbuf_addstr(&text, head);
	for (size_t i = 0; i < count; i++) {
		if (!done || !done[i])
			continue;
		ticked++;
		strbuf_addf(&text, "%zu %s\n", i + 1, tasks[i]);
	}
	strbuf_addstr(&text, end);
	if (ticked == 0) {
		strbuf_release(&text);
		return ticks_remove(dir, stream, err);
	}
	if (mkdirat(dir->fd, "ticks", 0700) != 0 && errno != EEXIST)
		result = error_errno(err, "cannot make '.orch/ticks'");
	else if ((fd = open_directory(dir)) < 0)
		result = error_errno(err, "cannot open '.orch/ticks'");
	else {
		result = fs_replace(fd, stream, text.data, text.len, false, err);
		if (result != 0)
			error_prefix(err, "'.orch/ticks'");
		close(fd);
	}
	strbuf_release(&text);
	return result;
}

int ticks_remove(const struct statedir *dir, const char *stream, struct orch_error *err)
{
	int fd = open_directory(dir), result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/ticks'");
	if (unlinkat(fd, stream, 0) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '.orch/ticks/%s'", stream);
	close(fd);
	return result;
}
