#include "config.h"

#include "util/path.h"

#include "util/alloc.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

char *path_join(const char *base, const char *name)
{
	size_t len = strlen(base);

	if (*name == '/' || !len)
		return xstrdup(name);
	return xasprintf("%s%s%s", base, base[len - 1] == '/' ? "" : "/", name);
}

char *path_clean(const char *path)
{
	struct strbuf out = {0};
	bool absolute = *path == '/';
	size_t depth = 0; /* parts that ".." can take away */

	if (absolute)
		strbuf_addch(&out, '/');
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			if (depth) {
				while (out.len && out.data[out.len - 1] != '/')
					strbuf_truncate(&out, out.len - 1);
				if (out.len > 1 || (out.len == 1 && !absolute))
					strbuf_truncate(&out, out.len - 1);
				depth--;
			} else if (!absolute) {
				strbuf_addstr(&out, out.len ? "/.." : "..");
			}
		} else if (len && !(len == 1 && path[0] == '.')) {
			if (out.len && out.data[out.len - 1] != '/')
				strbuf_addch(&out, '/');
			strbuf_add(&out, path, len);
			depth++;
		}
		path += len;
		path += strspn(path, "/");
	}
	if (!out.len)
		strbuf_addch(&out, '.');
	return strbuf_detach(&out);
}

const char *path_file(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	while (slash > path && slash[-1] == '/')
		slash--;
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

char *path_stem(const char *path)
{
	const char *file = path_file(path), *dot = strrchr(file, '.');

	return dot && dot != file ? xstrndup(file, (size_t)(dot - file)) : xstrdup(file);
}

bool path_is_inside(const char *path)
{
	char *clean = path_clean(path);
	bool inside = *clean != '/' && strcmp(clean, "..") != 0 && strncmp(clean, "../", 3) != 0;

	free(clean);
	return inside;
}

void path_quote(struct strbuf *out, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";

	if (*text && strspn(text, safe) == strlen(text)) {
		strbuf_addstr(out, text);
		return;
	}
	strbuf_addch(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, *text);
	}
	strbuf_addch(out, '\'');
}

bool path_has_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/* "[...]" at `glob`: does `c` belong to it? NULL if it is no class (no end), else what follows it */
static const char *match_class(const char *glob, char c, bool *matches)
{
	const char *at = glob + 1;
	bool negated = *at == '!' || *at == '^', found = false;

	if (negated)
		at++;
	for (bool first = true; *at && (*at != ']' || first); first = false) {
		unsigned char low = (unsigned char)*at++, high = low;

		if (*at == '-' && at[1] && at[1] != ']') {
			high = (unsigned char)at[1];
			at += 2;
		}
		if ((unsigned char)c >= low && (unsigned char)c <= high)
			found = true;
	}
	if (!*at)
		return NULL;
	*matches = found != negated && c != '/';
	return at + 1;
}

/*
 * Where it fails it goes back to the last star: to the last `*` within a part, else to the last double star, each of
 * which then takes one character more. Two marks are enough, since an earlier star can gain nothing that a later one
 * has not tried; so the time is at most length times length.
 */
bool path_match(const char *glob, const char *name)
{
	const char *star_glob = NULL, *star_name = NULL, *deep_glob = NULL, *deep_name = NULL;
	const char *start = glob, *unclosed = NULL;

	for (;;) {
		bool matches = false;
		const char *next = NULL;

		if (glob[0] == '*' && glob[1] == '*' && (glob == start || glob[-1] == '/') &&
			(glob[2] == '/' || !glob[2])) {
			if (!glob[2])
				return true;
			glob += 3;
			deep_glob = glob;
			deep_name = name;
			star_glob = NULL;
			continue;
		}
		if (*glob == '*') {
			while (*glob == '*')
				glob++;
			star_glob = glob;
			star_name = name;
			continue;
		}
		if (*name) {
			if (*glob == '?') {
				matches = *name != '/';
				next = glob + 1;
			} else if (*glob == '[' && (!unclosed || glob < unclosed)) {
				next = match_class(glob, *name, &matches);
				/* then none behind it has an end either, and must not be looked for again and again */
				if (!next)
					unclosed = glob;
			}
			if (!next && *glob) {
				/* a '[' without an end stands for itself; '\' takes the next one as it is */
				const char *literal = *glob == '\\' && glob[1] ? glob + 1 : glob;

				matches = *literal == *name;
				next = literal + 1;
			}
			if (matches) {
				glob = next;
				name++;
				continue;
			}
		} else if (!*glob) {
			return true;
		}
		if (star_glob && *star_name && *star_name != '/') {
			name = ++star_name;
			glob = star_glob;
			continue;
		}
		/* the next directory below */
		if (deep_glob && (deep_name = strchr(deep_name, '/'))) {
			name = ++deep_name;
			glob = deep_glob;
			star_glob = NULL;
			continue;
		}
		return false;
	}
}

