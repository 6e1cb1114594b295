#include "config.h"

#include "os/glob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/alloc.h"
#include "util/array.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"

/*
 * The parts of the pattern are the states of an automaton: each directory is read once, with the set
 * of parts that its entries may match, however many ways lead there.
 */
enum { PARTS_MAX = 64 };

typedef uint64_t part_set;

/* a directory still to be read */
struct frame {
	char *path; /* as it will be given out, with a slash at the end; "" for the start */
	part_set parts;
};

struct walk {
	const char *dir;
	struct strvec parts;
	bool deep;           /* there is a double star */
	struct frame *items; /* a stack */
	size_t count;
	size_t capacity;
	struct strvec *out;
	struct orch_error *err;
};

static part_set bit(size_t part)
{
	return (part_set)1 << part;
}

static bool is_deep(const struct walk *walk, size_t part)
{
	return strcmp(walk->parts.items[part], "**") == 0;
}

/* a double star matches no part too: what comes behind it may match at the same place */
static part_set closure(const struct walk *walk, part_set set)
{
	for (size_t i = 0; i + 1 < walk->parts.count; i++) {
		if ((set & bit(i)) && is_deep(walk, i))
			set |= bit(i + 1);
	}
	return set;
}

static char *real_path(const struct walk *walk, const char *path)
{
	return walk->dir && path[0] != '/' ? xasprintf("%s/%s", walk->dir, path) : xstrdup(path[0] ? path : ".");
}

/* may a double star go in */
static bool is_enterable(const char *name)
{
	return name[0] != '.'; /* .git and .orch are among those */
}

static bool part_matches(const char *part, const char *name)
{
	return (name[0] != '.' || part[0] == '.') && path_match(part, name);
}

static void push(struct walk *walk, const char *path, const char *name, part_set parts)
{
	struct frame *frame = ARRAY_PUSH(walk);

	frame->path = xasprintf("%s%s/", path, name);
	frame->parts = closure(walk, parts);
}

/* the one part that is no pattern: looked for by name. 0, or -1 */
static int step_literal(struct walk *walk, const struct frame *at, size_t part)
{
	const char *name = walk->parts.items[part];
	char *path = xasprintf("%s%s", at->path, name);
	char *real = real_path(walk, path);
	struct stat st;
	int result = 0;

	if (stat(real, &st) != 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			result = error_errno(walk->err, "cannot look at '%s'", path);
	} else if (part + 1 == walk->parts.count) {
		strvec_push(walk->out, path);
	} else if (S_ISDIR(st.st_mode)) {
		push(walk, at->path, name, bit(part + 1));
	}
	free(real);
	free(path);
	return result;
}

/* is the directory `target` one of those that lead to `path`, which ends with a slash or is empty */
static bool leads_back(const struct walk *walk, const char *path, const struct stat *target)
{
	char *prefix = xstrdup(path);
	size_t len = strlen(prefix);
	bool back = false;

	while (!back) {
		char *real = real_path(walk, prefix);
		struct stat st;

		back = stat(real, &st) == 0 && st.st_dev == target->st_dev && st.st_ino == target->st_ino;
		free(real);
		if (len == 0 || strcmp(prefix, "/") == 0)
			break;
		do
			len--;
		while (len > 0 && prefix[len - 1] != '/');
		prefix[len] = '\0';
	}
	free(prefix);
	return back;
}

/* is it a directory, one that is no symbolic link, one to go into */
static void look_at(const struct walk *walk, const char *path, int dir_fd, const struct dirent *entry, bool *directory,
	bool *own, bool *enter)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) {
		*directory = *own = *enter = entry->d_type == DT_DIR;
		return;
	}
	*directory = fstatat(dir_fd, entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
	if (*directory) {
		struct stat self;

		*own = entry->d_type == DT_UNKNOWN && fstatat(dir_fd, entry->d_name, &self, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(self.st_mode);
		/* without a double star the pattern's own length is the end of it */
		*enter = *own || !walk->deep || !leads_back(walk, path, &st);
	}
}

static void step_entry(struct walk *walk, const struct frame *at, int dir_fd, const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t last = walk->parts.count - 1;
	bool directory = false, own = false, enter = false, found = false, looked = false;
	part_set next = 0;

	for (size_t i = 0; i <= last; i++) {
		bool deep;

		if (!(at->parts & bit(i)))
			continue;
		deep = is_deep(walk, i);
		if (deep ? !is_enterable(name) : !part_matches(walk->parts.items[i], name))
			continue;
		if (!looked && (deep || i < last)) {
			look_at(walk, at->path, dir_fd, entry, &directory, &own, &enter);
			looked = true;
		}
		if (deep && own)
			next |= bit(i);
		if (i == last)
			found = found || !deep || !directory;
		else if (!deep && enter)
			next |= bit(i + 1);
	}
	if (found) {
		char *path = xasprintf("%s%s", at->path, name);

		strvec_push(walk->out, path);
		free(path);
	}
	if (next)
		push(walk, at->path, name, next);
}

static int step_directory(struct walk *walk, const struct frame *at)
{
	char *real = real_path(walk, at->path);
	DIR *dir = opendir(real);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		/* ended while we were on the way */
		if (errno != ENOENT && errno != ENOTDIR)
			result = error_errno(walk->err, "cannot read directory '%s'", real);
		free(real);
		return result;
	}
	while (errno = 0, (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			step_entry(walk, at, dirfd(dir), entry);
	}
	if (errno != 0)
		result = error_errno(walk->err, "cannot read directory '%s'", real);
	closedir(dir);
	free(real);
	return result;
}

static int step(struct walk *walk, const struct frame *at)
{
	for (size_t i = 0; i < walk->parts.count; i++) {
		if (at->parts == bit(i) && !is_deep(walk, i) && !path_has_glob(walk->parts.items[i]))
			return step_literal(walk, at, i);
	}
	return step_directory(walk, at);
}

static void split(struct walk *walk, const char *pattern)
{
	while (*pattern != '\0') {
		size_t len = strcspn(pattern, "/");
		bool repeated = len == 2 && walk->parts.count > 0 && is_deep(walk, walk->parts.count - 1) &&
			memcmp(pattern, "**", 2) == 0;

		if (len > 0 && !repeated) {
			strvec_pushn(&walk->parts, pattern, len);
			walk->deep = walk->deep || is_deep(walk, walk->parts.count - 1);
		}
		pattern += len;
		pattern += strspn(pattern, "/");
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int glob_files(const char *dir, const char *pattern, struct strvec *out, struct orch_error *err)
{
	struct walk walk = {.dir = dir, .out = out, .err = err};
	size_t first = out->count;
	int result = 0;

	split(&walk, pattern);
	if (walk.parts.count > PARTS_MAX)
		result = error_set(err, "the pattern '%s' has more than %d parts", pattern, PARTS_MAX);
	else if (walk.parts.count > 0) {
		struct frame *start = ARRAY_PUSH(&walk);

		start->path = xstrdup(pattern[0] == '/' ? "/" : "");
		start->parts = closure(&walk, bit(0));
	}
	while (walk.count > 0) {
		struct frame at = walk.items[--walk.count];

		if (result == 0)
			result = step(&walk, &at);
		free(at.path);
	}
	ARRAY_RELEASE(&walk);
	strvec_release(&walk.parts);
	if (result == 0 && out->count - first > 1)
		qsort(out->items + first, out->count - first, sizeof *out->items, compare);
	return result;
}
