/*
 * Any bytes as what people write in an Orchfile: templates, durations, sizes, paths, globs, patterns, secrets; and the
 * readers and writers under them. The input's first line is the glob or the pattern, the rest what it is matched with.
 */
#include "config.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/json.h"
#include "util/path.h"
#include "util/redact.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/suggest.h"
#include "util/template.h"
#include "util/units.h"
#include "util/utf8.h"
#include "util/textwatch.h"
#include "util/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static bool is_within(const char *part, size_t part_len, const char *text, size_t len)
{
	return part >= text && part_len <= len && (size_t)(part - text) <= len - part_len;
}

static void try_template(const char *text, size_t len)
{
	struct strbuf escaped = {0}, expanded = {0};
	struct template_part part;
	const char *at = text;
	size_t left = len;

	while (template_next(&at, &left, &part)) {
		demand(part.len > 0 && part.text + part.len == at && is_within(part.text, part.len, text, len));
		demand((part.kind == TEMPLATE_BAD) == (part.problem != NULL));
		if (part.kind != TEMPLATE_NAME)
			continue;
		demand(part.name_len > 0 && is_within(part.name, part.name_len, part.text, part.len));
		demand(!part.fallback || is_within(part.fallback, part.fallback_len, part.text, part.len));
		demand(part.functions <= TEMPLATE_FUNCTIONS_MAX);
		for (unsigned i = 0; i < part.functions; i++)
			demand(part.function_len[i] > 0 &&
				is_within(part.function[i], part.function_len[i], part.text, part.len));
	}
	demand(left == 0 && at == text + len);

	template_escape(&escaped, text, len);
	at = strbuf_cstr(&escaped);
	left = escaped.len;
	while (template_next(&at, &left, &part)) {
		demand(part.kind == TEMPLATE_TEXT || part.kind == TEMPLATE_LITERAL);
		if (part.kind == TEMPLATE_TEXT)
			strbuf_add(&expanded, part.text, part.len);
		else
			strbuf_addstr(&expanded, "{{");
	}
	demand(expanded.len == len && memcmp(strbuf_cstr(&expanded), text, len) == 0);
	strbuf_release(&escaped);
	strbuf_release(&expanded);
}

static void try_units(const char *text)
{
	char buffer[UNITS_TEXT_MAX];
	int64_t value, back;
	double number;
	bool flag;

	if (units_parse_duration(text, &value)) {
		demand(value >= 0);
		demand(units_parse_duration(units_duration_exact(buffer, value), &back) && back == value);
		demand(strlen(units_duration(buffer, value)) < UNITS_TEXT_MAX);
	}
	if (units_parse_size(text, &value))
		demand(value >= 0 && strlen(units_size(buffer, value)) < UNITS_TEXT_MAX);
	if (units_parse_int(text, -1000, INT64_MAX, &value)) {
		demand(value >= -1000);
		units_duration(buffer, value);
		units_size(buffer, value);
		units_time_utc(buffer, value);
		units_duration_exact(buffer, value);
	}
	if (units_parse_double(text, &number))
		demand(isfinite(number));
	if (units_parse_time_utc(text, &value))
		demand(strcmp(units_time_utc(buffer, value), text) == 0);
	if (units_parse_bool(text, &flag))
		demand(!units_parse_int(text, 0, 1, &value));
}

static void try_path(const char *path)
{
	char *clean = path_clean(path), *again = path_clean(clean), *dir = path_dir(path), *stem = path_stem(path);
	char *joined = path_join("base", path);
	struct strbuf quoted = {0}, plain = {0};
	const char *at;

	demand(*clean && strcmp(clean, again) == 0 && !strstr(clean, "//"));
	demand(path_is_inside(path) == path_is_inside(clean) && (*path == '/') == (*clean == '/'));
	demand(*dir && strlen(stem) <= strlen(path_file(path)) && !strchr(path_file(path), '/'));
	demand(*path == '/' ? strcmp(joined, path) == 0 : strncmp(joined, "base/", 5) == 0);
	free(clean);
	free(again);
	free(dir);
	free(stem);
	free(joined);

	path_quote(&quoted, path);
	/* read as a shell reads it: '...' as it is, \' a quote */
	for (at = strbuf_cstr(&quoted); *at;) {
		if (*at == '\'') {
			const char *end = strchr(at + 1, '\'');

			demand(end != NULL);
			strbuf_add(&plain, at + 1, (size_t)(end - at - 1));
			at = end + 1;
		} else {
			at += *at == '\\';
			demand(*at);
			strbuf_addch(&plain, *at++);
		}
	}
	demand(quoted.len > 0 && strcmp(strbuf_cstr(&plain), path) == 0);
	strbuf_release(&quoted);
	strbuf_release(&plain);
}

