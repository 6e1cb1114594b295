/* UTF-8: validity, decoding, width on a terminal, texts that somebody else wrote. */
#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf;

/* offset of the first byte that is not valid UTF-8 (overlong forms and surrogates are not), or len */
size_t utf8_invalid_at(const char *text, size_t len);
/* decodes one character; returns its length in bytes; an invalid byte gives U+FFFD and 1 */
size_t utf8_decode(const char *text, size_t len, uint32_t *code);
/* columns on a terminal: 0, 1 or 2; control characters 0. A table of our own, so that no locale is needed */
unsigned utf8_width(uint32_t code);
unsigned utf8_text_width(const char *text, size_t len);
/* adds it without control sequences and control characters other than newline and tab; a byte that is no UTF-8 becomes
 * U+FFFD */
void utf8_add_clean(struct strbuf *out, const char *text, size_t len);

/* the length of the text without a character that its end cuts in two */
size_t utf8_whole(const char *text, size_t len);

#endif
