#include "config.h"

#include "foreign/model.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/path.h"
#include "util/suggest.h"
#include "util/template.h"
#include "util/units.h"
#include "util/utf8.h"

enum { NAME_MAX_LEN = 100, TEXT_MAX = 10 * 1024 * 1024 };

void model_init(struct model *model, struct diag_list *diags)
{
	*model = (struct model){.diags = diags, .dir = "."};
	map_init_owning(&model->said);
}

void model_release(struct model *model)
{
	for (size_t i = 0; i < model->streams.count; i++) {
		struct foreign_stream *stream = model->streams.items[i];

		strbuf_release(&stream->prompt);
		ARRAY_RELEASE(&stream->deps);
		ARRAY_RELEASE(&stream->tasks);
		ARRAY_RELEASE(&stream->touches);
		ARRAY_RELEASE(&stream->tags);
		ARRAY_RELEASE(&stream->settings);
	}
	ARRAY_RELEASE(&model->streams);
	map_release(&model->keys);
	map_release(&model->names);
	map_release(&model->said);
	arena_release(&model->arena);
}

void model_warn_once(struct model *model, const char *what, struct place place, const char *format, ...)
{
	va_list args;

	if (map_set(&model->said, what, model))
		return;
	va_start(args, format);
	diag_add(model->diags, DIAG_WARNING, place, format, args);
	va_end(args);
}

void model_warn_unknown(struct model *model, const struct node *map, const char *const *known)
{
	if (!map || map->kind != NODE_MAP)
		return;
	for (const struct node *node = map->first; node; node = node->next) {
		const char *const *at = known;

		while (*at && strcmp(*at, node->key) != 0)
			at++;
		if (!*at && node->kind != NODE_NULL)
			model_warn_once(model, node->key, node->key_place, "'%s' says nothing to orch: it is left out",
				node->key);
	}
}

/* --- streams --- */

struct foreign_stream *model_add(struct model *model, const char *key, struct place place)
{
	struct foreign_stream *stream, *old = model_find(model, key);

	if (old) {
		diag_error(model->diags, place, "'%s' is there twice", key);
		diag_note(model->diags, old->place, "the first time is here");
		return NULL;
	}
	stream = arena_alloc(&model->arena, sizeof *stream);
	stream->key = arena_strdup(&model->arena, key);
	stream->place = place;
	*ARRAY_PUSH(&model->streams) = stream;
	map_set(&model->keys, stream->key, stream);
	return stream;
}

void model_alias(struct model *model, const char *key, struct foreign_stream *stream)
{
	if (!map_get(&model->keys, key))
		map_set(&model->keys, arena_strdup(&model->arena, key), stream);
}

struct foreign_stream *model_find(const struct model *model, const char *key)
{
	return map_get(&model->keys, key);
}

const char *model_split_key(struct model *model, const char *text, const char **title)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	*title = NULL;
	if (!colon || (colon[1] && !isspace((unsigned char)colon[1])))
		return text;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (!len)
		return text;
	colon += 1 + strspn(colon + 1, " \t");
	*title = *colon ? arena_strdup(&model->arena, colon) : NULL;
	return arena_strndup(&model->arena, text, len);
}

void model_dep(struct model *model, struct foreign_stream *stream, const char *key, struct place place)
{
	struct foreign_dep *dep = ARRAY_PUSH(&stream->deps);

	dep->word.text = arena_strdup(&model->arena, key);
	dep->word.place = place;
	model->has_deps = true;
}

void model_deps(struct model *model, struct foreign_stream *stream, const struct node *list)
{
	model->takes_deps = true;
	if (!list)
		return;
	model->has_deps = true;
	if (list->kind == NODE_TEXT) {
		if (*list->text)
			model_dep(model, stream, list->text, list->place);
		return;
	}
	if (list->kind != NODE_LIST) {
		diag_error(model->diags, list->place, "expected a list of names that '%s' depends on", stream->key);
		return;
	}
	for (const struct node *item = list->first; item; item = item->next) {
		if (item->kind == NODE_TEXT && *item->text)
			model_dep(model, stream, item->text, item->place);
		else
			diag_error(model->diags, item->place, "expected the name of what '%s' depends on", stream->key);
	}
}

