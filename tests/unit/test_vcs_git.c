#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/vcs_scratch.h"
#include "util/strvec.h"
#include "vcs/refs.h"
#include "vcs/status.h"

/* --- commands --- */

static struct {
	int code, calls;
	bool stopped, timed_out, has_problem;
	char out[4096], said[4096];
} result;

static void keep_result(void *data, const struct git_result *ended)
{
	(void)data;
	result.calls++;
	result.code = ended->code;
	result.stopped = ended->stopped;
	result.timed_out = ended->timed_out;
	result.has_problem = ended->problem != NULL;
	snprintf(result.out, sizeof result.out, "%s", ended->out);
	snprintf(result.said, sizeof result.said, "%s", ended->said);
}

static void run_git(const struct git_command *command)
{
	memset(&result, 0, sizeof result);
	git_start(git, command, keep_result, NULL);
	assert_int_equal(result.calls, 0);
	git_wait(git, loop);
	assert_int_equal(result.calls, 1);
}

#define RUN(...) run_git(&(struct git_command){.argv = (const char *const[]){__VA_ARGS__, NULL}, .in = -1})

static void test_commands(void **state)
{
	int in;

	(void)state;
	make_repository();
	RUN("-C", "r", "log", "--format=%s");
	assert_int_equal(result.code, 0);
	assert_string_equal(result.out, "first\n");
	RUN("-C", "r", "rev-parse", "--verify", "nothing");
	assert_int_equal(result.code, 128);
	assert_non_null(strstr(result.said, "Needed a single revision"));
	/* what an enclosing git says does not count, locale and editor are set, nothing is asked */
	setenv("GIT_DIR", "/nowhere", 1);
	setenv("GIT_INDEX_FILE", "/nowhere/index", 1);
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	stop_git();
	start_git();
	RUN("-C", "r", "-c", "alias.show-env=!env", "show-env");
	assert_int_equal(result.code, 0);
	assert_null(strstr(result.out, "/nowhere"));
	assert_non_null(strstr(result.out, "LC_ALL=C\n"));
	assert_non_null(strstr(result.out, "GIT_TERMINAL_PROMPT=0\n"));
	unsetenv("GIT_DIR");
	unsetenv("GIT_INDEX_FILE");
	unsetenv("LC_ALL");
	/* input */
	must_shell("echo content >input");
	in = open("input", O_RDONLY | O_CLOEXEC);
	run_git(&(struct git_command){
		.dir = "r", .argv = (const char *const[]){"hash-object", "--stdin", NULL}, .in = in});
	assert_string_equal(result.out, "d95f3ad14dee633a758d2e331151e950dd13e4ed\n");
	close(in);
	/* too much output, too long a time */
	run_git(&(struct git_command){.dir = "r",
		.argv = (const char *const[]){"-c", "alias.yes=!yes", "yes", NULL},
		.in = -1,
		.out_max = 100000});
	assert_true(result.has_problem);
	assert_int_equal(result.code, -1);
	run_git(&(struct git_command){.dir = "r",
		.argv = (const char *const[]){"-c", "alias.wait=!sleep 600", "wait", NULL},
		.in = -1,
		.timeout_ms = 50});
	assert_true(result.timed_out);
	/* no such directory */
	run_git(&(struct git_command){.dir = "none", .argv = (const char *const[]){"status", NULL}, .in = -1});
	assert_int_equal(result.code, 128);
	assert_non_null(strstr(result.said, "cannot change to 'none'"));
}

static void test_stop(void **state)
{
	const struct git_command wait = {
		.argv = (const char *const[]){"-c", "alias.wait=!sleep 600", "wait", NULL}, .in = -1};

	(void)state;
	memset(&result, 0, sizeof result);
	/* more than run at once */
	for (int i = 0; i < 100; i++)
		git_start(git, &wait, keep_result, NULL);
	assert_int_equal(git_under_way(git), 100);
	git_stop(git);
	git_wait(git, loop);
	assert_int_equal(result.calls, 100);
	assert_true(result.stopped);
	git_resume(git);
	RUN("--version");
	assert_int_equal(result.code, 0);
}

static struct git_version version;

static void keep_version(void *data, const struct vcs_end *end, const struct git_version *found)
{
	(void)data;
	keep_end(end);
	version = *found;
}

