/* Paths as text: no file is looked at. */
#ifndef UTIL_PATH_H
#define UTIL_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf;

/* `base`/`name`, or `name` if it is absolute; the caller frees */
char *path_join(const char *base, const char *name);
/* drops "." and "//", resolves "..", in text only; the caller frees */
char *path_clean(const char *path);
/* last part; directory part ("." if none; the caller frees); last part without its last suffix (the caller frees) */
const char *path_file(const char *path);
char *path_dir(const char *path);
char *path_stem(const char *path);
/* does it stay inside: relative, and no ".." that leads out */
bool path_is_inside(const char *path);
/* quoted for sh: 'it'\''s'; a word of safe characters stays as it is */
void path_quote(struct strbuf *out, const char *text);
/* a glob over a whole name: * ? [a-z] [!a]; '*' and '?' do not match '/'; a double star matches any number of parts */
bool path_match(const char *glob, const char *name);
/* is there a name that both match? Classes count as any character, and a glob of more than 64 Ki characters as one that
 * matches everything: so it may say yes too often, never no */
bool path_globs_meet(const char *one, const char *other);
bool path_has_glob(const char *text);

#endif
