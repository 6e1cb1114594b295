#include "config.h"

#include "util/regex.h"

#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
	MATCH_LIMIT = 1000000, /* a hostile text must not hang us: what needs more steps counts as no match */
	HEAP_LIMIT_KIB = 8192, /* the interpreter's, which keeps what it once had */
	UTF8_MAX = 4,
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *match;
	bool compiled, compiled_partial; /* by the JIT, for whole texts and for texts that grow */
};

/* the class that begins at `at`: where it ends */
static size_t class_end(const char *pattern, size_t len, size_t at)
{
	at++;
	if (at < len && pattern[at] == '^')
		at++;
	/* there, a bracket stands for itself */
	if (at < len && pattern[at] == ']')
		at++;
	for (; at < len && pattern[at] != ']'; at++) {
		if (pattern[at] == '\\') {
			at++;
		} else if (pattern[at] == '[' && at + 1 < len && pattern[at + 1] == ':') {
			const char *end = memmem(pattern + at + 2, len - at - 2, ":]", 2);

			if (end)
				at = (size_t)(end - pattern) + 1;
		}
	}
	return at < len ? at + 1 : len;
}

/* In compiled code of pcre2 10.42, and with PCRE2_MATCH_INVALID_UTF, \D, \S and \W match no character beyond ASCII; in
 * a class of their own they do. */
static bool protect(struct strbuf *out, const char *pattern, size_t len)
{
	bool changed = false;

	for (size_t at = 0, end; at < len; at = end) {
		end = at + 1;
		if (pattern[at] == '[') {
			end = class_end(pattern, len, at);
		} else if (pattern[at] == '\\' && at + 1 < len) {
			end = at + 2;
			if (pattern[at + 1] == 'Q') {
				const char *stop = memmem(pattern + at, len - at, "\\E", 2);

				end = stop ? (size_t)(stop - pattern) + 2 : len;
			} else if (pattern[at + 1] == 'D' || pattern[at + 1] == 'S' || pattern[at + 1] == 'W') {
				strbuf_addf(out, "[\\%c]", pattern[at + 1]);
				changed = true;
				continue;
			}
		}
		strbuf_add(out, pattern + at, end - at);
	}
	return changed;
}

static pcre2_code *compile(const char *pattern, size_t len, int *number, PCRE2_SIZE *offset)
{
	return pcre2_compile((PCRE2_SPTR)pattern, len,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE | PCRE2_USE_OFFSET_LIMIT, number, offset, NULL);
}

int regex_new(struct regex **out, const char *pattern, size_t len, size_t *where, struct orch_error *err)
{
	struct regex *regex;
	PCRE2_SIZE offset = 0;
	int number;
	/* first as it is, so that mistakes are told where they are */
	pcre2_code *code = compile(pattern, len, &number, &offset), *better;
	struct strbuf safe = {0};

	*out = NULL;
	*where = offset;
	if (!code) {
		PCRE2_UCHAR message[256];

		if (pcre2_get_error_message(number, message, sizeof message) < 0)
			return error_set(err, "pcre2 error %d", number);
		return error_set(err, "%s", (const char *)message);
	}
	if (protect(&safe, pattern, len)) {
		better = compile(safe.data, safe.len, &number, &offset);
		if (better) {
			pcre2_code_free(code);
			code = better;
		}
	}
	strbuf_release(&safe);
	regex = xcalloc(1, sizeof *regex);
	regex->code = code;
	regex->context = pcre2_match_context_create(NULL);
	regex->match = pcre2_match_data_create_from_pattern(code, NULL);
	if (!regex->context || !regex->match) {
		regex_free(regex);
		return error_set(err, "out of memory for the pattern");
	}
	pcre2_set_match_limit(regex->context, MATCH_LIMIT);
	pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
	*out = regex;
	return 0;
}

