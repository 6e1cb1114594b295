#include "config.h"

#include "exec/stint_prompt.h"

#include "exec/agents.h"
#include "exec/attempt.h"
#include "exec/context.h"
#include "exec/message.h"
#include "exec/prompt.h"
#include "exec/stint.h"
#include "exec/workspace.h"
#include "graph/graph.h"
#include "graph/project.h"
#include "os/fs.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "state/ticks.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROMPT_FILE_MAX = 1 << 30, TAIL_READ = 64 * 1024, SUMMARY_FILE_MAX = 2 << 20 };

/* the end of the log, of its part from `from` to `to` (-1: all that there is) */
static void read_part(const char *path, int64_t from, int64_t to, struct strbuf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buffer;
	ssize_t got;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (to < 0 || to > st.st_size))
		to = st.st_size;
	if (from < to - TAIL_READ)
		from = to - TAIL_READ;
	buffer = xmalloc(TAIL_READ);
	got = to > from ? pread(fd, buffer, (size_t)(to - from), (off_t)from) : 0;
	if (got > 0)
		strbuf_add(out, buffer, (size_t)got);
	free(buffer);
	close(fd);
}

static void read_check(const struct memory *memory, struct strbuf *out)
{
	if (memory->log && memory->check_from >= 0)
		read_part(memory->log, memory->check_from, -1, out);
}

static void read_work(const struct memory *memory, struct strbuf *out)
{
	if (memory->log)
		read_part(memory->log, 0, memory->check_from, out);
}

static bool is(const char *name, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(name, what, len) == 0;
}

bool stint_rule_value(const struct attempt *attempt, const char *name, size_t len, struct strbuf *value)
{
	const struct memory *memory = attempt->memory;
	struct strbuf text = {0};

	if (!memory || !memory->rule)
		return false;
	if (is(name, len, "kind")) {
		strbuf_addstr(value, failure_kind_name(memory->kind));
		return true;
	}
	if (is(name, len, "log.tail") || is(name, len, "check.tail")) {
		if (is(name, len, "log.tail"))
			read_work(memory, &text);
		else
			read_check(memory, &text);
		prompt_add_tail(value, text.data ? text.data : "", text.len);
		strbuf_release(&text);
		return true;
	}
	for (uint32_t i = 0; i < memory->match.group_count; i++) {
		if (is(name, len, memory->match.groups[i].name)) {
			strbuf_addstr(value, memory->match.groups[i].value);
			return true;
		}
	}
	/* a group of the pattern that took no part in the match */
	return memory->rule->match && !memchr(name, '.', len) &&
		memmem(memory->rule->match, strlen(memory->rule->match), name, len);
}

/* the attempt's own file goes with its run */
static const char kept_directory[] = ".orch/summaries", kept_head[] = "orch-summary 1\nrun %s\nattempt %u\n\n";

/* nothing where it is of another attempt */
static int read_kept(
	struct strbuf *out, const char *run, const char *stream, unsigned attempt, struct orch_error *err)
{
	char *path = xasprintf("%s/%s", kept_directory, stream), *head = xasprintf(kept_head, run, attempt), *text;
	size_t len;
	int result = 0;

	if (fs_exists(path)) {
		result = fs_read(path, SUMMARY_FILE_MAX, &text, &len, err);
		if (result == 0) {
			if (strncmp(text, head, strlen(head)) == 0)
				strbuf_addstr(out, text + strlen(head));
			free(text);
		}
	}
	free(path);
	free(head);
	return result;
}

int stint_read_summary(
	struct strbuf *out, const char *run, const char *stream, unsigned attempt, struct orch_error *err)
{
	char *path = statedir_attempt_file(run, stream, attempt, "summary"), *text;
	size_t len;
	int result = 0;

	/* scripts write none, and old runs are cleared away */
	if (fs_exists(path)) {
		result = fs_read(path, SUMMARY_FILE_MAX, &text, &len, err);
		if (result == 0) {
			strbuf_add(out, text, strlen(text));
			free(text);
		}
	} else {
		result = read_kept(out, run, stream, attempt, err);
	}
	free(path);
	return result;
}

