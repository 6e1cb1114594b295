/* Any bytes as the output of a program, in a report: split at control sequences, then escaped. Nothing comes out that is
 * a tag, a control character or no UTF-8, and no text is made up. */
#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ansi.h"
#include "listener/markup.h"
#include "util/strbuf.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

struct split {
	const char *text, *at; /* pieces come in order, each behind the one before */
	size_t len;
	struct strbuf out;
	unsigned how;
};

static void check_escaped(const char *text, size_t len, unsigned how)
{
	demand(utf8_invalid_at(text, len) == len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		demand(c >= 0x20 ? c != 0x7f : (c == '\n' || c == '\t') && !(how & (MARKUP_ONE_LINE | MARKUP_ATTRIBUTE)));
		demand(!strchr("<>\"'", c));
		demand(!(how & MARKUP_MARKDOWN) || !strchr("|`*_[]~@\\", c));
		demand(c != '&' || text[i + 1] == '#' || strchr("algq", text[i + 1]));
	}
}

static void on_piece(void *data, const char *text, size_t len, const struct ansi_style *style)
{
	struct split *split = data;
	size_t from = split->out.len;

	demand(len > 0 && style->fg >= ANSI_DEFAULT && style->fg < 256 && style->bg >= ANSI_DEFAULT && style->bg < 256);
	if (style->fg >= 16)
		demand(ansi_rgb(style->fg) <= 0xffffff);
	if (text >= split->text && text < split->text + split->len) {
		demand(text >= split->at && len <= (size_t)(split->text + split->len - text));
		split->at = text + len;
	} else {
		demand(len == 1 && *text == '\n'); /* for a carriage return */
	}
	demand(!memchr(text, '\033', len) && !memchr(text, '\0', len) && !memchr(text, '\r', len));
	markup_add(&split->out, text, len, split->how);
	check_escaped(split->out.data + from, split->out.len - from, split->how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned hows[] = {MARKUP_TEXT, MARKUP_ATTRIBUTE, MARKUP_ONE_LINE, MARKUP_MARKDOWN,
		MARKUP_ONE_LINE | MARKUP_MARKDOWN};
	char *copy = malloc(size + 1);

	demand(copy != NULL);
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct split split = {.text = copy, .at = copy, .len = size, .how = hows[i]};
		struct strbuf shortened = {0};

		ansi_split(copy, size, on_piece, &split);
		strbuf_release(&split.out);
		markup_add_short(&shortened, copy, 12, hows[i]);
		check_escaped(strbuf_cstr(&shortened), shortened.len, hows[i]);
		strbuf_release(&shortened);
	}
	free(copy);
	return 0;
}
