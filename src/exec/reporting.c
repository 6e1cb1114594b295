#include "config.h"

#include "exec/reporting.h"

#include "exec/attempt.h"
#include "os/fs.h"
#include "os/loop.h"
#include "state/journal.h"
#include "state/reportfile.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/map.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOK_INTERVAL_MS = 100,   /* between two looks at files that grow */
	BLIND_INTERVAL_MS = 2000, /* where nothing tells that they do */
	SAID_INTERVAL_MS = 1000,  /* between two notes that an agent did not mean as such */
	PIECE = 64 * 1024,
	PIECES_AT_ONCE = 16,
	READ_MAX = 64 << 20,  /* whoever says more than that is not listened to */
	TOLD_MAX = 1000,      /* so many notes one by one; of more, the last in a while */
	SHOWN_MAX = 60,       /* bytes of a line that is none */
};

/* progress and notes are the two that stand for those before them */
enum { HELD_PROGRESS, HELD_NOTE, HELD_KINDS };

/* what is to be told when its time has come, unless something newer comes first */
struct held {
	bool waits;
	int64_t done, total, end;
	char *text;
	/* what was told last, and when */
	struct reportfile_line last;
	char *last_text;
	int64_t told_ms;
};

struct reporting {
	struct reportings *all;
	struct reporting *next, **link;
	struct attempt *attempt;
	char *path;
	struct reportfile_reader reader;
	struct held held[HELD_KINDS];
	unsigned told;
	bool deaf, unknown_told;
	int64_t done, total; /* recalled */
	char *note;
};

/* the files of a run's attempts are in one directory */
struct watched_run {
	char *run;
	struct loop_watch *watch; /* NULL: it cannot be watched */
};

/* of an attempt, what the journals of runs before have */
struct recalled {
	int64_t attempt, offset, done, total;
	char *progress, *note; /* the first where it was no number */
};

struct reportings {
	struct reportings_options options;
	struct reporting *first;
	ARRAY(struct watched_run) runs;
	struct loop_timer *look, *later;
	bool blind;
	char *recalled_from; /* the oldest run whose journal was read; NULL: none was */
	struct map recalled; /* by stream */
};

/* --- telling --- */

static void tell(struct reporting *reporting, const struct reportfile_line *line, int64_t end)
{
	struct reportings *all = reporting->all;

	all->options.said(all->options.data, reporting->attempt, line, end);
}

static void warn(struct reporting *reporting, const char *message)
{
	reporting->all->options.warn(reporting->all->options.data, reporting->attempt, message);
}

static void remember(struct held *held, int64_t done, int64_t total, const char *text)
{
	char *copy = text ? xstrdup(text) : NULL;

	free(held->last_text);
	held->last_text = copy;
	held->last = (struct reportfile_line){.done = done, .total = total, .text = copy};
}

/* numbers mean the same in other words */
static bool was_last(const struct held *held, const struct reportfile_line *line)
{
	if (line->done >= 0)
		return held->last.total == line->total && held->last.done == line->done;
	return held->last.total <= 0 && held->last_text && strcmp(held->last_text, line->text) == 0;
}

static void tell_held(struct reporting *reporting, unsigned which)
{
	struct held *held = &reporting->held[which];
	struct reportfile_line line = {
		.kind = which == HELD_NOTE ? ORCH_REPORT_NOTE : ORCH_REPORT_PROGRESS,
		.done = held->done,
		.total = held->total,
		.text = held->text,
	};

	held->waits = false;
	held->told_ms = loop_now(reporting->all->options.loop);
	tell(reporting, &line, held->end);
	remember(held, line.done, line.total, held->text);
	free(held->text);
	held->text = NULL;
}

static void tell_all_held(struct reporting *reporting)
{
	for (unsigned i = 0; i < HELD_KINDS; i++) {
		if (reporting->held[i].waits)
			tell_held(reporting, i);
	}
}

/* the time of the next is given, or -1 */
static int64_t tell_due(struct reporting *reporting, int64_t now)
{
	int64_t next = -1;

	for (unsigned i = 0; i < HELD_KINDS; i++) {
		struct held *held = &reporting->held[i];
		int64_t left = held->told_ms + SAID_INTERVAL_MS - now;

		if (!held->waits)
			continue;
		if (left <= 0)
			tell_held(reporting, i);
		else if (next < 0 || left < next)
			next = left;
	}
	return next;
}

