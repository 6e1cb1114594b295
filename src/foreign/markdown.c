/*
 * Markdown: a prompt, with or without YAML front matter; and lists of prompt files, as people write them for an agent
 * that starts others: names in bullets, numbers, headings, bold fields or back-ticks, in phases or not.
 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "foreign/readers.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/path.h"
#include "util/template.h"

struct line {
	const char *text, *end; /* without the end of the line */
	const char *next;
};

static bool next_line(struct line *line, const char *end)
{
	const char *stop;

	if (line->next >= end)
		return false;
	line->text = line->next;
	stop = memchr(line->text, '\n', (size_t)(end - line->text));
	line->next = stop ? stop + 1 : end;
	line->end = stop ? stop : end;
	while (line->end > line->text && strchr(" \t\r", line->end[-1]))
		line->end--;
	return true;
}

static bool starts(const struct line *line, const char *with)
{
	size_t len = strlen(with);

	return (size_t)(line->end - line->text) >= len && memcmp(line->text, with, len) == 0;
}

/* is `word` in it, upper and lower case alike? */
static bool has(const struct line *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = line->text; (size_t)(line->end - at) >= len; at++) {
		if (strncasecmp(at, word, len) == 0)
			return true;
	}
	return false;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* behind the marks that a line begins with: bullets, numbers, '#', '**', back-ticks */
static const char *skip_marks(const char *at, const char *end)
{
	const char *digits;

	at = skip_blanks(at, end);
	for (digits = at; digits < end && isdigit((unsigned char)*digits); digits++)
		;
	if (digits > at && digits < end && (*digits == '.' || *digits == ')'))
		at = digits + 1;
	while (at < end && strchr("-*+#`_[> \t\"", *at))
		at++;
	return at;
}

static bool is_item(const struct line *line)
{
	const char *at = skip_blanks(line->text, line->end), *digits = at;

	while (digits < line->end && isdigit((unsigned char)*digits))
		digits++;
	if (digits > at)
		return digits + 1 < line->end && (*digits == '.' || *digits == ')') && digits[1] == ' ';
	return at + 1 < line->end &&
		((strchr("-*+", *at) && at[1] == ' ') || (*at == '*' && at[1] == '*') || *at == '`');
}

static bool is_heading(const struct line *line)
{
	size_t marks = 0;

	while (line->text + marks < line->end && line->text[marks] == '#')
		marks++;
	return marks > 0 && marks <= 6 && line->text + marks < line->end && line->text[marks] == ' ';
}

static bool is_fence(const struct line *line)
{
	const char *at = skip_blanks(line->text, line->end);

	return line->end - at >= 3 && (memcmp(at, "```", 3) == 0 || memcmp(at, "~~~", 3) == 0);
}

static bool is_path_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_./~-", c);
}

/* the name of a .md file that begins at `at`: its length, or 0 */
static size_t md_name(const char *at, const char *end)
{
	size_t len = 0;

	while (at + len < end && at[len] && is_path_char(at[len]))
		len++;
	/* the end of a sentence is none of the name */
	while (len && at[len - 1] == '.')
		len--;
	return len > 3 && memcmp(at + len - 3, ".md", 3) == 0 && at[len - 4] != '/' ? len : 0;
}

/* --- what it is --- */

static bool front_matter(const char *text, size_t len, struct line *body)
{
	const char *end = text + len;
	struct line line = {.next = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text};

	if (!next_line(&line, end) || !(starts(&line, "---") && line.end - line.text == 3))
		return false;
	while (next_line(&line, end)) {
		if (starts(&line, "---") && line.end - line.text == 3) {
			*body = line;
			while (next_line(&line, end)) {
				if (line.end > line.text)
					return true;
			}
			return false;
		}
	}
	return false;
}

bool markdown_has_front_matter(const char *text, size_t len)
{
	struct line body;

	return front_matter(text, len, &body);
}

/* "Execute these prompts in parallel:" */
static bool is_request(const struct line *line)
{
	return (starts(line, "Execute ") || starts(line, "Run ") || starts(line, "Orchestrate ")) &&
		(has(line, "prompt") || has(line, "task")) && memchr(line->text, ':', (size_t)(line->end - line->text));
}

/* `name = value`, or `name ...:` with something indented below that is no item of a list */
static bool is_orchfile_line(struct line line, const char *end)
{
	const char *text = line.text, *stop = line.end;
	struct line below = line;

	if (!isalnum((unsigned char)*text) && *text != '_')
		return false;
	for (const char *at = text; at + 2 < stop; at++) {
		if (*at == ' ' && at[1] == '=' && at[2] == ' ')
			return true;
		if (*at == '?' && at[1] == '=')
			return true;
	}
	if (!memchr(text, ':', (size_t)(stop - text)) || !next_line(&below, end))
		return false;
	return below.end > below.text && (*below.text == '\t' || *below.text == ' ') && !is_item(&below) &&
		!is_fence(&below);
}

