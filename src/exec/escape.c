#include "config.h"

#include "exec/escape.h"

#include "graph/project.h"
#include "os/clock.h"
#include "util/alloc.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "vcs/repo.h"
#include "vcs/status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SHOWN_MAX = 5,       /* files, or streams, named in a message */
	DATED_MAX = 1000,    /* files whose times are looked at */
	LOOK_AGAIN_MS = 1000, /* at the least between two looks that nobody waits for */
	COARSE_CLOCK_MS = 50, /* a file's time may be so much before that of the clock */
};

struct suspect {
	struct escape *escape;
	struct suspect *next;
	const char *stream;
	int64_t since_ms; /* wall clock */
	bool fails;
	bool accused;     /* of what was found now */
	char *finding;    /* to be told at its end; NULL: nothing */
	bool waits, in_look;
	void (*done)(void *data, const char *finding);
	void *data;
};

struct escape {
	char *orchfile, *worktrees; /* absolute; the second NULL: in .orch */
	struct escape_calls calls;
	bool complained;
	struct repo *repo;
	struct strvec exclude;
	struct checkout_status *last;
	struct suspect *suspects; /* newest first */
	int others;
	bool others_ran; /* since the last look began */
	bool looking;
	int64_t looked_ms; /* when it began, monotonic */
	void (*begun)(void *data);
	void *data;
};

static void look(struct escape *escape);

struct escape *escape_new(const struct project *project, const struct escape_calls *calls)
{
	struct escape *escape = xcalloc(1, sizeof *escape);

	escape->orchfile = path_join(project->dir, project->file);
	if (project->set.worktrees) {
		char *path = path_join(project->dir, project->set.worktrees);

		escape->worktrees = path_clean(path);
		free(path);
	}
	escape->calls = *calls;
	return escape;
}

void escape_free(struct escape *escape)
{
	if (!escape)
		return;
	free(escape->orchfile);
	free(escape->worktrees);
	strvec_release(&escape->exclude);
	checkout_status_free(escape->last);
	free(escape);
}

void escape_note_others(struct escape *escape, int change)
{
	escape->others += change;
	escape->others_ran = true;
}

/* --- the first look --- */

/* what orch itself prints into a file there */
static bool is_our_output(const struct escape *escape, const char *path)
{
	char *full = path_join(escape->repo->top, path);
	struct stat file, output;
	bool is = false;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && !is; fd++)
		is = stat(full, &file) == 0 && fstat(fd, &output) == 0 && file.st_dev == output.st_dev &&
			file.st_ino == output.st_ino;
	free(full);
	return is;
}

static bool is_orchfile(const struct escape *escape, const char *path)
{
	char *full = path_join(escape->repo->top, path);
	struct stat one, two;
	bool is = stat(full, &one) == 0 && stat(escape->orchfile, &two) == 0 && one.st_dev == two.st_dev &&
		one.st_ino == two.st_ino;

	free(full);
	return is;
}

