#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "state/logfile.h"
#include "state/statedir.h"
#include "lib/unprivileged.h"
#include "state_scratch.h"
#include "util/strbuf.h"

static void free_ids(char **ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
}

static void assert_refused(int (*call)(struct statedir *, const char *, struct orch_error *), const char *words)
{
	struct statedir dir;
	struct orch_error err = {0};

	assert_int_equal(call(&dir, ".", &err), -1);
	assert_int_equal(err.code, ORCH_ESTATE);
	if (!strstr(err.message, words))
		fail_msg("'%s' is not in: %s", words, err.message);
	assert_int_equal(dir.fd, -1);
	statedir_release(&dir);
}

static void test_looking_makes_nothing(void **state)
{
	struct statedir dir;
	char **ids;
	size_t count;

	(void)state;
	assert_int_equal(statedir_open(&dir, ".", NULL), 0);
	assert_int_equal(dir.fd, -1);
	assert_int_equal(dir.stamps_fd, -1);
	assert_int_equal(dir.path[0], '/');
	assert_int_equal(statedir_runs(&dir, &ids, &count, NULL), 0);
	assert_int_equal(count, 0);
	free_ids(ids, count);
	statedir_release(&dir);
	statedir_release(&dir);
	assert_int_equal(access(".orch", F_OK), -1);
}