/* --- two globs --- */

/* a glob as steps: what one character of a name may be, or any number of them */
enum step { STEP_CHAR, STEP_ANY_CHAR, STEP_STAR, STEP_DEEP };

struct globstep {
	enum step step;
	char c; /* of STEP_CHAR */
};

enum { GLOB_MAX = 65536 };

/* `**` of a whole part is any text that ends with '/', or, at the end, any text at all; with its '/' it is one step */
static struct globstep *compile(const char *glob, size_t *count)
{
	const char *start = glob;
	struct globstep *steps = xcalloc(strlen(glob) + 1, sizeof *steps);

	for (*count = 0; *glob; ++*count) {
		struct globstep *step = &steps[*count];
		bool ignored;

		if (glob[0] == '*' && glob[1] == '*' && (glob == start || glob[-1] == '/') &&
			(glob[2] == '/' || !glob[2])) {
			step->step = STEP_DEEP;
			glob += glob[2] ? 3 : 2;
		} else if (*glob == '*') {
			step->step = STEP_STAR;
			glob += strspn(glob, "*");
		} else if (*glob == '?' || (*glob == '[' && match_class(glob, 'x', &ignored))) {
			step->step = STEP_ANY_CHAR;
			glob = *glob == '?' ? glob + 1 : match_class(glob, 'x', &ignored);
		} else {
			glob += *glob == '\\' && glob[1];
			*step = (struct globstep){STEP_CHAR, *glob++};
		}
	}
	return steps;
}

static bool is_repeated(const struct globstep *step)
{
	return step->step == STEP_STAR || step->step == STEP_DEEP;
}

/* may both have the same character here? */
static bool agree(const struct globstep *a, const struct globstep *b)
{
	bool a_slash = a->step == STEP_DEEP || (a->step == STEP_CHAR && a->c == '/');
	bool b_slash = b->step == STEP_DEEP || (b->step == STEP_CHAR && b->c == '/');

	if (a->step == STEP_CHAR && b->step == STEP_CHAR)
		return a->c == b->c;
	if (a->step == STEP_CHAR)
		return a->c != '/' || b_slash;
	if (b->step == STEP_CHAR)
		return b->c != '/' || a_slash;
	return true;
}

/* Row by row: row[j] says that some text takes the first `i` steps of the one and the first `j` of the other. A star is
 * passed over, or takes a character and stays */
bool path_globs_meet(const char *one, const char *other)
{
	struct globstep *a, *b;
	size_t a_count, b_count;
	bool *row, *next, meet;

	/* most differ in a plain part before the first star */
	for (; *one && *other && !strchr("*?[\\", *one) && !strchr("*?[\\", *other); one++, other++) {
		if (*one != *other)
			return false;
	}
	if (strlen(one) > GLOB_MAX || strlen(other) > GLOB_MAX)
		return true;
	a = compile(one, &a_count);
	b = compile(other, &b_count);
	row = xcalloc(b_count + 1, sizeof *row);
	next = xcalloc(b_count + 1, sizeof *next);
	row[0] = true;
	for (size_t i = 0; i <= a_count; i++) {
		memset(next, 0, (b_count + 1) * sizeof *next);
		for (size_t j = 0; j <= b_count; j++) {
			if (!row[j])
				continue;
			if (j < b_count && is_repeated(&b[j]))
				row[j + 1] = true;
			if (i < a_count && is_repeated(&a[i]))
				next[j] = true;
			if (i == a_count || j == b_count || !agree(&a[i], &b[j]))
				continue;
			if (is_repeated(&a[i]))
				row[j + 1] = true;
			else
				next[j + !is_repeated(&b[j])] = true;
		}
		if (i < a_count) {
			bool *swap = row;

			row = next;
			next = swap;
		}
	}
	meet = row[b_count];
	free(row);
	free(next);
	free(a);
	free(b);
	return meet;
}
