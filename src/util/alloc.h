/*
 * Allocation that never returns NULL: running out of memory ends the program with a message and
 * status 2, since nothing useful can be said or saved then. Blocks are freed with free().
 */
#ifndef UTIL_ALLOC_H
#define UTIL_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size);
/* zeroed; `count * size` is checked for overflow */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *block, size_t size);
/* like xrealloc(block, count * size), checked for overflow */
void *xreallocarray(void *block, size_t count, size_t size);
char *xstrdup(const char *text);
/* at most `len` bytes of `text`, NUL-terminated */
char *xstrndup(const char *text, size_t len);
__attribute__((format(printf, 1, 2))) char *xasprintf(const char *format, ...);
char *xvasprintf(const char *format, va_list args);
/* all the texts, up to NULL, one after the other: for what is made so often that reading a format costs too much */
__attribute__((sentinel)) char *xconcat(const char *first, ...);

#endif
