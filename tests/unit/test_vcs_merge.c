#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vcs_scratch.h"
#include "util/strvec.h"
#include "vcs/commit.h"
#include "vcs/forecast.h"
#include "vcs/merge.h"
#include "vcs/worktree.h"

/* libgit2 1.5 does not free what a regular expression of .gitconfig that did not match was matched with (its regexp.c) */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libpcre2-8";
}
static int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	make_repository();
	open_repository("r");
	return repo ? 0 : -1;
}

/* a branch that sets one file to one line, from main */
static void make_branch(const char *name, const char *file, const char *line)
{
	must_shell(
		"cd r && git checkout -q -b '%s' main && mkdir -p \"$(dirname '%s')\" && echo '%s' >'%s' && git add . && "
		"git commit -q -m 'work of %s' && git checkout -q main",
		name, file, line, file, name);
}

enum { SIDES_MAX = 32 };
static struct merge_side sides[SIDES_MAX];
static size_t side_count;

static void add_side(const char *name)
{
	sides[side_count].name = xstrdup(name);
	sides[side_count++].oid = output("git -C r rev-parse '%s'", name);
}

static void clear_sides(void)
{
	for (size_t i = 0; i < side_count; i++) {
		free((char *)sides[i].name);
		free((char *)sides[i].oid);
	}
	side_count = 0;
}

static struct {
	char oid[GIT_OID_MAX], ours[64], theirs[64], files[512], text[1024], checkout[512], saved[512];
	size_t stuck;
	bool made, nothing;
} result;

static void keep_conflict(const struct merge_conflict *conflict)
{
	if (!conflict)
		return;
	snprintf(result.ours, sizeof result.ours, "%s", conflict->ours ? conflict->ours : "");
	snprintf(result.theirs, sizeof result.theirs, "%s", conflict->theirs ? conflict->theirs : "");
	snprintf(result.text, sizeof result.text, "%s", conflict->text ? conflict->text : "");
	for (size_t i = 0; i < conflict->files.count; i++)
		snprintf(result.files + strlen(result.files), sizeof result.files - strlen(result.files), "%s|",
			conflict->files.items[i]);
}

static void keep_base(void *data, const struct vcs_end *end, const struct merge_base_result *ended)
{
	(void)data;
	keep_end(end);
	memset(&result, 0, sizeof result);
	if (!ended)
		return;
	memcpy(result.oid, ended->oid, GIT_OID_MAX);
	result.made = ended->made;
	result.stuck = ended->stuck;
	keep_conflict(&ended->conflict);
}

static void base(void)
{
	merge_base(repo, "stream 's'", sides, side_count, keep_base, NULL);
	git_wait(git, loop);
}

static void test_base(void **state)
{
	char *before, *after;

	(void)state;
	make_branch("orch/a", "x", "by a");
	make_branch("orch/b", "y", "by b");
	must_shell(
		"cd r && git checkout -q -b orch/c orch/a && git commit -q --allow-empty -m c && git checkout -q main && "
		"echo dirty >d/b");
	before = output("git -C r status --porcelain; git -C r for-each-ref; sha1sum r/.git/index");
	/* one: itself */
	add_side("orch/a");
	base();
	must(VCS_OK);
	assert_false(result.made);
	assert_string_equal(result.oid, sides[0].oid);
	/* two, and one that another has */
	add_side("orch/b");
	add_side("orch/c");
	base();
	must(VCS_OK);
	assert_true(result.made);
	must_shell("test \"$(git -C r show %s:x)\" = 'by a' && test \"$(git -C r show %s:y)\" = 'by b'", result.oid,
		result.oid);
	must_shell("test \"$(git -C r rev-list --parents -1 %s)\" = '%s %s %s'", result.oid, result.oid, sides[1].oid,
		sides[2].oid);
	must_shell("git -C r log -1 --format=%%B %s | grep -q 'orch/b$'", result.oid);
	must_shell("git -C r log -1 --format=%%s %s | grep -q \"stream 's'\"", result.oid);
	/* nothing was touched */
	after = output("git -C r status --porcelain; git -C r for-each-ref; sha1sum r/.git/index");
	assert_string_equal(before, after);
	free(before);
	free(after);
	clear_sides();
	/* equal ones are one */
	add_side("orch/a");
	add_side("orch/a");
	base();
	must(VCS_OK);
	assert_false(result.made);
	clear_sides();
}

