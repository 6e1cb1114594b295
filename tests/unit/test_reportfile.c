/* The file in which work says how far it is: what a line means, what is no line, pieces of any size, and writers. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/reportfile.h"
#include "util/utf8.h"

static char dir[] = "/tmp/test_reportfile.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return chdir("/") == 0 ? fs_remove_tree(dir, NULL) : -1;
}

/* what a text means, as one line a line of it: "progress 3/7", "done 2", "note [x]", "output [k=v]", "?" */
static void on_line(void *data, const struct reportfile_line *line, const char *bytes, size_t len, uint64_t end)
{
	struct strbuf *out = data;

	(void)bytes, (void)len;
	if (!line)
		strbuf_addstr(out, "?");
	else if (line->kind == ORCH_REPORT_PROGRESS)
		strbuf_addf(out, "progress %lld/%lld", (long long)line->done, (long long)line->total);
	else if (line->kind == ORCH_REPORT_DONE)
		strbuf_addf(out, "done %lld", (long long)line->done);
	else
		strbuf_addf(out, "%s [%s]", orch_report_kind_name(line->kind), line->text);
	strbuf_addf(out, " @%llu\n", (unsigned long long)end);
}

static char *read_in_pieces(const char *text, size_t len, size_t piece)
{
	struct strbuf out = {0};
	struct reportfile_reader reader = {.found = on_line, .data = &out};

	for (size_t at = 0; at < len; at += piece)
		reportfile_feed(&reader, text + at, len - at < piece ? len - at : piece);
	reportfile_finish(&reader);
	assert_int_equal(reader.offset, len);
	reportfile_release(&reader);
	return strbuf_detach(&out);
}

static void assert_means(const char *text, size_t len, const char *want)
{
	for (size_t piece = 1; piece <= len + 1; piece = piece < 8 ? piece + 1 : piece * 2) {
		char *got = read_in_pieces(text, len, piece);

		assert_string_equal(got, want);
		free(got);
	}
}

#define ASSERT_MEANS(text, want) assert_means(text, sizeof(text) - 1, want)

static void lines_are_understood(void **state)
{
	(void)state;
	ASSERT_MEANS("progress 3/7\ndone 2\nnote at work\noutput key=a b=c\n",
		"progress 3/7 @13\ndone 2 @20\nnote [at work] @33\noutput [key=a b=c] @50\n");
	ASSERT_MEANS("progress 45%", "progress 45/100 @12\n");
	ASSERT_MEANS("progress  3 / 7 \r\n", "progress 3/7 @18\n");
	ASSERT_MEANS("\n\n  \nprogress 0/1\n", "progress 0/1 @18\n");
	ASSERT_MEANS("output k=\n", "output [k=] @10\n");
	ASSERT_MEANS("note progress 3/7", "note [progress 3/7] @17\n");
}

static void what_is_none_is_said_to_be(void **state)
{
	static const char *const none[] = {"progress", "progress ", "progress 7", "progress 8/7", "progress 1/0",
		"progress -1/7", "progress 3/7x", "progress 101%", "progress 1/1234567890123", "progress a", "done", "done 0",
		"done -1", "done 2 3", "done two", "done 1000001", "done 99999999999999999999", "note", "note \x1b[31m",
		"output", "output k", "output =v", "output k v=1", "PROGRESS 3/7", "finished", "progress\xff 3/7"};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct reportfile_line line;
		struct strbuf text = {0};

		if (reportfile_parse(&line, &text, none[i], strlen(none[i])))
			fail_msg("'%s' is taken for a line", none[i]);
		strbuf_release(&text);
	}
	ASSERT_MEANS("nothing\nprogress 1/2\n", "? @8\nprogress 1/2 @21\n");
}

