#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "exec/quiet.h"

enum { HOUR = 3600000, DAY = 24 * HOUR, MINUTE = 60000 };

/* the wall clock began somewhere */
#define WALL INT64_C(1800000000000)

static void test_silence(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 0, 500, WALL);
	assert_int_equal(quiet_look(&quiet, 0, WALL - DAY, 500 + MINUTE, WALL + MINUTE), MINUTE);
	assert_int_equal(quiet_look(&quiet, 0, WALL - DAY, 500 + 3 * MINUTE, WALL + 3 * MINUTE), 3 * MINUTE);
}

/* the file system says when in between it was */
static void test_a_byte_in_between(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 10, 500, WALL);
	assert_int_equal(quiet_look(&quiet, 11, WALL + 40000, 500 + MINUTE, WALL + MINUTE), 20000);
	/* nothing since: the same moment counts, whatever the file's time is now */
	assert_int_equal(quiet_look(&quiet, 11, 0, 500 + MINUTE + 30000, WALL + MINUTE + 30000), 50000);
	/* as a file that was written anew and is shorter */
	assert_int_equal(quiet_look(&quiet, 2, WALL + MINUTE + 40000, 500 + 2 * MINUTE, WALL + 2 * MINUTE), 20000);
}

/* a file system whose clock ticks slowly, right after a look */
static void test_a_coarse_clock(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 0, 0, WALL);
	assert_int_equal(quiet_look(&quiet, 1, WALL - 9, MINUTE, WALL + MINUTE), MINUTE);
}

/* the clock is set while the log grows: never more silence than there can have been */
static void test_the_clock_is_set(void **state)
{
	static const int64_t jumps[] = {HOUR, -HOUR, DAY, -400 * (int64_t)DAY, 200, -200, MINUTE, -MINUTE};

	(void)state;
	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		struct quiet quiet;
		int64_t jump = jumps[i];

		/* before the byte */
		quiet_begin(&quiet, 0, 0, WALL);
		assert_int_equal(quiet_look(&quiet, 1, WALL + jump + 59000, MINUTE, WALL + jump + MINUTE), 0);
		/* after it */
		quiet_begin(&quiet, 0, 0, WALL);
		assert_int_equal(quiet_look(&quiet, 1, WALL + 1000, MINUTE, WALL + jump + MINUTE), 0);
		/* and without one: what the wall clock says does not count */
		assert_int_equal(quiet_look(&quiet, 1, WALL + 1000, 2 * MINUTE, WALL + 2 * MINUTE), MINUTE);
	}
}

/* set and set back within one look, with the byte in between; or a file whose time somebody has changed */
static void test_a_time_out_of_place(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 0, 0, WALL);
	assert_int_equal(quiet_look(&quiet, 1, WALL - HOUR, MINUTE, WALL + MINUTE), 0);
	assert_int_equal(quiet_look(&quiet, 2, WALL + HOUR, 2 * MINUTE, WALL + 2 * MINUTE), 0);
}

/* the machine slept: our clock stood still, the wall clock did not */
static void test_sleep(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 0, 0, WALL);
	assert_int_equal(quiet_look(&quiet, 1, WALL + 1000, MINUTE, WALL + DAY + MINUTE), 0);
	assert_int_equal(quiet_look(&quiet, 1, WALL + 1000, MINUTE + 5, WALL + 2 * DAY), 5);
}

/* a clock that is being corrected is still of use */
static void test_slew(void **state)
{
	struct quiet quiet;

	(void)state;
	quiet_begin(&quiet, 0, 0, WALL);
	assert_int_equal(quiet_look(&quiet, 1, WALL + HOUR - 1000 + 1500, HOUR, WALL + HOUR + 1500), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_a_byte_in_between),
		cmocka_unit_test(test_a_coarse_clock),
		cmocka_unit_test(test_the_clock_is_set),
		cmocka_unit_test(test_a_time_out_of_place),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_slew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
