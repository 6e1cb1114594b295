#include "config.h"

#include "cli/reports.h"

#include "cli/cmd.h"
#include "cli/say.h"
#include "orch/history.h"
#include "orch/project.h"
#include "os/clock.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int apply(void *data, const struct orch_event *event)
{
	report_apply(data, event);
	return 0;
}

/* what the journal does not say: of streams that did not complete, and what is order-only */
static void add_declared(struct report *report, const struct orch *orch)
{
	for (size_t i = 0; i < report->status.stream_count; i++) {
		const char *name = report->status.streams[i].name;
		int64_t id = orch_stream_find(orch, name);

		if (id == ORCH_NO_STREAM)
			continue;
		for (size_t d = 0; d < orch_stream_dep_count(orch, (size_t)id); d++) {
			bool order_only;
			size_t dependency = orch_stream_dep(orch, (size_t)id, d, &order_only);

			if (order_only || !report->streams.items[i].has_stamp)
				report_add_dependency(report, name, orch_stream_name(orch, dependency));
		}
	}
}

/* where the run is among all, and what is known of it; exit status */
static int find_run(struct orch_history *history, const char *id, size_t *at, struct orch_run_info *info)
{
	struct orch_error err;

	for (*at = 0; *at < orch_history_count(history); ++*at) {
		if (!id || strcmp(orch_history_id(history, *at), id) == 0)
			return orch_history_run(history, *at, info, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
	}
	if (!id)
		return say_usage("nothing has run here yet, so there is nothing to report");
	return say_usage("there is no run '%s'; 'orch history' lists them", id);
}

static struct orch_status run_before(struct orch_history *history, size_t at)
{
	struct orch_status before;

	orch_status_init(&before);
	/* one that cannot be read is none: the report is of the other */
	if (at + 1 < orch_history_count(history) &&
		orch_history_replay(".", orch_history_id(history, at + 1), &before, NULL, NULL) < 0) {
		orch_status_release(&before);
		orch_status_init(&before);
	}
	return before;
}

int reports_read(struct report *out, const char *id, struct orch *orch)
{
	struct orch_history *history;
	struct orch_run_info info;
	struct orch_error err;
	size_t at;
	int status;

	report_init(out);
	if (orch_history_open(&history, ".", &err) < 0)
		return say_error(&err);
	status = find_run(history, id, &at, &info);
	if (status == EXIT_COMPLETE && orch_history_events(".", info.id, apply, out, &err) < 0)
		status = say_error(&err);
	if (status == EXIT_COMPLETE) {
		if (orch)
			add_declared(out, orch);
		report_finish(out, info.running, clock_wall_ms(), run_before(history, at));
	}
	orch_history_close(history);
	return status;
}

void reports_nothing(struct report *out, const struct orch *orch, size_t complete)
{
	struct orch_status before;

	report_init(out);
	orch_status_init(&before);
	out->status.project = xstrdup(orch_name(orch));
	out->status.message =
		xasprintf("nothing to do: %zu %s complete", complete, complete == 1 ? "stream is" : "streams are");
	out->status.started_ms = out->status.finished_ms = out->status.last_ms = clock_wall_ms();
	out->status.exit_code = EXIT_COMPLETE;
	report_finish(out, false, out->status.started_ms, before);
}

static int cannot_write(const char *path, int number)
{
	return say_usage("cannot write the report '%s': %s", path, strerror(number));
}

/* a device, a pipe: what must not be replaced by a file */
static int write_into(const char *path, const struct strbuf *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY), failed;

	if (fd < 0)
		return errno;
	failed = fs_write_all(fd, strbuf_cstr(text), text->len) < 0 ? errno : 0;
	if (close(fd) < 0 && !failed)
		failed = errno;
	return failed;
}

/* a file that is there is replaced when the new one is whole */
static int write_file(const char *path, const struct strbuf *text, struct orch_error *err)
{
	char *directory = path_dir(path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
	mode_t mask = umask(0);

	umask(mask);
	if (fd < 0) {
		int number = errno;

		free(directory);
		return number;
	}
	result = fs_replace(fd, path_file(path), strbuf_cstr(text), text->len, false, err) < 0 ? -1 : 0;
	/* for others to read, as any file that a program is asked to write */
	if (result == 0 && fchmodat(fd, path_file(path), 0666 & ~mask, 0) < 0)
		result = errno;
	close(fd);
	free(directory);
	return result;
}

int reports_save(const struct report *report, const char *path, enum report_format format, const char *from)
{
	struct strbuf text = {0};
	struct orch_error err = {0};
	struct stat st;
	char *whole;
	int result;

	report_write(&text, report, format);
	if (strcmp(path, "-") == 0)
		return say_output(&text);
	whole = path_join(from, path);
	if (stat(whole, &st) == 0 && !S_ISREG(st.st_mode))
		result = S_ISDIR(st.st_mode) ? EISDIR : write_into(whole, &text);
	else if (lstat(whole, &st) == 0 && S_ISLNK(st.st_mode))
		result = write_into(whole, &text);
	else
		result = write_file(whole, &text, &err);
	free(whole);
	strbuf_release(&text);
	if (result > 0)
		return cannot_write(path, result);
	return result < 0 ? say_error(&err) : EXIT_COMPLETE;
}

int reports_check(const char *path, const char *from)
{
	enum report_format format;
	char *whole, *directory;
	struct stat st;
	int failed = 0;

	if (!report_format_of(path, &format))
		return say_usage(
			"'%s': the ending says what kind of report is meant: .html, .xml (JUnit), .json, .md, .trace.json or .tsv",
			path);
	whole = path_join(from, path);
	directory = path_dir(whole);
	if (stat(whole, &st) == 0 && S_ISDIR(st.st_mode))
		failed = EISDIR;
	else if (access(fs_exists(whole) ? whole : directory, W_OK) < 0)
		failed = errno;
	free(directory);
	free(whole);
	return failed ? cannot_write(path, failed) : EXIT_COMPLETE;
}