static void on_later(void *data)
{
	struct reportings *all = data;
	int64_t next = -1, now = loop_now(all->options.loop);

	for (struct reporting *reporting = all->first; reporting; reporting = reporting->next) {
		int64_t due = tell_due(reporting, now);

		if (due >= 0 && (next < 0 || due < next))
			next = due;
	}
	if (next >= 0)
		loop_timer_arm(all->later, next);
}

/* in the place of what is held of that kind */
static void hold(struct reporting *reporting, const struct reportfile_line *line, int64_t end)
{
	struct held *held = &reporting->held[line->kind == ORCH_REPORT_NOTE ? HELD_NOTE : HELD_PROGRESS];

	free(held->text);
	held->text = line->text ? xstrdup(line->text) : NULL;
	held->done = line->done;
	held->total = line->total;
	held->end = end;
	held->waits = true;
}

static void on_line(void *data, const struct reportfile_line *line, const char *bytes, size_t len, uint64_t end)
{
	struct reporting *reporting = data;
	struct strbuf shown = {0};
	char *message;

	if (line &&
		(line->kind == ORCH_REPORT_DONE || line->kind == ORCH_REPORT_OUTPUT || reporting->told < TOLD_MAX)) {
		reporting->told += line->kind != ORCH_REPORT_DONE;
		tell(reporting, line, (int64_t)end);
		if (line->kind == ORCH_REPORT_NOTE || line->kind == ORCH_REPORT_PROGRESS)
			remember(&reporting->held[line->kind == ORCH_REPORT_NOTE ? HELD_NOTE : HELD_PROGRESS],
				line->done, line->total, line->text);
	} else if (line) {
		hold(reporting, line, (int64_t)end);
		loop_timer_arm_if_idle(reporting->all->later, SAID_INTERVAL_MS);
	} else if (!reporting->unknown_told) {
		reporting->unknown_told = true;
		reportfile_clean(&shown, bytes, len, SHOWN_MAX);
		message = xasprintf(
			"its report file has a line that says nothing: '%s'; 'progress 3/7', 'done 2' and 'note TEXT' do",
			strbuf_cstr(&shown));
		warn(reporting, message);
		free(message);
		strbuf_release(&shown);
	}
}

/* --- reading --- */

/* it is not listened to any more */
static void go_deaf(struct reporting *reporting, const char *why)
{
	char *message = xasprintf("its report file is not read any more: %s", why);

	reporting->deaf = true;
	warn(reporting, message);
	free(message);
}

/* true: there may be more */
static bool read_pieces(struct reporting *reporting, int fd, unsigned pieces)
{
	char *buffer = xmalloc(PIECE);
	ssize_t got = 1;

	while (got > 0 && pieces-- > 0 && !reporting->deaf) {
		got = pread(fd, buffer, PIECE, (off_t)reporting->reader.offset);
		if (got > 0)
			reportfile_feed(&reporting->reader, buffer, (size_t)got);
		else if (got < 0)
			go_deaf(reporting, strerror(errno));
		if (reporting->reader.offset > READ_MAX && !reporting->deaf)
			go_deaf(reporting, "it has more than 64 MiB");
	}
	free(buffer);
	return got > 0 && !reporting->deaf;
}

