#include "config.h"

#include "os/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/exit_text.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

enum {
	NOTE_MAX = 4096,
	EXIT_MAX = 8192,
	SPEC_MAX = 64 * 1024 * 1024,
};

char *remote_path(const char *record, const char *token, const char *ending)
{
	return xasprintf("%s.%s.%s", record, token, ending);
}

void remote_token(char out[REMOTE_TOKEN_SIZE])
{
	static unsigned count;
	uint64_t value = 0;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, &value, sizeof value) != (ssize_t)sizeof value)
			value = 0;
		close(fd);
	}
	/* enough for tokens of one attempt to differ, where there is no better */
	if (value == 0)
		value = (uint64_t)clock_wall_ms() << 20 ^ (uint64_t)getpid() << 40 ^ (uint64_t)clock_mono_us();
	value += ++count;
	snprintf(out, REMOTE_TOKEN_SIZE, "%016llx", (unsigned long long)value);
}

/* 1, with the text; 0: there is none */
static int read_text(const char *path, size_t max, char **text, size_t *len, struct orch_error *err)
{
	*text = NULL;
	if (fs_read(path, max, text, len, err) == 0)
		return 1;
	*text = NULL;
	return errno == ENOENT ? 0 : -1;
}

/* --- the note --- */

static char *note_path(const char *record)
{
	return xasprintf("%s.remote", record);
}

int remote_note_write(const char *record, const struct remote_note *note, struct orch_error *err)
{
	char *path = note_path(record);
	struct strbuf text = {0};
	int result;

	strbuf_addf(&text, "orch-remote 1\nrunner %s\ntoken %s\n", note->runner, note->token);
	if (*note->id)
		strbuf_addf(&text, "id %s\n", note->id);
	strbuf_addf(&text, "submitted %lld\nend\n", (long long)note->submitted_ms);
	result = fs_replace(AT_FDCWD, path, text.data, text.len, true, err);
	strbuf_release(&text);
	free(path);
	return result;
}

static bool take_line(const char *text, const char *word, char *to, size_t size)
{
	const char *value = record_value(text, word);
	size_t len = value ? strcspn(value, "\n") : 0;

	*to = '\0';
	if (len == 0 || len >= size)
		return false;
	memcpy(to, value, len);
	to[len] = '\0';
	return true;
}

int remote_note_read(const char *record, struct remote_note *out, struct orch_error *err)
{
	char *path = note_path(record), *text;
	const char *submitted;
	size_t len = 0;
	int result = read_text(path, NOTE_MAX, &text, &len, err);

	*out = (struct remote_note){0};
	if (result > 0) {
		submitted = record_value(text, "submitted");
		(void)take_line(text, "id", out->id, sizeof out->id);
		if (strncmp(text, "orch-remote 1\n", 14) != 0 || !submitted ||
			!take_line(text, "runner", out->runner, sizeof out->runner) ||
			!take_line(text, "token", out->token, sizeof out->token))
			result = error_set(err, "'%s' is not what orch writes", path);
		else
			out->submitted_ms = strtoll(submitted, NULL, 10);
	}
	free(text);
	free(path);
	return result;
}

int remote_note_remove(const char *record, struct orch_error *err)
{
	char *path = note_path(record);
	int result = unlink(path) == 0 || errno == ENOENT ? 0 : error_errno(err, "cannot remove '%s'", path);

	free(path);
	return result;
}

/* --- the spec: texts, each with a NUL; numbers as texts, a list as its length and its items --- */

static void add_text(struct strbuf *out, const char *text)
{
	strbuf_add(out, text, strlen(text) + 1);
}

static void add_number(struct strbuf *out, int64_t number)
{
	strbuf_addf(out, "%lld", (long long)number);
	strbuf_addch(out, '\0');
}

/* NULL, as nothing else, has the length -1 */
static void add_list(struct strbuf *out, char *const *items)
{
	int64_t count = 0;

	while (items && items[count])
		count++;
	add_number(out, items ? count : -1);
	for (int64_t i = 0; i < count; i++)
		add_text(out, items[i]);
}

