#include "config.h"

#include "foreign/write.h"

#include <string.h>

#include "foreign/model.h"
#include "util/template.h"
#include "util/units.h"

void written_release(struct written *written)
{
	strbuf_release(&written->text);
	ARRAY_RELEASE(&written->links);
}

/* what is written from here on says what stands at `place` */
static void link_to(struct written *out, struct place place)
{
	struct source_link *link = ARRAY_PUSH(&out->links);

	link->offset = (uint32_t)out->text.len;
	link->place = place;
}

/* control characters and ends of lines have no place in a line: a blank instead */
static void add_line(struct strbuf *out, const char *text, size_t len)
{
	struct strbuf line = {0};

	for (size_t i = 0; i < len; i++)
		strbuf_addch(&line, (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
	template_escape(out, strbuf_cstr(&line), line.len);
	strbuf_release(&line);
}

/* in double quotes: whatever is in it, it stays one word */
static void add_quoted(struct strbuf *out, const char *text)
{
	struct strbuf quoted = {0};

	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_addch(&quoted, '\\');
		strbuf_addch(&quoted, *text);
	}
	strbuf_addch(out, '"');
	add_line(out, strbuf_cstr(&quoted), quoted.len);
	strbuf_addch(out, '"');
	strbuf_release(&quoted);
}

static bool is_plain_word(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/@%+,:*?[]~^");

	return len && !word[len];
}

static void add_word(struct strbuf *out, const char *word)
{
	if (is_plain_word(word))
		strbuf_addstr(out, word);
	else
		add_quoted(out, word);
}

static void add_words(struct written *out, const char *name, const struct foreign_word *words, size_t count)
{
	if (!count)
		return;
	link_to(out, words[0].place);
	strbuf_addf(&out->text, "\t%s =", name);
	for (size_t i = 0; i < count; i++) {
		strbuf_addch(&out->text, ' ');
		link_to(out, words[i].place);
		add_word(&out->text, words[i].text);
	}
	strbuf_addch(&out->text, '\n');
}

/* A line of a block: the first must not be indented more than the rest, nor may any be empty with blanks in it */
static void add_block_line(struct strbuf *out, const char *line, size_t len)
{
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	if (len) {
		strbuf_addstr(out, "\t\t");
		template_escape(out, line, len);
	}
	strbuf_addch(out, '\n');
}

static void add_block(struct written *out, const char *name, const char *text, size_t len, struct place place)
{
	const char *end = text + len;

	while (text < end && strchr(" \t\r\n", *text))
		text++;
	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	link_to(out, place);
	strbuf_addf(&out->text, "\t%s:\n", name);
	while (text < end) {
		const char *stop = text;

		/* a lone CR ends a line too: no byte of a text may begin one in another way than ours */
		while (stop < end && *stop != '\n' && *stop != '\r')
			stop++;
		add_block_line(&out->text, text, (size_t)(stop - text));
		text = stop < end && *stop == '\r' && stop + 1 < end && stop[1] == '\n' ? stop + 2 : stop + 1;
	}
}

static void add_tasks(struct written *out, const struct foreign_stream *stream)
{
	if (!stream->tasks.count)
		return;
	link_to(out, stream->tasks.items[0].place);
	strbuf_addstr(&out->text, "\ttasks:\n");
	for (size_t i = 0; i < stream->tasks.count; i++) {
		const char *title = stream->tasks.items[i].text;

		title += strspn(title, " \t\r\n");
		link_to(out, stream->tasks.items[i].place);
		strbuf_addstr(&out->text, "\t\t");
		add_line(&out->text, *title ? title : "(without a title)", *title ? strlen(title) : 17);
		strbuf_addch(&out->text, '\n');
	}
}

static void add_setting(struct written *out, const struct foreign_setting *setting)
{
	struct strbuf whole = {0};

	if (!setting->whole) {
		add_words(out, setting->name, setting->words, setting->count);
		return;
	}
	for (uint32_t i = 0; i < setting->count; i++)
		strbuf_addf(&whole, "%s%s", i ? " " : "", setting->words[i].text);
	link_to(out, setting->place);
	strbuf_addf(&out->text, "\t%s = ", setting->name);
	add_word(&out->text, strbuf_cstr(&whole));
	strbuf_addch(&out->text, '\n');
	strbuf_release(&whole);
}

static void add_header(struct written *out, const struct foreign_stream *stream)
{
	link_to(out, stream->place);
	strbuf_addstr(&out->text, stream->name);
	if (stream->title && stream->title[strspn(stream->title, " \t\r\n")]) {
		struct strbuf title = {0};

		strbuf_addstr(&title, stream->title + strspn(stream->title, " \t\r\n"));
		while (strchr(" \t\r\n", title.data[title.len - 1]))
			strbuf_truncate(&title, title.len - 1);
		strbuf_addch(&out->text, ' ');
		add_quoted(&out->text, title.data);
		strbuf_release(&title);
	}
	strbuf_addch(&out->text, ':');
	for (size_t i = 0; i < stream->deps.count; i++) {
		if (!stream->deps.items[i].name)
			continue;
		strbuf_addch(&out->text, ' ');
		link_to(out, stream->deps.items[i].word.place);
		strbuf_addstr(&out->text, stream->deps.items[i].name);
	}
	strbuf_addch(&out->text, '\n');
}

static void add_stream(struct written *out, const struct foreign_stream *stream)
{
	char duration[UNITS_TEXT_MAX];

	add_header(out, stream);
	if (stream->is_group)
		return;
	link_to(out, stream->place);
	if (stream->complete)
		strbuf_addstr(&out->text, "\tcomplete = yes\n");
	if (stream->held && !stream->complete)
		strbuf_addstr(&out->text, "\tapprove = yes\n");
	for (size_t i = 0; i < stream->settings.count; i++)
		add_setting(out, &stream->settings.items[i]);
	link_to(out, stream->place);
	if (stream->priority)
		strbuf_addf(&out->text, "\tpriority = %d\n", stream->priority);
	if (stream->estimate_ms > 0)
		strbuf_addf(&out->text, "\testimate = %s\n", units_duration_exact(duration, stream->estimate_ms));
	add_words(out, "tags", stream->tags.items, stream->tags.count);
	add_words(out, "touches", stream->touches.items, stream->touches.count);
	add_tasks(out, stream);
	if (stream->prompt_file) {
		link_to(out, stream->prompt_place);
		strbuf_addstr(&out->text, "\tprompt = ");
		add_word(&out->text, stream->prompt_file);
		strbuf_addch(&out->text, '\n');
	} else {
		add_block(out, "prompt", strbuf_cstr(&stream->prompt), stream->prompt.len, stream->place);
	}
}

void write_streams(const struct model *model, struct written *out)
{
	bool first = true;

	for (size_t i = 0; i < model->streams.count; i++) {
		if (model->streams.items[i]->left_out)
			continue;
		if (!first)
			strbuf_addch(&out->text, '\n');
		first = false;
		add_stream(out, model->streams.items[i]);
		out->streams++;
	}
}