static void texts_are_cleaned_and_bounded(void **state)
{
	struct strbuf out = {0}, long_line = {0};
	char *got;

	(void)state;
	ASSERT_MEANS("note \x1b[31mred\x1b[0m\a and\ttab \xff\xc3\xa9\n",
		"note [red and tab \xef\xbf\xbd\xc3\xa9] @31\n");
	ASSERT_MEANS("note a\0b\n", "note [ab] @9\n");
	/* two bytes each: cut between characters */
	strbuf_addstr(&long_line, "note x");
	for (int i = 0; i < 10000; i++)
		strbuf_addstr(&long_line, "\xc3\xa9");
	strbuf_addstr(&long_line, "\ndone 1\n");
	got = read_in_pieces(long_line.data, long_line.len, 7);
	assert_true(strncmp(got, "note [x\xc3\xa9", 9) == 0);
	assert_non_null(strstr(got, "\ndone 1 @"));
	assert_true(strlen(got) < REPORTFILE_TEXT_MAX + 60);
	assert_int_equal(utf8_invalid_at(got, strlen(got)), strlen(got));
	free(got);
	/* only a note can be cut */
	strbuf_truncate(&long_line, 0);
	strbuf_addstr(&long_line, "progress 1/2");
	for (int i = 0; i < REPORTFILE_LINE_MAX; i++)
		strbuf_addch(&long_line, ' ');
	strbuf_addstr(&long_line, "/3\n");
	got = read_in_pieces(long_line.data, long_line.len, 100);
	assert_true(*got == '?');
	free(got);
	reportfile_clean(&out, "\n\n a\nb \n", 8, 100);
	assert_string_equal(strbuf_cstr(&out), "a b");
	strbuf_release(&out);
	strbuf_release(&long_line);
}

static void reading_goes_on_where_it_was(void **state)
{
	static const char text[] = "done 1\ndone 2\n";
	struct strbuf out = {0};
	struct reportfile_reader reader = {.found = on_line, .data = &out, .offset = 7};

	(void)state;
	reportfile_feed(&reader, text + 7, 7);
	reportfile_finish(&reader);
	assert_string_equal(strbuf_cstr(&out), "done 2 @14\n");
	reportfile_release(&reader);
	strbuf_release(&out);
}

static char *whole(const char *path, size_t *len)
{
	char *text;

	assert_int_equal(fs_read(path, 0, &text, len, NULL), 0);
	return text;
}

static void lines_are_appended_whole(void **state)
{
	struct orch_error err;
	size_t len;
	char *text, *got;
	int fd;

	(void)state;
	assert_int_equal(reportfile_append("report", "note a", &err), 0);
	fd = open("report", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "note torn", 9), 9);
	close(fd);
	assert_int_equal(reportfile_append("report", "done 1", &err), 0);
	text = whole("report", &len);
	got = read_in_pieces(text, len, len);
	assert_string_equal(got, "note [a] @7\nnote [torn] @17\ndone 1 @24\n");
	free(got);
	free(text);
	/* not where somebody else wants it */
	assert_int_equal(symlink("report", "link"), 0);
	assert_int_equal(reportfile_append("link", "done 1", &err), -1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(reportfile_append("fifo", "done 1", &err), -1);
	assert_int_equal(reportfile_append("nowhere/report", "done 1", &err), -1);
	assert_non_null(strstr(err.message, "nowhere/report"));
}

enum { WRITERS = 8, LINES = 200 };

static void writers_do_not_mix(void **state)
{
	struct orch_error err;
	unsigned found[WRITERS + 1] = {0};
	char *text, *line;
	size_t len;

	(void)state;
	for (int w = 1; w <= WRITERS; w++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			char say[32];
			bool ok = true;

			snprintf(say, sizeof say, "done %d", w);
			for (int i = 0; i < LINES && ok; i++)
				ok = reportfile_append("many", say, &err) == 0;
			_exit(!ok);
		}
	}
	for (int w = 0; w < WRITERS; w++) {
		int how;

		assert_true(wait(&how) > 0);
		assert_int_equal(how, 0);
	}
	text = whole("many", &len);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		struct reportfile_line parsed;
		struct strbuf clean = {0};

		assert_true(reportfile_parse(&parsed, &clean, line, strlen(line)));
		assert_in_range(parsed.done, 1, WRITERS);
		found[parsed.done]++;
		strbuf_release(&clean);
	}
	for (int w = 1; w <= WRITERS; w++)
		assert_int_equal(found[w], LINES);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_understood),
		cmocka_unit_test(what_is_none_is_said_to_be),
		cmocka_unit_test(texts_are_cleaned_and_bounded),
		cmocka_unit_test(reading_goes_on_where_it_was),
		cmocka_unit_test(lines_are_appended_whole),
		cmocka_unit_test(writers_do_not_mix),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