void model_paragraph(struct foreign_stream *stream, const char *heading, const char *text)
{
	if (!text || !text[strspn(text, " \t\r\n")])
		return;
	if (stream->prompt.len)
		strbuf_addstr(&stream->prompt, "\n\n");
	if (heading)
		strbuf_addf(&stream->prompt, "%s:\n", heading);
	strbuf_addstr(&stream->prompt, text);
}

void model_paragraph_node(struct foreign_stream *stream, const char *heading, const struct node *node)
{
	struct strbuf lines = {0};

	if (!node)
		return;
	if (node->kind == NODE_TEXT) {
		model_paragraph(stream, heading, node->text);
		return;
	}
	for (const struct node *item = node->first; item; item = item->next) {
		const char *text = item->kind == NODE_TEXT ? item->text : node_member_text(item, "title");

		if (text)
			strbuf_addf(&lines, "%s- %s", lines.len ? "\n" : "", text);
	}
	model_paragraph(stream, heading, strbuf_cstr(&lines));
	strbuf_release(&lines);
}

void model_task(struct model *model, struct foreign_stream *stream, const char *title, struct place place)
{
	struct foreign_word *word = ARRAY_PUSH(&stream->tasks);

	word->text = arena_strdup(&model->arena, title);
	word->place = place;
}

/* adds the texts of a list, or one text, to words that a map knows already */
static void add_words(struct model *model, struct foreign_stream *stream, char kind, const struct node *list)
{
	const struct node *item = list && list->kind == NODE_LIST ? list->first : list;

	for (; item; item = list->kind == NODE_LIST ? item->next : NULL) {
		char *mark;
		bool known;
		struct foreign_word *word;

		if (item->kind != NODE_TEXT || !item->text[strspn(item->text, " \t\r\n")])
			continue;
		mark = xasprintf("%c %p %s", kind, (void *)stream, item->text);
		known = map_set(&model->said, mark, model) != NULL;
		free(mark);
		if (known)
			continue;
		word = kind == 'f' ? ARRAY_PUSH(&stream->touches) : ARRAY_PUSH(&stream->tags);
		word->text = item->text;
		word->place = item->place;
	}
}

void model_touches(struct model *model, struct foreign_stream *stream, const struct node *list)
{
	add_words(model, stream, 'f', list);
}

void model_tags(struct model *model, struct foreign_stream *stream, const struct node *list)
{
	add_words(model, stream, 't', list);
}

void model_tag(struct model *model, struct foreign_stream *stream, const char *tag, struct place place)
{
	struct node node = {.kind = NODE_TEXT, .text = arena_strdup(&model->arena, tag), .place = place};

	add_words(model, stream, 't', &node);
}

/* --- what people write --- */

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (strcasecmp(word, *list) == 0)
			return true;
	}
	return false;
}

bool model_is_done(const char *status)
{
	static const char *const done[] = {"done", "completed", "complete", "finished", "closed", NULL};

	return is_one_of(status, done);
}

bool model_is_dropped(const char *status)
{
	static const char *const dropped[] = {"cancelled", "canceled", "archived", "wontfix", "skipped", NULL};

	return is_one_of(status, dropped);
}

bool model_truth(const struct node *node, bool fallback)
{
	static const char *const yes[] = {"true", "yes", "on", "1", NULL},
				 *const no[] = {"false", "no", "off", "0", NULL};

	if (!node || node->kind != NODE_TEXT)
		return fallback;
	return is_one_of(node->text, yes) || (fallback && !is_one_of(node->text, no));
}