/* --- globs, held against a matcher that tries everything --- */

enum { GLOB_MAX = 48 };

struct tried {
	const char *glob, *name;
	bool known[GLOB_MAX + 1][GLOB_MAX + 1], matches[GLOB_MAX + 1][GLOB_MAX + 1];
};

/* length of the class at `glob`, 0 if it has no end; does `c` belong to it? */
static size_t class_length(const char *glob, unsigned char c, bool *matches)
{
	size_t at = 1, first;
	bool negated = glob[at] == '!' || glob[at] == '^', found = false;

	at += negated;
	for (first = at; glob[at] && (glob[at] != ']' || at == first);) {
		unsigned char low = (unsigned char)glob[at], high = low;

		at++;
		if (glob[at] == '-' && glob[at + 1] && glob[at + 1] != ']') {
			high = (unsigned char)glob[at + 1];
			at += 2;
		}
		found = found || (c >= low && c <= high);
	}
	*matches = found != negated && c != '/';
	return glob[at] ? at + 1 : 0;
}

static bool try_match(struct tried *tried, size_t g, size_t n)
{
	const char *glob = tried->glob + g, *name = tried->name + n;
	bool matches = false;
	size_t skip = 1;

	if (tried->known[g][n])
		return tried->matches[g][n];
	if (glob[0] == '*' && glob[1] == '*' && (g == 0 || glob[-1] == '/') && (glob[2] == '/' || !glob[2])) {
		matches = !glob[2];
		for (size_t i = 0; !matches; i++) {
			matches = (i == 0 || name[i - 1] == '/') && try_match(tried, g + 3, n + i);
			if (!name[i])
				break;
		}
	} else if (*glob == '*') {
		skip = strspn(glob, "*");
		for (size_t i = 0; !matches; i++) {
			matches = try_match(tried, g + skip, n + i);
			if (!name[i] || name[i] == '/')
				break;
		}
	} else if (!*glob || !*name) {
		matches = !*glob && !*name;
	} else {
		size_t length = *glob == '[' ? class_length(glob, (unsigned char)*name, &matches) : 0;

		if (length) {
			skip = length;
		} else if (*glob == '?') {
			matches = *name != '/';
		} else {
			skip = *glob == '\\' && glob[1] ? 2 : 1;
			matches = glob[skip - 1] == *name;
		}
		matches = matches && try_match(tried, g + skip, n + 1);
	}
	tried->known[g][n] = true;
	tried->matches[g][n] = matches;
	return matches;
}

static void try_glob(const char *glob, const char *name)
{
	bool matches = path_match(glob, name);

	if (strlen(glob) <= GLOB_MAX && strlen(name) <= GLOB_MAX) {
		struct tried tried = {.glob = glob, .name = name};

		demand(matches == try_match(&tried, 0, 0));
	}
	if (!path_has_glob(glob) && !strchr(glob, '\\'))
		demand(matches == (strcmp(glob, name) == 0));
}

static void try_regex(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
	struct orch_error err = {0};
	struct regex *regex;
	const char *value;
	size_t where, value_len;

	if (regex_new(&regex, pattern, pattern_len, &where, &err) < 0) {
		demand(!regex && where <= pattern_len && err.message[0]);
		return;
	}
	if (regex_group(regex, text, len, "name", &value, &value_len))
		demand(is_within(value, value_len, text, len) && regex_matches(regex, text, len));
	regex_free(regex);
}

