/*
 * Takes secrets out of text: matches of patterns, and given values, are replaced by REDACTED.
 *
 * Text is looked at line by line, so no match spans lines. Of text that comes in pieces what is found does not depend
 * on how it was cut: of a line that is not at its end only that is given out in which, however the line goes on, no
 * match can begin. What is kept has a bound: where what could be one match gets longer than REDACT_LINE_MAX, it and
 * the rest of its line are replaced. So is the rest of a line of which a pattern takes too long (util/regex.h): rather
 * too much than a secret. Bytes that are no UTF-8 pass.
 */
#ifndef UTIL_REDACT_H
#define UTIL_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct redact;
struct strbuf;

#define REDACTED "[redacted]"
enum {
	REDACT_LINE_MAX = 1024 * 1024,
	REDACT_VALUE_MIN = 6, /* bytes: what is shorter stands in too many places that are no secrets */
};

struct redact *redact_new(void);
/* -1: the pattern cannot be compiled; one that is there already costs nothing */
int redact_add_pattern(struct redact *redact, const char *pattern, struct orch_error *err);
/* Each line of the value is one to be found; those shorter than REDACT_VALUE_MIN are left out */
void redact_add_value(struct redact *redact, const char *value);
void redact_free(struct redact *redact);

/* adds the whole text, without secrets, to `out`; true: it had some */
bool redact_text(struct redact *redact, const char *text, size_t len, struct strbuf *out);

/* --- a text in pieces, one after the other --- */

/* the next piece; what is certain now is added to `out` */
void redact_feed(struct redact *redact, const char *bytes, size_t len, struct strbuf *out);
/* is there something of an unfinished line that redact_flush() has not looked at? */
bool redact_has_part(const struct redact *redact);
/* what of an unfinished line is certain */
void redact_flush(struct redact *redact, struct strbuf *out);
/* the text has ended: the rest. A next one may follow */
void redact_finish(struct redact *redact, struct strbuf *out);

/* is that the name of a variable whose value is a secret, by what it is called? */
bool redact_is_secret_name(const char *name, size_t len);

#endif
