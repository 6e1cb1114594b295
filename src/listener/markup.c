#include "config.h"

#include "listener/markup.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/strbuf.h"
#include "util/utf8.h"

static const char replacement[] = "\xef\xbf\xbd";

static bool is_bad(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffe || code == 0xffff ||
		(code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x200e ||
		code == 0x200f || code == 0x061c;
}

static void add_space(struct strbuf *out, char c, unsigned how)
{
	if (how & MARKUP_ONE_LINE)
		strbuf_addch(out, ' ');
	else if (how & MARKUP_ATTRIBUTE)
		strbuf_addf(out, "&#%d;", c);
	else
		strbuf_addch(out, c);
}

static void add_ascii(struct strbuf *out, char c, unsigned how)
{
	switch (c) {
	case '&':
		strbuf_addstr(out, "&amp;");
		break;
	case '<':
		strbuf_addstr(out, "&lt;");
		break;
	case '>':
		strbuf_addstr(out, "&gt;");
		break;
	case '"':
		strbuf_addstr(out, "&quot;");
		break;
	case '\'':
		strbuf_addstr(out, "&#39;");
		break;
	default:
		/* a reference is never structure in Markdown, nor a mention or an address that becomes a link */
		if ((how & MARKUP_MARKDOWN) && strchr("\\`*_{}[]()#+!|~@:$^=", c))
			strbuf_addf(out, "&#%d;", c);
		else
			strbuf_addch(out, c);
	}
}

/* adds one character of at most `len` bytes; returns its length */
static size_t add_character(struct strbuf *out, const char *text, size_t len, unsigned how)
{
	uint32_t code;
	size_t size = utf8_decode(text, len, &code);

	if (code == '\r' && len > 1 && text[1] == '\n') {
		add_space(out, '\n', how);
		return 2;
	}
	if (code == '\n' || code == '\t')
		add_space(out, (char)code, how);
	else if (code == '\r')
		add_space(out, '\n', how);
	else if (is_bad(code))
		strbuf_addstr(out, replacement);
	else if (code < 0x80)
		add_ascii(out, (char)code, how);
	else if (size == 1)
		strbuf_addstr(out, replacement);
	else
		strbuf_add(out, text, size);
	return size;
}

void markup_add(struct strbuf *out, const char *text, size_t len, unsigned how)
{
	for (size_t at = 0; at < len;)
		at += add_character(out, text + at, len - at, how);
}

void markup_addstr(struct strbuf *out, const char *text, unsigned how)
{
	markup_add(out, text, strlen(text), how);
}

void markup_add_short(struct strbuf *out, const char *text, size_t max, unsigned how)
{
	size_t len = strlen(text), at = 0;

	for (size_t characters = 0; at < len && characters < max; characters++) {
		if (characters + 1 == max) {
			uint32_t code;

			if (at + utf8_decode(text + at, len - at, &code) < len) {
				strbuf_addstr(out, "\xe2\x80\xa6");
				return;
			}
		}
		at += add_character(out, text + at, len - at, how);
	}
}

void markup_add_ends(struct strbuf *out, const char *text, size_t max, unsigned how)
{
	size_t len = strlen(text), characters = 0, at = 0, tail = max / 2, head = max - tail;
	uint32_t code;

	for (size_t i = 0; i < len; i += utf8_decode(text + i, len - i, &code))
		characters++;
	if (characters <= max) {
		markup_add(out, text, len, how);
		return;
	}
	/* the ellipsis is the last of the head */
	markup_add_short(out, text, head, how);
	for (size_t skip = characters - tail; skip > 0; skip--)
		at += utf8_decode(text + at, len - at, &code);
	markup_add(out, text + at, len - at, how);
}
