#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vcs_scratch.h"
#include "util/strvec.h"
#include "vcs/commit.h"
#include "vcs/save.h"
#include "vcs/worktree.h"

static struct {
	bool committed;
	char oid[GIT_OID_MAX], tree[GIT_OID_MAX], nested[256], saved[256], strayed[256], unresolved[256];
} result;

static void keep_result(void *data, const struct vcs_end *end, const struct commit_result *ended)
{
	(void)data;
	keep_end(end);
	memset(&result, 0, sizeof result);
	if (!ended)
		return;
	result.committed = ended->committed;
	memcpy(result.oid, ended->oid, GIT_OID_MAX);
	memcpy(result.tree, ended->tree, GIT_OID_MAX);
	snprintf(result.nested, sizeof result.nested, "%s", ended->nested.count > 0 ? ended->nested.items[0] : "");
	snprintf(result.saved, sizeof result.saved, "%s", ended->saved_ref ? ended->saved_ref : "");
	snprintf(result.strayed, sizeof result.strayed, "%s", ended->strayed ? ended->strayed : "none");
	snprintf(result.unresolved, sizeof result.unresolved, "%s",
		ended->unresolved.count > 0 ? ended->unresolved.items[0] : "");
}

static void commit(bool look_only)
{
	char *dir = in_scratch("wt");

	commit_work(repo,
		&(struct commit_spec){.stream = "s",
			.dir = dir,
			.branch = "orch/s",
			.subject = "s: #1 of all",
			.body = "What it is about.",
			.run = "20261121-1",
			.attempt = 2,
			.look_only = look_only},
		keep_result, NULL);
	git_wait(git, loop);
	free(dir);
}

static void on_added(void *data, const struct vcs_end *end, const struct worktree_made *made)
{
	(void)data;
	(void)made;
	keep_end(end);
}

static int setup(void **state)
{
	char *path;

	if (scratch_setup(state) != 0)
		return -1;
	make_repository();
	open_repository("r");
	path = in_scratch("wt");
	worktree_add(repo, &(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = repo->head},
		on_added, NULL);
	git_wait(git, loop);
	free(path);
	return last.status == VCS_OK ? 0 : -1;
}

static void test_commit(void **state)
{
	char *text;

	(void)state;
	/* nothing to do */
	commit(false);
	must(VCS_OK);
	assert_false(result.committed);
	assert_string_equal(result.oid, repo->head);
	text = output("git -C r rev-parse main^{tree}");
	assert_string_equal(result.tree, text);
	free(text);
	/* changed, new, removed, staged, in odd names; ignored files stay out */
	must_shell(
		"cd wt && echo x >>a && echo n >'n\n\"ä' && rm d/b && echo s >s && git add s && echo no >.gitignore && "
		"echo x >no && ln -s a link && echo '-' >-dash");
	commit(true);
	must(VCS_REFUSED);
	must_print("first", "git -C wt log --format=%s");
	commit(false);
	must(VCS_OK);
	assert_true(result.committed);
	assert_string_equal(result.strayed, "none");
	must_print("", "git -C wt status --porcelain");
	must_print("s: #1 of all\n\nWhat it is about.\n\nOrch-Stream: s\nOrch-Run: 20261121-1\nOrch-Attempt: 2\n",
		"git -C wt log -1 --format=%B");
	must_print("s", "git -C wt log -1 --format='%(trailers:key=Orch-Stream,valueonly)' | head -1");
	must_print("A U Thor <author@example.com>", "git -C wt log -1 --format='%an <%ae>'");
	must_print("-dash,.gitignore,a,d/b,link,n\n\"ä,s,",
		"git -C wt diff-tree -z -r --name-only HEAD^ HEAD | tr '\\0' ,");
	text = output("git -C r rev-parse orch/s");
	assert_string_equal(result.oid, text);
	free(text);
	/* its own commits stay */
	must_shell("cd wt && echo y >>a && git commit -q -a -m own");
	commit(false);
	must(VCS_OK);
	assert_false(result.committed);
	must_print("own", "git -C wt log -1 --format=%s");
	must_print("", "git -C r status --porcelain");
}

static void test_identity_and_hooks(void **state)
{
	(void)state;
	must_shell("git config --global --remove-section user && git config --global user.useConfigOnly true");
	open_repository("r");
	must_shell("echo x >wt/x");
	commit(false);
	must(VCS_OK);
	must_print("orch <orch@localhost>", "git -C wt log -1 --format='%an <%ae>'");
	/* a hook that says no, on either of its outputs */
	must_shell(
		"printf '#!/bin/sh\\necho no tabs here; echo and no blanks >&2; exit 1\\n' >r/.git/hooks/pre-commit && "
		"chmod +x r/.git/hooks/pre-commit && echo y >wt/y");
	commit(false);
	must(VCS_REJECTED);
	assert_non_null(strstr(last_said, "no tabs here"));
	assert_non_null(strstr(last.err.message, "no blanks"));
	must_print("y", "cat wt/y");
	must_shell("printf '#!/bin/sh\\necho by hook >from-hook; git add from-hook\\n' >r/.git/hooks/pre-commit");
	commit(false);
	must(VCS_OK);
	must_print("by hook", "git -C r show orch/s:from-hook");
}