static void test_claim_makes_all(void **state)
{
	struct statedir dir, other;
	struct stat st;
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	assert_int_equal(stat(".orch", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	text = scratch_read(".orch/format", &len);
	assert_string_equal(text, "1\n");
	free(text);
	text = scratch_read(".orch/.gitignore", &len);
	assert_string_equal(text, "*\n");
	free(text);
	assert_true(dir.fd >= 0 && dir.stamps_fd >= 0);
	assert_int_equal(statedir_open(&other, ".", NULL), 0);
	assert_true(other.fd >= 0 && other.stamps_fd >= 0);
	statedir_release(&other);
	statedir_release(&dir);
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	statedir_release(&dir);
}

static void test_second_claim_is_busy(void **state)
{
	struct statedir dir, other;
	struct orch_error err = {0};

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	assert_int_equal(statedir_claim(&other, ".", &err), -1);
	assert_int_equal(err.code, ORCH_EBUSY);
	statedir_release(&dir);
	assert_int_equal(statedir_claim(&other, ".", &err), 0);
	statedir_release(&other);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(symlink("real", ".orch"), 0);
	assert_refused(statedir_open, "'.orch' is a symbolic link to real");
	assert_refused(statedir_claim, "remove the link");
	assert_int_equal(unlink(".orch"), 0);
	assert_int_equal(symlink("nowhere", ".orch"), 0);
	assert_refused(statedir_claim, "symbolic link to nowhere");
	assert_int_equal(unlink(".orch"), 0);
	scratch_write(".orch", "");
	assert_refused(statedir_open, "not a directory");
	assert_refused(statedir_claim, "not a directory");
	assert_int_equal(unlink(".orch"), 0);
	assert_int_equal(mkdir(".orch", 0700), 0);
	scratch_write(".orch/format", "2\n");
	assert_refused(statedir_open, "newer orch");
	assert_refused(statedir_claim, "newer orch");
	assert_int_equal(access(".orch/lock", F_OK), -1);
	scratch_write(".orch/format", "one\n");
	assert_refused(statedir_open, "damaged");
}

static void test_half_made_directory_is_completed(void **state)
{
	struct statedir dir;
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(mkdir(".orch", 0700), 0);
	assert_int_equal(statedir_open(&dir, ".", NULL), 0);
	assert_int_equal(dir.stamps_fd, -1);
	statedir_release(&dir);
	scratch_write(".orch/format", "");
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	statedir_release(&dir);
	text = scratch_read(".orch/format", &len);
	assert_string_equal(text, "1\n");
	free(text);
}

static void test_no_permission(void **state)
{
	(void)state;
	unprivileged_begin();
	assert_int_equal(chmod(".", 0500), 0);
	assert_refused(statedir_claim, "check the owner");
	assert_int_equal(chmod(".", 0700), 0);
	assert_int_equal(mkdir(".orch", 0), 0);
	assert_refused(statedir_open, "check the owner");
	assert_int_equal(chmod(".orch", 0700), 0);
	unprivileged_end();
}

static void test_run_ids(void **state)
{
	struct statedir dir;
	char **ids, *id;
	size_t count;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	for (int i = 0; i < 12; i++) {
		id = statedir_new_run(&dir, NULL);
		assert_non_null(id);
		free(id);
	}
	assert_int_equal(mkdir(".orch/runs/not-a-run", 0700), 0);
	/* the clock was ahead once */
	assert_int_equal(mkdir(".orch/runs/29991231-235959", 0700), 0);
	assert_int_equal(mkdir(".orch/runs/29991231-235959-9", 0700), 0);
	assert_int_equal(mkdir(".orch/runs/29991231-235959-10", 0700), 0);
	id = statedir_new_run(&dir, NULL);
	assert_string_equal(id, "29991231-235959-11");
	assert_int_equal(access(".orch/runs/29991231-235959-11/logs", F_OK), 0);
	assert_int_equal(access(".orch/runs/29991231-235959-11/attempts", F_OK), 0);
	assert_int_equal(statedir_runs(&dir, &ids, &count, NULL), 0);
	assert_int_equal(count, 16);
	assert_string_equal(ids[15], id);
	assert_string_equal(ids[14], "29991231-235959-10");
	assert_string_equal(ids[13], "29991231-235959-9");
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
	assert_false(statedir_is_synced(&dir, id));
	assert_int_equal(statedir_mark_synced(&dir, id, NULL), 0);
	assert_true(statedir_is_synced(&dir, id));
	free(id);
	free_ids(ids, count);
	statedir_release(&dir);
}

static void test_paths(void **state)
{
	char *path = statedir_journal("R");

	(void)state;
	assert_string_equal(path, ".orch/runs/R/journal.jsonl");
	free(path);
	path = statedir_log("R", "a.b", 3);
	assert_string_equal(path, ".orch/runs/R/logs/a.b.3.log");
	free(path);
	path = statedir_attempt_file("R", "a.b", 3, "output");
	assert_string_equal(path, ".orch/runs/R/attempts/a.b.3.output");
	free(path);
}

static void assert_tail(const char *text, size_t len, unsigned lines, const char *expected)
{
	struct strbuf out = {0};

	scratch_write_bytes("log", text, len);
	assert_int_equal(logfile_tail("log", lines, &out, NULL), 0);
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

static void test_log_tail(void **state)
{
	struct strbuf out = {0};
	struct orch_error err = {0};
	char *big;
	int fd;

	(void)state;
	assert_int_equal(logfile_tail("log", 3, &out, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
	assert_tail("", 0, 3, "");
	assert_tail("a", 1, 3, "a");
	assert_tail("a\nb\nc\n", 6, 2, "b\nc\n");
	assert_tail("a\nb\nc", 5, 2, "b\nc");
	assert_tail("a\nb\n\n", 5, 1, "\n");
	assert_tail("a\nb\nc\n", 6, 0, "");
	assert_tail("a\nb\nc\n", 6, 100, "a\nb\nc\n");
	big = malloc(300000);
	assert_non_null(big);
	memset(big, 'x', 300000);
	scratch_write_bytes("log", big, 300000);
	assert_int_equal(logfile_tail("log", 1, &out, NULL), 0);
	assert_int_equal(out.len, 64 * 1024);
	strbuf_release(&out);
	free(big);
	fd = logfile_create("new.log", NULL);
	assert_true(fd >= 0);
	close(fd);
	fd = logfile_create("none/new.log", &err);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ENOENT);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(test_looking_makes_nothing),
		SCRATCH_TEST(test_claim_makes_all),
		SCRATCH_TEST(test_second_claim_is_busy),
		SCRATCH_TEST(test_refusals),
		SCRATCH_TEST(test_half_made_directory_is_completed),
		SCRATCH_TEST(test_no_permission),
		SCRATCH_TEST(test_run_ids),
		SCRATCH_TEST(test_paths),
		SCRATCH_TEST(test_log_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
