/* A stamp's text; stamp_write() and stamp_parse() are in stamp.h. Private to state/. */
#ifndef STATE_STAMP_TEXT_H
#define STATE_STAMP_TEXT_H

#include "state/stamp.h"

/* -1 also if it is not `stream`'s (NULL: anybody's), so that a copied file is no stamp; without `parts` nothing is
 * allocated: only the digests and times are read */
int stamp_parse_of(struct stamp_detail *out, const char *stream, const char *text, size_t len, bool parts);

/* what says, in a file of many stamps, that `stream` has none any more */
void stamp_write_removal(struct strbuf *out, const char *stream);
bool stamp_is_removal(const char *stream, const char *text, size_t len);
/* whose it says it is, into `out`, without looking further; false: nobody's */
bool stamp_stream_of(const char *text, size_t len, struct strbuf *out);
/* is this a line, with its newline, with which a stamp begins, or could end? Within one there is no other such line */
bool stamp_is_first_line(const char *line, size_t len);
bool stamp_is_last_line(const char *line, size_t len);

#endif
