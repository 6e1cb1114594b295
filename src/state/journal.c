#include "config.h"

#include "state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/event.h"
#include "os/clock.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/json.h"
#include "util/path.h"
#include "util/strbuf.h"

enum {
	BUFFER_MAX = 256 * 1024,
	BLOCK_SIZE = 256 * 1024,
	LINE_MAX_BYTES = 128 * 1024 * 1024, /* longer ones are damage: no event is near that */
	SUM_DIGITS = 16,
};

/* what a line ends in: ,"sum":"0123456789abcdef"} */
#define SUM_KEY ",\"sum\":\""
#define SUM_END "\"}"
enum { SUM_LENGTH = sizeof SUM_KEY - 1 + SUM_DIGITS + sizeof SUM_END - 1 };

struct journal {
	int fd;
	char *path;
	struct strbuf buffer;
	int failed;            /* errno of the write that failed */
	bool directory_synced; /* the file's name is on the disk */
};

int journal_create(struct journal **out, const char *path, struct orch_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	struct journal *journal;

	*out = NULL;
	if (fd < 0)
		return error_errno(err, "cannot make the journal '%s'", path);
	journal = xcalloc(1, sizeof *journal);
	journal->fd = fd;
	journal->path = xstrdup(path);
	*out = journal;
	return 0;
}

static int report_failure(const struct journal *journal, struct orch_error *err)
{
	errno = journal->failed;
	if (errno == ENOSPC || errno == EDQUOT)
		return error_errno(
			err, "cannot write the journal '%s' (free some space, then run orch again)", journal->path);
	return error_errno(err, "cannot write the journal '%s'", journal->path);
}

int journal_append(struct journal *journal, const struct orch_event *event, struct orch_error *err)
{
	size_t start = journal->buffer.len;
	uint64_t sum;

	if (journal->failed)
		return report_failure(journal, err);
	if (!event_is_durable(event->type))
		return 0;
	event_write_json(&journal->buffer, event);
	strbuf_truncate(&journal->buffer, journal->buffer.len - 1);
	sum = digest_bytes(journal->buffer.data + start, journal->buffer.len - start);
	strbuf_addstr(&journal->buffer, SUM_KEY);
	strbuf_addhex(&journal->buffer, sum);
	strbuf_addstr(&journal->buffer, SUM_END "\n");
	return journal->buffer.len >= BUFFER_MAX ? journal_flush(journal, false, err) : 0;
}

static int sync_directory(const struct journal *journal)
{
	char *name = path_dir(journal->path);
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = fd < 0 ? -1 : fs_sync_dir(fd), number = errno;

	if (fd >= 0)
		close(fd);
	free(name);
	errno = number;
	return result;
}

int journal_flush(struct journal *journal, bool sync, struct orch_error *err)
{
	if (journal->failed)
		return report_failure(journal, err);
	if (journal->buffer.len > 0 && fs_write_all(journal->fd, journal->buffer.data, journal->buffer.len) < 0)
		goto failed;
	strbuf_truncate(&journal->buffer, 0);
	if (!sync)
		return 0;
	if (fdatasync(journal->fd) < 0)
		goto failed;
	if (!journal->directory_synced && sync_directory(journal) < 0)
		goto failed;
	journal->directory_synced = true;
	return 0;
failed:
	journal->failed = errno ? errno : EIO;
	return report_failure(journal, err);
}

int journal_fd(const struct journal *journal)
{
	return journal->fd;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	close(journal->fd);
	strbuf_release(&journal->buffer);
	free(journal->path);
	free(journal);
}

static bool parse_sum(const char *digits, uint64_t *sum)
{
	*sum = 0;
	for (int i = 0; i < SUM_DIGITS; i++) {
		char c = digits[i];
		unsigned value;

		if (c >= '0' && c <= '9')
			value = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = (unsigned)(c - 'a') + 10;
		else
			return false;
		*sum = *sum << 4 | value;
	}
	return true;
}

/* is `line` (without its newline) whole: does it end in the right checksum? */
static bool line_is_whole(const char *line, size_t len)
{
	const char *key = line + len - SUM_LENGTH;
	uint64_t sum;

	if (len <= SUM_LENGTH || memcmp(key, SUM_KEY, sizeof SUM_KEY - 1) != 0 ||
		memcmp(line + len - 2, SUM_END, 2) != 0)
		return false;
	return parse_sum(key + sizeof SUM_KEY - 1, &sum) && sum == digest_bytes(line, len - SUM_LENGTH);
}

struct reader {
	const char *path;
	int (*event)(void *data, const struct orch_event *event);
	void *data;
	bool stop;
};

/* 0: the line was good; 1: reading ends before it; -1: newer than this program */
static int read_line(struct reader *reader, const char *line, size_t len, struct orch_error *err)
{
	struct json_value *value;
	struct orch_event event;
	int known;

	if (!line_is_whole(line, len) || json_read(&value, line, len, NULL) < 0)
		return 1;
	if (json_member_int(value, "v", 0) > ORCH_EVENT_VERSION) {
		json_value_free(value);
		return error_code(err, ORCH_ESTATE,
			"'%s' was written by a newer orch: use that one to look at this run", reader->path);
	}
	known = event_read_json(&event, value);
	if (known == 0 && reader->event(reader->data, &event) != 0)
		reader->stop = true;
	json_value_free(value);
	return known < 0 ? 1 : 0;
}

/* all whole lines of `buffer`; what is left of it is moved to its front. Result as of read_line() */
static int read_lines(
	struct reader *reader, struct strbuf *buffer, size_t *scanned, uint64_t *good, struct orch_error *err)
{
	size_t start = 0;
	char *end;
	int result = 0;

