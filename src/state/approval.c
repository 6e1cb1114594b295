#include "config.h"

#include "state/approval.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { FILE_MAX = 4096, NAME_MAX_BYTES = 255, WORD_MAX = 63 };

static const char directory[] = "approvals";

/* -1 with errno */
static int open_directory(const struct statedir *dir)
{
	return dir->fd < 0 ? (errno = ENOENT, -1)
			   : openat(dir->fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void add_name(struct strbuf *out, const char *name)
{
	size_t len = strlen(name);

	if (len > NAME_MAX_BYTES)
		len = NAME_MAX_BYTES;
	/* not half a character */
	while (len && ((unsigned char)name[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++)
		strbuf_addch(out, (unsigned char)name[i] < ' ' || name[i] == 0x7f ? ' ' : name[i]);
}

int approval_write(
	const struct statedir *dir, const char *stream, const struct approval *approval, struct orch_error *err)
{
	struct strbuf text = {0};
	char time[UNITS_TEXT_MAX];
	int fd, result;

	if (mkdirat(dir->fd, directory, 0700) != 0 && errno != EEXIST)
		return error_errno(err, "cannot make '.orch/%s'", directory);
	fd = open_directory(dir);
	if (fd < 0)
		return error_errno(err, "cannot open '.orch/%s'", directory);
	strbuf_addf(&text, "orch-approval 1\nat %s\nmade-from %016" PRIx64, units_time_utc(time, approval->at_ms),
		approval->recipe);
	if (approval->made_known)
		strbuf_addf(&text, " %016" PRIx64 " %016" PRIx64 "\nby ", approval->inputs, approval->deps);
	else
		strbuf_addstr(&text, " - -\nby ");
	add_name(&text, approval->by);
	strbuf_addch(&text, '\n');
	result = fs_replace(fd, stream, text.data, text.len, true, err);
	if (result == 0 && fs_sync_dir(fd) != 0)
		result = error_errno(err, "cannot sync it");
	if (result != 0)
		error_prefix(err, "'.orch/%s'", directory);
	strbuf_release(&text);
	close(fd);
	return result;
}

static bool parse_digest(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 16);
	return !*end && end != text && errno == 0;
}

static bool parse(const char *text, struct approval *out)
{
	char at[WORD_MAX + 1], recipe[WORD_MAX + 1], inputs[WORD_MAX + 1], deps[WORD_MAX + 1];
	const char *by = strstr(text, "\nby "), *end = by ? strchr(by + 1, '\n') : NULL;

	*out = (struct approval){0};
	if (!end ||
		sscanf(text, "orch-approval 1 at %63s made-from %63s %63s %63s", at, recipe, inputs, deps) != 4 ||
		!units_parse_time_utc(at, &out->at_ms) || !parse_digest(recipe, &out->recipe))
		return false;
	out->made_known = strcmp(inputs, "-") != 0;
	if (out->made_known && (!parse_digest(inputs, &out->inputs) || !parse_digest(deps, &out->deps)))
		return false;
	by += strlen("\nby ");
	out->by = xstrndup(by, (size_t)(end - by));
	return true;
}

int approval_read(const struct statedir *dir, const char *stream, struct approval *out, struct orch_error *err)
{
	int dir_fd = open_directory(dir), fd, result;
	char *text;
	size_t len;

	*out = (struct approval){0};
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/%s'", directory);
	fd = openat(dir_fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	result = fd >= 0 ? 1 : errno == ENOENT ? 0 : error_errno(err, "cannot read '.orch/%s/%s'", directory, stream);
	close(dir_fd);
	if (fd < 0)
		return result;
	if (fs_read_fd(fd, stream, FILE_MAX, &text, &len, err) != 0) {
		close(fd);
		return error_prefix(err, "'.orch/%s'", directory);
	}
	close(fd);
	result = parse(text, out);
	free(text);
	return result;
}

int approval_remove(const struct statedir *dir, const char *stream, struct orch_error *err)
{
	int fd = open_directory(dir), result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/%s'", directory);
	if (unlinkat(fd, stream, 0) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '.orch/%s/%s'", directory, stream);
	close(fd);
	return result;
}

bool approval_fits(const struct approval *approval, uint64_t recipe, uint64_t inputs, uint64_t deps)
{
	return approval->recipe == recipe &&
		(!approval->made_known || (approval->inputs == inputs && approval->deps == deps));
}

void approval_release(struct approval *approval)
{
	free(approval->by);
	approval->by = NULL;
}
