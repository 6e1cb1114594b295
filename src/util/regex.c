#include "config.h"

#include "util/regex.h"

#include "util/alloc.h"
#include "util/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
	MATCH_LIMIT = 1000000, /* a hostile text must not hang us: what needs more steps counts as no match */
	HEAP_LIMIT_KIB = 8192, /* the interpreter's, which keeps what it once had */
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *match;
};

int regex_new(struct regex **out, const char *pattern, size_t len, size_t *where, struct orch_error *err)
{
	struct regex *regex;
	PCRE2_SIZE offset = 0;
	int number;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, len,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE, &number, &offset, NULL);

	*out = NULL;
	*where = offset;
	if (!code) {
		PCRE2_UCHAR message[256];

		if (pcre2_get_error_message(number, message, sizeof message) < 0)
			return error_set(err, "pcre2 error %d", number);
		return error_set(err, "%s", (const char *)message);
	}
	/* where there is no JIT the interpreter does it */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
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

bool regex_matches(const struct regex *regex, const char *text, size_t len)
{
	int rc = pcre2_match(regex->code, (PCRE2_SPTR)text, len, 0, 0, regex->match, regex->context);

	/* the compiled code has a small stack of its own, the interpreter has not */
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(regex->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_JIT, regex->match, regex->context);
	return rc >= 0;
}

bool regex_group(const struct regex *regex, const char *text, size_t len, const char *group, const char **value,
	size_t *value_len)
{
	const PCRE2_SIZE *ends;
	int number;

	if (!regex_matches(regex, text, len))
		return false;
	number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)group);
	if (number < 0 || (uint32_t)number >= pcre2_get_ovector_count(regex->match))
		return false;
	ends = pcre2_get_ovector_pointer(regex->match) + 2 * number;
	if (ends[0] == PCRE2_UNSET)
		return false;
	*value = text + ends[0];
	*value_len = ends[1] - ends[0];
	return true;
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
