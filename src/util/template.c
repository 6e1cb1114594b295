#include "config.h"

#include "util/template.h"

#include "util/strbuf.h"

#include <string.h>

static const char *find_open(const char *text, size_t len)
{
	const char *end = text + len, *at = text;

	while ((at = memchr(at, '{', (size_t)(end - at)))) {
		if (at + 1 == end)
			return NULL;
		if (at[1] == '{')
			return at;
		at++;
	}
	return NULL;
}

bool template_has_parts(const char *text, size_t len)
{
	return find_open(text, len) != NULL;
}

void template_escape(struct strbuf *out, const char *text, size_t len)
{
	const char *open;

	while ((open = find_open(text, len))) {
		strbuf_add(out, text, (size_t)(open - text));
		strbuf_addstr(out, "{{{{");
		len -= (size_t)(open - text) + 2;
		text = open + 2;
	}
	strbuf_add(out, text, len);
}

/* a NUL is none: strchr() would find it */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_blank(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && is_blank((*text)[*len - 1]))
		(*len)--;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
		c == '-';
}

/* `body` is what stands between the braces */
static const char *parse_expression(struct template_part *part, const char *body, size_t len)
{
	const char *outer[TEMPLATE_FUNCTIONS_MAX];
	size_t outer_len[TEMPLATE_FUNCTIONS_MAX];

	trim(&body, &len);
	/* the fallback is text to the end, and may hold anything but the closing braces */
	for (size_t i = 0; i + 4 <= len; i++) {
		if ((body[i] == ' ' || body[i] == '\t') && memcmp(body + i + 1, "or", 2) == 0 &&
			(body[i + 3] == ' ' || body[i + 3] == '\t')) {
			part->fallback = body + i + 4;
			part->fallback_len = len - i - 4;
			trim(&part->fallback, &part->fallback_len);
			len = i;
			trim(&body, &len);
			break;
		}
	}
	if (!part->fallback && len >= 3 && memcmp(body + len - 3, " or", 3) == 0) {
		part->fallback = body + len;
		len -= 3;
		trim(&body, &len);
	}
	while (len && body[len - 1] == ')') {
		const char *open = memchr(body, '(', len);

		if (!open)
			return "')' without '('";
		if (part->functions == TEMPLATE_FUNCTIONS_MAX)
			return "more than 4 functions in each other";
		outer[part->functions] = body;
		outer_len[part->functions] = (size_t)(open - body);
		trim(&outer[part->functions], &outer_len[part->functions]);
		if (!outer_len[part->functions])
			return "a '(' without a function before it";
		part->functions++;
		len -= (size_t)(open - body) + 2;
		body = open + 1;
		trim(&body, &len);
	}
	for (unsigned i = 0; i < part->functions; i++) {
		part->function[i] = outer[part->functions - 1 - i];
		part->function_len[i] = outer_len[part->functions - 1 - i];
	}
	if (!len)
		return "nothing between '{{' and '}}'";
	for (size_t i = 0; i < len; i++) {
		if (body[i] == '(')
			return "'(' without ')'";
		if (!is_name_char(body[i]))
			return "expected a name between '{{' and '}}'; a literal '{{' is written '{{{{'";
	}
	part->name = body;
	part->name_len = len;
	return NULL;
}

bool template_next(const char **text, size_t *len, struct template_part *part)
{
	const char *open, *close, *end = *text + *len;

	if (!*len)
		return false;
	*part = (struct template_part){.kind = TEMPLATE_TEXT, .text = *text, .len = *len};
	open = find_open(*text, *len);
	if (open != *text) {
		if (open)
			part->len = (size_t)(open - *text);
	} else if (*len >= 4 && memcmp(*text, "{{{{", 4) == 0) {
		part->kind = TEMPLATE_LITERAL;
		part->len = 4;
	} else {
		part->kind = TEMPLATE_BAD;
		for (close = open + 2; close + 1 < end && !(close[0] == '}' && close[1] == '}') && *close != '\n';
			close++)
			;
		if (close + 1 >= end || *close == '\n') {
			part->len = (size_t)((close + 1 >= end ? end : close) - open);
			part->problem = "'{{' without '}}' on the same line; a literal '{{' is written '{{{{'";
		} else {
			part->len = (size_t)(close + 2 - open);
			part->problem = parse_expression(part, open + 2, (size_t)(close - open - 2));
			if (!part->problem)
				part->kind = TEMPLATE_NAME;
		}
	}
	*text += part->len;
	*len -= part->len;
	return true;
}
