#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/opt.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#include <string.h>

struct options {
	bool keep, dry;
	int64_t jobs, seed, timeout, size;
	double load;
	const char *file;
	struct strvec only;
	int color;
};

static const char *const colors[] = {"auto", "always", "never", NULL};

static const struct opt table[] = {
	{'k', "keep-going", OPT_FLAG, offsetof(struct options, keep), .help = "go on"},
	{'n', "dry-run", OPT_FLAG, offsetof(struct options, dry), .help = "only say it\nand why"},
	{'j', "jobs", OPT_INT, offsetof(struct options, jobs), .what = "N", .help = "at once", .min = 1, .max = 100,
		.value = OPT_OR_DIGITS, .bare = -1},
	{0, "shuffle", OPT_INT, offsetof(struct options, seed), .what = "SEED", .help = "random", .min = 1, .max = 100,
		.value = OPT_ATTACHED, .bare = -2},
	{0, "timeout", OPT_DURATION, offsetof(struct options, timeout), .what = "TIME", .help = "time"},
	{0, "min-free", OPT_SIZE, offsetof(struct options, size), .what = "SIZE", .help = "size"},
	{'l', "load", OPT_NUMBER, offsetof(struct options, load), .what = "N", .help = "load"},
	{'f', "file", OPT_TEXT, offsetof(struct options, file), .what = "FILE", .help = "file"},
	{0, "only", OPT_LIST, offsetof(struct options, only), .what = "TARGET", .help = "only"},
	{0, "color", OPT_CHOICE, offsetof(struct options, color), .what = "WHEN", .help = "color", .choices = colors},
	{0, "colors-list", OPT_FLAG, offsetof(struct options, dry), .help = "begins like another"},
	{0},
};

static struct options options;
static struct strvec operands;
static struct orch_error err;

static int reset(void **state)
{
	(void)state;
	opt_release(table, &options);
	strvec_release(&operands);
	memset(&options, 0, sizeof options);
	memset(&err, 0, sizeof err);
	return 0;
}

#define PARSE(...) \
	(reset(NULL), opt_parse(table, &options, (char *[]){(char *)"orch", __VA_ARGS__, NULL}, &operands, &err))

static void assert_wrong(int status, const char *part)
{
	assert_int_equal(status, -1);
	assert_int_equal(err.code, ORCH_EUSAGE);
	if (!strstr(err.message, part))
		fail_msg("'%s' does not have '%s'", err.message, part);
}

static void test_flags_and_operands(void **state)
{
	(void)state;
	assert_int_equal(PARSE("a", "-k", "b", "--dry-run", "-"), 0);
	assert_true(options.keep && options.dry);
	assert_int_equal(operands.count, 3);
	assert_string_equal(operands.items[2], "-");
	assert_int_equal(PARSE("-kn"), 0);
	assert_true(options.keep && options.dry);
	assert_int_equal(PARSE("-k", "--", "-n", "--"), 0);
	assert_false(options.dry);
	assert_int_equal(operands.count, 2);
	assert_string_equal(operands.items[1], "--");
	assert_wrong(PARSE("--keep-going=yes"), "--keep-going takes no value");
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--file=a b", "--load", "1.5", "--timeout=1h30m", "--min-free", "2K", "--only=x",
				 "--only", "y", "--color=never"),
		0);
	assert_string_equal(options.file, "a b");
	assert_true(options.load > 1.4 && options.load < 1.6);
	assert_int_equal(options.timeout, 5400000);
	assert_int_equal(options.size, 2048);
	assert_int_equal(options.only.count, 2);
	assert_string_equal(options.only.items[1], "y");
	assert_int_equal(options.color, 2);
	assert_int_equal(PARSE("-fx", "-f", "-k"), 0);
	assert_string_equal(options.file, "-k");
	assert_int_equal(PARSE("--file="), 0);
	assert_string_equal(options.file, "");
	assert_wrong(PARSE("--file"), "--file needs a value");
	assert_wrong(PARSE("-kf"), "-f needs a value");
	assert_wrong(PARSE("--color=blue"), "auto, always or never");
	assert_wrong(PARSE("--timeout=5"), "--timeout: '5'");
	assert_wrong(PARSE("--min-free=0"), "size");
	assert_wrong(PARSE("--load=0"), "above 0");
	assert_wrong(PARSE("--load=x"), "above 0");
}

