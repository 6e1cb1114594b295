#include "config.h"

#include "exec/prompt.h"

#include <string.h>

#include "util/error.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/utf8.h"

enum { TAIL_MAX = 8 * 1024, TAIL_LINES = 80, SUMMARY_MAX = 4 * 1024, FENCE_MIN = 3 };

const char prompt_preamble[] =
	"You work on {{task}}. It is one of several tasks of a project that are worked on at the same time, each by somebody\n"
	"else. Nobody is there to answer questions: where something is open, decide, and say in the end what you decided.\n"
	"\n"
	"Your directory is {{dir}}: change nothing outside of it.\n"
	"\n"
	"It is a git worktree of its own, on the branch {{branch}}. Commit your work there; what you leave uncommitted is\n"
	"committed for you. Do not merge, push or switch branches.\n"
	"\n"
	"What it builds on is done:\n"
	"{{deps}}\n"
	"\n"
	"When you are done, this is run in your directory, and must succeed:\n"
	"{{checks}}\n"
	"\n"
	"The parts of the task:\n"
	"{{tasks}}\n"
	"\n"
	"{{inbox}}\n"
	"\n"
	"{{report}}\n";


/* --- texts that others wrote --- */

void prompt_add_tail(struct strbuf *out, const char *text, size_t len)
{
	size_t from = len > TAIL_MAX ? len - TAIL_MAX : 0, lines = 0;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		len--;
	if (from > len)
		from = len;
	for (size_t at = len; at > from; at--) {
		if (text[at - 1] == '\n' && ++lines == TAIL_LINES)
			from = at;
	}
	/* from the start of a line, if there is one */
	if (from && text[from - 1] != '\n') {
		const char *newline = memchr(text + from, '\n', len - from);

		if (newline)
			from = (size_t)(newline - text) + 1;
		while (!newline && from < len && ((unsigned char)text[from] & 0xc0) == 0x80)
			from++;
	}
	utf8_add_clean(out, text + from, len - from);
}

/* between fences that nothing in it can close */
static void add_fenced(struct strbuf *out, const char *text, size_t len)
{
	size_t longest = FENCE_MIN - 1, run = 0;

	for (size_t i = 0; i < len; i++) {
		run = text[i] == '`' ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	for (size_t i = 0; i <= longest; i++)
		strbuf_addch(out, '`');
	strbuf_addch(out, '\n');
	strbuf_add(out, text, len);
	if (len && text[len - 1] != '\n')
		strbuf_addch(out, '\n');
	for (size_t i = 0; i <= longest; i++)
		strbuf_addch(out, '`');
}

/* each line behind `> `, the first 4 KiB */
static void add_quoted(struct strbuf *out, const char *text)
{
	struct strbuf clean = {0};
	size_t len = strlen(text);
	bool cut = len > SUMMARY_MAX;

	if (cut) {
		len = SUMMARY_MAX;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	while (len && text[len - 1] == '\n')
		len--;
	utf8_add_clean(&clean, text, len);
	for (const char *line = strbuf_cstr(&clean), *end; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		strbuf_addf(out, "\n  > %.*s", (int)(end - line), line);
	}
	if (cut)
		strbuf_addstr(out, "\n  > ...");
	strbuf_release(&clean);
}

/* --- the preamble --- */

static void add_deps(struct strbuf *out, const struct prompt_parts *parts)
{
	for (size_t i = 0; i < parts->dep_count; i++) {
		const struct prompt_dep *dep = &parts->deps[i];

		strbuf_addf(out, "%s- %s", i ? "\n" : "", dep->name);
		if (dep->branch)
			strbuf_addf(out, ", on the branch %s", dep->branch);
		if (dep->summary && *dep->summary) {
			strbuf_addstr(out, ". It says:");
			add_quoted(out, dep->summary);
		}
	}
}

static void add_tasks(struct strbuf *out, const struct prompt_parts *parts)
{
	for (size_t i = 0; i < parts->task_count; i++)
		strbuf_addf(out, "%s%zu. %s%s", i ? "\n" : "", i + 1, parts->tasks[i],
			parts->task_done && parts->task_done[i] ? " (done)" : "");
}

static void add_report(struct strbuf *out, const struct prompt_parts *parts)
{
	const char *orch = parts->orch;

	if (!orch)
		return;
	strbuf_addstr(out, "While you work, these commands tell how far you are:");
	if (parts->task_count)
		strbuf_addf(out, " `%s report done N` when part N is done,", orch);
	strbuf_addf(out,
		" `%s report progress 3/7`,\n`%s report note TEXT`. `%s report output KEY=VALUE` hands a value to the tasks that build on yours.",
		orch, orch, orch);
}

static void add_text(struct strbuf *out, const char *text)
{
	if (text)
		strbuf_addstr(out, text);
}

/* false: there is no such name */
static bool add_name(struct strbuf *out, const struct prompt_parts *parts, const char *name, size_t len)
{
	static const char *const names[] = {
		"task", "stream", "title", "dir", "branch", "base", "deps", "checks", "tasks", "report", "inbox"};
	size_t which = 0;

	while (which < sizeof names / sizeof names[0] &&
		(strlen(names[which]) != len || memcmp(names[which], name, len) != 0))
		which++;
	switch (which) {
	case 0:
		strbuf_addf(out, "%s%s%s%s", parts->stream, parts->title ? " (" : "", parts->title ? parts->title : "",
			parts->title ? ")" : "");
		break;
	case 1:
		add_text(out, parts->stream);
		break;
	case 2:
		add_text(out, parts->title);
		break;
	case 3:
		add_text(out, parts->dir);
		break;
	case 4:
		add_text(out, parts->branch);
		break;
	case 5:
		add_text(out, parts->base);
		break;
	case 6:
		add_deps(out, parts);
		break;
	case 7:
		if (parts->check)
			add_fenced(out, parts->check, parts->check_len);
		break;
	case 8:
		add_tasks(out, parts);
		break;
	case 9:
		add_report(out, parts);
		break;
	case 10:
		if (parts->inbox)
			strbuf_addf(out,
				"Somebody may have something to say to you meanwhile: messages are put into the file %s\n"
				"(it is there once there is one), the newest last. Look there now and then, and before you are done.",
				parts->inbox);
		break;
	default:
		return false;
	}
	return true;
}

/* one paragraph, left out if a name in it has no value */
static int add_paragraph(
	struct strbuf *out, const struct prompt_parts *parts, const char *text, size_t len, struct orch_error *err)
{
	size_t start = out->len;
	struct template_part part;
	bool empty = false;

	if (start)
		strbuf_addch(out, '\n');
	while (template_next(&text, &len, &part)) {
		size_t before = out->len;

		if (part.kind == TEMPLATE_BAD)
			return error_set(err, "the preamble: %s: '%.*s'", part.problem, (int)part.len, part.text);
		if (part.kind == TEMPLATE_TEXT) {
			strbuf_add(out, part.text, part.len);
		} else if (part.kind == TEMPLATE_LITERAL) {
			strbuf_addstr(out, "{{");
		} else if (part.functions || !add_name(out, parts, part.name, part.name_len)) {
			return error_set(err,
				"the preamble: unknown name '%.*s'; there are task, stream, title, dir, branch, base, deps, checks, tasks, inbox and report",
				(int)part.len, part.text);
		} else {
			empty |= out->len == before;
		}
	}
	if (empty)
		strbuf_truncate(out, start);
	return 0;
}

static int add_preamble(struct strbuf *out, const struct prompt_parts *parts, const char *text, struct orch_error *err)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) + 1 : strlen(text);

		if (add_paragraph(out, parts, text, len, err) < 0)
			return -1;
		text += len;
		text += strspn(text, "\n");
	}
	return 0;
}