int stint_keep_summary(const struct attempt *attempt, struct orch_error *err)
{
	const char *stream = attempt->stream->name;
	char *path = statedir_attempt_file(attempt->run, stream, attempt->number, "summary"), *text, *kept;
	struct strbuf out = {0};
	size_t len;
	int result;

	if (!fs_exists(path)) {
		free(path);
		return 0;
	}
	result = fs_read(path, SUMMARY_FILE_MAX, &text, &len, err);
	if (result == 0) {
		kept = xasprintf("%s/%s", kept_directory, stream);
		strbuf_addf(&out, kept_head, attempt->run, attempt->number);
		strbuf_addstr(&out, text);
		result = fs_mkdirs(kept_directory, 0700, err);
		if (result == 0)
			result = fs_replace(AT_FDCWD, kept, out.data, out.len, false, err);
		strbuf_release(&out);
		free(text);
		free(kept);
	}
	free(path);
	return result;
}

/* --- what it builds on --- */

struct deps {
	struct prompt_dep *items;
	size_t count;
};

static const char *part_of(const struct stamp_detail *detail, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i < detail->part_count; i++) {
		if (detail->parts[i].kind == 'g' && strncmp(detail->parts[i].name, what, len) == 0 &&
			detail->parts[i].name[len] == ' ')
			return detail->parts[i].name + len + 1;
	}
	return NULL;
}

/* a stamp that is not there is a group's, or of one that failed where that is no matter */
static int gather_deps(struct deps *deps, const struct attempt *attempt, struct orch_error *err)
{
	const struct context *context = attempt->context;
	const edge *edges = graph_deps(context->graph, attempt->id);
	uint32_t count = graph_dep_count(context->graph, attempt->id);

	deps->items = xcalloc(count ? count : 1, sizeof *deps->items);
	for (uint32_t i = 0; i < count; i++) {
		const char *name = context->project->streams[EDGE_STREAM(edges[i])].name, *branch;
		struct stamp_detail detail = {0};
		struct orch_error cause = {0};
		struct strbuf summary = {0};

		if (EDGE_ORDER_ONLY(edges[i]))
			continue;
		if (stamp_store_read(context->store, name, &detail, &cause) < 0) {
			if (cause.code == ORCH_ENOTFOUND)
				continue;
			*err = cause;
			return -1;
		}
		if (stint_read_summary(&summary, detail.run, name, detail.attempt, err) < 0) {
			stamp_detail_release(&detail);
			return -1;
		}
		branch = part_of(&detail, "branch");
		deps->items[deps->count++] = (struct prompt_dep){
			.name = name, .branch = branch ? xstrdup(branch) : NULL, .summary = strbuf_detach(&summary)};
		stamp_detail_release(&detail);
	}
	return 0;
}

static void release_deps(struct deps *deps)
{
	for (size_t i = 0; i < deps->count; i++) {
		free((char *)(uintptr_t)deps->items[i].branch);
		free((char *)(uintptr_t)deps->items[i].summary);
	}
	free(deps->items);
}

/* --- the whole --- */

static int own_text(struct strbuf *out, const struct stint *stint, struct orch_error *err)
{
	const struct attempt *attempt = stint->attempt;
	const struct stream *stream = attempt->stream;
	struct text file;
	char *text;
	size_t len;
	int result;

	if (stint->fix)
		return context_expand(attempt->context, attempt, &stint->fix->prompt, false, out, err);
	if (stream->prompt.bytes)
		return context_expand(attempt->context, attempt, &stream->prompt, false, out, err);
	if (fs_read(stream->set->prompt_file, PROMPT_FILE_MAX, &text, &len, err) < 0)
		return error_prefix(err, "its prompt");
	file = (struct text){text, (uint32_t)len, true};
	result = context_expand_prompt(attempt->context, attempt, &file, out, err);
	free(text);
	return result < 0 ? error_prefix(err, "its prompt, '%s'", stream->set->prompt_file) : 0;
}

