#include "config.h"

#include "ui/entry.h"

#include <string.h>

#include "ui/canvas.h"
#include "util/utf8.h"

#define CONTROL(letter) ((letter)&0x1f)

void entry_begin(struct entry *entry, size_t max, bool lines)
{
	strbuf_truncate(&entry->text, 0);
	entry->at = 0;
	entry->max = max;
	entry->lines = lines;
}

/* --- the text --- */

static bool is_inside_character(const struct entry *entry, size_t at)
{
	return at < entry->text.len && ((unsigned char)entry->text.data[at] & 0xc0) == 0x80;
}

static size_t before(const struct entry *entry, size_t at)
{
	if (at == 0)
		return 0;
	for (at--; at > 0 && is_inside_character(entry, at); at--)
		;
	return at;
}

static size_t behind(const struct entry *entry, size_t at)
{
	if (at >= entry->text.len)
		return entry->text.len;
	for (at++; is_inside_character(entry, at); at++)
		;
	return at;
}

static size_t word_before(const struct entry *entry, size_t at)
{
	const char *text = entry->text.data;

	while (at > 0 && strchr(" \t\n", text[at - 1]))
		at--;
	while (at > 0 && !strchr(" \t\n", text[at - 1]))
		at--;
	return at;
}

/* what is between, and the cursor goes there */
static void remove_between(struct entry *entry, size_t from, size_t to)
{
	struct strbuf *text = &entry->text;

	if (from < to) {
		memmove(text->data + from, text->data + to, text->len - to);
		strbuf_truncate(text, text->len - (to - from));
	}
	entry->at = from;
}

static void insert(struct entry *entry, const char *bytes, size_t len)
{
	struct strbuf *text = &entry->text;

	if (text->len + len > entry->max)
		return;
	strbuf_add(text, bytes, len);
	memmove(text->data + entry->at + len, text->data + entry->at, text->len - len - entry->at);
	memcpy(text->data + entry->at, bytes, len);
	entry->at += len;
}

static void insert_character(struct entry *entry, int code)
{
	unsigned char bytes[4];
	size_t len = 0;

	if (code < 0x80) {
		bytes[len++] = (unsigned char)code;
	} else if (code < 0x800) {
		bytes[len++] = (unsigned char)(0xc0 | code >> 6);
		bytes[len++] = (unsigned char)(0x80 | (code & 0x3f));
	} else {
		if (code >= 0x10000) {
			bytes[len++] = (unsigned char)(0xf0 | code >> 18);
			bytes[len++] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
		} else {
			bytes[len++] = (unsigned char)(0xe0 | code >> 12);
		}
		bytes[len++] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		bytes[len++] = (unsigned char)(0x80 | (code & 0x3f));
	}
	insert(entry, (const char *)bytes, len);
}

/* --- keys --- */

static bool is_text(int key)
{
	return key >= ' ' && key != 0x7f && key < 0x110000 && !(key >= 0x80 && key < 0xa0) &&
		!(key >= 0xd800 && key < 0xe000);
}

static void on_pasted(struct entry *entry, int key)
{
	if (key == '\n' || key == '\t')
		insert_character(entry, entry->lines ? key : ' ');
	else if (is_text(key))
		insert_character(entry, key);
}

enum entry_end entry_key(struct entry *entry, int key, bool pasted)
{
	if (pasted) {
		on_pasted(entry, key);
		return ENTRY_GOES_ON;
	}
	switch (key) {
	case '\n':
		return ENTRY_DONE;
	case 27:
		return ENTRY_CANCELLED;
	case CANVAS_KEY_BACKSPACE:
		remove_between(entry, before(entry, entry->at), entry->at);
		break;
	case CANVAS_KEY_DELETE:
	case CONTROL('d'):
		remove_between(entry, entry->at, behind(entry, entry->at));
		break;
	case CONTROL('u'):
		remove_between(entry, 0, entry->at);
		break;
	case CONTROL('k'):
		remove_between(entry, entry->at, entry->text.len);
		break;
	case CONTROL('w'):
		remove_between(entry, word_before(entry, entry->at), entry->at);
		break;
	case CANVAS_KEY_LEFT:
	case CONTROL('b'):
		entry->at = before(entry, entry->at);
		break;
	case CANVAS_KEY_RIGHT:
	case CONTROL('f'):
		entry->at = behind(entry, entry->at);
		break;
	case CANVAS_KEY_HOME:
	case CONTROL('a'):
		entry->at = 0;
		break;
	case CANVAS_KEY_END:
	case CONTROL('e'):
		entry->at = entry->text.len;
		break;
	default:
		if (is_text(key))
			insert_character(entry, key);
		break;
	}
	return ENTRY_GOES_ON;
}

/* --- the line --- */

/* from the text's byte `from` on, with a sign for what is no character of a line */
static void add_shown(const struct entry *entry, struct strbuf *out, size_t from, size_t to, bool unicode)
{
	for (size_t i = from; i < to; i++) {
		if (entry->text.data[i] == '\n')
			strbuf_addstr(out, unicode ? "\xe2\x86\xb5" : "|");
		else
			strbuf_addch(out, entry->text.data[i] == '\t' ? ' ' : entry->text.data[i]);
	}
}

void entry_draw(const struct entry *entry, struct canvas *canvas, unsigned row, unsigned columns, const char *label,
	bool unicode)
{
	struct strbuf line = {0};
	unsigned used, width, room;
	size_t from = entry->at;

	strbuf_addf(&line, "%s:", label);
	used = canvas_text(canvas, row, 1, columns - 1, CANVAS_BOLD, line.data, line.len) + 2;
	room = used + 2 < columns ? columns - used - 1 : 1;
	/* as much before the cursor as fits; the rest goes off to the left */
	for (width = 0; from > 0; from = before(entry, from)) {
		size_t start = before(entry, from);
		char c = entry->text.data[start];
		unsigned more = c == '\n' || c == '\t' ? 1 : utf8_text_width(entry->text.data + start, from - start);

		if (width + more > room)
			break;
		width += more;
	}
	strbuf_truncate(&line, 0);
	add_shown(entry, &line, from, entry->text.len, unicode);
	if (used < columns)
		canvas_text(canvas, row, used, columns - used, CANVAS_PLAIN, strbuf_cstr(&line), line.len);
	canvas_cursor(canvas, row, used + width < columns ? used + width : columns - 1);
	strbuf_release(&line);
}

void entry_release(struct entry *entry)
{
	strbuf_release(&entry->text);
}
