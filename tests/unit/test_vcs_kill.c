/*
 * SIGKILL at any moment: a second process of this program does one operation and is killed somewhere in
 * it, or one of its git commands is, or all of them at once. Done again, the operation completes, nothing
 * is lost, and the repository is sound.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <time.h>

#include "os/clock.h"
#include "tests/unit/vcs_scratch.h"
#include "util/strvec.h"
#include "vcs/commit.h"
#include "vcs/merge.h"
#include "vcs/save.h"
#include "vcs/worktree.h"

enum { FILES = 150, FSCK_EVERY = 10 };

static unsigned kills = 100; /* of each operation; 500 with ORCH_TEST_LONG */

/* --- the operations, in either process --- */

static void on_added(void *data, const struct vcs_end *end, const struct worktree_made *made)
{
	(void)data;
	(void)made;
	keep_end(end);
}

static void on_removed(void *data, const struct vcs_end *end, const struct worktree_removed *removed)
{
	(void)data;
	(void)removed;
	keep_end(end);
}

static void on_committed(void *data, const struct vcs_end *end, const struct commit_result *result)
{
	(void)data;
	(void)result;
	keep_end(end);
}

static void on_home(void *data, const struct vcs_end *end, const struct merge_home_result *result)
{
	(void)data;
	(void)result;
	keep_end(end);
}

static void on_merged(void *data, const struct vcs_end *end, const struct merge_conflict *conflict)
{
	(void)data;
	(void)conflict;
	keep_end(end);
}

static void on_saved(void *data, const struct vcs_end *end, const struct saved_work *work)
{
	(void)data;
	(void)work;
	keep_end(end);
}

/* one operation on stream `stream` in the scratch directory; `oid`: a base, or the work to merge */
static void do_operation(const char *what, const char *stream, const char *oid)
{
	char *path = xasprintf("%s/wt/%s", scratch_path, stream), *branch = xasprintf("orch/%s", stream);
	struct worktree_spec spec = {.stream = stream, .branch = branch, .path = path, .base = oid};

	spec.afresh = strcmp(what, "afresh") == 0;
	if (strcmp(what, "add") == 0 || spec.afresh)
		worktree_add(repo, &spec, on_added, NULL);
	else if (strcmp(what, "remove") == 0)
		worktree_remove(repo, &(struct worktree_removal){.stream = stream, .path = path, .save = true},
			on_removed, NULL);
	else if (strcmp(what, "commit") == 0)
		commit_work(repo,
			&(struct commit_spec){.stream = stream, .dir = path, .branch = branch, .subject = "work"},
			on_committed, NULL);
	else if (strcmp(what, "save") == 0)
		save_work(repo, &(struct save_spec){.stream = stream, .dir = path}, on_saved, NULL);
	else if (strcmp(what, "merge") == 0)
		merge_in_worktree(repo, stream, path, &(struct merge_side){"other", oid}, on_merged, NULL);
	else
		merge_home(repo,
			&(struct merge_home){
				.stream = stream, .into = "main", .work = {branch, oid}, .subject = "merge"},
			on_home, NULL);
	git_wait(git, loop);
	free(path);
	free(branch);
}

/* in the second process */
static int be_killed(char **argv)
{
	snprintf(scratch_path, sizeof scratch_path, "%s", argv[1]);
	if (chdir(scratch_path) != 0)
		return 1;
	start_git();
	open_repository("r");
	if (!repo)
		return 1;
	do_operation(argv[2], argv[3], argv[4]);
	return last.status == VCS_OK ? 0 : 3;
}

/* --- killing --- */

static uint32_t seed = 20261121;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* adds the descendants of `pid`: seen as children of a process that we started and have not reaped */
static size_t descendants(pid_t pid, pid_t *out, size_t count, size_t max)
{
	size_t at = count;
	pid_t from = pid;

	for (;;) {
		char *path = xasprintf("/proc/%d/task/%d/children", (int)from, (int)from), *text;
		size_t len;

		if (fs_read(path, 0, &text, &len, NULL) == 0) {
			for (char *word = text; *word && count < max;) {
				long found = strtol(word, &word, 10);

				if (found <= 0)
					break;
				out[count++] = (pid_t)found;
			}
			free(text);
		}
		free(path);
		if (at == count)
			return count;
		from = out[at++];
	}
}