static void test_version(void **state)
{
	char *path = xstrdup(getenv("PATH")), *bin = in_scratch("bin");

	(void)state;
	git_check_version(git, keep_version, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_true(version.major >= 2);
	assert_true(strlen(version.text) > 3);
	/* an old one, and none */
	must_shell("mkdir bin && printf '#!/bin/sh\\necho git version 2.37.9\\n' >bin/git && chmod +x bin/git");
	setenv("PATH", bin, 1);
	stop_git();
	start_git();
	git_check_version(git, keep_version, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
	assert_non_null(strstr(last.err.message, "2.38"));
	assert_int_equal(version.minor, 37);
	assert_int_equal(unlink("bin/git"), 0);
	git_check_version(git, keep_version, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
	assert_int_equal(version.major, 0);
	setenv("PATH", path, 1);
	free(path);
	free(bin);
}

/* --- opening --- */

static void test_open(void **state)
{
	char *top = in_scratch("r"), *head;

	(void)state;
	make_repository();
	head = output("git -C r rev-parse HEAD");
	open_repository("r/d");
	must(VCS_OK);
	assert_string_equal(repo->top, top);
	assert_string_equal(repo->branch, "main");
	assert_string_equal(repo->head, head);
	assert_false(repo->bare || repo->shallow || repo->sha256);
	assert_true(repo->has_identity);
	assert_string_equal(repo->git_dir, repo->common_dir);
	/* linked, with blanks, quotes, newlines and other letters in its path */
	must_shell("git -C r worktree add -q \"../w 'ä\n\" -b other");
	open_repository("w 'ä\n");
	must(VCS_OK);
	assert_string_equal(strrchr(repo->top, '/'), "/w 'ä\n");
	assert_string_equal(repo->branch, "other");
	assert_string_not_equal(repo->git_dir, repo->common_dir);
	/* detached, in the middle of a merge */
	must_shell("cd r && git checkout -q --detach && git commit -q --allow-empty -m x && "
		   "git merge -q --no-commit --no-ff other 2>/dev/null; touch .git/MERGE_HEAD");
	open_repository("r");
	must(VCS_OK);
	assert_null(repo->branch);
	assert_int_equal(repo->doing, REPO_MERGE);
	assert_string_equal(repo_doing_text(repo->doing), "a merge");
	/* bare, unborn, SHA-256, shallow, none */
	must_shell("git init -q --bare bare && git init -q unborn && git init -q --object-format=sha256 long && "
		   "git -C long commit -q --allow-empty -m x && "
		   "git clone -q --depth 1 file://$PWD/r shallow && mkdir none");
	open_repository("bare");
	must(VCS_OK);
	assert_true(repo->bare);
	assert_null(repo->top);
	open_repository("unborn");
	must(VCS_OK);
	assert_string_equal(repo->head, "");
	assert_string_equal(repo->branch, "main");
	open_repository("long");
	must(VCS_OK);
	assert_true(repo->sha256);
	assert_int_equal(strlen(repo->head), 64);
	open_repository("shallow");
	must(VCS_OK);
	assert_true(repo->shallow);
	open_repository("none");
	must(VCS_ABSENT);
	assert_null(repo);
	/* somebody else's: git's own words */
	if (getuid() == 0) {
		must_shell("chown -R 65534 shallow");
		open_repository("shallow");
		must(VCS_FAILED);
		assert_non_null(strstr(last.err.message, "dubious ownership"));
		assert_non_null(strstr(last_said, "safe.directory"));
	}
	/* nobody to commit as */
	must_shell("git config --global --remove-section user && git config --global user.useConfigOnly true");
	open_repository("r");
	must(VCS_OK);
	assert_false(repo->has_identity);
	free(top);
	free(head);
}

/* --- refs --- */

static char oid[GIT_OID_MAX];
static bool answer;
static char listed[4096];

static void keep_oid(void *data, const struct vcs_end *end, const char *found)
{
	(void)data;
	keep_end(end);
	snprintf(oid, sizeof oid, "%s", found);
}

static void keep_done(void *data, const struct vcs_end *end)
{
	(void)data;
	keep_end(end);
}

static void keep_answer(void *data, const struct vcs_end *end, bool yes)
{
	(void)data;
	keep_end(end);
	answer = yes;
}

static void keep_list(void *data, const struct vcs_end *end, const struct ref *refs, size_t count)
{
	(void)data;
	keep_end(end);
	listed[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(listed + strlen(listed), sizeof listed - strlen(listed), "%s ", refs[i].name);
}

static void change(const struct ref_change *changes, size_t count)
{
	refs_change(repo, changes, count, "test", keep_done, NULL);
	git_wait(git, loop);
}

static void test_refs(void **state)
{
	char *first, *second;

	(void)state;
	make_repository();
	must_shell("cd r && echo x >a && git commit -q -a -m second");
	first = output("git -C r rev-parse HEAD^");
	second = output("git -C r rev-parse HEAD");
	open_repository("r");
	ref_resolve(repo, "main", keep_oid, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(oid, second);
	ref_resolve(repo, "--all", keep_oid, NULL);
	git_wait(git, loop);
	must(VCS_ABSENT);
	ref_resolve(repo, "nothing", keep_oid, NULL);
	git_wait(git, loop);
	must(VCS_ABSENT);
	assert_string_equal(oid, "");
	/* all or none */
	change((struct ref_change[]){{"refs/heads/orch/a", first, ""}, {"refs/orch/wip/a/2", first, ""},
		       {"refs/orch/wip/a/10", second, ""}},
		3);
	must(VCS_OK);
	change((struct ref_change[]){{"refs/heads/orch/b", first, ""}, {"refs/heads/orch/a", second, second}}, 2);
	must(VCS_CONFLICT);
	change((struct ref_change[]){{"refs/heads/orch/a", second, ""}}, 1);
	must(VCS_CONFLICT);
	refs_list(repo, "refs/heads/orch/", keep_list, NULL);
	git_wait(git, loop);
	assert_string_equal(listed, "refs/heads/orch/a ");
	refs_list(repo, "refs/orch/", keep_list, NULL);
	git_wait(git, loop);
	assert_string_equal(listed, "refs/orch/wip/a/2 refs/orch/wip/a/10 ");
	change((struct ref_change[]){{"refs/heads/orch/a", second, first}, {"refs/orch/wip/a/2", NULL, first}}, 2);
	must(VCS_OK);
	refs_list(repo, "refs/orch/", keep_list, NULL);
	git_wait(git, loop);
	assert_string_equal(listed, "refs/orch/wip/a/10 ");
	ref_is_ancestor(repo, first, second, keep_answer, NULL);
	git_wait(git, loop);
	assert_true(answer);
	ref_is_ancestor(repo, second, first, keep_answer, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_false(answer);
	ref_is_ancestor(repo, "nothing", first, keep_answer, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
	free(first);
	free(second);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "-a", "a..b", "a.lock", "a.lock/b", "a.", ".a", "a/.b", "a b", "a~",
		"a//b", "/a", "a/", "a@{b", "HEAD", "a\nb", "a\\b", NULL};
	static const char *const good[] = {"a", "orch/a", "a.b", "a-b_c", "a@b", "lock", "a.locked", "ä", NULL};

	(void)state;
	make_repository();
	/* git is of the same opinion */
	for (size_t i = 0; bad[i]; i++) {
		assert_non_null(ref_problem(bad[i]));
		assert_int_not_equal(shell("git check-ref-format --branch '%s' >/dev/null 2>&1", bad[i]), 0);
	}
	for (size_t i = 0; good[i]; i++) {
		assert_null(ref_problem(good[i]));
		must_shell("git check-ref-format --branch '%s' >/dev/null", good[i]);
	}
}

/* --- the state of a checkout --- */

static struct checkout_status *read_status(const struct strvec *exclude);
static struct checkout_status *kept;

static void keep_status(void *data, const struct vcs_end *end, struct checkout_status *status)
{
	(void)data;
	keep_end(end);
	kept = status;
}

static struct checkout_status *read_status(const struct strvec *exclude)
{
	checkout_status_read(repo, repo->top, exclude, keep_status, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	return kept;
}

static void must_differ(const struct checkout_status *before, const char *expected)
{
	struct checkout_status *after = read_status(NULL);
	struct strvec paths = {0};
	struct strbuf text = {0};

	checkout_status_differences(before, after, &paths);
	for (size_t i = 0; i < paths.count; i++)
		strbuf_addf(&text, "%s|", paths.items[i]);
	assert_string_equal(strbuf_cstr(&text), expected);
	strbuf_release(&text);
	strvec_release(&paths);
	checkout_status_free(after);
}

static void test_status(void **state)
{
	struct checkout_status *clean, *dirty, *other;
	struct strvec exclude = {0};
	char *text;

	(void)state;
	make_repository();
	open_repository("r");
	clean = read_status(NULL);
	assert_int_equal(clean->count, 0);
	assert_string_equal(clean->branch, "main");
	assert_string_equal(clean->oid, repo->head);
	must_differ(clean, "");
	must_shell(
		"cd r && echo x >>a && mkdir 'n ä' && echo y >\"n ä/q'\nuote\" && echo ign >.gitignore && echo i >ign && "
		"git init -q nested && echo z >staged && git add staged");
	dirty = read_status(NULL);
	assert_int_equal(dirty->changed, 2);
	assert_int_equal(dirty->untracked, 2);
	assert_int_equal(dirty->nested, 1);
	text = checkout_status_text(dirty);
	assert_string_equal(text, "2 changed, 3 untracked: .gitignore, a, n ä/q'\nuote, ...");
	free(text);
	must_differ(clean, ".gitignore|a|n ä/q'\nuote|nested/|staged|");
	must_differ(dirty, "");
	/* changed again, though git says the same of it */
	must_shell("cd r && echo more >>a && echo more >>\"n ä/q'\nuote\" && rm -r nested");
	must_differ(dirty, "a|n ä/q'\nuote|nested/|");
	strvec_push(&exclude, "n ä");
	other = read_status(&exclude);
	assert_int_equal(other->untracked, 1);
	assert_true(checkout_status_same_head(clean, other));
	checkout_status_free(other);
	must_shell("cd r && git checkout -q -b b2 && echo s >d/b && git add d/b");
	other = read_status(NULL);
	assert_false(checkout_status_same_head(clean, other));
	checkout_status_free(other);
	checkout_status_free(clean);
	checkout_status_free(dirty);
	strvec_release(&exclude);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_stop, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_version, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_open, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_refs, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_names, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_status, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
