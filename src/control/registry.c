#include "config.h"

#include "control/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/json.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum { FILE_MAX = 64 * 1024, REGISTRY_VERSION = 1 };

#define RUNS "runs"
#define PROJECTS "projects"

/* NULL: there is no place for it */
static char *directory(const char *kind, struct orch_error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	/* the specification has relative paths ignored */
	if (state && *state == '/')
		return xasprintf("%s/orch/%s", state, kind);
	if (home && *home == '/')
		return xasprintf("%s/.local/state/orch/%s", home, kind);
	error_set(err, "neither HOME nor XDG_STATE_HOME is set");
	return NULL;
}

static char *file_name(const char *dir)
{
	return xasprintf("%016llx.json", (unsigned long long)digest_bytes(dir, strlen(dir)));
}

/* the file of project `dir` among those of that kind; `run` NULL: none, and a file that is there is as good */
static int add_file(const char *kind, const char *dir, const char *run, struct orch_error *err)
{
	char *place = directory(kind, err), *name = NULL, *path = NULL;
	struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	int fd = -1, result;

	if (!place)
		return -1;
	name = file_name(dir);
	path = path_join(place, name);
	result = fs_mkdirs(place, 0700, err);
	if (result == 0 && (run || !fs_exists(path))) {
		fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			result = error_errno(err, "cannot open '%s'", place);
	}
	if (fd >= 0) {
		json_begin_object(&w);
		json_add_key(&w, "v");
		json_add_int(&w, REGISTRY_VERSION);
		json_add_key(&w, "dir");
		json_add_string(&w, dir);
		json_add_key(&w, "run");
		json_add_string(&w, run ? run : "");
		json_end_object(&w);
		strbuf_addch(&text, '\n');
		result = fs_replace(fd, name, text.data, text.len, false, err);
		close(fd);
	}
	free(place);
	free(path);
	free(name);
	strbuf_release(&text);
	return result;
}

int registry_add(const char *dir, const char *run, struct orch_error *err)
{
	struct orch_error unknown;

	/* what only 'orch serve' misses */
	if (add_file(PROJECTS, dir, NULL, &unknown) < 0)
		log_info("'orch serve' will not show this project: %s", unknown.message);
	return add_file(RUNS, dir, run, err);
}

void registry_remove(const char *dir)
{
	char *place = directory(RUNS, NULL), *name, *path;

	if (!place)
		return;
	name = file_name(dir);
	path = path_join(place, name);
	/* one that stays is found out by whoever reads it */
	unlink(path);
	free(path);
	free(name);
	free(place);
}

/* false: it is none of ours, or gone */
static bool read_entry(struct registry_entry *entry, const char *path)
{
	struct json_value *value = NULL;
	const char *dir, *run;
	char *text;
	size_t len;

	if (fs_read(path, FILE_MAX, &text, &len, NULL) < 0)
		return false;
	if (json_read(&value, text, len, NULL) < 0)
		value = NULL;
	free(text);
	dir = json_member_string(value, "dir");
	run = json_member_string(value, "run");
	if (value && json_member_int(value, "v", 0) == REGISTRY_VERSION && dir && *dir == '/' && run)
		*entry = (struct registry_entry){.file = xstrdup(path), .dir = xstrdup(dir), .run = xstrdup(run)};
	json_value_free(value);
	return entry->file != NULL;
}

static int by_directory(const void *a, const void *b)
{
	return strcmp(((const struct registry_entry *)a)->dir, ((const struct registry_entry *)b)->dir);
}

static int list_files(struct registry_entry **out, size_t *count, const char *kind, struct orch_error *err)
{
	ARRAY(struct registry_entry) found = {0};
	char *place = directory(kind, err);
	struct dirent *item;
	DIR *listing;

	*out = NULL;
	*count = 0;
	if (!place)
		return -1;
	listing = opendir(place);
	if (!listing) {
		int result = errno == ENOENT ? 0 : error_errno(err, "cannot read '%s'", place);

		free(place);
		return result;
	}
	while ((item = readdir(listing)) != NULL) {
		struct registry_entry entry = {0};
		char *path = path_join(place, item->d_name);

		/* temporary files begin with a dot */
		if (item->d_name[0] != '.' && read_entry(&entry, path))
			*ARRAY_PUSH(&found) = entry;
		free(path);
	}
	closedir(listing);
	free(place);
	if (found.count > 0)
		qsort(found.items, found.count, sizeof *found.items, by_directory);
	*out = found.items;
	*count = found.count;
	return 0;
}

int registry_list(struct registry_entry **out, size_t *count, struct orch_error *err)
{
	return list_files(out, count, RUNS, err);
}

int registry_projects(struct strvec *dirs, struct orch_error *err)
{
	struct registry_entry *entries;
	size_t count;

	if (list_files(&entries, &count, PROJECTS, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		char *state = path_join(entries[i].dir, ".orch");

		if (fs_is_directory(state))
			strvec_push(dirs, entries[i].dir);
		else
			unlink(entries[i].file);
		free(state);
	}
	registry_free(entries, count);
	return 0;
}

char *registry_projects_path(struct orch_error *err)
{
	char *place = directory(PROJECTS, err);

	if (place && fs_mkdirs(place, 0700, err) < 0) {
		free(place);
		return NULL;
	}
	return place;
}

void registry_forget(const struct registry_entry *entry)
{
	struct registry_entry now = {0};

	if (read_entry(&now, entry->file) && strcmp(now.run, entry->run) == 0)
		unlink(entry->file);
	free(now.file);
	free(now.dir);
	free(now.run);
}

void registry_free(struct registry_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(entries[i].file);
		free(entries[i].dir);
		free(entries[i].run);
	}
	array_free(entries);
}