bool markdown_is(const char *text, size_t len)
{
	const char *end = text + len;
	struct line line = {.next = text};
	bool no_orchfile = false, request = false, names = false, heading = false, fenced = false;

	while (next_line(&line, end)) {
		if (is_fence(&line))
			fenced = !fenced;
		if (fenced || line.end == line.text)
			continue;
		for (const char *at = line.text; at < line.end && !names; at++)
			names = (at == line.text || !is_path_char(at[-1])) && md_name(at, line.end) > 0;
		if (strchr(" \t", *line.text))
			continue;
		if (is_heading(&line)) {
			heading = true;
		} else if (*line.text != '#') {
			if (is_orchfile_line(line, end))
				return false;
			request |= is_request(&line);
			no_orchfile |= is_item(&line) || strchr(">|`[", *line.text) ||
				(!memchr(line.text, ':', (size_t)(line.end - line.text)) &&
					!memchr(line.text, '=', (size_t)(line.end - line.text)) &&
					!starts(&line, "include") &&
					memchr(line.text, ' ', (size_t)(line.end - line.text)));
		}
	}
	return (no_orchfile && (heading || names)) || (request && names);
}

/* --- a prompt --- */

/* What a prompt may say of its stream. Nothing that is a command, or that changes what one would do: a file that was
 * taken from elsewhere does not say what runs on this machine. */
static const char *const settings[] = {"agent", "inputs", "outputs", "touches", "changes", "when", "timeout", "idle",
	"linger", "kill", "grace", "detach", "retries", "backoff", "isolate", "branch", "base", "copy", "commit",
	"keep", "pool", "weight", "memory", "estimate", "approve", "rerun", "complete", NULL};
static const char *const refused[] = {"run", "check", "setup", "every", "env", "dotenv", "unset", "sandbox", "runner",
	"slurm", "orchfile", "generates", "prompt", NULL};
static const char *const whole[] = {"branch", "base", "commit", NULL};
static const char *const names[] = {"stream", "name", "id", "title", "after", "dependencies", "depends_on", "tags",
	"priority", "tasks", "status", NULL};