void model_status(struct model *model, struct foreign_stream *stream, const struct node *status)
{
	static const char *const open[] = {"pending", "todo", "to-do", "to do", "open", "new", "ready", "queued",
		"active", "in-progress", "in_progress", "in progress", "doing", "created", "failed", "", NULL};
	static const char *const held[] = {
		"deferred", "blocked", "review", "in-review", "in_review", "on-hold", "paused", "backlog", NULL};

	if (!status || status->kind != NODE_TEXT || is_one_of(status->text, open))
		return;
	if (model_is_done(status->text)) {
		stream->complete = true;
	} else if (model_is_dropped(status->text)) {
		stream->complete = true;
		diag_warning(model->diags, status->place,
			"'%s' is %s there: nothing is done for it, and what depends on it goes on", stream->key,
			status->text);
	} else if (is_one_of(status->text, held)) {
		stream->held = true;
	} else {
		diag_warning(model->diags, status->place, "'%s' is no status that orch knows: '%s' counts as not done",
			status->text, stream->key);
	}
}

void model_priority(struct model *model, struct foreign_stream *stream, const struct node *priority)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {{"critical", 20}, {"urgent", 20}, {"highest", 20}, {"high", 10}, {"medium", 0}, {"normal", 0},
		{"low", -10}, {"lowest", -20}};
	int64_t number;

	if (!priority || priority->kind != NODE_TEXT || !*priority->text)
		return;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(priority->text, words[i].word) == 0) {
			stream->priority = words[i].value;
			return;
		}
	}
	if (units_parse_int(priority->text, -100000, 100000, &number))
		stream->priority = (int)-number;
	else
		diag_warning(model->diags, priority->place, "'%s' is no priority that orch knows: it is left out",
			priority->text);
}

void model_role(struct model *model, struct foreign_stream *stream, const struct node *role)
{
	if (!role || role->kind != NODE_TEXT || !*role->text)
		return;
	model_tags(model, stream, role);
	model_paragraph(stream, "Your role", role->text);
}

/* The file of a prompt is expanded as an Orchfile is; one of a foreign file means what it says. With braces
 * in it, its text is taken, which is escaped then */
static bool take_text(struct foreign_stream *stream, const char *path)
{
	struct orch_error err = {0};
	char *text;
	size_t len;
	bool has_braces;

	if (fs_read(path, TEXT_MAX, &text, &len, &err) != 0)
		return false;
	has_braces = template_has_parts(text, len) && utf8_invalid_at(text, len) == len && !memchr(text, '\0', len);
	if (has_braces)
		strbuf_add(&stream->prompt, text, len);
	free(text);
	return has_braces;
}

void model_prompt_file(struct model *model, struct foreign_stream *stream, const char *path, struct place place)
{
	const char *clean = strncmp(path, "./", 2) == 0 ? path + 2 : path;
	char *beside = strcmp(model->dir, ".") == 0 ? xstrdup(clean) : path_join(model->dir, clean);
	char *found = NULL;

	if (model->look && !fs_exists(beside)) {
		char *prompts = path_join("prompts", path_file(clean));
		/* a '/' at the front means the project */
		const char *const places[] = {clean + (*clean == '/'), prompts};

		for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++) {
			if (*places[i] && fs_exists(places[i]))
				found = xstrdup(places[i]);
		}
		if (!found)
			diag_warning(model->diags, place, "there is no file '%s' for the prompt of '%s'", beside,
				stream->key);
		free(prompts);
	}
	if (!model->look || !take_text(stream, found ? found : beside))
		stream->prompt_file = arena_strdup(&model->arena, found ? found : beside);
	stream->prompt_place = place;
	free(found);
	free(beside);
}

/* --- names --- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		c == '-';
}

/* what begins a statement cannot name a stream */
static bool is_statement(const char *name)
{
	static const char *const words[] = {
		"include", "project", "defaults", "agent", "recover", "pool", "on", "for", NULL};

	for (const char *const *word = words; *word; word++) {
		if (strcmp(*word, name) == 0)
			return true;
	}
	return false;
}

/* letters, digits, '.', '_' and '-' of the key; what stands between becomes one '-' */
static void add_fit(struct strbuf *out, const char *key)
{
	bool gap = false;

	for (; *key && out->len < NAME_MAX_LEN; key++) {
		if (!is_name_char(*key) || (!out->len && !isalnum((unsigned char)*key))) {
			gap = out->len > 0;
			continue;
		}
		if (gap && out->data[out->len - 1] != '-' && *key != '-')
			strbuf_addch(out, '-');
		gap = false;
		strbuf_addch(out, *key);
	}
}

