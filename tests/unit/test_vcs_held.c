/* vcs/held: what keeps work reachable. Real git, real repositories. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vcs_scratch.h"

#include "util/strvec.h"
#include "vcs/held.h"

static struct strvec found;
static size_t counted;
static char commit[GIT_OID_MAX];
static char *text;

static void keep_refs(void *data, const struct vcs_end *end, const struct strvec *refs)
{
	(void)data;
	keep_end(end);
	strvec_release(&found);
	for (size_t i = 0; i < refs->count; i++)
		strvec_push(&found, refs->items[i]);
}

static void keep_count(void *data, const struct vcs_end *end, size_t count)
{
	(void)data;
	keep_end(end);
	counted = count;
}

static void keep_commit(void *data, const struct vcs_end *end, const char *oid)
{
	(void)data;
	keep_end(end);
	snprintf(commit, sizeof commit, "%s", oid);
}

static void keep_text(void *data, const struct vcs_end *end, const char *shown, size_t len)
{
	(void)data;
	keep_end(end);
	free(text);
	text = end->status == VCS_OK ? xstrndup(shown, len) : NULL;
}

static char *oid_of(const char *name)
{
	return output("git -C r rev-parse '%s'", name);
}

static void begin(void)
{
	make_repository();
	must_shell("cd r && git checkout -q -b side && echo new >new && git add new && git commit -q -m two && "
		   "echo newer >new && git commit -q -a -m three && git tag there HEAD~1 && git checkout -q main");
	open_repository("r");
	must(VCS_OK);
}

static void end(void)
{
	strvec_release(&found);
	free(text);
	text = NULL;
}

static void test_refs(void **state)
{
	char *oid;

	(void)state;
	begin();
	oid = oid_of("side~1");
	held_by(repo, oid, keep_refs, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.items[0], "refs/heads/side");
	assert_string_equal(found.items[1], "refs/tags/there");
	free(oid);
	/* no such commit */
	held_by(repo, "0123456789012345678901234567890123456789", keep_refs, NULL);
	git_wait(git, loop);
	must(VCS_FAILED);
	assert_int_equal(found.count, 0);
	end();
}

static void test_counts(void **state)
{
	struct strvec by = {0};
	char *side;

	(void)state;
	begin();
	side = oid_of("side");
	strvec_push(&by, "refs/heads/main");
	held_commits(repo, side, &by, keep_count, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(counted, 2);
	held_files(repo, side, &by, keep_count, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(counted, 2);
	/* the same file on another branch, with another history */
	must_shell("cd r && git checkout -q -b copy main && echo newer >renamed && git add . && git commit -q -m copy");
	strvec_push(&by, "refs/heads/copy");
	held_files(repo, side, &by, keep_count, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(counted, 1);
	strvec_push(&by, "refs/tags/there");
	held_files(repo, side, &by, keep_count, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(counted, 0);
	strvec_release(&by);
	/* nothing to compare with: all of it */
	held_commits(repo, side, &by, keep_count, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(counted, 3);
	free(side);
	end();
}

static void test_log(void **state)
{
	char *old;

	(void)state;
	begin();
	held_log(repo, "refs/heads/side", keep_refs, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(found.count, 0);
	old = oid_of("side");
	must_shell(
		"cd r && git checkout -q side && git commit -q --amend -m 'three, said better' && git checkout -q main");
	held_log(repo, "refs/heads/side", keep_refs, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_int_equal(found.count, 1);
	assert_string_equal(found.items[0], old);
	free(old);
	end();
}

static void test_fork_and_diff(void **state)
{
	static const char *const names[] = {"--name-status", "--no-color", NULL};
	char *first;

	(void)state;
	begin();
	first = oid_of("main");
	must_shell("cd r && echo other >other && git add other && git commit -q -m other");
	held_fork(repo, "main", "side", keep_commit, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(commit, first);
	held_diff(repo, first, "side", names, keep_text, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(text, "A\tnew\n");
	held_diff(repo, "main", "main", names, keep_text, NULL);
	git_wait(git, loop);
	must(VCS_OK);
	assert_string_equal(text, "");
	must_shell("cd r && git checkout -q --orphan alone && git commit -q -m alone");
	held_fork(repo, "main", "alone", keep_commit, NULL);
	git_wait(git, loop);
	must(VCS_ABSENT);
	git_stop(git);
	held_diff(repo, "main", "side", names, keep_text, NULL);
	git_wait(git, loop);
	must(VCS_STOPPED);
	free(first);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refs, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_counts, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_log, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fork_and_diff, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