static void on_found(void *data, unsigned pattern, const struct regex *regex, const struct regex_search *match)
{
	struct strbuf *log = data;
	const char *value;
	size_t len;

	(void)pattern;
	demand(match->start <= match->end && match->end <= match->len);
	strbuf_addf(log, "%zu:", match->end - match->start);
	strbuf_add(log, match->text + match->start, match->end - match->start);
	if (regex_found(regex, match, "name", &value, &len))
		strbuf_add(log, value, len);
}

/* in one piece and in pieces of all sizes up to 40 bytes: the same is found, also by the own channel where all is its
 * own */
static void try_watch(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
	static const char *const by_place[] = {"\\G", "\\A", "\\K", "\\C", "(*"};
	struct regex *regex, *own;
	struct strbuf logs[2] = {{0}};
	uint32_t random = (uint32_t)len + 1;
	bool gave_up = false;
	size_t where;

	/* what these mean depends on where the search began */
	for (size_t i = 0; i < sizeof by_place / sizeof by_place[0]; i++) {
		if (memmem(pattern, pattern_len, by_place[i], strlen(by_place[i])))
			return;
	}
	if (len > 2000 || regex_new(&regex, pattern, pattern_len, &where, NULL) < 0)
		return;
	demand(regex_new(&own, "", 0, &where, NULL) == 0);
	for (int round = 0; round < 2; round++) {
		/* a line of the own channel has an end, also where the text ends without: so an empty match may be
		 * there */
		bool ends_line = len > 0 && text[len - 1] == '\n';
		struct textwatch_pattern watched = {.regex = regex, .own = round == 1 && len % 2 && ends_line};
		struct textwatch *watch = textwatch_new(&watched, 1, own, on_found, &logs[round]);

		for (size_t at = 0, n; at < len; at += n) {
			random = random * 1664525 + 1013904223;
			n = round ? 1 + (random >> 16) % 40 : len;
			if (n > len - at)
				n = len - at;
			textwatch_feed(watch, text + at, n);
		}
		textwatch_finish(watch);
		gave_up |= textwatch_gave_up(watch, 0);
		textwatch_free(watch);
	}
	demand(gave_up ||
		(logs[0].len == logs[1].len && (!logs[0].len || memcmp(logs[0].data, logs[1].data, logs[0].len) == 0)));
	strbuf_release(&logs[0]);
	strbuf_release(&logs[1]);
	regex_free(regex);
	regex_free(own);
}

/* does it take the pattern too long for some part of a line? */
static bool is_slow(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
	struct regex *regex;
	bool slow = false;
	size_t where;

	demand(regex_new(&regex, pattern, pattern_len, &where, NULL) == 0);
	for (size_t from = 0; from < len && !slow; from++) {
		for (size_t end = from + 1; end <= len && !slow && text[end - 1] != '\n'; end++) {
			size_t part = end - from;
			struct regex_search search = {
				.text = text + from, .len = part, .last = part, .not_empty = true};

			slow = regex_search(regex, &search) == REGEX_LIMIT;
			search = (struct regex_search){
				.text = text + from, .len = part, .last = part, .more = true, .not_empty = true};
			slow |= regex_search(regex, &search) == REGEX_LIMIT;
		}
	}
	regex_free(regex);
	return slow;
}

/* what is taken out does not depend on the pieces that the text comes in */
static void try_redact(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
	char *copy = xstrndup(pattern, pattern_len);
	struct redact *redact = redact_new();
	struct strbuf whole = {0}, pieces = {0};
	uint32_t random = (uint32_t)len + 7;

	if (len > 400 || strlen(copy) != pattern_len || strstr(copy, "\\G") || strstr(copy, "\\A") ||
		strstr(copy, "\\C") || strstr(copy, "(*") || redact_add_pattern(redact, copy, NULL) < 0) {
		redact_free(redact);
		free(copy);
		return;
	}
	redact_add_value(redact, "secret value");
	(void)redact_text(redact, text, len, &whole);
	for (size_t at = 0, n; at < len; at += n) {
		random = random * 1664525 + 1013904223;
		n = 1 + (random >> 16) % 20;
		if (n > len - at)
			n = len - at;
		redact_feed(redact, text + at, n, &pieces);
		if (random >> 30)
			redact_flush(redact, &pieces);
	}
	redact_finish(redact, &pieces);
	demand((whole.len == pieces.len && (!whole.len || memcmp(whole.data, pieces.data, whole.len) == 0)) ||
		is_slow(pattern, pattern_len, text, len));
	strbuf_release(&whole);
	strbuf_release(&pieces);
	redact_free(redact);
	free(copy);
}

