#include "config.h"

#include "lang/ast_print.h"

#include <string.h>

#include "util/strbuf.h"

/* Comments and blank lines are no nodes: what lies between the end of one line that is printed and the start of the
 * next one is looked through for them. */
struct printer {
	const char *text, *end;
	const char *at; /* all before is printed; the start of a line */
	struct strbuf *out;
	unsigned depth;  /* of the line printed last */
	uint32_t column; /* where it began in the source */
	bool opened;     /* the line before opens a body: no blank line goes behind it */
	bool body_ended; /* the statement before had a body: a blank line goes behind it */
};

static void tabs(struct printer *p, unsigned depth)
{
	while (depth--)
		strbuf_addch(p->out, '\t');
}

static const char *line_end(const struct printer *p, const char *line)
{
	const char *stop = memchr(line, '\n', (size_t)(p->end - line));

	return stop ? stop : p->end;
}

static const char *after(const struct printer *p, const char *stop)
{
	return stop < p->end ? stop + 1 : stop;
}

/* the column of the code of a line, tabs of 8; *code: where it begins */
static uint32_t code_column(const char *line, const char *stop, const char **code)
{
	uint32_t column = 0;

	for (; line < stop && (*line == ' ' || *line == '\t'); line++)
		column = *line == '\t' ? (column / 8 + 1) * 8 : column + 1;
	*code = line;
	return column;
}

static const char *trim(const char *start, const char *stop)
{
	while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
		stop--;
	return stop;
}

static void blank_line(struct printer *p)
{
	size_t len = p->out->len;

	if (len == 0 || (len >= 2 && p->out->data[len - 1] == '\n' && p->out->data[len - 2] == '\n'))
		return;
	strbuf_addch(p->out, '\n');
}

/* Comments and blank lines up to `to`, which is the start of a line at `depth`, or the end. A comment belongs to the
 * deeper of the lines around it if it is indented like that. `stanza`: the next line is a statement that wants a blank
 * line before it */
static void gap(struct printer *p, const char *to, unsigned depth, bool stanza)
{
	bool blank = false, wanted = stanza || p->body_ended, placed = false, dedented = depth >= p->depth;

	while (p->at < to) {
		const char *stop = line_end(p, p->at), *code;
		uint32_t column = code_column(p->at, stop, &code);
		const char *last = trim(code, stop);

		if (code < last && *code == '#') {
			if (!dedented && column < p->column)
				dedented = true;
			blank &= !p->opened;
			p->opened = false;
			/* the blank line that the next statement wants goes before its comments */
			if (blank || (wanted && dedented && !placed))
				blank_line(p);
			placed |= dedented;
			tabs(p, dedented ? depth : p->depth);
			strbuf_add(p->out, code, (size_t)(last - code));
			strbuf_addch(p->out, '\n');
			blank = false;
		} else {
			blank = true;
		}
		p->at = after(p, stop);
	}
	if (to < p->end && ((blank && !p->opened) || (wanted && !placed)))
		blank_line(p);
	p->body_ended = p->opened = false;
}

static const char *line_start(const struct printer *p, uint32_t offset)
{
	const char *at = p->text + offset;

	while (at > p->text && at[-1] != '\n')
		at--;
	return at;
}

/* the end of a line whose tokens end at `offset`, with the comment behind them */
static void finish_line(struct printer *p, uint32_t offset)
{
	const char *at = p->text + offset, *stop = line_end(p, at);
	const char *last = trim(at, stop);

	while (at < last && (*at == ' ' || *at == '\t'))
		at++;
	if (at < last && *at == '#') {
		strbuf_addch(p->out, ' ');
		strbuf_add(p->out, at, (size_t)(last - at));
	}
	strbuf_addch(p->out, '\n');
	p->at = after(p, stop);
}

static void span(struct printer *p, struct span s)
{
	strbuf_add(p->out, p->text + s.offset, s.len);
}