int remote_spec_write(const char *record, const char *token, const struct remote_spec *spec, struct orch_error *err)
{
	char *path = remote_path(record, token, "spec");
	struct strbuf out = {0};
	int result;

	add_text(&out, "orch-spec 2");
	add_text(&out, spec->log);
	add_text(&out, spec->results ? spec->results : "");
	add_text(&out, spec->dir ? spec->dir : "");
	add_text(&out, spec->mark ? spec->mark : "");
	add_text(&out, spec->label);
	add_text(&out, spec->options ? spec->options : "");
	add_number(&out, spec->linger_ms);
	add_number(&out, spec->memory);
	add_number(&out, spec->memory_each);
	add_number(&out, spec->wraps);
	add_number(&out, spec->lease_ms);
	add_number(&out, spec->step_count);
	for (unsigned i = 0; i < spec->step_count; i++) {
		add_number(&out, spec->steps[i].signo);
		add_number(&out, spec->steps[i].wait_ms);
	}
	add_list(&out, spec->argv);
	add_list(&out, spec->env);
	add_list(&out, spec->writable);
	add_text(&out, "end");
	result = fs_replace(AT_FDCWD, path, out.data, out.len, true, err);
	strbuf_release(&out);
	free(path);
	return result;
}

struct cursor {
	char *at, *end; /* a NUL is there */
	bool bad;
};

static char *take_text(struct cursor *cursor)
{
	char *text = cursor->at;
	char *stop = cursor->bad ? NULL : memchr(text, '\0', (size_t)(cursor->end - text));

	if (!stop) {
		cursor->bad = true;
		return cursor->end;
	}
	cursor->at = stop + 1;
	return text;
}

static int64_t take_number(struct cursor *cursor)
{
	return strtoll(take_text(cursor), NULL, 10);
}

