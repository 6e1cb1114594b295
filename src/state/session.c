#include "config.h"

#include "state/session.h"

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

enum { FILE_MAX = 16 * 1024, WORD_MAX = 255, FAILURE_MAX = 2000 };

/* -1 with errno */
static int open_directory(const struct statedir *dir)
{
	return dir->fd < 0 ? (errno = ENOENT, -1)
			   : openat(dir->fd, "sessions", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void add_line(struct strbuf *out, const char *text)
{
	size_t len = strlen(text);

	if (len > FAILURE_MAX)
		len = FAILURE_MAX;
	/* not half a character */
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++)
		strbuf_addch(out, (unsigned char)text[i] < ' ' ? ' ' : text[i]);
}

int session_write(const struct statedir *dir, const char *stream, const struct session *session, struct orch_error *err)
{
	struct strbuf text = {0};
	int fd, result;

	if (mkdirat(dir->fd, "sessions", 0700) != 0 && errno != EEXIST)
		return error_errno(err, "cannot make '.orch/sessions'");
	fd = open_directory(dir);
	if (fd < 0)
		return error_errno(err, "cannot open '.orch/sessions'");
	strbuf_addf(&text,
		"orch-session 1\nagent %s\nsession %s\nmade-from %016" PRIx64 "\nso-far %" PRId64 " %" PRId64 "\nend\n",
		session->agent, session->id, session->recipe, session->cost, session->tokens);
	if (session->failure) {
		strbuf_addstr(&text, "failure ");
		add_line(&text, session->failure);
		strbuf_addch(&text, '\n');
	}
	result = fs_replace(fd, stream, text.data, text.len, false, err);
	if (result != 0)
		error_prefix(err, "'.orch/sessions'");
	strbuf_release(&text);
	close(fd);
	return result;
}

static bool parse(char *text, struct session *out)
{
	char agent[WORD_MAX + 1], id[WORD_MAX + 1], *failure, *end = strstr(text, "\nend\n");

	if (!end ||
		sscanf(text,
			"orch-session 1 agent %255s session %255s made-from %" SCNx64 " so-far %" SCNd64 " %" SCNd64,
			agent, id, &out->recipe, &out->cost, &out->tokens) != 5)
		return false;
	out->agent = xstrdup(agent);
	out->id = xstrdup(id);
	failure = end + strlen("\nend\n");
	if (strncmp(failure, "failure ", 8) == 0)
		out->failure = xstrndup(failure + 8, strcspn(failure + 8, "\n"));
	return true;
}

int session_read(const struct statedir *dir, const char *stream, struct session *out, struct orch_error *err)
{
	int fd = open_directory(dir), file, result = 0;
	char *text;
	size_t len;

	*out = (struct session){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/sessions'");
	file = openat(fd, stream, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file < 0) {
		result = errno == ENOENT ? 0 : error_errno(err, "cannot read '.orch/sessions/%s'", stream);
	} else {
		result = fs_read_fd(file, stream, FILE_MAX, &text, &len, err);
		if (result == 0) {
			result = parse(text, out);
			free(text);
		} else {
			error_prefix(err, "'.orch/sessions'");
		}
		close(file);
	}
	close(fd);
	return result;
}

int session_remove(const struct statedir *dir, const char *stream, struct orch_error *err)
{
	int fd = open_directory(dir), result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '.orch/sessions'");
	if (unlinkat(fd, stream, 0) != 0 && errno != ENOENT)
		result = error_errno(err, "cannot remove '.orch/sessions/%s'", stream);
	close(fd);
	return result;
}

void session_release(struct session *session)
{
	free(session->agent);
	free(session->id);
	free(session->failure);
	*session = (struct session){0};
}