	while (!reader->stop && (end = memchr(buffer->data + *scanned, '\n', buffer->len - *scanned)) != NULL) {
		size_t len = (size_t)(end - buffer->data) - start;

		result = read_line(reader, buffer->data + start, len, err);
		if (result != 0)
			return result;
		start += len + 1;
		*scanned = start;
		*good += len + 1;
	}
	if (start > 0) {
		memmove(buffer->data, buffer->data + start, buffer->len - start);
		strbuf_truncate(buffer, buffer->len - start);
	}
	*scanned = buffer->len;
	return buffer->len > LINE_MAX_BYTES ? 1 : 0;
}

int journal_read(const char *path, uint64_t from, int (*event)(void *data, const struct orch_event *event), void *data,
	uint64_t *good_bytes, struct orch_error *err)
{
	struct reader reader = {.path = path, .event = event, .data = data};
	struct strbuf buffer = {0};
	size_t scanned = 0;
	uint64_t good = from;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;

	if (good_bytes)
		*good_bytes = from;
	if (fd < 0 && errno == ENOENT)
		return error_code(err, ORCH_ENOTFOUND, "there is no journal '%s'", path);
	if (fd < 0)
		return error_errno(err, "cannot read the journal '%s'", path);
	if (from > INT64_MAX || lseek(fd, (off_t)from, SEEK_SET) < 0) {
		close(fd);
		return error_set(err, "cannot read the journal '%s' from there", path);
	}
	while (result == 0 && !reader.stop) {
		ssize_t got = read(fd, strbuf_reserve(&buffer, BLOCK_SIZE), BLOCK_SIZE);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = error_errno(err, "cannot read the journal '%s'", path);
		if (got <= 0)
			break;
		strbuf_grown(&buffer, (size_t)got);
		result = read_lines(&reader, &buffer, &scanned, &good, err);
	}
	strbuf_release(&buffer);
	close(fd);
	if (good_bytes)
		*good_bytes = good;
	return result < 0 ? -1 : 0;
}

struct recovery {
	struct stamp_store *store;
	struct orch_error *err;
	bool begun; /* the journal has its first event */
	bool rebooted;
	bool failed;
	unsigned restored;
};

static int look_at_start(void *data, const struct orch_event *event)
{
	struct recovery *recovery = data;

	recovery->begun = true;
	recovery->rebooted =
		event->type == ORCH_EVENT_RUN_STARTED && event->boot && strcmp(event->boot, clock_boot_id()) != 0;
	return 1;
}

static int restore_stamp(void *data, const struct orch_event *event)
{
	struct recovery *recovery = data;
	struct stamp_detail detail;
	struct stamp have;

	/* one that was removed because its stream ran again, and is back because the machine stopped */
	if (event->type == ORCH_EVENT_ATTEMPT_STARTED && event->stream &&
		stamp_store_get(recovery->store, event->stream, &have) && have.finished_ms < event->time_ms) {
		if (stamp_store_remove(recovery->store, event->stream, recovery->err) < 0)
			recovery->failed = true;
		else
			recovery->restored++;
		return recovery->failed;
	}
	if (event->type != ORCH_EVENT_STAMPED || !event->stream || !event->stamp)
		return 0;
	if (stamp_parse(&detail, event->stamp, strlen(event->stamp)) < 0)
		return 0;
	/* the one on the disk may be an older run's, which the lost one was to replace */
	if (!stamp_store_get(recovery->store, event->stream, &have) || have.finished_ms < detail.stamp.finished_ms) {
		if (stamp_store_put(recovery->store, event->stream, &detail, recovery->err) < 0)
			recovery->failed = true;
		else
			recovery->restored++;
	}
	stamp_detail_release(&detail);
	return recovery->failed;
}

/* one run: 1 if it has no journal with anything in it, so that the one before it is the last one */
static int recover_run(const struct statedir *dir, const char *run, struct recovery *recovery, struct orch_error *err)
{
	char *path = xasprintf("%s/runs/%s/journal.jsonl", dir->path, run);
	struct orch_error cause = {0};
	int result = 0;

	if (statedir_is_synced(dir, run)) {
		free(path);
		return 0;
	}
	if (journal_read(path, 0, look_at_start, recovery, NULL, &cause) < 0) {
		result = cause.code == ORCH_ENOTFOUND ? 1 : -1;
		if (result < 0 && err)
			*err = cause;
	} else if (!recovery->begun) {
		result = 1;
	} else if (recovery->rebooted) {
		stamp_store_distrust_index(recovery->store);
		result = journal_read(path, 0, restore_stamp, recovery, NULL, err);
		if (recovery->failed || (result == 0 && stamp_store_check(recovery->store, err) < 0))
			result = -1;
	}
	free(path);
	if (result == 0 && dir->stamps_fd >= 0 && fs_sync_filesystem(dir->stamps_fd) < 0)
		result = error_errno(err, "cannot write '%s' to the disk", dir->path);
	if (result == 0)
		result = statedir_mark_synced(dir, run, err);
	return result;
}

int journal_recover_stamps(
	const struct statedir *dir, struct stamp_store *store, unsigned *restored, struct orch_error *err)
{
	struct recovery recovery = {.store = store, .err = err};
	char **ids;
	size_t count;
	int result = 1;

	*restored = 0;
	if (statedir_runs(dir, &ids, &count, err) < 0)
		return -1;
	for (size_t i = count; i > 0 && result == 1; i--)
		result = recover_run(dir, ids[i - 1], &recovery, err);
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	*restored = recovery.restored;
	return result < 0 ? -1 : 0;
}
