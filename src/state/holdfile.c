#include "config.h"

#include "state/holdfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/units.h"

enum { REASON_MAX = 300, ITEMS_MAX = 10000, FILE_MAX = 8 << 20 };

static const char name[] = "holds";

static void add_text(struct strbuf *out, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len > max) {
		len = max;
		/* not half a character */
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		strbuf_addch(out, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
}

int holdfile_write(const struct statedir *dir, const struct held_account *items, size_t count, struct orch_error *err)
{
	struct strbuf text = {0};
	char time[UNITS_TEXT_MAX];
	int result;

	if (!count) {
		if (unlinkat(dir->fd, name, 0) != 0 && errno != ENOENT)
			return error_errno(err, "cannot remove '.orch/%s'", name);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		strbuf_addstr(&text, items[i].until_ms == INT64_MAX ? "-" : units_time_utc(time, items[i].until_ms));
		strbuf_addch(&text, '\t');
		add_text(&text, items[i].account, SIZE_MAX);
		strbuf_addch(&text, '\t');
		add_text(&text, items[i].reason, REASON_MAX);
		strbuf_addch(&text, '\n');
	}
	result = fs_replace(dir->fd, name, text.data, text.len, true, err);
	if (result == 0 && fs_sync_dir(dir->fd) != 0)
		result = error_errno(err, "cannot sync '.orch'");
	if (result != 0)
		error_prefix(err, "'.orch/%s'", name);
	strbuf_release(&text);
	return result;
}

/* the line, which is changed; false: it is none */
static bool read_line(char *line, struct held_account *out)
{
	char *account = strchr(line, '\t'), *reason = account ? strchr(account + 1, '\t') : NULL;

	if (!reason || reason == account + 1)
		return false;
	*account++ = '\0';
	*reason++ = '\0';
	if (strcmp(line, "-") == 0)
		out->until_ms = INT64_MAX;
	else if (!units_parse_time_utc(line, &out->until_ms))
		return false;
	out->account = xstrdup(account);
	out->reason = xstrdup(reason);
	return true;
}

int holdfile_read(
	const struct statedir *dir, struct held_account **items, size_t *count, size_t *bad, struct orch_error *err)
{
	ARRAY(struct held_account) found = {0};
	char *text, *rest, *line;
	size_t len;
	int fd = dir->fd < 0 ? -1 : openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), result;

	*items = NULL;
	*count = *bad = 0;
	if (fd < 0) {
		if (dir->fd < 0 || errno == ENOENT)
			return 0;
		return error_errno(err, "cannot open '.orch/%s'", name);
	}
	result = fs_read_fd(fd, ".orch/holds", FILE_MAX, &text, &len, err);
	close(fd);
	if (result != 0)
		return -1;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct held_account account;

		if (!*line)
			continue;
		if (!read_line(line, &account)) {
			++*bad;
			continue;
		}
		*ARRAY_PUSH(&found) = account;
		if (found.count > ITEMS_MAX) {
			holdfile_free(found.items, found.count);
			free(text);
			return error_set(err, "'.orch/%s' has more than %d lines: delete it to go on without it", name,
				ITEMS_MAX);
		}
	}
	free(text);
	*items = found.items;
	*count = found.count;
	return 0;
}

void holdfile_free(struct held_account *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].account);
		free(items[i].reason);
	}
	free(items);
}