static void test_nested(void **state)
{
	(void)state;
	must_shell(
		"cd wt && echo x >x && mkdir sub && git init -q 'sub/n est' && cd 'sub/n est' && echo in >in && git add in && "
		"git commit -q -m inner && echo loose >loose");
	commit(false);
	must(VCS_OK);
	assert_string_equal(result.nested, "sub/n est/");
	assert_string_equal(result.saved, "refs/orch/wip/s/1");
	must_print("x", "git -C r diff-tree -r --name-only orch/s^ orch/s");
	must_print("loose", "git -C r show 'refs/orch/wip/s/1:sub/n est/loose'");
	must_print("inner", "git -C r log -1 --format=%s refs/orch/nested/s/1.1/HEAD");
	must_print("loose", "cat 'wt/sub/n est/loose'");
}

static void test_strayed(void **state)
{
	char *text;

	(void)state;
	/* on from the branch, but elsewhere */
	must_shell("cd wt && git checkout -q -b mine && echo m >m && git add m && git commit -q -m m && echo n >n");
	commit(false);
	must(VCS_OK);
	assert_string_equal(result.strayed, "mine");
	must_print("refs/heads/orch/s", "git -C wt symbolic-ref HEAD");
	must_print("m", "git -C r show orch/s:m");
	text = output("git -C r rev-parse orch/s");
	assert_string_equal(result.oid, text);
	free(text);
	must_print("", "git -C wt status --porcelain");
	must_shell("cd wt && git checkout -q --detach && git commit -q --allow-empty -m d");
	commit(false);
	must(VCS_OK);
	assert_string_equal(result.strayed, "");
	must_print("d", "git -C r log -1 --format=%s orch/s");
	/* and away from it */
	must_shell("cd wt && git checkout -q --detach HEAD~2 && echo o >o");
	commit(false);
	must(VCS_REFUSED);
	must_print("d", "git -C r log -1 --format=%s orch/s");
	must_print("o", "git -C wt show HEAD:o");
}

static void test_unresolved(void **state)
{
	(void)state;
	must_shell(
		"cd wt && echo ours >a && git commit -q -a -m ours && git checkout -q -b t HEAD^ && echo theirs >a && "
		"git commit -q -a -m theirs && git checkout -q orch/s && ! git merge -q t >/dev/null 2>&1");
	commit(false);
	must(VCS_CONFLICT);
	assert_string_equal(result.unresolved, "a");
	/* resolved in the file, not in the index */
	must_shell("echo both >wt/a");
	commit(false);
	must(VCS_OK);
	assert_true(result.committed);
	must_print("3", "git -C r rev-list --parents -1 orch/s | wc -w");
	/* removed by one side: `git add` has to say it */
	must_shell("cd wt && git checkout -q -b u && git rm -q a && git commit -q -m gone && git checkout -q orch/s && "
		   "echo more >a && git commit -q -a -m more && ! git merge -q u >/dev/null 2>&1");
	commit(false);
	must(VCS_CONFLICT);
	must_shell("cd wt && git add a");
	commit(false);
	must(VCS_OK);
	must_print("more", "git -C r show orch/s:a");
}

static void test_lock_files(void **state)
{
	(void)state;
	/* of an agent that was killed a moment ago */
	must_shell("echo x >wt/x && touch r/.git/worktrees/wt/index.lock");
	commit(false);
	must(VCS_OK);
	assert_true(result.committed);
	assert_false(fs_exists("r/.git/worktrees/wt/index.lock"));
}

/* --- saving --- */

static struct {
	bool saved;
	char oid[GIT_OID_MAX], ref[256], missing[512];
} work;

static void keep_work(void *data, const struct vcs_end *end, const struct saved_work *ended)
{
	(void)data;
	keep_end(end);
	memset(&work, 0, sizeof work);
	if (!ended)
		return;
	work.saved = ended->saved;
	memcpy(work.oid, ended->oid, GIT_OID_MAX);
	snprintf(work.ref, sizeof work.ref, "%s", ended->ref ? ended->ref : "");
	snprintf(work.missing, sizeof work.missing, "%s", ended->missing ? ended->missing : "");
}

static void save(bool no_ref)
{
	char *dir = in_scratch("wt");

	save_work(repo, &(struct save_spec){.stream = "s", .dir = dir, .reason = "in a test", .no_ref = no_ref},
		keep_work, NULL);
	git_wait(git, loop);
	free(dir);
}