/* a zone that changes its clocks twice a day, and knows nobody else */
static bool odd_offset(void *data, const char *name, int64_t epoch_s, int32_t *offset_s)
{
	(void)data;
	*offset_s = epoch_s / 43200 % 2 ? 3600 : -7200;
	return !name;
}

static void try_when(const char *text, size_t len)
{
	static const struct when_zones zones = {odd_offset, NULL};
	const int64_t now = INT64_C(1795255200000);
	int64_t found;

	if (when_parse(text, len, now, &zones, &found))
		demand(found <= now + INT64_C(366) * 86400000);
}

static void try_unescape(const char *text, size_t len)
{
	struct strbuf out = {0}, escaped = {0};
	struct json_writer w = {.out = &escaped};
	size_t valid;

	json_unescape(&out, text, len);
	demand(out.len <= len);
	strbuf_truncate(&out, 0);
	/* what was written comes back */
	valid = utf8_invalid_at(text, strnlen(text, len));
	json_add_stringn(&w, text, valid);
	json_unescape(&out, escaped.data + 1, escaped.len - 2);
	demand(out.len == valid && (!valid || memcmp(out.data, text, valid) == 0));
	strbuf_release(&out);
	strbuf_release(&escaped);
}

static void try_utf8(const char *text, size_t len)
{
	size_t invalid = utf8_invalid_at(text, len), at = 0, width = 0;
	uint32_t code;

	for (size_t step; at < len; at += step) {
		step = utf8_decode(text + at, len - at, &code);
		demand(step >= 1 && step <= 4 && step <= len - at);
		demand(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
		/* every character before the first that is invalid is a good one, and that one is not */
		demand(at > invalid || (at == invalid) == (code == 0xfffd && step == 1));
		width += utf8_width(code);
	}
	demand(utf8_text_width(text, len) == width);
}

static void try_json(const char *text, size_t len)
{
	struct strbuf out = {0};
	struct json_writer w = {.out = &out};
	struct json_value *value;
	const char *back;

	if (json_read(&value, text, len, NULL) == 0)
		json_value_free(value);
	len = strnlen(text, len);
	json_begin_array(&w);
	json_add_stringn(&w, text, len);
	json_end_array(&w);
	demand(json_read(&value, out.data, out.len, NULL) == 0);
	back = json_text(json_item(value, 0));
	demand(back && utf8_invalid_at(back, strlen(back)) == strlen(back));
	demand(utf8_invalid_at(text, len) < len || (strlen(back) == len && memcmp(back, text, len) == 0));
	json_value_free(value);
	strbuf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *newline = memchr(text, '\n', size);
	size_t first_len = newline ? (size_t)(newline - text) : size, rest_len = size - first_len - (newline != NULL);
	char *first = xstrndup(text, first_len), *rest = xstrndup(text + size - rest_len, rest_len);
	struct suggest suggest = {.wanted = first};

	try_template(text, size);
	try_units(first);
	try_path(first);
	try_path(rest);
	try_glob(first, rest);
	try_regex(text, first_len, text + size - rest_len, rest_len);
	try_watch(text, first_len, text + size - rest_len, rest_len);
	try_redact(text, first_len, text + size - rest_len, rest_len);
	try_when(text, size);
	try_unescape(text, size);
	try_utf8(text, size);
	try_json(text, size);
	suggest_offer(&suggest, rest);
	suggest_offer(&suggest, first);
	demand(!suggest.best || strcmp(suggest.best, rest) == 0 || suggest.distance == 0);
	free(first);
	free(rest);
	return 0;
}