static int match(struct regex *regex, const char *text, size_t len, size_t from, size_t last, uint32_t options)
{
	int rc;

	/* where there is no JIT the interpreter does it */
	if (options & PCRE2_PARTIAL_HARD) {
		if (!regex->compiled_partial)
			pcre2_jit_compile(regex->code, PCRE2_JIT_PARTIAL_HARD);
		regex->compiled_partial = true;
	} else {
		if (!regex->compiled)
			pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
		regex->compiled = true;
	}
	pcre2_set_offset_limit(regex->context, last);
	rc = pcre2_match(regex->code, (PCRE2_SPTR)text, len, from, options, regex->match, regex->context);
	/* the compiled code has a small stack of its own, the interpreter has not */
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(
			regex->code, (PCRE2_SPTR)text, len, from, options | PCRE2_NO_JIT, regex->match, regex->context);
	return rc;
}

bool regex_matches(struct regex *regex, const char *text, size_t len)
{
	return match(regex, text, len, 0, PCRE2_UNSET, 0) >= 0;
}

static bool group_value(
	const struct regex *regex, const char *text, const char *group, const char **value, size_t *value_len)
{
	const PCRE2_SIZE *ends;
	int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)group);

	if (number < 0 || (uint32_t)number >= pcre2_get_ovector_count(regex->match))
		return false;
	ends = pcre2_get_ovector_pointer(regex->match) + 2 * number;
	if (ends[0] == PCRE2_UNSET || ends[1] < ends[0])
		return false;
	*value = text + ends[0];
	*value_len = ends[1] - ends[0];
	return true;
}

bool regex_group(
	struct regex *regex, const char *text, size_t len, const char *group, const char **value, size_t *value_len)
{
	return regex_matches(regex, text, len) && group_value(regex, text, group, value, value_len);
}

enum regex_result regex_search(struct regex *regex, struct regex_search *search)
{
	uint32_t options = (search->more ? PCRE2_PARTIAL_HARD : 0) | (search->not_empty ? PCRE2_NOTEMPTY : 0);
	int rc = match(regex, search->text, search->len, search->from, search->last, options);
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(regex->match);

	if (rc == PCRE2_ERROR_NOMATCH)
		return REGEX_NONE;
	if (rc < 0 && rc != PCRE2_ERROR_PARTIAL)
		return REGEX_LIMIT;
	search->start = ends[0];
	/* \K may have moved the start behind the end */
	search->end = ends[1] > ends[0] ? ends[1] : ends[0];
	return rc < 0 ? REGEX_PARTIAL : REGEX_MATCH;
}

bool regex_found(const struct regex *regex, const struct regex_search *search, const char *group, const char **value,
	size_t *value_len)
{
	return group_value(regex, search->text, group, value, value_len);
}

bool regex_has_group(const struct regex *regex, const char *group)
{
	return pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)group) >= 0;
}

size_t regex_group_names(const struct regex *regex, const char **names, size_t max)
{
	uint32_t count = 0, size = 0;
	size_t found = 0;
	PCRE2_SPTR table = NULL;

	pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &table);
	/* an entry is the group's number in two bytes, and its name */
	for (uint32_t i = 0; table && i < count && found < max; i++)
		names[found++] = (const char *)table + (size_t)i * size + 2;
	return found;
}

size_t regex_lookbehind(const struct regex *regex)
{
	uint32_t characters = 0;

	pcre2_pattern_info(regex->code, PCRE2_INFO_MAXLOOKBEHIND, &characters);
	/* one more than it says: ^ looks at the byte before, and is not counted */
	return ((size_t)characters + 1) * UTF8_MAX;
}

bool regex_starts_lines(const struct regex *regex)
{
	uint32_t type = 0;

	/* 2: "the match must begin at the start of the subject or behind a newline" */
	return pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODETYPE, &type) == 0 && type == 2;
}

void regex_free(struct regex *regex)
{
	if (!regex)
		return;
	pcre2_match_data_free(regex->match);
	pcre2_match_context_free(regex->context);
	pcre2_code_free(regex->code);
	free(regex);
}
