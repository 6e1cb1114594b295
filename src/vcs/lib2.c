#include "config.h"

#include "vcs/lib2.h"

#include <stddef.h>

#include "vcs/forecast.h"

#ifdef LIBGIT2_SONAME

#include <dlfcn.h>
#include <git2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/array.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable() ((void)0)
#endif

/* what is used of it, each with the type that its header declares */
#define FUNCTIONS(f) \
	f(git_libgit2_init) f(git_repository_open) f(git_repository_free) f(git_oid_fromstr) f(git_commit_lookup) \
		f(git_commit_free) f(git_merge_options_init) f(git_merge_commits) f(git_index_has_conflicts) \
			f(git_index_conflict_iterator_new) f(git_index_conflict_next) \
				f(git_index_conflict_iterator_free) f(git_index_free)

#define DECLARE(name) __typeof__(name) *name;
static struct {
	bool loaded;
	FUNCTIONS(DECLARE)
} lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* the repository that was opened last, and what is done with it at a time: opening one leaks some memory for each of
 * its settings (libgit2 1.5), so that is not done again and again */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static git_repository *last;
static char *last_dir;

/* never unloaded: it starts threads' storage of its own */
static void load(void)
{
	void *handle = dlopen(LIBGIT2_SONAME, RTLD_NOW | RTLD_LOCAL);
	bool complete = handle != NULL;

/* a pointer to a function cannot be made from one to data but by its bytes */
#define FIND(name) \
	if (complete) { \
		void *symbol = dlsym(handle, #name); \
		complete = symbol != NULL; \
		memcpy(&lib.name, &symbol, sizeof symbol); \
	}
	FUNCTIONS(FIND)
	lib.loaded = complete && lib.git_libgit2_init() > 0;
}

/* the path of a conflict, whichever of its sides has one */
static const char *conflict_path(
	const git_index_entry *ancestor, const git_index_entry *ours, const git_index_entry *theirs)
{
	const git_index_entry *entry = ours ? ours : theirs ? theirs : ancestor;

	return entry ? entry->path : NULL;
}

static int take_files(git_index *index, struct strvec *files)
{
	git_index_conflict_iterator *iterator = NULL;
	const git_index_entry *ancestor, *ours, *theirs;

	if (lib.git_index_conflict_iterator_new(&iterator, index) != 0)
		return -1;
	while (lib.git_index_conflict_next(&ancestor, &ours, &theirs, iterator) == 0) {
		const char *path = conflict_path(ancestor, ours, theirs);

		if (path)
			strvec_push(files, path);
	}
	lib.git_index_conflict_iterator_free(iterator);
	return 0;
}

static int compare(git_repository *repo, git_commit **commits, size_t a, size_t b, struct forecast *out)
{
	git_merge_options options;
	git_index *index = NULL;
	int result = 0;

	if (lib.git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION) != 0 ||
		lib.git_merge_commits(&index, repo, commits[a], commits[b], &options) != 0)
		return -1;
	out->compared++;
	if (lib.git_index_has_conflicts(index)) {
		struct forecast_pair *pair = ARRAY_PUSH(out);

		pair->a = a;
		pair->b = b;
		result = take_files(index, &pair->files);
	}
	lib.git_index_free(index);
	return result;
}

/* with the mutex held; NULL: it does not take it */
static git_repository *open_repository(const char *git_dir)
{
	int result;

	if (last && strcmp(last_dir, git_dir) == 0)
		return last;
	lib.git_repository_free(last);
	last = NULL;
	__lsan_disable();
	result = lib.git_repository_open(&last, git_dir);
	__lsan_enable();
	free(last_dir);
	last_dir = xstrdup(git_dir);
	return result == 0 ? last : NULL;
}

static int compare_all(git_repository *repo, const struct strvec *oids, struct forecast *out)
{
	git_commit **commits;
	int result = 0;

	commits = xcalloc(oids->count + 1, sizeof *commits);
	for (size_t i = 0; i < oids->count && result == 0; i++) {
		git_oid oid;

		result = lib.git_oid_fromstr(&oid, oids->items[i]) == 0 &&
				lib.git_commit_lookup(&commits[i], repo, &oid) == 0
			? 0
			: -1;
	}
	for (size_t a = 0; a < oids->count && result == 0; a++) {
		for (size_t b = a + 1; b < oids->count && result == 0; b++)
			result = compare(repo, commits, a, b, out);
	}
	for (size_t i = 0; i < oids->count; i++)
		lib.git_commit_free(commits[i]);
	free(commits);
	return result;
}

int lib2_forecast(const char *git_dir, const struct strvec *oids, struct forecast *out)
{
	git_repository *repo;
	int result = -1;

	pthread_once(&once, load);
	if (!lib.loaded)
		return -1;
	pthread_mutex_lock(&mutex);
	repo = open_repository(git_dir);
	if (repo)
		result = compare_all(repo, oids, out);
	pthread_mutex_unlock(&mutex);
	return result;
}

#else

int lib2_forecast(const char *git_dir, const struct strvec *oids, struct forecast *out)
{
	(void)git_dir;
	(void)oids;
	(void)out;
	return -1;
}

#endif