/* the items are written to `room`, which is moved behind them */
static char **take_list(struct cursor *cursor, char ***room)
{
	int64_t count = take_number(cursor);
	char **items = *room;

	if (count < 0)
		return NULL;
	if (count > cursor->end - cursor->at) {
		cursor->bad = true;
		count = 0;
	}
	for (int64_t i = 0; i < count; i++)
		items[i] = take_text(cursor);
	items[count] = NULL;
	*room += count + 1;
	return items;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

struct remote_spec *remote_spec_read(const char *record, const char *token, struct orch_error *err)
{
	char *path = remote_path(record, token, "spec"), *text = NULL, **room;
	struct remote_spec *spec = NULL;
	struct cursor cursor;
	size_t len = 0, texts = 0;
	int64_t steps;

	if (fs_read(path, SPEC_MAX, &text, &len, err) != 0) {
		free(path);
		return NULL;
	}
	for (size_t i = 0; i < len; i++)
		texts += text[i] == '\0';
	/* one block: the struct, the vectors (never more items than texts, and a NULL each), the steps, the text */
	spec = xcalloc(1,
		sizeof *spec + (texts + 3) * sizeof(char *) + (texts + 1) * sizeof(struct end_step) + len + 1);
	spec->steps = (struct end_step *)(void *)(spec + 1);
	room = (char **)(void *)(spec->steps + texts + 1);
	cursor.at = (char *)(room + texts + 3);
	cursor.end = cursor.at + len;
	cursor.bad = false;
	memcpy(cursor.at, text, len);
	free(text);
	if (strcmp(take_text(&cursor), "orch-spec 2") != 0)
		cursor.bad = true;
	spec->log = take_text(&cursor);
	spec->results = take_text(&cursor);
	spec->dir = or_null(take_text(&cursor));
	spec->mark = or_null(take_text(&cursor));
	spec->label = take_text(&cursor);
	spec->options = or_null(take_text(&cursor));
	spec->linger_ms = take_number(&cursor);
	spec->memory = take_number(&cursor);
	spec->memory_each = take_number(&cursor) != 0;
	spec->wraps = take_number(&cursor) != 0;
	spec->lease_ms = take_number(&cursor);
	steps = take_number(&cursor);
	if (steps < 0 || (size_t)steps > texts)
		cursor.bad = true;
	for (int64_t i = 0; i < steps && !cursor.bad; i++) {
		spec->steps[i].signo = (int)take_number(&cursor);
		spec->steps[i].wait_ms = take_number(&cursor);
		spec->step_count++;
	}
	spec->argv = take_list(&cursor, &room);
	spec->env = take_list(&cursor, &room);
	spec->writable = take_list(&cursor, &room);
	if (strcmp(take_text(&cursor), "end") != 0 || cursor.bad || !spec->argv || !spec->argv[0] || !spec->env) {
		error_set(err, "'%s' is not what orch writes", path);
		free(spec);
		spec = NULL;
	}
	free(path);
	return spec;
}

int remote_spec_again(const char *record, const char *from, const char *to, struct orch_error *err)
{
	char *old = remote_path(record, from, "spec"), *new = remote_path(record, to, "spec");
	int result = link(old, new) == 0 ? 0 : error_errno(err, "cannot make '%s' from '%s'", new, old);

	free(old);
	free(new);
	return result;
}

/* --- the claim --- */

static bool has_text(const char *path, const char *wanted)
{
	char *text;
	size_t len = 0;
	bool same = read_text(path, NOTE_MAX, &text, &len, NULL) > 0 && strcmp(text, wanted) == 0;

	free(text);
	return same;
}

int remote_claim(const char *record, const char *token, const char *text, struct orch_error *err)
{
	char host[REMOTE_NAME_SIZE] = "", *path = remote_path(record, token, "job"), *own;
	struct stat st;
	int result;

	if (gethostname(host, sizeof host - 1) != 0)
		*host = '\0';
	own = xasprintf("%s.%s.%ld", path, host, (long)getpid());
	result = fs_replace(AT_FDCWD, own, text, strlen(text), true, err);
	if (result == 0 && link(own, path) == 0) {
		result = 1;
	} else if (result == 0) {
		/* over a network the answer to a call that was carried out may be lost, and the call repeated */
		int number = errno;

		if (stat(own, &st) == 0 && st.st_nlink == 2)
			result = 1;
		else if (number == EEXIST || access(path, F_OK) == 0)
			result = strcmp(text, REMOTE_NEVER) == 0 && has_text(path, REMOTE_NEVER);
		else {
			errno = number;
			result = error_errno(err, "cannot make '%s'", path);
		}
	}
	unlink(own);
	free(own);
	free(path);
	return result;
}

int remote_claimed(const char *record, const char *token, enum remote_claimed *out, struct supervised_record *job,
	char host[REMOTE_NAME_SIZE], struct orch_error *err)
{
	char *path = remote_path(record, token, "job"), *text;
	struct supervised_record own = {0};
	size_t len = 0;
	int result = read_text(path, NOTE_MAX, &text, &len, err);

	*out = REMOTE_UNCLAIMED;
	if (result > 0) {
		result = 0;
		if (strcmp(text, REMOTE_NEVER) == 0)
			*out = REMOTE_NEVER_RUN;
		else if (job_text_parse(text, job ? job : &own))
			*out = REMOTE_CLAIMED;
		else
			result = error_set(err, "'%s' is not what a supervisor writes", path);
		if (host)
			(void)take_line(text, "host", host, REMOTE_NAME_SIZE);
	}
	free(text);
	free(path);
	return result;
}

/* --- while it runs --- */

int remote_ask(const char *record, const char *token, const char *line, struct orch_error *err)
{
	char *path = remote_path(record, token, "ask"), *text = xasprintf("%s\n", line);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600), result = 0;

	if (fd < 0 || fs_write_all(fd, text, strlen(text)) != 0)
		result = error_errno(err, "cannot write to '%s'", path);
	if (fd >= 0 && close(fd) != 0 && result == 0)
		result = error_errno(err, "cannot write to '%s'", path);
	free(text);
	free(path);
	return result;
}

uint64_t remote_beat(const char *record, const char *token)
{
	char *path = remote_path(record, token, "beat"), text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd >= 0) {
		got = read(fd, text, sizeof text - 1);
		close(fd);
	}
	free(path);
	if (got > 0)
		text[got] = '\0';
	return got > 0 ? strtoull(text, NULL, 10) : 0;
}

void remote_refresh(const char *record)
{
	char *dir = path_dir(record);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	free(dir);
}

int remote_ended(const char *record, const char *token, struct supervised_record *out, struct orch_error *err)
{
	char *path = remote_path(record, token, "exit"), *text;
	size_t len = 0;
	int result = read_text(path, EXIT_MAX, &text, &len, err);

	if (result > 0 && !exit_text_parse(text, out))
		result = error_set(err, "'%s' is not what a supervisor writes", path);
	free(text);
	free(path);
	return result;
}

int remote_write_exit(const char *record, const char *token, const char *text, struct orch_error *err)
{
	char *path = remote_path(record, token, "exit");
	int result = fs_replace(AT_FDCWD, path, text, strlen(text), true, err);

	free(path);
	return result;
}

void remote_tidy(const char *record, const char *token)
{
	static const char *const endings[] = {"spec", "beat", "ask", "sh"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		char *path = remote_path(record, token, endings[i]);

		unlink(path);
		free(path);
	}
}
