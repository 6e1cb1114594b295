#include "config.h"

#include "state/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

enum { TAIL_MAX = 64 * 1024 };

int logfile_create(const char *path, struct orch_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600), number = errno;

	if (fd < 0) {
		error_errno(err, "cannot make the log '%s'", path);
		errno = number;
	}
	return fd;
}

/* where the last `lines` lines of `text` begin; an end of line at the very end is the last line's own */
static size_t tail_start(const char *text, size_t len, unsigned lines)
{
	size_t at = len;

	if (lines == 0)
		return len;
	if (at > 0 && text[at - 1] == '\n')
		at--;
	while (at > 0) {
		if (text[at - 1] == '\n' && --lines == 0)
			return at;
		at--;
	}
	return 0;
}

int logfile_tail(const char *path, unsigned lines, struct strbuf *out, struct orch_error *err)
{
	return logfile_end(path, lines, TAIL_MAX, out, NULL, err);
}

int logfile_end(
	const char *path, unsigned lines, size_t max, struct strbuf *out, int64_t *whole, struct orch_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;
	struct stat st;
	size_t size, start;
	ssize_t got;
	char *text;

	if (fd < 0) {
		if (errno == ENOENT)
			return error_code(err, ORCH_ENOTFOUND, "there is no log '%s'", path);
		return error_errno(err, "cannot read the log '%s'", path);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(err, "the log '%s' is not a file", path);
	}
	/* one byte more, to see whether the part read begins with a line */
	size = st.st_size > (off_t)max ? max + 1 : (size_t)st.st_size;
	if (whole)
		*whole = st.st_size;
	text = xmalloc(size + 1);
	got = fs_read_at(fd, text, size, (uint64_t)st.st_size - size);
	if (got < 0) {
		result = error_errno(err, "cannot read the log '%s'", path);
	} else {
		start = tail_start(text, (size_t)got, lines);
		if (start == 0 && (size_t)got > max)
			start = 1;
		strbuf_add(out, text + start, (size_t)got - start);
	}
	free(text);
	close(fd);
	return result;
}
