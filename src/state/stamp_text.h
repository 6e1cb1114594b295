/* A stamp's text; stamp_write() and stamp_parse() are in stamp.h. Private to state/. */
#ifndef STATE_STAMP_TEXT_H
#define STATE_STAMP_TEXT_H

#include "state/stamp.h"

/* -1 also if it is not `stream`'s (NULL: anybody's), so that a copied file is no stamp; without `parts` nothing is
 * allocated: only the digests and times are read */
int stamp_parse_of(struct stamp_detail *out, const char *stream, const char *text, size_t len, bool parts);

#endif