/* how it calls this program; NULL: it cannot be said (a program that has orch as a library, and none is installed) */
static char *own_program(void)
{
	char *path = fs_find_program("orch"), *self = path ? NULL : fs_self();
	struct strbuf quoted = {0};

	if (path)
		strbuf_addstr(&quoted, "orch");
	else if (self && (strcmp(path_file(self), "orch") == 0 || strcmp(path_file(self), "lt-orch") == 0))
		path_quote(&quoted, self);
	free(path);
	free(self);
	return quoted.len ? strbuf_detach(&quoted) : NULL;
}

/* what is ticked already of its tasks; NULL: none is */
static int read_ticks(bool **done, const struct attempt *attempt, const struct agents *agents, struct orch_error *err)
{
	const struct words *tasks = &attempt->stream->set->tasks;
	size_t ticked;

	*done = NULL;
	if (attempt->afresh && !attempt->adopted)
		return 0;
	return ticks_read(agents_state(agents), attempt->stream->name, tasks->items, tasks->count, done, &ticked, err);
}

/* the end of a log is of use where the agent is a new one, and the log is no stream of JSON */
static bool shows_log(const struct stint *stint)
{
	return stint->fix && !memmem(stint->fix->prompt.bytes, stint->fix->prompt.len, ".tail", 5);
}

int stint_prompt(struct strbuf *out, const struct stint *stint, struct agents *agents, struct orch_error *err)
{
	const struct attempt *attempt = stint->attempt;
	const struct memory *memory = attempt->memory;
	const struct workspace *workspace = attempt->workspace;
	const struct stream *stream = attempt->stream;
	struct deps deps = {0};
	struct strbuf prompt = {0}, check = {0}, log = {0}, printed = {0};
	struct prompt_failure failure = {
		.attempt = memory->attempt, .what = memory->what, .found_wrong = memory->found_wrong};
	struct prompt_parts parts = {
		.stream = stream->name,
		.title = stream->title,
		.dir = workspace && workspace->cwd ? workspace->cwd : attempt->context->project->dir,
		.branch = workspace ? workspace->branch : NULL,
		.base = workspace ? workspace->base_name : NULL,
		.tasks = stream->set->tasks.items,
		.task_count = stream->set->tasks.count,
		.preamble = agents_preamble(agents),
		.resumed = stint->resumed,
	};
	bool *done = NULL, tells = memory->what && !memory->interrupted && !attempt->afresh;
	char *inbox = message_inbox(attempt), *inbox_path = NULL;
	int result = own_text(&prompt, stint, err) < 0 ? 1 : 0;
	char *program = own_program();

	if (inbox)
		inbox_path = xasprintf("%s/%s", attempt->context->project->dir, inbox);
	parts.inbox = inbox_path;

	if (result == 0 && stream->set->check.bytes) {
		result = context_expand(attempt->context, attempt, &stream->set->check, false, &check, err) < 0 ? 1 : 0;
		parts.check = strbuf_cstr(&check);
		parts.check_len = check.len;
	}
	if (result == 0)
		result = gather_deps(&deps, attempt, err);
	if (result == 0)
		result = read_ticks(&done, attempt, agents, err);
	parts.orch = program;
	parts.task_done = done;
	parts.deps = deps.items;
	parts.dep_count = deps.count;
	parts.prompt = strbuf_cstr(&prompt);
	parts.prompt_len = prompt.len;
	if (tells && (!stint->fix || shows_log(stint))) {
		read_check(memory, &printed);
		if (printed.len) {
			failure.check = printed.data;
			failure.check_len = printed.len;
		}
		if (shows_log(stint))
			read_work(memory, &log);
		if (log.len) {
			failure.log = log.data;
			failure.log_len = log.len;
		}
		parts.failure = &failure;
	}
	if (result == 0)
		result = prompt_build(out, &parts, err);
	release_deps(&deps);
	free(program);
	free(done);
	free(inbox);
	free(inbox_path);
	strbuf_release(&prompt);
	strbuf_release(&check);
	strbuf_release(&log);
	strbuf_release(&printed);
	return result;
}
