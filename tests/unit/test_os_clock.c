#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/system.h"
#include "os/tty.h"

static void goes_forward(void **state)
{
	int64_t us = clock_mono_us(), ms = clock_mono_ms();

	(void)state;
	assert_true(us > 0);
	assert_true(ms >= us / 1000);
	assert_true(clock_mono_us() >= us);
	assert_true(clock_wall_ms() > INT64_C(1500000000000));
}

static void knows_boot_and_processes(void **state)
{
	(void)state;
	assert_true(*clock_boot_id() != '\0');
	assert_ptr_equal(clock_boot_id(), clock_boot_id());
#ifdef __linux__
	assert_true(clock_process_start(getpid()) > 0);
	assert_true(clock_process_start(getpid()) >= clock_process_start(getppid()));
#endif
	assert_true(clock_process_start(0x7ffffffe) == 0);
}

static void knows_the_machine(void **state)
{
	(void)state;
	assert_true(system_processors() >= 1);
	assert_true(system_load() >= 0);
#ifdef __linux__
	assert_true(system_free_memory() > 0);
#endif
}

static void knows_sizes(void **state)
{
	unsigned columns, rows;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_false(tty_is(ends[0]));
	assert_false(tty_is(-1));
	setenv("COLUMNS", "123", 1);
	setenv("LINES", "x5", 1);
	tty_size(ends[0], &columns, &rows);
	assert_int_equal(columns, 123);
	assert_int_equal(rows, 24);
	unsetenv("COLUMNS");
	unsetenv("LINES");
	tty_size(-1, &columns, &rows);
	assert_int_equal(columns, 80);
	assert_int_equal(rows, 24);
	close(ends[0]);
	close(ends[1]);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* as the kernel writes it, and where there is none */
static void pressure(void **state)
{
	char dir[] = "/tmp/test-pressure-XXXXXX", path[128];
	const char *of = "";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(system_pressure(dir, &of) < 0);
	assert_null(of);
	write_file(dir, "cpu", "some avg10=12.50 avg60=80.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	write_file(dir, "memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=0\n");
	assert_true(system_pressure(dir, &of) == 12.5);
	assert_string_equal(of, "the processor");
	write_file(dir, "io", "some avg10=30.25 avg60=0.00 avg300=0.00 total=0\n");
	assert_true(system_pressure(dir, &of) == 30.25);
	assert_string_equal(of, "the disk");
	write_file(dir, "io", "no such thing\n");
	assert_true(system_pressure(dir, &of) == 12.5);
	for (const char *const *name = (const char *const[]){"cpu", "memory", "io", NULL}; *name; name++) {
		snprintf(path, sizeof path, "%s/%s", dir, *name);
		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pressure),
		cmocka_unit_test(goes_forward),
		cmocka_unit_test(knows_boot_and_processes),
		cmocka_unit_test(knows_the_machine),
		cmocka_unit_test(knows_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
