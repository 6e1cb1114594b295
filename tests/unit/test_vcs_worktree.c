#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vcs_scratch.h"
#include "util/strvec.h"
#include "vcs/worktree.h"

static struct {
	bool fresh, set_up;
	char oid[GIT_OID_MAX], path[512], git_dir[512], saved[512], aside[512];
	size_t copied;
} made;

static void keep_made(void *data, const struct vcs_end *end, const struct worktree_made *result)
{
	(void)data;
	keep_end(end);
	memset(&made, 0, sizeof made);
	if (!result)
		return;
	made.fresh = result->fresh;
	made.set_up = result->set_up;
	made.copied = result->copied.count;
	memcpy(made.oid, result->oid, GIT_OID_MAX);
	snprintf(made.path, sizeof made.path, "%s", result->path);
	snprintf(made.git_dir, sizeof made.git_dir, "%s", result->git_dir);
	snprintf(made.saved, sizeof made.saved, "%s", result->saved.count > 0 ? result->saved.items[0] : "");
	snprintf(made.aside, sizeof made.aside, "%s", result->moved_aside ? result->moved_aside : "");
}

static void add(const char *stream, const char *base, bool afresh)
{
	char *path = xasprintf("%s/wt/%s", scratch_path, stream), *branch = xasprintf("orch/%s", stream);

	worktree_add(repo,
		&(struct worktree_spec){
			.stream = stream, .branch = branch, .path = path, .base = base, .afresh = afresh},
		keep_made, NULL);
	git_wait(git, loop);
	free(path);
	free(branch);
}

static struct {
	bool there;
	char saved[512], why[512];
} removed;

static void keep_removed(void *data, const struct vcs_end *end, const struct worktree_removed *result)
{
	(void)data;
	keep_end(end);
	memset(&removed, 0, sizeof removed);
	if (!result)
		return;
	removed.there = result->there;
	snprintf(removed.saved, sizeof removed.saved, "%s", result->saved.count > 0 ? result->saved.items[0] : "");
	snprintf(removed.why, sizeof removed.why, "%s", result->why ? result->why : "");
}

static void remove_worktree(const char *stream, bool save, bool dry_run)
{
	char *path = xasprintf("%s/wt/%s", scratch_path, stream);

	worktree_remove(repo,
		&(struct worktree_removal){.stream = stream, .path = path, .save = save, .dry_run = dry_run},
		keep_removed, NULL);
	git_wait(git, loop);
	free(path);
}

static int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	make_repository();
	open_repository("r");
	return repo ? 0 : -1;
}

static void test_add(void **state)
{
	(void)state;
	add("one", repo->head, false);
	must(VCS_OK);
	assert_true(made.fresh);
	assert_false(made.set_up);
	assert_string_equal(made.oid, repo->head);
	must_print("orch/one", "git -C wt/one symbolic-ref --short HEAD");
	must_print("", "git -C wt/one status --porcelain");
	must_print("b", "cat wt/one/d/b");
	/* no upstream, locked, the user's checkout as it was */
	must_print("", "git -C r config --get-regexp 'branch.orch' || true");
	must_print("locked orch: one", "git -C r worktree list --porcelain | grep locked");
	must_print("", "git -C r status --porcelain");
	must_print("", "ls r/.git/orch/locks");
	/* again: taken as it is, with what is in it */
	assert_int_equal(worktree_mark_set_up(made.git_dir, NULL), 0);
	must_shell("echo work >wt/one/new");
	add("one", repo->head, false);
	must(VCS_OK);
	assert_false(made.fresh);
	assert_true(made.set_up);
	must_print("work", "cat wt/one/new");
	/* names that no branch can have, a branch that is elsewhere */
	add("a..b", repo->head, false);
	must(VCS_REFUSED);
	must_shell("git -C r worktree add -q -b orch/two ../elsewhere");
	add("two", repo->head, false);
	must(VCS_REFUSED);
	assert_non_null(strstr(last.err.message, "/elsewhere"));
	/* a branch that is there is gone on with */
	must_shell("git -C r worktree remove ../elsewhere && git -C r commit -q --allow-empty -m later && "
		   "git -C r branch -f orch/two main");
	add("two", repo->head, false);
	must(VCS_OK);
	must_print("later", "git -C wt/two log -1 --format=%s");
	/* a base that is none */
	add("three", "0123456789012345678901234567890123456789", false);
	must(VCS_FAILED);
	assert_false(fs_exists("wt/three"));
}

