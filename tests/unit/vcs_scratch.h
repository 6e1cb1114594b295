/* A directory of its own for each test of vcs/, with git's configuration of its own, a loop, and repositories made by
 * the shell. */
#ifndef TESTS_UNIT_VCS_SCRATCH_H
#define TESTS_UNIT_VCS_SCRATCH_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/strbuf.h"
#include "vcs/git.h"
#include "vcs/repo.h"

static char scratch_path[300];
static struct loop *loop;
static struct children *children;
static struct git *git;
static struct repo *repo;

/* the last end */
static struct vcs_end last;
static char last_said[8192];

static inline void keep_end(const struct vcs_end *end)
{
	last = *end;
	snprintf(last_said, sizeof last_said, "%s", end->said);
	last.said = last_said;
}

/* for messages of tests that fail */
static inline void must(enum vcs_status status)
{
	if (last.status != status)
		print_message("status %d: %s\n%s\n", (int)last.status, last.err.message, last_said);
	assert_int_equal(last.status, status);
}

static inline void start_git(void)
{
	assert_int_equal(loop_new(&loop, NULL), 0);
	assert_int_equal(children_new(&children, loop, NULL), 0);
	git = git_new(loop, children, 0);
}

static inline void stop_git(void)
{
	assert_int_equal(git_under_way(git), 0);
	repo_free(repo);
	repo = NULL;
	children_free(children);
	git_free(git);
	loop_free(loop);
}

static inline int scratch_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	char *real, *config;

	(void)state;
	real = realpath(base ? base : "/tmp", NULL);
	snprintf(scratch_path, sizeof scratch_path, "%.200s/orch-vcs-XXXXXX", real ? real : "/tmp");
	free(real);
	if (!mkdtemp(scratch_path) || chdir(scratch_path) != 0)
		return -1;
	config = xasprintf("%s/config", scratch_path);
	setenv("HOME", scratch_path, 1);
	setenv("XDG_CONFIG_HOME", scratch_path, 1);
	setenv("GIT_CONFIG_GLOBAL", config, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	free(config);
	unsetenv("GIT_DIR");
	start_git();
	return 0;
}

static inline int scratch_teardown(void **state)
{
	(void)state;
	stop_git();
	return chdir("/") == 0 ? fs_remove_tree(scratch_path, NULL) : -1;
}

/* runs a script in the scratch directory; its status */
__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...)
{
	va_list args;
	char *text;
	int status;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	status = system(text);
	free(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* what a script prints, without its last newline; the caller frees */
__attribute__((format(printf, 1, 2))) static inline char *output(const char *format, ...)
{
	struct strbuf text = {0};
	va_list args;
	char *script, chunk[4096];
	FILE *pipe;
	size_t got;

	va_start(args, format);
	script = xvasprintf(format, args);
	va_end(args);
	pipe = popen(script, "r");
	assert_non_null(pipe);
	while ((got = fread(chunk, 1, sizeof chunk, pipe)) > 0)
		strbuf_add(&text, chunk, got);
	pclose(pipe);
	free(script);
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		strbuf_truncate(&text, text.len - 1);
	return strbuf_detach(&text);
}

#define must_shell(...) assert_int_equal(shell(__VA_ARGS__), 0)

/* a script prints exactly this */
static inline void must_print(const char *expected, const char *script)
{
	char *text = output("%s", script);

	assert_string_equal(text, expected);
	free(text);
}

/* a repository `r` with a commit on main, and an identity */
static inline void make_repository(void)
{
	must_shell(
		"git config --global user.name 'A U Thor' && git config --global user.email author@example.com && "
		"git config --global init.defaultBranch main && git config --global advice.detachedHead false && "
		"git init -q r && cd r && printf 'one\\ntwo\\nthree\\n' >a && mkdir d && echo b >d/b && git add . && "
		"git commit -q -m first");
}

static inline void keep_repo(void *data, const struct vcs_end *end, struct repo *opened)
{
	(void)data;
	keep_end(end);
	repo = opened;
}

static inline void open_repository(const char *dir)
{
	repo_free(repo);
	repo = NULL;
	repo_open(git, dir, keep_repo, NULL);
	git_wait(git, loop);
}

static inline char *in_scratch(const char *name)
{
	return xasprintf("%s/%s", scratch_path, name);
}

#endif