static bool is_in(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

static void take_setting(struct model *model, struct foreign_stream *stream, const struct node *node)
{
	struct foreign_setting *setting = ARRAY_PUSH(&stream->settings);
	ARRAY(struct foreign_word) words = {0};
	const struct node *item = node->kind == NODE_LIST ? node->first : node;

	setting->name = node->key;
	setting->place = node->key_place;
	setting->whole = is_in(node->key, whole);
	for (; item; item = node->kind == NODE_LIST ? item->next : NULL) {
		const char *at = item->kind == NODE_TEXT ? item->text : NULL;

		if (!at) {
			diag_error(model->diags, item->place, "expected the value of '%s'", node->key);
			break;
		}
		/* one text may be several words; an item of a list is one */
		while (*at) {
			size_t len = node->kind == NODE_LIST || setting->whole ? strlen(at) : strcspn(at, " \t\r\n");

			if (len) {
				struct foreign_word *word = ARRAY_PUSH(&words);

				word->text = arena_strndup(&model->arena, at, len);
				word->place = item->place;
			}
			at += len;
			at += strspn(at, " \t\r\n");
		}
	}
	setting->count = (uint32_t)words.count;
	setting->words = arena_alloc(&model->arena, (words.count + 1) * sizeof *words.items);
	if (words.count)
		memcpy(setting->words, words.items, words.count * sizeof *words.items);
	ARRAY_RELEASE(&words);
}

static void take_front_matter(struct model *model, struct foreign_stream *stream, const struct node *root)
{
	static const char *const dep_names[] = {"after", "dependencies", "depends_on", NULL};
	const struct node *tasks = node_member(root, "tasks");

	for (const char *const *name = dep_names; *name; name++)
		model_deps(model, stream, node_member(root, *name));
	if (node_member_text(root, "title"))
		stream->title = node_member_text(root, "title");
	model_tags(model, stream, node_member(root, "tags"));
	model_priority(model, stream, node_member(root, "priority"));
	model_status(model, stream, node_member(root, "status"));
	for (const struct node *task = tasks && tasks->kind == NODE_LIST ? tasks->first : NULL; task;
		task = task->next) {
		if (task->kind == NODE_TEXT)
			model_task(model, stream, task->text, task->place);
	}
	for (const struct node *node = root->first; node; node = node->next) {
		if (node->kind == NODE_NULL)
			continue;
		if (is_in(node->key, settings))
			take_setting(model, stream, node);
		else if (is_in(node->key, refused))
			diag_warning(model->diags, node->key_place,
				"'%s' is not taken from a foreign file: say it in the Orchfile", node->key);
		else if (!is_in(node->key, names))
			diag_warning(
				model->diags, node->key_place, "'%s' says nothing to orch: it is left out", node->key);
	}
}

static const char *first_heading(struct model *model, const char *text, const char *end)
{
	struct line line = {.next = text};

	while (next_line(&line, end)) {
		if (is_heading(&line)) {
			const char *at = skip_marks(line.text, line.end);

			return arena_strndup(&model->arena, at, (size_t)(line.end - at));
		}
	}
	return NULL;
}

static void read_prompt(
	struct model *model, const char *path, const char *text, size_t len, struct place start, bool has_matter)
{
	struct line body = {.next = text};
	const struct node *root = NULL, *name = NULL;
	struct foreign_stream *stream;
	char *stem = path_stem(path);

	model->kind = "a prompt";
	if (has_matter && front_matter(text, len, &body)) {
		const char *from = memchr(text, '\n', len);
		struct node_text matter = {
			from + 1, (size_t)(body.text - from - 1), &model->arena, model->diags, start, false};

		matter.place.offset += (uint32_t)(from + 1 - text);
		root = node_read_yaml(&matter);
		if (root && root->kind != NODE_MAP)
			diag_error(model->diags, root->place, "expected 'name: value' lines before the prompt");
		if (root && root->kind == NODE_MAP)
			name = node_member(root, "stream") ? node_member(root, "stream")
				: node_member(root, "id")  ? node_member(root, "id")
							   : node_member(root, "name");
	}
	stream = name && name->kind == NODE_TEXT && *name->text ? model_add(model, name->text, name->place)
								: model_add(model, *stem ? stem : path, start);
	free(stem);
	stream->title = first_heading(model, body.next, text + len);
	if (root && root->kind == NODE_MAP)
		take_front_matter(model, stream, root);
	/* the file of a prompt would be expanded */
	if (has_matter || template_has_parts(text, len)) {
		strbuf_add(&stream->prompt, body.next, (size_t)(text + len - body.next));
	} else {
		stream->prompt_file = arena_strdup(&model->arena, path);
		stream->prompt_place = start;
	}
}

/* --- a list of prompts --- */

struct listing {
	struct model *model;
	const char *text;
	struct place start;
	bool fields;                     /* names stand in "Prompt: x.md" fields: other mentions are prose */
	struct line heading;             /* the last line that may be the title of what follows */
	struct line phase, before_phase; /* text NULL: none */
	bool sequential;
	ARRAY(struct foreign_stream *) before, here; /* of the phase before, of this one */
};

static struct place place_at(const struct listing *list, const char *at, size_t len)
{
	struct place place = list->start;

	place.offset += (uint32_t)(at - list->text);
	place.length = len > UINT16_MAX ? UINT16_MAX : (uint16_t)len;
	return place;
}

/* behind "Prompt:", "**Prompt File**:" and the like; NULL: the line has no such field */
static const char *prompt_field(const struct line *line)
{
	const char *at = skip_marks(line->text, line->end);

	if (line->end - at < 7 || strncasecmp(at, "prompt", 6) != 0)
		return NULL;
	for (at += 6; at < line->end && *at != ':'; at++) {
		if (!isalpha((unsigned char)*at) && !strchr(" *_", *at))
			return NULL;
	}
	return at < line->end ? skip_marks(at + 1, line->end) : NULL;
}

/* the title in a line: without marks, "Prompt", emphasis and the colon at its end */
static const char *title_of(struct model *model, const char *at, const char *end)
{
	struct strbuf title = {0};
	const char *result = NULL;

	at = skip_marks(at, end);
	while (at < end && strchr(" :-()*`_", *at))
		at++;
	while (end > at && strchr(" :-*`_(", end[-1]))
		end--;
	for (; at < end; at++) {
		if (*at != '`' && !(*at == '*' && at + 1 < end && at[1] == '*') && !(*at == '*' && at[-1] == '*'))
			strbuf_addch(&title, *at);
	}
	if (title.len)
		result = arena_strdup(&model->arena, strbuf_cstr(&title));
	strbuf_release(&title);
	return result;
}

/* What is in one phase waits for the phase before: of many, for a group of them, made when somebody waits */
static void gather_before(struct listing *list)
{
	struct model *model = list->model;
	const struct line *phase = &list->before_phase;
	const char *number = skip_marks(phase->text, phase->end);
	struct foreign_stream *group;
	char *key;

	if (list->before.count < 2 || !phase->text)
		return;
	number += strcspn(number, "0123456789\n");
	key = xasprintf("phase-%.*s", (int)strspn(number, "0123456789"), number);
	group = model_add(model, key, place_at(list, phase->text, (size_t)(phase->end - phase->text)));
	free(key);
	if (!group)
		return;
	group->is_group = true;
	group->title = title_of(model, phase->text, phase->end);
	for (size_t i = 0; i < list->before.count; i++)
		model_dep(model, group, list->before.items[i]->key, group->place);
	list->before.items[0] = group;
	list->before.count = 1;
}

static void add_prompt(struct listing *list, const char *at, size_t len, const char *title)
{
	struct model *model = list->model;
	struct foreign_stream *stream;
	char *path = xstrndup(at, len), *stem = path_stem(path);

	if (!model_find(model, stem)) {
		if (!list->here.count)
			gather_before(list);
		stream = model_add(model, stem, place_at(list, at, len));
		stream->title = title;
		model_prompt_file(model, stream, path, stream->place);
		if (list->sequential && list->here.count)
			model_dep(model, stream, list->here.items[list->here.count - 1]->key, stream->place);
		else
			for (size_t i = 0; i < list->before.count; i++)
				model_dep(model, stream, list->before.items[i]->key, stream->place);
		*ARRAY_PUSH(&list->here) = stream;
	}
	free(stem);
	free(path);
}

static void next_phase(struct listing *list, const struct line *line)
{
	if (list->here.count) {
		/* of those that go one after the other, the last is enough to wait for */
		size_t first = list->sequential ? list->here.count - 1 : 0;

		list->before.count = 0;
		for (size_t i = first; i < list->here.count; i++)
			*ARRAY_PUSH(&list->before) = list->here.items[i];
		list->here.count = 0;
		list->before_phase = list->phase;
	}
	list->sequential = has(line, "sequential") || has(line, "one at a time");
	list->phase = *line;
}

static bool is_phase(const struct line *line)
{
	const char *at = skip_marks(line->text, line->end);

	return (is_heading(line) || starts(line, "**")) && line->end - at > 6 && strncasecmp(at, "phase ", 6) == 0;
}

/* behind what stands between names that are listed on one line */
static const char *skip_between(const char *at, const char *end)
{
	while (at < end && strchr(" \t,;`*\"'", *at))
		at++;
	if (end - at > 4 && memcmp(at, "and ", 4) == 0)
		at = skip_marks(at + 4, end);
	return at;
}

/* names of one line: in a field, at the front of an item, or all of a request's */
static void take_line(struct listing *list, const struct line *line)
{
	struct model *model = list->model;
	const char *field = prompt_field(line), *at = skip_marks(line->text, line->end);
	size_t len;

	if (list->fields) {
		len = field ? md_name(field, line->end) : 0;
		if (len)
			add_prompt(list, field, len,
				list->heading.text ? title_of(model, list->heading.text, list->heading.end) : NULL);
		else if (is_heading(line) || (is_item(line) && strchr("0123456789", *line->text)) || starts(line, "**"))
			list->heading = *line;
		return;
	}
	len = md_name(at, line->end);
	if (len && (is_item(line) || is_heading(line) || at == line->text)) {
		bool several = false;

		/* several on one line, without words between them; else what is behind the name is the title */
		for (const char *rest = at + len, *next; len; at = next, rest = at + len) {
			size_t length = len;

			next = skip_between(rest, line->end);
			len = next > rest ? md_name(next, line->end) : 0;
			several |= len > 0;
			add_prompt(list, at, length, several ? NULL : title_of(model, rest, line->end));
		}
	} else if (is_request(line)) {
		for (at = line->text; at < line->end; at++) {
			len = at == line->text || !is_path_char(at[-1]) ? md_name(at, line->end) : 0;
			if (len)
				add_prompt(list, at, len, NULL);
		}
	}
}

/* reads what may be a list; false: it is a prompt that mentions files at most */
static bool read_list(struct model *model, const char *text, size_t len, struct place start)
{
	const char *end = text + len;
	struct listing list = {.model = model, .text = text, .start = start};
	struct line line = {.next = text};
	bool fenced = false, request = false;

	while (next_line(&line, end)) {
		const char *field = prompt_field(&line);

		list.fields |= field && md_name(field, line.end);
		request |= is_request(&line) || is_phase(&line) ||
			(is_heading(&line) && has(&line, "task") && has(&line, "execut"));
	}
	line.next = text;
	while ((request || list.fields) && next_line(&line, end)) {
		if (is_fence(&line))
			fenced = !fenced;
		if (fenced)
			continue;
		if (is_phase(&line)) {
			next_phase(&list, &line);
		} else {
			take_line(&list, &line);
		}
	}
	ARRAY_RELEASE(&list.before);
	ARRAY_RELEASE(&list.here);
	return model->streams.count > 0;
}

void markdown_read(struct model *model, const char *path, const char *text, size_t len, struct place start)
{
	bool has_matter = markdown_has_front_matter(text, len);

	model->kind = "a list of prompts";
	if (has_matter || !read_list(model, text, len, start))
		read_prompt(model, path, text, len, start, has_matter);
}