static void test_octopus(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		char *name = xasprintf("orch/s%d", i), *file = xasprintf("dir%d/f", i);

		make_branch(name, file, name);
		add_side(name);
		free(name);
		free(file);
	}
	base();
	must(VCS_OK);
	must_shell("test $(git -C r rev-list --parents -1 %s | wc -w) = 21", result.oid);
	must_shell("test $(git -C r ls-tree -r %s | wc -l) = 22", result.oid);
	clear_sides();
	/* the last one collides with the seventh */
	make_branch("orch/late", "dir7/f", "mine");
	for (int i = 0; i < 20; i++) {
		char *name = xasprintf("orch/s%d", i);

		add_side(name);
		free(name);
	}
	add_side("orch/late");
	base();
	must(VCS_CONFLICT);
	assert_int_equal(result.stuck, 20);
	assert_string_equal(result.ours, "orch/s7");
	assert_string_equal(result.theirs, "orch/late");
	assert_string_equal(result.files, "dir7/f|");
	assert_non_null(strstr(result.text, "CONFLICT"));
	/* what went before is there to go on from */
	must_shell("test $(git -C r ls-tree -r %s | wc -l) = 22", result.oid);
	clear_sides();
}

/* --- in a worktree --- */

static void keep_merge(void *data, const struct vcs_end *end, const struct merge_conflict *conflict)
{
	(void)data;
	keep_end(end);
	memset(&result, 0, sizeof result);
	keep_conflict(conflict);
}

static void on_added(void *data, const struct vcs_end *end, const struct worktree_made *made)
{
	(void)data;
	(void)made;
	keep_end(end);
}

static void on_committed(void *data, const struct vcs_end *end, const struct commit_result *ended)
{
	(void)data;
	(void)ended;
	keep_end(end);
}