/* the Orchfile itself is read from where it is, so it need not be committed */
static void tell_uncommitted(struct escape *escape, const char *base)
{
	struct strbuf text = {0};
	size_t changed = 0, untracked = 0;

	for (size_t i = 0; i < escape->last->count; i++) {
		const struct status_entry *entry = &escape->last->items[i];
		size_t *count = entry->kind == STATUS_UNTRACKED || entry->kind == STATUS_NESTED ? &untracked : &changed;

		if (is_orchfile(escape, entry->path) || is_our_output(escape, entry->path))
			continue;
		++*count;
		if (changed + untracked <= SHOWN_MAX)
			strbuf_addf(&text, "%s%s", text.len ? ", " : "", entry->path);
	}
	if (changed + untracked > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", changed + untracked - SHOWN_MAX);
	if (changed + untracked > 0) {
		char *message = xasprintf("the checkout has uncommitted work (%zu changed, %zu untracked: %s), which "
					  "streams in worktrees do not see: they start from what is committed on '%s'",
			changed, untracked, strbuf_cstr(&text), base);

		escape->calls.warning(escape->calls.data, NULL, message);
		free(message);
	}
	strbuf_release(&text);
}

static void complain(struct escape *escape, const struct vcs_end *end)
{
	char *message;

	if (end->status == VCS_STOPPED || escape->complained)
		return;
	escape->complained = true;
	message = xasprintf("whether streams write into the checkout cannot be told: %s", end->err.message);
	escape->calls.warning(escape->calls.data, NULL, message);
	free(message);
}

struct first_look {
	struct escape *escape;
	char *base;
};

static void on_first_status(void *data, const struct vcs_end *end, struct checkout_status *status)
{
	struct first_look *first = data;
	struct escape *escape = first->escape;

	escape->looking = false;
	escape->last = status;
	if (status)
		tell_uncommitted(escape, first->base);
	else
		complain(escape, end);
	free(first->base);
	free(first);
	escape->begun(escape->data);
}

void escape_begin(struct escape *escape, struct repo *repo, const char *base, void (*done)(void *data), void *data)
{
	struct first_look *first = xcalloc(1, sizeof *first);
	size_t len = strlen(repo->top);

	escape->repo = repo;
	escape->begun = done;
	escape->data = data;
	first->escape = escape;
	first->base = xstrdup(base);
	if (escape->worktrees && strncmp(escape->worktrees, repo->top, len) == 0 && escape->worktrees[len] == '/')
		strvec_push(&escape->exclude, escape->worktrees + len + 1);
	escape->looking = true;
	escape->others_ran = escape->others > 0;
	checkout_status_read(repo, repo->top, &escape->exclude, on_first_status, first);
}

/* --- suspects --- */

struct suspect *suspect_new(struct escape *escape, const char *stream, bool fails)
{
	struct suspect *suspect = xcalloc(1, sizeof *suspect);

	suspect->escape = escape;
	suspect->stream = stream;
	suspect->fails = fails;
	suspect->since_ms = clock_wall_ms();
	suspect->next = escape->suspects;
	escape->suspects = suspect;
	return suspect;
}

void suspect_free(struct suspect *suspect)
{
	struct suspect **at;

	if (!suspect)
		return;
	for (at = &suspect->escape->suspects; *at != suspect;)
		at = &(*at)->next;
	*at = suspect->next;
	free(suspect->finding);
	free(suspect);
}

/* when the last of these files changed, in wall-clock milliseconds; INT64_MAX where one is gone, which has no date */
static int64_t last_change(const struct escape *escape, const struct strvec *paths)
{
	int64_t last = 0;

	for (size_t i = 0; i < paths->count && i < DATED_MAX; i++) {
		char *full = path_join(escape->repo->top, paths->items[i]);
		struct stat st;
		int64_t changed = INT64_MAX;

		if (lstat(full, &st) == 0)
			changed = (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
		free(full);
		if (changed > last)
			last = changed;
	}
	return paths->count > DATED_MAX ? INT64_MAX : last;
}

/* "a", "a and b", "a, b and 7 more", without `but` */
static char *accused_text(const struct escape *escape, const struct suspect *but, size_t count)
{
	struct strbuf text = {0};
	size_t n = 0;

	count -= but != NULL;
	for (const struct suspect *one = escape->suspects; one; one = one->next) {
		if (!one->accused || one == but)
			continue;
		if (n < SHOWN_MAX)
			strbuf_addf(&text, "%s%s", n == 0 ? "" : n + 1 == count ? " and " : ", ", one->stream);
		n++;
	}
	if (n > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", n - SHOWN_MAX);
	return strbuf_detach(&text);
}

static void tell(struct escape *escape, size_t count, const char *what)
{
	char *all = accused_text(escape, NULL, count), *message;

	if (count == 1)
		message = xasprintf("while it ran, %s; it has written outside its worktree, unless it was you or another "
				    "program",
			what);
	else
		message = xasprintf("while %s ran, %s; one of them has written outside its worktree, unless it was you or "
				    "another program",
			all, what);
	escape->calls.warning(escape->calls.data, count == 1 ? all : NULL, message);
	free(message);
	free(all);
}

static void accuse(struct escape *escape, size_t count, const char *what)
{
	for (struct suspect *one = escape->suspects; one; one = one->next) {
		char *rest, *more;

		if (!one->accused || !one->fails)
			continue;
		rest = accused_text(escape, one, count);
		more = count == 1 ? xasprintf("'escape = fail', and while it ran %s", what)
				  : xasprintf("'escape = fail', and while it ran %s; it may have been %s, too", what, rest);
		free(rest);
		if (one->finding) {
			char *both = xasprintf("%s; %s", one->finding, more);

			free(one->finding);
			free(more);
			more = both;
		}
		free(one->finding);
		one->finding = more;
	}
}

static char *describe(const struct strvec *paths)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%s in the checkout changed: ", paths->count == 1 ? "a file" : "files");
	for (size_t i = 0; i < paths->count && i < SHOWN_MAX; i++)
		strbuf_addf(&text, "%s%s", i ? ", " : "", paths->items[i]);
	if (paths->count > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", paths->count - SHOWN_MAX);
	return strbuf_detach(&text);
}

static size_t find_changed(const struct escape *escape, const struct checkout_status *now, struct strvec *out)
{
	struct strvec paths = {0};

	checkout_status_differences(escape->last, now, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		if (!is_our_output(escape, paths.items[i]))
			strvec_push(out, paths.items[i]);
	}
	strvec_release(&paths);
	return out->count;
}

static void compare(struct escape *escape, const struct checkout_status *now)
{
	struct strvec paths = {0};
	size_t count = 0;
	char *what = NULL;
	int64_t when = INT64_MAX;
	bool fails = false, moved = !checkout_status_same_head(escape->last, now);

	/* after a commit or a checkout, what is uncommitted is another set of files */
	if (moved)
		what = xasprintf("the checkout went from %s%s%.10s to %s%s%.10s", escape->last->branch ? escape->last->branch : "",
			escape->last->branch ? " at " : "", escape->last->oid, now->branch ? now->branch : "",
			now->branch ? " at " : "", now->oid);
	else if (find_changed(escape, now, &paths) > 0) {
		what = describe(&paths);
		when = last_change(escape, &paths);
	}
	for (struct suspect *one = escape->suspects; what && one; one = one->next) {
		one->accused = when == INT64_MAX || one->since_ms <= when + COARSE_CLOCK_MS;
		count += one->accused;
		fails |= one->accused && one->fails;
	}
	if (fails && !moved)
		accuse(escape, count, what);
	else if (count > 0)
		tell(escape, count, what);
	strvec_release(&paths);
	free(what);
}

static void on_status(void *data, const struct vcs_end *end, struct checkout_status *status)
{
	struct escape *escape = data;
	bool again = false;

	escape->looking = false;
	if (status && escape->last && !escape->others_ran && escape->others == 0 &&
		!escape->calls.others(escape->calls.data))
		compare(escape, status);
	if (!status)
		complain(escape, end);
	else {
		checkout_status_free(escape->last);
		escape->last = status;
		escape->others_ran = escape->others > 0 || escape->calls.others(escape->calls.data);
	}
	for (struct suspect *one = escape->suspects, *next; one; one = next) {
		next = one->next;
		again |= one->waits && !one->in_look;
		if (!one->in_look)
			continue;
		char *finding = one->finding;

		/* it is told once */
		one->finding = NULL;
		one->waits = one->in_look = false;
		one->done(one->data, finding);
		free(finding);
	}
	if (again)
		look(escape);
}

static void look(struct escape *escape)
{
	for (struct suspect *one = escape->suspects; one; one = one->next)
		one->in_look = one->waits;
	escape->looking = true;
	escape->looked_ms = clock_mono_ms();
	checkout_status_read(escape->repo, escape->repo->top, &escape->exclude, on_status, escape);
}

void escape_look_if_quiet(struct escape *escape)
{
	if (escape->others_ran && escape->others == 0 && escape->suspects && !escape->looking &&
		clock_mono_ms() - escape->looked_ms >= LOOK_AGAIN_MS)
		look(escape);
}

void escape_look(struct suspect *suspect, void (*done)(void *data, const char *finding), void *data)
{
	suspect->waits = true;
	suspect->done = done;
	suspect->data = data;
	if (!suspect->escape->looking)
		look(suspect->escape);
}