/* a value: each joined line on a line of its own */
static void value(struct printer *p, struct span s)
{
	const char *at = p->text + s.offset, *end = at + s.len, *stop;

	while ((stop = memchr(at, '\n', (size_t)(end - at)))) {
		const char *last = stop;

		while (last > at && (last[-1] == '\r' || last[-1] == '\\'))
			last--;
		last = trim(at, last);
		strbuf_add(p->out, at, (size_t)(last - at));
		strbuf_addstr(p->out, last > at ? " \\\n" : "\\\n");
		tabs(p, p->depth + 1);
		for (at = stop + 1; at < end && (*at == ' ' || *at == '\t'); at++)
			;
	}
	strbuf_add(p->out, at, (size_t)(end - at));
}

/* words with one blank between, or a joined line where there was one; *last: the end of the word before */
static void words(struct printer *p, struct ast_words list, const char *gap_text, uint32_t *last)
{
	for (const struct ast_word *word = list.first; word; word = word->next) {
		if (word != list.first || *gap_text) {
			if (memchr(p->text + *last, '\n', word->span.offset - *last)) {
				strbuf_addstr(p->out, " \\\n");
				tabs(p, p->depth + 1);
			} else {
				strbuf_addch(p->out, ' ');
			}
		}
		span(p, word->span);
		*last = word->span.offset + word->span.len;
	}
}

/* lines of a verbatim text, from one indentation to another */
static void verbatim(struct printer *p, struct span s, unsigned depth)
{
	const char *at = p->text + s.offset, *end = at + s.len;
	size_t strip = 0;

	while (strip < s.len && (at[strip] == ' ' || at[strip] == '\t'))
		strip++;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;

		if (!stop)
			stop = end;
		if (stop > at && stop[-1] == '\r')
			stop--;
		for (size_t i = 0; i < strip && at < stop && (*at == ' ' || *at == '\t'); i++)
			at++;
		if (at < stop)
			tabs(p, depth);
		strbuf_add(p->out, at, (size_t)(stop - at));
		strbuf_addch(p->out, '\n');
		at = next;
	}
	p->at = after(p, line_end(p, p->text + s.offset + s.len));
}

static void begin_line(struct printer *p, const struct ast *node, unsigned depth, bool stanza)
{
	const char *line = line_start(p, node->start), *code;

	gap(p, line, depth, stanza);
	p->depth = depth;
	p->column = code_column(line, p->end, &code);
	tabs(p, depth);
}

/* a verbatim text behind `name:` */
static void text_of(struct printer *p, const struct ast *node)
{
	const char *key_line;

	if (node->inline_text) {
		strbuf_addch(p->out, ' ');
		span(p, node->value);
		strbuf_addch(p->out, '\n');
		p->at = after(p, line_end(p, p->text + node->value.offset + node->value.len));
		return;
	}
	key_line = p->text + node->start;
	while (key_line < p->end && *key_line != ':' && *key_line != '\n')
		key_line++;
	finish_line(p, (uint32_t)(key_line + 1 - p->text));
	/* what stands between the header and its text */
	p->opened = true;
	gap(p, p->text + node->value.offset, p->depth + 1, false);
	verbatim(p, node->value, p->depth + 1);
}

static void item(struct printer *p, const struct ast *node, unsigned depth)
{
	const char *code;

	switch (node->kind) {
	case AST_SETTING:
		begin_line(p, node, depth, false);
		span(p, node->name);
		strbuf_addstr(p->out, node->op == '+' ? " +=" : " =");
		if (node->value.len) {
			strbuf_addch(p->out, ' ');
			value(p, node->value);
		}
		finish_line(p, node->value.offset + node->value.len);
		break;
	case AST_BLOCK:
		begin_line(p, node, depth, false);
		span(p, node->name);
		if (node->title.len) {
			const char *duration = p->text + node->title.offset + 5,
				   *stop = p->text + node->title.offset + node->title.len;

			while (duration < stop && (*duration == ' ' || *duration == '\t'))
				duration++;
			strbuf_addch(p->out, ' ');
			strbuf_add(p->out, duration, (size_t)(stop - duration));
		}
		strbuf_addch(p->out, ':');
		text_of(p, node);
		break;
	default:
		gap(p, line_start(p, node->value.offset), depth, false);
		p->depth = depth;
		p->column = code_column(p->text + node->value.offset, p->end, &code);
		verbatim(p, node->value, depth);
		break;
	}
}

