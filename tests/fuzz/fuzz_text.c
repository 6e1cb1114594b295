/* What reads text of the user's in `util`: templates, durations and sizes, globs, paths, patterns, UTF-8. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/path.h"
#include "util/regex.h"
#include "util/strbuf.h"
#include "util/template.h"
#include "util/units.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* the parts put together are the text, and what was escaped has no names */
static void check_template(const char *text, size_t len)
{
	struct template_part part;
	struct strbuf whole = {0}, escaped = {0}, back = {0};
	const char *rest = text;
	size_t left = len;

	while (template_next(&rest, &left, &part))
		strbuf_add(&whole, part.text, part.len);
	if (whole.len != len || (len && memcmp(whole.data, text, len) != 0))
		abort();
	template_escape(&escaped, text, len);
	rest = strbuf_cstr(&escaped);
	left = escaped.len;
	while (template_next(&rest, &left, &part)) {
		if (part.kind == TEMPLATE_LITERAL)
			strbuf_addstr(&back, "{{");
		else if (part.kind == TEMPLATE_TEXT)
			strbuf_add(&back, part.text, part.len);
		else
			abort();
	}
	if (back.len != len || (len && memcmp(back.data, text, len) != 0))
		abort();
	strbuf_release(&whole);
	strbuf_release(&escaped);
	strbuf_release(&back);
}

static void check_units(const char *text)
{
	char buffer[UNITS_TEXT_MAX];
	int64_t value, again;
	double number;
	bool yes;

	if (units_parse_duration(text, &value) &&
		(!units_parse_duration(units_duration_exact(buffer, value), &again) || again != value))
		abort();
	if (units_parse_time_utc(text, &value) &&
		(!units_parse_time_utc(units_time_utc(buffer, value), &again) || again != value))
		abort();
	(void)units_parse_size(text, &value);
	(void)units_parse_int(text, -1000, 1000, &value);
	(void)units_parse_double(text, &number);
	(void)units_parse_bool(text, &yes);
}

static void check_paths(const char *text)
{
	char *once = path_clean(text), *twice = path_clean(once), *dir = path_dir(text), *stem = path_stem(text);
	const char *split = strchr(text, '\n');

	if (strcmp(once, twice) != 0)
		abort();
	(void)path_is_inside(text);
	if (split && split - text < 100 && strlen(split) < 1000) {
		char *glob = xstrndup(text, (size_t)(split - text));

		(void)path_match(glob, split + 1);
		free(glob);
	}
	free(once);
	free(twice);
	free(dir);
	free(stem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	char *text = xstrndup(bytes, size);
	struct regex *regex;
	size_t where;

	check_template(bytes, size);
	check_units(text);
	check_paths(text);
	if (utf8_invalid_at(bytes, size) > size)
		abort();
	(void)utf8_text_width(bytes, size);
	if (size < 200 && regex_new(&regex, bytes, size, &where, NULL) == 0) {
		(void)regex_matches(regex, bytes, size);
		regex_free(regex);
	}
	free(text);
	return 0;
}
