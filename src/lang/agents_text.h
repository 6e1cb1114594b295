/* agents.orch, as it is built into the program: made from it by Makefile.am. */
#ifndef LANG_AGENTS_TEXT_H
#define LANG_AGENTS_TEXT_H

#include <stddef.h>

/* two NUL bytes behind it, which are not counted */
extern const unsigned char agents_text[];
extern const size_t agents_text_len;

#endif