static void header(struct printer *p, const struct ast *node)
{
	uint32_t last = node->start;

	words(p, node->names, "", &last);
	if (node->title.len) {
		strbuf_addch(p->out, ' ');
		span(p, node->title);
		last = node->title.offset + node->title.len;
	}
	strbuf_addch(p->out, ':');
	while (p->text[last++] != ':')
		;
	words(p, node->deps, " ", &last);
	if (node->order.first) {
		strbuf_addstr(p->out, " |");
		words(p, node->order, " ", &last);
	}
	finish_line(p, last);
}

static bool has_body(const struct ast *node)
{
	return node->first_child || (node->kind == AST_ON && !node->inline_text);
}

static void head(struct printer *p, const struct ast *node)
{
	uint32_t last = node->start;

	switch (node->kind) {
	case AST_ASSIGN:
		span(p, node->name);
		strbuf_addch(p->out, ' ');
		if (node->op != '=')
			strbuf_addch(p->out, node->op);
		strbuf_addch(p->out, '=');
		if (node->value.len) {
			strbuf_addch(p->out, ' ');
			if (node->op == '!')
				span(p, node->value);
			else
				value(p, node->value);
		}
		finish_line(p, node->value.offset + node->value.len);
		break;
	case AST_INCLUDE:
		strbuf_addstr(p->out, node->optional ? "include?" : "include");
		words(p, node->names, " ", &last);
		finish_line(p, node->end);
		break;
	case AST_PROJECT:
	case AST_DEFAULTS:
		strbuf_addstr(p->out, node->kind == AST_PROJECT ? "project:" : "defaults:");
		finish_line(p, node->end);
		break;
	case AST_AGENT:
	case AST_RECOVER:
	case AST_RUNNER:
		strbuf_addstr(p->out,
			node->kind == AST_AGENT           ? "agent "
				: node->kind == AST_RUNNER ? "runner "
							   : "recover ");
		span(p, node->name);
		strbuf_addch(p->out, ':');
		if (node->value.len) {
			strbuf_addch(p->out, ' ');
			span(p, node->value);
			strbuf_addch(p->out, ':');
		}
		finish_line(p, node->end);
		break;
	case AST_POOL:
		strbuf_addstr(p->out, "pool ");
		span(p, node->name);
		strbuf_addstr(p->out, " = ");
		span(p, node->value);
		finish_line(p, node->end);
		break;
	case AST_ON:
		strbuf_addstr(p->out, "on ");
		span(p, node->name);
		strbuf_addch(p->out, ':');
		text_of(p, node);
		break;
	case AST_FOR:
		strbuf_addstr(p->out, "for ");
		span(p, node->name);
		strbuf_addstr(p->out, " in");
		last = node->name.offset + node->name.len;
		words(p, node->names, " ", &last);
		strbuf_addch(p->out, ':');
		finish_line(p, node->end);
		break;
	default:
		header(p, node);
		break;
	}
}

/* Recursion: as deep as `for` is nested, which the parser limits. */
static void statements(struct printer *p, const struct ast *node, unsigned depth)
{
	for (bool first = true; node; node = node->next, first = false) {
		bool body = has_body(node);

		/* inside a loop no blank line is wanted before the first statement */
		begin_line(p, node, depth, body && !(first && depth));
		head(p, node);
		p->opened = node->first_child != NULL;
		if (node->kind == AST_FOR) {
			statements(p, node->first_child, depth + 1);
		} else {
			for (const struct ast *child = node->first_child; child; child = child->next)
				item(p, child, depth + 1);
		}
		p->body_ended = body;
	}
}

void ast_print(const struct ast *first, const char *text, size_t len, struct strbuf *out)
{
	struct printer p = {.text = text, .end = text + len, .at = text, .out = out};

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p.at += 3;
	statements(&p, first, 0);
	gap(&p, p.end, 0, false);
}
