/* runners.orch, as it is built into the program: made from it by Makefile.am. */
#ifndef LANG_RUNNERS_TEXT_H
#define LANG_RUNNERS_TEXT_H

#include <stddef.h>

/* two NUL bytes behind it, which are not counted */
extern const unsigned char runners_text[];
extern const size_t runners_text_len;

#endif