static bool read_some(struct reporting *reporting, unsigned pieces)
{
	struct stat st;
	bool more;
	int fd;

	if (reporting->deaf)
		return false;
	/* most say nothing */
	if (lstat(reporting->path, &st) < 0) {
		if (errno != ENOENT)
			go_deaf(reporting, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		go_deaf(reporting, "it is no regular file");
		return false;
	}
	if ((uint64_t)st.st_size == reporting->reader.offset)
		return false;
	if ((uint64_t)st.st_size < reporting->reader.offset) {
		go_deaf(reporting, "it has become shorter, and is only ever to be appended to");
		return false;
	}
	fd = open(reporting->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		/* whoever has no descriptors left looks again */
		if (errno != EMFILE && errno != ENFILE && errno != ENOMEM)
			go_deaf(reporting, strerror(errno));
		return !reporting->deaf;
	}
	more = read_pieces(reporting, fd, pieces);
	close(fd);
	return more;
}

static void on_look(void *data)
{
	struct reportings *all = data;
	bool more = false;

	for (struct reporting *reporting = all->first; reporting; reporting = reporting->next)
		more |= read_some(reporting, PIECES_AT_ONCE);
	if (more)
		loop_timer_arm(all->look, LOOK_INTERVAL_MS);
	else if (all->blind && all->first)
		loop_timer_arm(all->look, BLIND_INTERVAL_MS);
}

static void on_change(void *data)
{
	struct reportings *all = data;

	if (all->first)
		loop_timer_arm_if_idle(all->look, LOOK_INTERVAL_MS);
}

/* --- what was said before we were there --- */

static void forget_recalled(struct reportings *all)
{
	size_t position = 0;
	const char *key;
	void *value;

	while (map_next(&all->recalled, &position, &key, &value)) {
		struct recalled *recalled = value;

		free(recalled->progress);
		free(recalled->note);
		free(recalled);
	}
	map_release(&all->recalled);
	map_init_owning(&all->recalled);
	free(all->recalled_from);
	all->recalled_from = NULL;
}

static int on_event(void *data, const struct orch_event *event)
{
	struct reportings *all = data;
	struct recalled *recalled;

	if (!event->stream ||
		(event->type != ORCH_EVENT_PROGRESS && event->type != ORCH_EVENT_TASK_DONE &&
			event->type != ORCH_EVENT_NOTE && event->type != ORCH_EVENT_VALUE))
		return 0;
	recalled = map_get(&all->recalled, event->stream);
	if (!recalled) {
		recalled = xcalloc(1, sizeof *recalled);
		map_set(&all->recalled, event->stream, recalled);
	}
	if (recalled->attempt != event->attempt) {
		free(recalled->progress);
		free(recalled->note);
		*recalled = (struct recalled){.attempt = event->attempt, .done = -1, .total = -1};
	}
	if (event->bytes > recalled->offset)
		recalled->offset = event->bytes;
	if (event->type == ORCH_EVENT_PROGRESS) {
		recalled->done = event->done;
		recalled->total = event->total;
		free(recalled->progress);
		recalled->progress = event->done < 0 && event->message ? xstrdup(event->message) : NULL;
	} else if (event->type == ORCH_EVENT_NOTE && event->message) {
		free(recalled->note);
		recalled->note = xstrdup(event->message);
	}
	return 0;
}

/* the journals of the runs that may have followed it: from the one that started it up to the last before this */
static int read_journals(struct reportings *all, const char *from, struct orch_error *err)
{
	char **ids;
	size_t count;
	bool wanted = false;
	int result = statedir_runs(all->options.dir, &ids, &count, err);

	if (result < 0)
		return -1;
	forget_recalled(all);
	all->recalled_from = xstrdup(from);
	for (size_t i = 0; i < count; i++) {
		wanted |= strcmp(ids[i], from) == 0;
		if (wanted && result == 0 && strcmp(ids[i], all->options.run) != 0) {
			char *path = statedir_journal(ids[i]);
			struct orch_error cause = {0};

			if (journal_read(path, 0, on_event, all, NULL, &cause) < 0 && cause.code != ORCH_ENOTFOUND) {
				if (err)
					*err = cause;
				result = -1;
			}
			free(path);
		}
		free(ids[i]);
	}
	free(ids);
	return result;
}

static int recall(struct reporting *reporting, struct orch_error *err)
{
	struct reportings *all = reporting->all;
	const struct attempt *attempt = reporting->attempt;
	const struct recalled *recalled;

	if (!attempt->adopted || strcmp(attempt->run, all->options.run) == 0)
		return 0;
	if ((!all->recalled_from || strcmp(all->recalled_from, attempt->run) != 0) &&
		read_journals(all, attempt->run, err) < 0)
		return -1;
	recalled = map_get(&all->recalled, attempt->stream->name);
	if (!recalled || recalled->attempt != attempt->number)
		return 0;
	reporting->reader.offset = (uint64_t)recalled->offset;
	reporting->done = recalled->done;
	reporting->total = recalled->total;
	reporting->note = recalled->note ? xstrdup(recalled->note) : NULL;
	remember(&reporting->held[HELD_NOTE], -1, -1, recalled->note);
	remember(&reporting->held[HELD_PROGRESS], recalled->done, recalled->total, recalled->progress);
	return 0;
}

/* --- life --- */

struct reportings *reportings_new(const struct reportings_options *options)
{
	struct reportings *all = xcalloc(1, sizeof *all);

	all->options = *options;
	all->look = loop_timer_new(options->loop, on_look, all);
	all->later = loop_timer_new(options->loop, on_later, all);
	map_init_owning(&all->recalled);
	return all;
}

void reportings_free(struct reportings *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->runs.count; i++) {
		loop_watch_free(all->runs.items[i].watch);
		free(all->runs.items[i].run);
	}
	ARRAY_RELEASE(&all->runs);
	loop_timer_free(all->look);
	loop_timer_free(all->later);
	forget_recalled(all);
	map_release(&all->recalled);
	free(all);
}