static int64_t longest_us = 1;

/* does it in a second process, which is killed in the middle; returns whether it came to its end before */
static bool kill_operation(const char *what, const char *stream, const char *oid, unsigned round)
{
	char *const argv[] = {"test", scratch_path, (char *)what, (char *)stream, (char *)oid, NULL};
	extern char **environ;
	int64_t wait_us = round == 0 ? 60000000 : (int64_t)draw((uint32_t)longest_us);
	int64_t began = clock_mono_us();
	pid_t pid, all[64];
	size_t count;
	int status = 0;

	assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
	while (clock_mono_us() - began < wait_us) {
		siginfo_t info = {0};
		struct timespec pause = {0, 200000};

		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
		if (info.si_pid == pid)
			break;
		nanosleep(&pause, NULL);
	}
	/* not reaped yet, so its pid is its own; what it started is its own too while it is stopped */
	kill(pid, SIGSTOP);
	count = descendants(pid, all, 0, 64);
	if (round % 3 == 1 && count > 0) {
		kill(all[draw((uint32_t)count)], SIGKILL);
		kill(pid, SIGCONT);
	} else {
		for (size_t i = 0; i < count && round % 3 == 2; i++)
			kill(all[i], SIGKILL);
		kill(pid, SIGKILL);
		kill(pid, SIGCONT);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (round == 0) {
		assert_true(WIFEXITED(status));
		longest_us = clock_mono_us() - began;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void must_be_sound(unsigned round)
{
	if (round % FSCK_EVERY == FSCK_EVERY - 1)
		must_print("", "git -C r fsck --strict 2>&1 | grep -v -e ^notice -e ^dangling");
}

static int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	make_repository();
	must_shell(
		"cd r && mkdir m && for i in $(seq %d); do echo $i >m/$i; done && git add . && git commit -q -m many",
		FILES);
	open_repository("r");
	return repo ? 0 : -1;
}

static void test_add(void **state)
{
	unsigned killed = 0;

	(void)state;
	for (unsigned i = 0; i < kills; i++) {
		char *stream = xasprintf("s%u", i);

		killed += !kill_operation("add", stream, repo->head, i);
		do_operation("add", stream, repo->head);
		must(VCS_OK);
		must_shell("cd wt/%s && test -z \"$(git status --porcelain)\" && test $(ls m | wc -l) = %d && "
			   "test $(git symbolic-ref --short HEAD) = orch/%s && git worktree list --porcelain | "
			   "grep -q '^locked orch: %s$'",
			stream, FILES, stream, stream);
		/* no half of it stays */
		must_print("1\n1", "ls r/.git/worktrees | wc -l; ls r/.git/orch/locks; ls wt | wc -l");
		kill_operation("remove", stream, repo->head, i + 1);
		do_operation("remove", stream, repo->head);
		must(VCS_OK);
		must_shell(
			"test -z \"$(ls r/.git/worktrees r/.git/orch/removed 2>/dev/null | grep -v :)\" && test -z \"$(ls wt)\"");
		must_print("", "git -C r for-each-ref refs/orch");
		must_be_sound(i);
		free(stream);
	}
	print_message("killed %u of %u before the end\n", killed, kills);
	assert_true(killed > 0);
}

static void test_commit(void **state)
{
	unsigned killed = 0;

	(void)state;
	do_operation("add", "s", repo->head);
	must(VCS_OK);
	for (unsigned i = 0; i < kills; i++) {
		must_shell("cd wt/s && echo work %u >w%u && echo %u >>a && for i in $(seq 30); do echo %u >>m/$i; done",
			i, i, i, i);
		if (i % 4 == 3) {
			kill_operation("save", "s", repo->head, i);
			do_operation("save", "s", repo->head);
			must(VCS_OK);
			must_shell("test \"$(git -C r show $(git -C r for-each-ref --sort=-version:refname --count=1 "
				   "--format='%%(refname)' refs/orch/wip/s):w%u)\" = 'work %u'",
				i, i);
		}
		killed += !kill_operation("commit", "s", repo->head, i);
		do_operation("commit", "s", repo->head);
		must(VCS_OK);
		must_shell(
			"test \"$(git -C r show orch/s:w%u)\" = 'work %u' && test -z \"$(git -C wt/s status --porcelain)\"",
			i, i);
		must_be_sound(i);
	}
	must_shell("test $(git -C r rev-list --count main..orch/s) = %u", kills);
	must_print("", "ls r/.git/orch/locks; git -C r status --porcelain");
	assert_true(killed > 0);
}

static void test_home(void **state)
{
	unsigned killed = 0;

	(void)state;
	for (unsigned i = 0; i < kills; i++) {
		char *stream = xasprintf("s%u", i), *oid;

		must_shell(
			"cd r && git worktree add -q -b orch/%s ../x main && cd ../x && echo %u >f%u && "
			"for i in $(seq 40); do echo %u >>m/$i; done && git rm -q -f --ignore-unmatch f%d && git add . && "
			"git commit -q -m x && git worktree remove -f ../x",
			stream, i, i, i, (int)i - 2);
		must_shell("echo untracked >r/untracked");
		oid = output("git -C r rev-parse orch/%s", stream);
		killed += !kill_operation("home", stream, oid, i);
		do_operation("home", stream, oid);
		must(VCS_OK);
		must_shell("cd r && test \"$(git status --porcelain)\" = '?? untracked' && test $(cat f%u) = %u && "
			   "git merge-base --is-ancestor orch/%s main && test $(git symbolic-ref --short HEAD) = main",
			i, i, stream);
		must_print("", "ls r/.git/orch/locks");
		must_be_sound(i);
		free(stream);
		free(oid);
	}
	assert_true(killed > 0);
}

static void test_afresh_and_merge(void **state)
{
	char *oid;

	(void)state;
	must_shell(
		"cd r && git checkout -q -b other && for i in $(seq 60); do echo o >>m/$i; done && echo o >o && git add . && "
		"git commit -q -m o && git checkout -q main");
	oid = output("git -C r rev-parse other");
	do_operation("add", "s", repo->head);
	for (unsigned i = 0; i < kills; i++) {
		must_shell("cd wt/s && echo c %u >c && git add c && git commit -q -m c && echo u %u >u && "
			   "for i in $(seq 40); do echo %u >>m/$i; done && git rev-parse HEAD >../../tip",
			i, i, i);
		kill_operation("afresh", "s", repo->head, i);
		do_operation("afresh", "s", repo->head);
		must(VCS_OK);
		must_shell("test -z \"$(git -C wt/s status --porcelain)\" && test $(git -C r rev-parse orch/s) = "
			   "$(git -C r rev-parse main)");
		must_shell("git -C r for-each-ref --contains $(cat tip) refs/orch/wip/s | grep -q . && "
			   "for r in $(git -C r for-each-ref --format='%%(refname)' refs/orch/wip/s); do "
			   "git -C r show $r:u 2>/dev/null; done | grep -qx 'u %u'",
			i);
		kill_operation("merge", "s", oid, i);
		do_operation("merge", "s", oid);
		must(VCS_OK);
		must_shell(
			"test -z \"$(git -C wt/s status --porcelain)\" && git -C r merge-base --is-ancestor other orch/s");
		must_be_sound(i);
	}
	must_print("", "ls r/.git/orch/locks; git -C r status --porcelain");
	free(oid);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_commit, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_home, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_afresh_and_merge, setup, scratch_teardown),
	};

	if (getenv("ORCH_TEST_LONG"))
		kills = 500;
	return argc == 5 ? be_killed(argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