static void test_optional_values(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-j"), 0);
	assert_int_equal(options.jobs, -1);
	assert_int_equal(PARSE("-j4"), 0);
	assert_int_equal(options.jobs, 4);
	assert_int_equal(PARSE("-j", "4", "x"), 0);
	assert_int_equal(options.jobs, 4);
	assert_int_equal(operands.count, 1);
	assert_int_equal(PARSE("-j", "stream"), 0);
	assert_int_equal(options.jobs, -1);
	assert_int_equal(operands.count, 1);
	assert_int_equal(PARSE("-kj4"), 0);
	assert_int_equal(options.jobs, 4);
	assert_true(options.keep);
	assert_int_equal(PARSE("--jobs", "7"), 0);
	assert_int_equal(options.jobs, 7);
	assert_wrong(PARSE("-j0"), "-j: '0'");
	assert_wrong(PARSE("-jx"), "-j: 'x'");
	assert_wrong(PARSE("-j", "0"), "-j: '0'");
	assert_wrong(PARSE("-j101"), "1 to 100");
	assert_wrong(PARSE("--jobs=99999999999999999999"), "1 to 100");
	assert_int_equal(PARSE("--shuffle", "5"), 0);
	assert_int_equal(options.seed, -2);
	assert_int_equal(operands.count, 1);
	assert_int_equal(PARSE("--shuffle=5"), 0);
	assert_int_equal(options.seed, 5);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--keep"), 0);
	assert_true(options.keep);
	assert_int_equal(PARSE("--col=never"), -1);
	assert_wrong(PARSE("--col=never"), "--color, --colors-list");
	assert_int_equal(PARSE("--color=never"), 0);
	assert_wrong(PARSE("--dryrun"), "did you mean '--dry-run'?");
	assert_wrong(PARSE("--zzzzzzzz"), "unknown option '--zzzzzzzz'");
	assert_wrong(PARSE("-kx"), "unknown option '-x'");
	assert_wrong(
		PARSE("--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"unknown option");
}

static void test_front(void **state)
{
	char *argv[] = {(char *)"orch", (char *)"-f", (char *)"x", (char *)"--color=always", (char *)"list",
		(char *)"-k", NULL};
	char *unknown[] = {(char *)"orch", (char *)"-k", (char *)"--dry", (char *)"list", NULL};
	int next;

	(void)state;
	assert_int_equal(opt_parse_front(table, &options, argv, &next, &err), 0);
	assert_int_equal(next, 4);
	assert_string_equal(options.file, "x");
	assert_int_equal(options.color, 1);
	assert_false(options.keep);
	assert_int_equal(opt_parse_front(table, &options, unknown, &next, &err), 0);
	assert_int_equal(next, 2);
	argv[1] = (char *)"-f";
	argv[2] = NULL;
	assert_wrong(opt_parse_front(table, &options, argv, &next, &err), "-f needs a value");
}

static void test_usage(void **state)
{
	struct strbuf out = {0};

	(void)state;
	opt_usage(table, &out);
	assert_non_null(strstr(out.data, "  -j, --jobs[=N]              at once\n"));
	assert_non_null(strstr(out.data, "      --timeout=TIME          time\n"));
	assert_non_null(
		strstr(out.data, "  -n, --dry-run               only say it\n                              and why\n"));
	strbuf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flags_and_operands, reset, reset),
		cmocka_unit_test_setup_teardown(test_values, reset, reset),
		cmocka_unit_test_setup_teardown(test_optional_values, reset, reset),
		cmocka_unit_test_setup_teardown(test_names, reset, reset),
		cmocka_unit_test_setup_teardown(test_front, reset, reset),
		cmocka_unit_test_setup_teardown(test_usage, reset, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