static void test_worktree(void **state)
{
	char *path = in_scratch("wt");

	(void)state;
	make_branch("orch/a", "a", "by a");
	make_branch("orch/b", "a", "by b");
	make_branch("orch/c", "c", "by c");
	add_side("orch/a");
	add_side("orch/b");
	add_side("orch/c");
	base();
	must(VCS_CONFLICT);
	assert_int_equal(result.stuck, 1);
	worktree_add(repo, &(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = result.oid},
		on_added, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	merge_in_worktree(repo, "s", path, &sides[1], keep_merge, NULL);
	git_wait(git, loop);
	must(VCS_CONFLICT);
	assert_string_equal(result.files, "a|");
	assert_string_equal(result.theirs, "orch/b");
	must_print("1", "grep -c '^<<<<<<<' wt/a");
	/* again: it is as it was */
	merge_in_worktree(repo, "s", path, &sides[1], keep_merge, NULL);
	git_wait(git, loop);
	must(VCS_CONFLICT);
	/* resolved, then the next one */
	must_shell("echo both >wt/a");
	commit_work(repo, &(struct commit_spec){.stream = "s", .dir = path, .branch = "orch/s", .subject = "resolved"},
		on_committed, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	merge_in_worktree(repo, "s", path, &sides[2], keep_merge, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	must_print("by c", "cat wt/c");
	must_print("both", "git -C r show orch/s:a");
	must_shell("echo dirty >wt/a");
	merge_in_worktree(repo, "s", path, &sides[2], keep_merge, NULL);
	git_wait(git, loop);
	must(VCS_REFUSED);
	must_print("dirty", "cat wt/a");
	clear_sides();
	free(path);
}

/* --- home --- */

static void keep_home(void *data, const struct vcs_end *end, const struct merge_home_result *ended)
{
	(void)data;
	keep_end(end);
	memset(&result, 0, sizeof result);
	if (!ended)
		return;
	memcpy(result.oid, ended->oid, GIT_OID_MAX);
	result.nothing = ended->nothing;
	snprintf(result.checkout, sizeof result.checkout, "%s", ended->checkout ? ended->checkout : "");
	snprintf(result.saved, sizeof result.saved, "%s", ended->saved ? ended->saved : "");
	keep_conflict(&ended->conflict);
}

static void home(const char *stream, const char *into, bool squash, bool dry_run)
{
	char *branch = xasprintf("orch/%s", stream), *work = output("git -C r rev-parse 'orch/%s'", stream);

	merge_home(repo,
		&(struct merge_home){.stream = stream,
			.into = into,
			.work = {branch, work},
			.subject = "Merge the work",
			.body = "Of a stream.",
			.squash = squash,
			.dry_run = dry_run},
		keep_home, NULL);
	git_wait(git, loop);
	free(branch);
	free(work);
}

static void test_home(void **state)
{
	(void)state;
	make_branch("orch/a", "x", "by a");
	make_branch("orch/b", "y", "by b");
	make_branch("orch/c", "a", "by c");
	home("a", "main", false, true);
	must(VCS_OK);
	must_print("first", "git -C r log --format=%s main");
	must_shell("echo note >r/untracked");
	home("a", "main", false, false);
	must(VCS_OK);
	assert_string_equal(result.checkout, repo->top);
	must_print("by a", "cat r/x");
	must_print("?? untracked", "git -C r status --porcelain");
	must_print("Merge the work\n\nOf a stream.\n", "git -C r log -1 --format=%B main");
	must_print("2", "git -C r log -1 --format=%P main | wc -w");
	home("a", "main", false, false);
	must(VCS_OK);
	assert_true(result.nothing);
	/* not over uncommitted changes, nor over an untracked file, nor into a merge */
	must_shell("echo mine >>r/d/b");
	home("b", "main", false, false);
	must(VCS_REFUSED);
	must_shell("cd r && git checkout -q d/b && echo mine >y");
	home("b", "main", false, false);
	must(VCS_REFUSED);
	assert_non_null(strstr(last_said, "y"));
	must_print("mine", "cat r/y");
	must_shell("rm r/y && touch r/.git/MERGE_HEAD");
	home("b", "main", false, false);
	must(VCS_REFUSED);
	must_shell("rm r/.git/MERGE_HEAD");
	must_print("", "ls r/.git/orch/locks");
	/* squashed; then it is known to be in */
	home("b", "main", true, false);
	must(VCS_OK);
	must_print("1", "git -C r log -1 --format=%P main | wc -w");
	must_print("by b", "cat r/y");
	must_shell("test $(git -C r rev-parse refs/orch/merged/b) = $(git -C r rev-parse orch/b)");
	home("b", "main", true, false);
	must(VCS_OK);
	assert_true(result.nothing);
	/* a conflict changes nothing */
	must_shell("cd r && echo other >a && git commit -q -a -m other");
	home("c", "main", false, false);
	must(VCS_CONFLICT);
	assert_string_equal(result.files, "a|");
	assert_string_equal(result.ours, "main");
	assert_string_equal(result.theirs, "orch/c");
	must_print("other", "cat r/a");
	must_print("?? untracked", "git -C r status --porcelain");
	/* a branch that is checked out nowhere, and one that is not there */
	must_shell("git -C r branch release/1 main~1");
	home("c", "release/1", false, false);
	must(VCS_OK);
	assert_string_equal(result.checkout, "");
	must_print("by c", "git -C r show release/1:a");
	must_print("other", "cat r/a");
	home("c", "nothing", false, false);
	must(VCS_ABSENT);
	/* a bare repository, and nobody to commit as */
	must_shell("git clone -q --bare r bare 2>/dev/null && git config --global --remove-section user && "
		   "git config --global user.useConfigOnly true && git -C bare branch -q -f orch/c release/1");
	open_repository("bare");
	home("c", "main", false, false);
	must(VCS_CONFLICT);
	must_print("", "git -C bare fsck --strict 2>&1 | grep -v -e ^notice -e ^dangling");
}

static unsigned ends, good;

static void count_home(void *data, const struct vcs_end *end, const struct merge_home_result *ended)
{
	(void)data;
	(void)ended;
	ends++;
	good += end->status == VCS_OK;
	if (end->status != VCS_OK)
		print_message("%s\n", end->err.message);
}

/* several at once into one branch */
static void test_home_together(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		char *name = xasprintf("orch/s%d", i), *file = xasprintf("f%d", i);

		make_branch(name, file, name);
		add_side(name);
		free(name);
		free(file);
	}
	ends = good = 0;
	for (size_t i = 0; i < side_count; i++)
		merge_home(repo,
			&(struct merge_home){
				.stream = sides[i].name + 5, .into = "main", .work = sides[i], .subject = "m"},
			count_home, NULL);
	git_wait(git, loop);
	assert_int_equal(ends, 8);
	assert_int_equal(good, 8);
	must_print("8", "ls r/f? | wc -l");
	must_print("", "git -C r status --porcelain");
	clear_sides();
}

/* as a killed one leaves it: the note, some of the files, a lock file */
static void test_home_cut_short(void **state)
{
	char *was, *would;

	(void)state;
	make_branch("orch/a", "x", "by a");
	must_shell(
		"cd r && git checkout -q orch/a && echo more >>a && git commit -q -a -m more && git checkout -q main");
	home("a", "main", false, true);
	must(VCS_OK);
	was = output("git -C r rev-parse main");
	would = xstrdup(result.oid);
	must_shell("mkdir -p r/.git/orch/locks && printf 'home\\n%s\\n%s\\n%s' >r/.git/orch/locks/into.main", was,
		would, repo->top);
	must_shell("cd r && echo 'by a' >x && printf 'o' >a && touch .git/index.lock");
	home("a", "main", false, false);
	must(VCS_OK);
	assert_string_equal(result.saved, "refs/orch/wip/a/1");
	must_print("by a", "cat r/x");
	must_print("more", "tail -1 r/a");
	must_print("", "git -C r status --porcelain");
	must_print("", "ls r/.git/orch/locks");
	/* with a change that is none of its own */
	must_shell("git -C r reset -q --hard %s && printf 'home\\n%s\\n%s\\n%s' >r/.git/orch/locks/into.main", was, was,
		would, repo->top);
	must_shell("cd r && echo 'by a' >x && echo precious >d/b");
	home("a", "main", false, false);
	must(VCS_REFUSED);
	must_print("precious", "cat r/d/b");
	free(was);
	free(would);
}

/* --- forecast --- */

static struct {
	size_t count, compared, a, b;
	bool by_library;
	char files[256];
} forecast;

static void keep_forecast(void *data, const struct vcs_end *end, const struct forecast *ended)
{
	(void)data;
	keep_end(end);
	memset(&forecast, 0, sizeof forecast);
	if (!ended)
		return;
	forecast.count = ended->count;
	forecast.compared = ended->compared;
	forecast.by_library = ended->by_library;
	if (ended->count > 0) {
		forecast.a = ended->items[0].a;
		forecast.b = ended->items[0].b;
		snprintf(forecast.files, sizeof forecast.files, "%s", ended->items[0].files.items[0]);
	}
}

static void test_forecast(void **state)
{
	(void)state;
	make_branch("orch/a", "x", "by a");
	make_branch("orch/b", "a", "by b");
	make_branch("orch/c", "y", "by c");
	make_branch("orch/d", "a", "by d");
	for (int by_git = 0; by_git < 2; by_git++) {
		add_side("orch/a");
		add_side("orch/b");
		add_side("orch/c");
		add_side("orch/d");
		forecast_conflicts(repo, sides, side_count, by_git, keep_forecast, NULL);
		git_wait(git, loop);
		must(VCS_OK);
		assert_int_equal(forecast.compared, 6);
		assert_int_equal(forecast.count, 1);
		assert_int_equal(forecast.a, 1);
		assert_int_equal(forecast.b, 3);
		assert_string_equal(forecast.files, "a");
#ifdef LIBGIT2_SONAME
		assert_int_equal(forecast.by_library, !by_git);
#else
		assert_false(forecast.by_library);
#endif
		forecast_conflicts(repo, sides, 1, by_git, keep_forecast, NULL);
		git_wait(git, loop);
		must(VCS_OK);
		assert_int_equal(forecast.compared, 0);
		clear_sides();
	}
	/* what libgit2 does not take goes to git */
	must_shell(
		"git -C r config core.repositoryFormatVersion 1 && git -C r config extensions.worktreeConfig true && "
		"git init -q --object-format=sha256 long && cd long && echo 1 >a && git add a && git commit -q -m 1 && "
		"git branch orch/b && echo 2 >a && git commit -q -a -m 2 && git checkout -q orch/b && echo 3 >a && "
		"git commit -q -a -m 3");
	sides[0] = (struct merge_side){xstrdup("main"), output("git -C long rev-parse main")};
	sides[1] = (struct merge_side){xstrdup("orch/b"), output("git -C long rev-parse orch/b")};
	side_count = 2;
	open_repository("long");
	forecast_conflicts(repo, sides, 2, false, keep_forecast, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_false(forecast.by_library);
	assert_int_equal(forecast.count, 1);
	/* a commit that is not there */
	free((char *)sides[1].oid);
	sides[1].oid = xstrdup("0123456789012345678901234567890123456789012345678901234567890123");
	forecast_conflicts(repo, sides, 2, false, keep_forecast, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
	clear_sides();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_base, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_octopus, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_worktree, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_home, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_home_together, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_home_cut_short, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_forecast, setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