static void name_stream(struct model *model, struct foreign_stream *stream, size_t number)
{
	struct strbuf name = {0};
	size_t len;

	add_fit(&name, stream->key);
	if (!name.len)
		strbuf_addf(&name, "task-%zu", number);
	if (is_statement(strbuf_cstr(&name)))
		strbuf_addstr(&name, "-stream");
	len = name.len;
	for (size_t again = 2; map_get(&model->names, strbuf_cstr(&name)); again++) {
		strbuf_truncate(&name, len);
		/* of many alike, the number in the file tells them apart at once */
		strbuf_addf(&name, "-%zu", again == 2 ? number : number + again * model->streams.count);
	}
	stream->name = arena_strdup(&model->arena, strbuf_cstr(&name));
	map_set(&model->names, stream->name, stream);
	if (strcmp(stream->name, stream->key) != 0)
		diag_warning(model->diags, stream->place,
			"'%.200s' cannot be the name of a stream: its stream is called '%s'", stream->key,
			stream->name);
	strbuf_release(&name);
}

static bool is_fit(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!is_name_char(text[i]))
			return false;
	}
	return len && len <= 128 && isalnum((unsigned char)*text);
}

/* the stream that a dependency means; by its key, by the key before a title, or by the name alone */
static struct foreign_stream *resolve(struct model *model, const char *text)
{
	struct foreign_stream *stream = model_find(model, text);
	const char *title;

	if (!stream)
		stream = model_find(model, model_split_key(model, text, &title));
	return stream;
}

static void settle_dep(struct model *model, struct foreign_stream *stream, struct foreign_dep *dep)
{
	struct foreign_stream *other = resolve(model, dep->word.text);
	struct suggest suggest = {.wanted = dep->word.text};

	if (other == stream && strcmp(dep->word.text, stream->key) != 0)
		return; /* one of its own subtasks */
	if (other && other->left_out) {
		diag_error(model->diags, dep->word.place, "'%s' depends on '%s', which is switched off", stream->key,
			dep->word.text);
		diag_note(model->diags, other->place, "it is here");
		return;
	}
	if (other) {
		char *mark = xasprintf("d %p %s", (void *)stream, other->name);

		/* once is enough */
		if (!map_set(&model->said, mark, model))
			dep->name = other->name;
		free(mark);
		return;
	}
	/* perhaps a stream of another file of the project: that is seen when all are read */
	if (is_fit(dep->word.text)) {
		dep->name = dep->word.text;
		return;
	}
	if (model->streams.count <= 1000) {
		for (size_t i = 0; i < model->streams.count; i++)
			suggest_offer(&suggest, model->streams.items[i]->key);
	}
	if (suggest.best)
		diag_error(model->diags, dep->word.place,
			"'%s' depends on '%s', which names nothing; did you mean '%s'?", stream->key, dep->word.text,
			suggest.best);
	else
		diag_error(model->diags, dep->word.place, "'%s' depends on '%s', which names nothing", stream->key,
			dep->word.text);
}

void model_settle(struct model *model)
{
	/* those whose keys are names already keep them */
	for (size_t i = 0; i < model->streams.count; i++) {
		struct foreign_stream *stream = model->streams.items[i];

		if (is_fit(stream->key) && !is_statement(stream->key)) {
			stream->name = stream->key;
			map_set(&model->names, stream->name, stream);
		}
	}
	for (size_t i = 0; i < model->streams.count; i++) {
		if (!model->streams.items[i]->name)
			name_stream(model, model->streams.items[i], i + 1);
	}
	for (size_t i = 0; i < model->streams.count; i++) {
		struct foreign_stream *stream = model->streams.items[i];

		for (size_t k = 0; k < stream->deps.count && !stream->left_out; k++)
			settle_dep(model, stream, &stream->deps.items[k]);
	}
	if (model->takes_deps && !model->has_deps && model->streams.count > 1)
		diag_warning(model->diags, model->place,
			"nothing in it says what depends on what: all that is not done can run at the same time");
}
