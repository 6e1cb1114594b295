#include "config.h"

#include "exec/values.h"

#include "os/fs.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/redact.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 1 << 20 };

/* what is handed on is shown, and noted in the journal: it is no way around the setting `redact` */
static void add_value(struct stamp_detail *detail, struct redact *redact, const char *line, size_t key_len)
{
	struct strbuf clean = {0};

	if (redact && redact_text(redact, line, strlen(line), &clean)) {
		/* it keeps its name */
		if (strncmp(strbuf_cstr(&clean), line, key_len + 1) != 0) {
			strbuf_truncate(&clean, 0);
			strbuf_add(&clean, line, key_len + 1);
			strbuf_addstr(&clean, REDACTED);
		}
		line = strbuf_cstr(&clean);
	}
	stamp_detail_add(detail, 'v', digest_bytes(line, strlen(line)), line);
	strbuf_release(&clean);
}

static int add_line(
	struct stamp_detail *detail, struct redact *redact, char *line, unsigned number, struct orch_error *err)
{
	size_t key_len = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (!*line)
		return 0;
	if (!key_len || line[key_len] != '=')
		return error_set(err, "line %u of its $ORCH_OUTPUT is not key=value: '%.60s'", number, line);
	add_value(detail, redact, line, key_len);
	return 0;
}

int values_read(struct stamp_detail *detail, struct redact *redact, const char *run, const char *stream,
	unsigned attempt, struct orch_error *err)
{
	char *path = statedir_attempt_file(run, stream, attempt, "output");
	char *text, *line, *next;
	size_t len;
	unsigned number = 0;
	int status = 0;

	/* most write none */
	if (!fs_exists(path) && errno == ENOENT) {
		free(path);
		return 0;
	}
	if (fs_read(path, VALUES_MAX, &text, &len, err) < 0) {
		bool is_there = errno != ENOENT, is_wrong = errno == EFBIG || errno == EISDIR;

		free(path);
		if (is_there)
			error_prefix(err, "its $ORCH_OUTPUT");
		return !is_there ? 0 : is_wrong ? 1 : -1;
	}
	free(path);
	if (memchr(text, '\0', len) || utf8_invalid_at(text, len) < len)
		status = error_set(err, "its $ORCH_OUTPUT is not UTF-8 text");
	for (line = text; status == 0 && line && *line; line = next) {
		number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		status = add_line(detail, redact, line, number, err);
	}
	free(text);
	return status < 0 ? 1 : 0;
}