static void test_save(void **state)
{
	char *before, *after;

	(void)state;
	save(false);
	must(VCS_OK);
	assert_false(work.saved);
	assert_string_equal(work.oid, repo->head);
	must_shell(
		"cd wt && echo staged >s && git add s && echo later >s && echo u >u && rm d/b && echo g >g && git add g && "
		"rm g");
	before = output("git -C wt status --porcelain; find wt -type f -exec stat -c '%%n %%Y %%s' {} + | sort; "
			"sha1sum r/.git/worktrees/wt/index r/.git/worktrees/wt/HEAD");
	save(false);
	must(VCS_OK);
	assert_true(work.saved);
	assert_string_equal(work.ref, "refs/orch/wip/s/1");
	must_print("later", "git -C r show refs/orch/wip/s/1:s");
	must_print("u", "git -C r show refs/orch/wip/s/1:u");
	/* what only the index had */
	must_print("staged", "git -C r show refs/orch/wip/s/1^2:s");
	must_print("g", "git -C r show refs/orch/wip/s/1^2:g");
	must_print("first", "git -C r log -1 --format=%s refs/orch/wip/s/1^");
	save(true);
	must(VCS_OK);
	assert_true(work.saved);
	assert_string_equal(work.ref, "");
	save(false);
	assert_string_equal(work.ref, "refs/orch/wip/s/2");
	after = output("git -C wt status --porcelain; find wt -type f -exec stat -c '%%n %%Y %%s' {} + | sort; "
		       "sha1sum r/.git/worktrees/wt/index r/.git/worktrees/wt/HEAD");
	assert_string_equal(before, after);
	free(before);
	free(after);
	/* in a conflict: the markers, and both sides */
	must_shell("cd wt && git add -A && git commit -q -m w && git checkout -q -b t HEAD^ && echo theirs >a && "
		   "git commit -q -a -m t && git checkout -q orch/s && echo ours >a && git commit -q -a -m o && "
		   "! git merge -q t >/dev/null 2>&1");
	save(false);
	must(VCS_OK);
	must_print("1", "git -C r show refs/orch/wip/s/3:a | grep -c '<<<<<<<'");
	must_print("t", "git -C r log -1 --format=%s refs/orch/wip/s/3^2");
	must_print("UU a", "git -C wt status --porcelain");
	/* a commit, once */
	save_commit(repo, "s", repo->head, keep_work, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_true(work.saved);
	assert_string_equal(work.ref, "refs/orch/wip/s/4");
	save_commit(repo, "s", repo->head, keep_work, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_false(work.saved);
	assert_string_equal(work.ref, "refs/orch/wip/s/4");
}

static void test_save_sparse_and_odd(void **state)
{
	(void)state;
	must_shell("git -C wt sparse-checkout set --cone nothing && mkdir -p wt/d && echo out >wt/d/out");
	save(false);
	must(VCS_OK);
	must_print("out", "git -C r show refs/orch/wip/s/1:d/out");
	must_print("b", "git -C r show refs/orch/wip/s/1:d/b");
	commit(false);
	must(VCS_OK);
	must_print("b", "git -C r show orch/s:d/b");
	must_print("out", "git -C r show orch/s:d/out");
	/* no split index, no unborn HEAD is in the way */
	must_shell("cd wt && git sparse-checkout disable && git update-index --split-index && echo split >split");
	save(false);
	must(VCS_OK);
	must_print("split", "git -C r show refs/orch/wip/s/2:split");
	must_shell("cd wt && git checkout -q --orphan fresh && echo orphan >o");
	save(false);
	must(VCS_OK);
	must_print("orphan", "git -C r show refs/orch/wip/s/3:o");
	if (getuid() != 0) {
		must_shell("echo secret >wt/locked && chmod 0 wt/locked");
		save(false);
		must(VCS_OK);
		assert_string_not_equal(work.missing, "");
	}
	must_print("", "git -C r fsck --strict 2>&1 | grep -v -e ^notice -e ^dangling");
}

/* --- changes --- */

static char changed[512];

static void keep_changes(void *data, const struct vcs_end *end, const struct strvec *paths)
{
	(void)data;
	keep_end(end);
	changed[0] = '\0';
	for (size_t i = 0; paths && i < paths->count; i++)
		snprintf(changed + strlen(changed), sizeof changed - strlen(changed), "%s|", paths->items[i]);
}

static void test_changes(void **state)
{
	(void)state;
	must_shell("cd wt && git mv a 'n\ne w' && echo x >>d/b && git commit -q -a -m c");
	commit_changes(repo, "main", "orch/s", keep_changes, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(changed, "a|d/b|n\ne w|");
	commit_changes(repo, "main", "nothing", keep_changes, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
}

static void test_sha256(void **state)
{
	char *path = in_scratch("long/w");

	(void)state;
	must_shell(
		"git init -q --object-format=sha256 long/r && cd long/r && echo 1 >a && git add a && git commit -q -m 1");
	open_repository("long/r");
	worktree_add(repo, &(struct worktree_spec){.stream = "s", .branch = "orch/s", .path = path, .base = repo->head},
		on_added, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	must_shell("echo 2 >long/w/a");
	save_work(repo, &(struct save_spec){.stream = "s", .dir = path}, keep_work, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	commit_work(repo, &(struct commit_spec){.stream = "s", .dir = path, .branch = "orch/s", .subject = "s"},
		keep_result, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_true(result.committed);
	assert_int_equal(strlen(result.tree), 64);
	must_print("s", "git -C long/r log -1 --format=%s orch/s");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commit, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_identity_and_hooks, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_nested, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_strayed, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_unresolved, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_lock_files, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_save, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_save_sparse_and_odd, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_sha256, setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