static void watch_run(struct reporting *reporting)
{
	struct reportings *all = reporting->all;
	struct watched_run *watched;
	char *dir;

	for (size_t i = 0; i < all->runs.count; i++) {
		if (strcmp(all->runs.items[i].run, reporting->attempt->run) == 0)
			return;
	}
	dir = path_dir(reporting->path);
	watched = ARRAY_PUSH(&all->runs);
	watched->run = xstrdup(reporting->attempt->run);
	watched->watch = loop_watch_new(all->options.loop, dir, on_change, all);
	/* a change by another machine tells nobody here */
	if (!watched->watch || fs_may_be_remote(dir))
		all->blind = true;
	free(dir);
}

struct reporting *reporting_new(struct reportings *all, struct attempt *attempt, struct orch_error *err)
{
	struct reporting *reporting = xcalloc(1, sizeof *reporting);

	reporting->all = all;
	reporting->attempt = attempt;
	reporting->path = statedir_attempt_file(attempt->run, attempt->stream->name, attempt->number, "report");
	reporting->reader.found = on_line;
	reporting->reader.data = reporting;
	reporting->done = reporting->total = -1;
	if (recall(reporting, err) < 0) {
		reporting_free(reporting);
		return NULL;
	}
	reporting->next = all->first;
	reporting->link = &all->first;
	if (all->first)
		all->first->link = &reporting->next;
	all->first = reporting;
	watch_run(reporting);
	/* what it said before we were told that it runs, or while nobody tells */
	loop_timer_arm_if_idle(all->look, all->blind ? BLIND_INTERVAL_MS : attempt->adopted ? 0 : LOOK_INTERVAL_MS);
	return reporting;
}

void reporting_recalled(const struct reporting *reporting, int64_t *done, int64_t *total, const char **note)
{
	*done = reporting->done;
	*total = reporting->total;
	*note = reporting->note;
}

void reporting_add(struct reporting *reporting, enum orch_report_kind kind, const char *text)
{
	struct reportfile_line line = {.kind = kind, .done = -1, .total = -1};
	struct strbuf clean = {0};
	struct held *held;
	int64_t due;

	if (!reporting || (kind != ORCH_REPORT_NOTE && kind != ORCH_REPORT_PROGRESS))
		return;
	held = &reporting->held[kind == ORCH_REPORT_NOTE ? HELD_NOTE : HELD_PROGRESS];
	reportfile_clean(&clean, text, strlen(text), REPORTFILE_TEXT_MAX);
	line.text = strbuf_cstr(&clean);
	if (kind == ORCH_REPORT_PROGRESS && !reportfile_progress(line.text, clean.len, &line.done, &line.total))
		line.done = line.total = -1;
	if (clean.len > 0 && (held->waits || !was_last(held, &line))) {
		hold(reporting, &line, -1);
		due = tell_due(reporting, loop_now(reporting->all->options.loop));
		if (due >= 0)
			loop_timer_arm_if_idle(reporting->all->later, due);
	}
	strbuf_release(&clean);
}

void reporting_end(struct reporting *reporting)
{
	if (!reporting)
		return;
	while (read_some(reporting, PIECES_AT_ONCE))
		;
	if (!reporting->deaf)
		reportfile_finish(&reporting->reader);
	tell_all_held(reporting);
}

void reporting_free(struct reporting *reporting)
{
	if (!reporting)
		return;
	if (reporting->link) {
		*reporting->link = reporting->next;
		if (reporting->next)
			reporting->next->link = reporting->link;
	}
	for (unsigned i = 0; i < HELD_KINDS; i++) {
		free(reporting->held[i].text);
		free(reporting->held[i].last_text);
	}
	reportfile_release(&reporting->reader);
	free(reporting->note);
	free(reporting->path);
	free(reporting);
}