static void test_paths(void **state)
{
	char *path = in_scratch("sp ace/q'uo\"te\nn\xc3\xa4w");

	(void)state;
	worktree_add(repo, &(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = repo->head},
		keep_made, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(made.path, path);
	worktree_add(repo, &(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = repo->head},
		keep_made, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_false(made.fresh);
	worktree_remove(repo, &(struct worktree_removal){.stream = "s", .path = path}, keep_removed, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_true(removed.there);
	assert_false(fs_exists(path));
	/* by a symbolic link */
	must_shell("mkdir real && ln -s real link");
	free(path);
	path = in_scratch("link/s");
	for (int i = 0; i < 2; i++) {
		worktree_add(repo,
			&(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = repo->head},
			keep_made, NULL);
		git_wait(git, loop);
		must(VCS_OK);
		assert_int_equal(made.fresh, i == 0);
	}
	free(path);
}

static void test_afresh(void **state)
{
	char *lost;

	(void)state;
	must_shell("cd r && echo stays >.gitignore && git add . && git commit -q -m ignore");
	open_repository("r");
	add("s", repo->head, false);
	must_shell(
		"cd wt/s && echo kept >stays && echo ign >>.gitignore && echo hidden >ign && git add .gitignore && git commit -q -m mine && "
		"echo changed >a && echo staged >st && git add st && echo new >'un tracked' && rm d/b && "
		"git init -q nest && cd nest && echo deep >deep && git add deep && git commit -q -m deep");
	add("s", repo->head, true);
	must(VCS_OK);
	assert_false(made.fresh);
	assert_string_equal(made.oid, repo->head);
	must_print("", "git -C wt/s status --porcelain --untracked-files=all");
	must_print("kept", "cat wt/s/stays");
	must_print("orch/s", "git -C wt/s symbolic-ref --short HEAD");
	/* all of it is held by refs */
	assert_string_equal(made.saved, "refs/orch/wip/s/1");
	must_print("changed", "git -C r show refs/orch/wip/s/1:a");
	must_print("new", "git -C r show 'refs/orch/wip/s/1:un tracked'");
	must_print("staged", "git -C r show refs/orch/wip/s/1:st");
	must_print("deep", "git -C r show refs/orch/wip/s/1:nest/deep");
	must_print("deep", "git -C r log --format=%s refs/orch/nested/s/1.1/HEAD");
	must_print("mine", "git -C r log -1 --format=%s refs/orch/wip/s/1^");
	must_shell("git -C r cat-file -e refs/orch/wip/s/1:d/b 2>/dev/null; test $? -ne 0");
	must_print("hidden", "git -C r show refs/orch/wip/s/2:ign");
	/* the middle of a rebase, a detached HEAD with a commit of its own */
	must_shell("cd wt/s && git commit -q --allow-empty -m e1 && git checkout -q --detach && "
		   "git commit -q --allow-empty -m stray && "
		   "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~1 2>/dev/null");
	lost = output("git -C wt/s rev-parse HEAD");
	add("s", repo->head, true);
	must(VCS_OK);
	must_print("orch/s", "git -C wt/s symbolic-ref --short HEAD");
	must_shell("git -C wt/s status | grep -q 'rebase in progress'; test $? -ne 0");
	must_shell("git -C r for-each-ref --contains %s | grep -q orch/wip", lost);
	free(lost);
	/* without a worktree: the branch alone is reset, and what it had is kept */
	must_shell("cd wt/s && git commit -q --allow-empty -m tip");
	remove_worktree("s", false, false);
	must(VCS_OK);
	lost = output("git -C r rev-parse orch/s");
	add("s", repo->head, true);
	must(VCS_OK);
	assert_true(made.fresh);
	must_shell("git -C r for-each-ref --contains %s | grep -q orch/wip", lost);
	must_shell("git -C r fsck --strict --no-dangling 2>&1 | grep -v '^notice' | (! grep .)");
	free(lost);
}

static void test_repair(void **state)
{
	(void)state;
	/* its files gone */
	add("s", repo->head, false);
	must_shell("echo staged >wt/s/st && git -C wt/s add st && rm -rf wt/s");
	add("s", repo->head, false);
	must(VCS_OK);
	assert_true(made.fresh);
	must_print("b", "cat wt/s/d/b");
	must_print("staged", "git -C r show refs/orch/wip/s/1:st");
	/* half made, with whatever came of the checkout */
	must_shell(
		"echo 'orch: making s' >r/.git/worktrees/s/locked && rm -f wt/s/a && touch r/.git/worktrees/s/index.lock");
	add("s", repo->head, false);
	must(VCS_OK);
	assert_true(made.fresh);
	must_print("", "git -C wt/s status --porcelain");
	/* half made for others too, so that git itself cannot list them any more; a person's stays */
	must_shell(
		"cd r/.git/worktrees && mkdir t u && echo 'orch: making t' >t/locked && echo %s/wt/t/.git >t/gitdir && "
		"touch t/commondir && mkdir -p ../../../wt/t && touch ../../../wt/t/.git && echo initializing >u/locked",
		scratch_path);
	must_shell("! git -C r worktree list >/dev/null 2>&1");
	add("s", repo->head, false);
	must(VCS_OK);
	must_shell("test -e r/.git/worktrees/u -a ! -e r/.git/worktrees/t -a ! -e wt/t && rm -r r/.git/worktrees/u");
	/* removed by half */
	must_shell("echo 'orch: removing s' >r/.git/worktrees/s/locked && rm -rf wt/s/d");
	add("s", repo->head, false);
	must(VCS_OK);
	must_print("", "git -C wt/s status --porcelain");
	/* .git gone, or a repository of its own in its place */
	must_shell("echo work >wt/s/work && rm wt/s/.git");
	add("s", repo->head, false);
	must(VCS_OK);
	assert_false(made.fresh);
	must_print("work", "cat wt/s/work");
	must_shell("rm wt/s/.git && git init -q wt/s");
	add("s", repo->head, false);
	must(VCS_OK);
	assert_true(made.fresh);
	assert_string_not_equal(made.aside, "");
	must_print("work", "cat wt/s.aside-1/work");
	/* something else in its place */
	must_shell("mkdir wt/t && echo precious >wt/t/file");
	add("t", repo->head, false);
	must(VCS_OK);
	must_print("precious", "cat wt/t.aside-1/file");
	/* lock files of a git that was killed there */
	must_shell("touch -d '1 minute ago' r/.git/worktrees/t/index.lock r/.git/refs/heads/orch/t.lock");
	add("t", repo->head, true);
	must(VCS_OK);
	assert_false(fs_exists("r/.git/worktrees/t/index.lock"));
	must_print("", "git -C r fsck --strict 2>&1 | grep -v -e ^notice -e ^dangling");
}

static void test_remove(void **state)
{
	char *lost;

	(void)state;
	remove_worktree("s", false, false);
	must(VCS_OK);
	assert_false(removed.there);
	add("s", repo->head, false);
	remove_worktree("s", false, true);
	must(VCS_OK);
	assert_true(fs_is_directory("wt/s"));
	assert_non_null(strstr(removed.why, "orch/s"));
	/* untracked work */
	must_shell("echo w >wt/s/w");
	remove_worktree("s", false, true);
	must(VCS_REFUSED);
	remove_worktree("s", false, false);
	must(VCS_REFUSED);
	must_print("w", "cat wt/s/w");
	must_print("", "git -C r for-each-ref refs/orch");
	remove_worktree("s", true, true);
	must(VCS_OK);
	must_print("", "git -C r for-each-ref refs/orch");
	remove_worktree("s", true, false);
	must(VCS_OK);
	assert_string_equal(removed.saved, "refs/orch/wip/s/1");
	must_print("w", "git -C r show refs/orch/wip/s/1:w");
	assert_false(fs_exists("wt/s"));
	must_print("1", "git -C r worktree list | wc -l");
	/* commits that only the log has */
	add("s", repo->head, false);
	must_shell("cd wt/s && echo 1 >one && git add one && git commit -q -m one && git rev-parse HEAD >../../lost && "
		   "git reset -q --hard HEAD^ && git commit -q --allow-empty -m two && git reset -q --hard HEAD^");
	lost = output("cat lost");
	remove_worktree("s", false, false);
	must(VCS_REFUSED);
	assert_non_null(strstr(last.err.message, "2 commits"));
	remove_worktree("s", true, false);
	must(VCS_OK);
	must_shell("git -C r for-each-ref --contains %s | grep -q orch/wip", lost);
	free(lost);
	/* a detached HEAD; a repository committed as if it were a submodule */
	add("s", repo->head, false);
	must_shell("cd wt/s && git checkout -q --detach && git init -q sub && cd sub && echo i >i && git add i && "
		   "git commit -q -m inner && cd .. && git add sub 2>/dev/null && git commit -q -m outer");
	lost = output("git -C wt/s/sub rev-parse HEAD");
	remove_worktree("s", false, false);
	must(VCS_REFUSED);
	remove_worktree("s", true, false);
	must(VCS_OK);
	must_shell("git -C r for-each-ref --contains %s | grep -q orch/nested", lost);
	free(lost);
	/* neither the main checkout nor what is no worktree */
	worktree_remove(
		repo, &(struct worktree_removal){.stream = "r", .path = repo->top, .save = true}, keep_removed, NULL);
	git_wait(git, loop);
	must(VCS_REFUSED);
	must_shell("mkdir -p wt/s && echo x >wt/s/x");
	remove_worktree("s", true, false);
	must(VCS_REFUSED);
	must_print("x", "cat wt/s/x");
}

static void test_copy(void **state)
{
	struct strvec copy = {0};
	char *path = in_scratch("wt/s");
	struct worktree_spec spec = {
		.stream = "s", .branch = "orch/s", .path = path, .base = repo->head, .copy_from = repo->top};

	(void)state;
	must_shell(
		"cd r && echo secret >.env && chmod 600 .env && echo mine >a && mkdir -p x/y .orch && echo 1 >x/y/one && "
		"ln -s one x/y/link && echo 2 >two.local && echo o >.orch/o && "
		"printf '*.local\\n/x/\\n.orch/\\n' >.worktreeinclude");
	strvec_push(&copy, ".env");
	strvec_push(&copy, "a");
	strvec_push(&copy, "x");
	spec.copy = &copy;
	worktree_add(repo, &spec, keep_made, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	must_print("secret", "cat wt/s/.env");
	must_print("600", "stat -c %a wt/s/.env");
	must_print("one", "head -1 wt/s/a");
	must_print("1", "cat wt/s/x/y/link");
	assert_false(fs_exists("wt/s/two.local"));
	assert_int_equal(made.copied, 3);
	remove_worktree("s", true, false);
	must(VCS_OK);
	/* by .worktreeinclude */
	spec.copy = NULL;
	worktree_add(repo, &spec, keep_made, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	must_print("2", "cat wt/s/two.local");
	must_print("1", "cat wt/s/x/y/one");
	assert_false(fs_exists("wt/s/.env"));
	assert_false(fs_exists("wt/s/.orch"));
	strvec_release(&copy);
	free(path);
}

static unsigned ends, good;

static void count_made(void *data, const struct vcs_end *end, const struct worktree_made *result)
{
	(void)data;
	(void)result;
	ends++;
	good += end->status == VCS_OK;
	if (end->status != VCS_OK)
		print_message("%s\n", end->err.message);
}

static void test_many(void **state)
{
	enum { MANY = 40 };

	(void)state;
	ends = good = 0;
	for (int i = 0; i < MANY; i++) {
		char *stream = xasprintf("s%d", i), *path = xasprintf("%s/wt/s%d", scratch_path, i);
		char *branch = xasprintf("orch/s%d", i);

		worktree_add(repo,
			&(struct worktree_spec){.stream = stream, .branch = branch, .path = path, .base = repo->head},
			count_made, NULL);
		free(stream);
		free(path);
		free(branch);
	}
	git_wait(git, loop);
	assert_int_equal(ends, MANY);
	assert_int_equal(good, MANY);
	must_print("41", "git -C r worktree list | wc -l");
	must_print("", "for i in wt/*; do git -C $i status --porcelain; done");
	/* stopped in the middle: the next call goes on */
	ends = good = 0;
	for (int i = 0; i < MANY; i++) {
		char *stream = xasprintf("t%d", i), *path = xasprintf("%s/wt/t%d", scratch_path, i);
		char *branch = xasprintf("orch/t%d", i);

		worktree_add(repo,
			&(struct worktree_spec){.stream = stream, .branch = branch, .path = path, .base = repo->head},
			count_made, NULL);
		free(stream);
		free(path);
		free(branch);
	}
	git_stop(git);
	git_wait(git, loop);
	assert_int_equal(ends, MANY);
	assert_int_equal(good, 0);
	git_resume(git);
	add("t1", repo->head, false);
	must(VCS_OK);
}

static void test_hooks_and_filters(void **state)
{
	(void)state;
	must_shell("cd r && git config filter.up.smudge 'tr a-z A-Z' && git config filter.up.clean 'tr A-Z a-z' && "
		   "echo '*.up filter=up' >.gitattributes && echo shout >x.up && printf 'l1\\nl2\\n' >crlf.txt && "
		   "echo '*.txt text eol=crlf' >>.gitattributes && git add . && git commit -q -m filters && "
		   "printf '#!/bin/sh\\necho \"$3\" >>../../hook-ran\\n' >.git/hooks/post-checkout && "
		   "chmod +x .git/hooks/post-checkout");
	open_repository("r");
	add("s", repo->head, false);
	must(VCS_OK);
	must_print("SHOUT", "cat wt/s/x.up");
	must_print("l1\r\nl2\r", "cat wt/s/crlf.txt");
	must_print("", "git -C wt/s status --porcelain");
	must_print("1", "cat hook-ran");
	/* no room: the next one completes it */
	must_shell("printf '#!/bin/sh\\nexit 3\\n' >r/.git/hooks/post-checkout");
	add("t", repo->head, false);
	must(VCS_FAILED);
	must_shell("rm r/.git/hooks/post-checkout");
	add("t", repo->head, false);
	must(VCS_OK);
	assert_true(made.fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_afresh, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_repair, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_hooks_and_filters, setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