int prompt_check_preamble(const char *text, struct orch_error *err)
{
	static const struct prompt_parts parts = {.stream = ""};
	struct strbuf out = {0};
	int status = add_preamble(&out, &parts, text, err);

	strbuf_release(&out);
	return status;
}

/* --- the whole --- */

static void add_printed(struct strbuf *out, const char *title, const char *text, size_t len)
{
	struct strbuf tail = {0};

	if (!text)
		return;
	prompt_add_tail(&tail, text, len);
	if (tail.len) {
		strbuf_addf(out, "\n%s\n", title);
		add_fenced(out, tail.data, tail.len);
		strbuf_addch(out, '\n');
	}
	strbuf_release(&tail);
}

static void add_failure(struct strbuf *out, const struct prompt_failure *failure, bool resumed)
{
	if (out->len)
		strbuf_addch(out, '\n');
	if (resumed)
		strbuf_addf(out, "That did not succeed: %s. Mend it, and bring the task to its end.\n", failure->what);
	else
		strbuf_addf(out,
			"Attempt %u at this task did not succeed: %s. What it changed is still here: go on from there, or do it otherwise.\n",
			failure->attempt, failure->what);
	add_printed(out, failure->found_wrong ? "What is wrong with it:" : "The check printed, at its end:",
		failure->check, failure->check_len);
	add_printed(out, "The end of the log:", failure->log, failure->log_len);
}

int prompt_build(struct strbuf *out, const struct prompt_parts *parts, struct orch_error *err)
{
	if (parts->resumed) {
		if (parts->failure)
			add_failure(out, parts->failure, true);
		else
			strbuf_addstr(
				out, "You were interrupted. Go on where you were, and bring the task to its end.\n");
		return 0;
	}
	if (add_preamble(out, parts, parts->preamble ? parts->preamble : prompt_preamble, err) < 0)
		return -1;
	if (out->len)
		strbuf_addstr(out, "\nThe task:\n\n");
	strbuf_add(out, parts->prompt, parts->prompt_len);
	if (out->len && out->data[out->len - 1] != '\n')
		strbuf_addch(out, '\n');
	if (parts->failure)
		add_failure(out, parts->failure, false);
	return 0;
}
