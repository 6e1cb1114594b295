#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "state/holdfile.h"
#include "state/statedir.h"
#include "state_scratch.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <sys/stat.h>

static struct statedir dir;

static int setup(void **state)
{
	struct orch_error err;

	return scratch_setup(state) == 0 ? statedir_claim(&dir, scratch_path, &err) : -1;
}

static int teardown(void **state)
{
	statedir_release(&dir);
	return scratch_teardown(state);
}

static size_t read_back(struct held_account **items, size_t *bad)
{
	struct orch_error err = {0};
	size_t count;

	if (holdfile_read(&dir, items, &count, bad, &err) != 0)
		fail_msg("%s", err.message);
	return count;
}

static void what_is_written_is_read(void **state)
{
	static char account[] = "claude", other[] = "open ai", reason[] = "usage limit: resets\t3:45pm\n\x1b[31m",
		    empty[] = "";
	struct held_account items[] = {{account, INT64_C(1795262400123), reason}, {other, INT64_MAX, empty}}, *back;
	struct orch_error err;
	size_t bad;

	(void)state;
	assert_int_equal(read_back(&back, &bad), 0);
	assert_int_equal(holdfile_write(&dir, items, 2, &err), 0);
	assert_int_equal(read_back(&back, &bad), 2);
	assert_int_equal(bad, 0);
	assert_string_equal(back[0].account, "claude");
	assert_int_equal(back[0].until_ms, INT64_C(1795262400123));
	assert_string_equal(back[0].reason, "usage limit: resets 3:45pm  [31m");
	assert_string_equal(back[1].account, "open ai");
	assert_true(back[1].until_ms == INT64_MAX);
	assert_string_equal(back[1].reason, "");
	holdfile_free(back, 2);
	/* with none there is no file; twice is fine */
	assert_int_equal(holdfile_write(&dir, NULL, 0, &err), 0);
	assert_int_equal(access(".orch/holds", F_OK), -1);
	assert_int_equal(holdfile_write(&dir, NULL, 0, &err), 0);
	assert_int_equal(read_back(&back, &bad), 0);
}

static void a_person_can_edit_it(void **state)
{
	struct held_account *back;
	size_t bad;

	(void)state;
	scratch_write(".orch/holds",
		"# mine\n\n-\tclaude\tno credit\n2026-11-21T15:50:00.000Z\tcodex\tlimit\ntomorrow\tx\ty\n"
		"-\t\tz\n2026-11-21T15:5");
	assert_int_equal(read_back(&back, &bad), 2);
	assert_int_equal(bad, 4);
	assert_string_equal(back[0].reason, "no credit");
	assert_string_equal(back[1].account, "codex");
	holdfile_free(back, 2);
}

static void long_reasons_are_cut_between_characters(void **state)
{
	struct strbuf reason = {0};
	struct held_account item, *back;
	struct orch_error err;
	static char account[] = "a";
	size_t bad;

	(void)state;
	for (int i = 0; i < 500; i++)
		strbuf_addstr(&reason, "\xe2\x82\xac");
	strbuf_addch(&reason, 'x');
	item = (struct held_account){account, 0, reason.data + 1};
	assert_int_equal(holdfile_write(&dir, &item, 1, &err), 0);
	assert_int_equal(read_back(&back, &bad), 1);
	assert_true(strlen(back[0].reason) <= 300);
	assert_int_equal(utf8_invalid_at(back[0].reason + 2, strlen(back[0].reason) - 2), strlen(back[0].reason) - 2);
	assert_int_equal(back[0].until_ms, 0);
	holdfile_free(back, 1);
	strbuf_release(&reason);
}

static void what_cannot_be_a_file_is_told(void **state)
{
	struct held_account *back;
	struct orch_error err;
	struct strbuf many = {0};
	size_t count, bad;

	(void)state;
	for (int i = 0; i < 10001; i++)
		strbuf_addf(&many, "-\taccount%d\t\n", i);
	scratch_write(".orch/holds", many.data);
	assert_int_equal(holdfile_read(&dir, &back, &count, &bad, &err), -1);
	assert_non_null(strstr(err.message, "delete it"));
	assert_int_equal(unlink(".orch/holds"), 0);
	assert_int_equal(mkdir(".orch/holds", 0700), 0);
	assert_int_equal(holdfile_read(&dir, &back, &count, &bad, &err), -1);
	assert_int_equal(holdfile_write(&dir, NULL, 0, &err), -1);
	assert_int_equal(rmdir(".orch/holds"), 0);
	assert_int_equal(symlink("/etc/passwd", ".orch/holds"), 0);
	assert_int_equal(holdfile_read(&dir, &back, &count, &bad, &err), -1);
	strbuf_release(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_person_can_edit_it, setup, teardown),
		cmocka_unit_test_setup_teardown(long_reasons_are_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_a_file_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
