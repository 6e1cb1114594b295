/*
 * Runs tests/lang/NAME.t: cases separated by a line `========`, each a source, a line `--------` and what is expected.
 * In fmt-*.t that is the canonical form (which must come out of itself again); elsewhere the diagnostics, or a dump of
 * what was meant if there are none. A source may begin with a line `#! WORD...`, which is taken away: `inspect`,
 * NAME=value of the command line. Other files that a case needs are in tests/lang/files.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/graph.h"
#include "graph/project.h"
#include "lang/load.h"
#include "lang/setting.h"
#include "util/alloc.h"
#include "util/diag.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#define CASE_LINE "========\n"
#define DASH_LINE "--------\n"

static char tests_dir[4096];

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct strbuf text = {0};
	char buffer[4096];
	size_t n;

	if (!file)
		fail_msg("cannot read %s", path);
	while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
		strbuf_add(&text, buffer, n);
	fclose(file);
	return strbuf_detach(&text);
}

static void dump_text(struct strbuf *out, const char *name, struct text text)
{
	if (!text.bytes)
		return;
	strbuf_addf(out, "\t%s%s: ", name, text.late ? " (late)" : "");
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.bytes[i] == '\n')
			strbuf_addstr(out, "\\n");
		else if (text.bytes[i] == '\t')
			strbuf_addstr(out, "\\t");
		else
			strbuf_addch(out, text.bytes[i]);
	}
	strbuf_addch(out, '\n');
}

static void dump_stream(struct strbuf *out, const struct project *project, const struct stream *stream)
{
	strbuf_addstr(out, stream->name);
	if (stream->title)
		strbuf_addf(out, " \"%s\"", stream->title);
	strbuf_addch(out, ':');
	for (uint32_t i = 0; i < stream->dep_count; i++) {
		const struct dep_ref *dep = &project->deps[stream->first_dep + i];

		strbuf_addf(out, " %s%s", dep->order_only ? "|" : "", project->symbols[dep->symbol].name);
	}
	strbuf_addch(out, '\n');
	for (uint32_t i = 0; i < stream->origin_count; i++) {
		const struct setting *row = &setting_table[stream->origins[i].row];
		struct strbuf value = {0};

		if (strcmp(row->name, "run") == 0 || strcmp(row->name, "after") == 0 || row->type == SETTING_BLOCK)
			continue;
		setting_print(row, stream->set, &value);
		strbuf_addf(out, "\t%s = %s%s\n", row->name, strbuf_cstr(&value),
			stream->origins[i].from_defaults ? " (defaults)" : "");
		strbuf_release(&value);
	}
	if (stream->set->prompt_file)
		strbuf_addf(out, "\tprompt = %s\n", stream->set->prompt_file);
	for (uint32_t i = 0; i < stream->set->env_count; i++) {
		if (stream->set->env[i].value.late)
			strbuf_addf(out, "\tenv %s is late\n", stream->set->env[i].name);
	}
	dump_text(out, "prompt", stream->prompt);
	dump_text(out, "run", stream->run);
	dump_text(out, "check", stream->set->check);
}

static void dump_declarations(struct strbuf *out, const char *what, const struct declaration *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		strbuf_addf(out, "%s %s:\n", what, list[i].name);
		for (uint32_t k = 0; k < list[i].property_count; k++)
			dump_text(out, setting_table[list[i].properties[k].row].name, list[i].properties[k].value);
	}
}

static void dump(struct strbuf *out, const struct project *project)
{
	static const char *const events[] = {"start", "stream-success", "stream-failure", "pause", "finish"};

	for (uint32_t i = 0; i < project->variable_count; i++)
		strbuf_addf(out, "%s = %s\n", project->variables[i].name, project->variables[i].value);
	for (uint32_t i = 0; i < project->set.origin_count; i++) {
		const struct setting *row = &setting_table[project->set.origins[i].row];

		strbuf_addf(out, "project: %s = ", row->name);
		setting_print_project(row, &project->set, out);
		strbuf_addch(out, '\n');
	}
	for (uint32_t i = 0; i < project->pool_count; i++)
		strbuf_addf(out, "pool %s = %u\n", project->pools[i].name, project->pools[i].limit);
	for (uint32_t i = 0; i < project->hook_count; i++)
		dump_text(out, events[project->hooks[i].event], project->hooks[i].script);
	dump_declarations(out, "agent", project->agents, project->agent_count);
	dump_declarations(out, "recover", project->rules, project->rule_count);
	for (uint32_t i = 0; i < project->stream_count; i++)
		dump_stream(out, project, &project->streams[i]);
}

static void run_load(const char *source, size_t len, struct strbuf *out)
{
	struct project project;
	struct diag_list diags = {0};
	struct orch_error err = {0};
	struct strvec assignments = {0};
	struct load_options options = {.path = "Orchfile"};
	struct graph graph = {0};
	int result;

	if (len > 3 && memcmp(source, "#! ", 3) == 0) {
		const char *end = memchr(source, '\n', len);
		struct strvec words = {0};
		char *line = xstrndup(source + 3, (size_t)(end - source - 3));

		strvec_split(&words, line);
		for (size_t i = 0; i < words.count; i++) {
			if (strcmp(words.items[i], "inspect") == 0)
				options.inspect = true;
			else
				strvec_push(&assignments, words.items[i]);
		}
		strvec_release(&words);
		free(line);
		len -= (size_t)(end + 1 - source);
		source = end + 1;
	}
	options.dir = ".";
	options.assignments = (const char *const *)assignments.items;
	project_init(&project);
	result = load_text(&project, &options, source, len, &diags, &err);
	assert_int_equal(result, diags.errors ? -1 : 0);
	assert_int_equal(err.code, diags.errors ? ORCH_EPARSE : ORCH_OK);
	if (result == 0 && graph_build(&graph, &project, NULL, &diags) == 0)
		load_check(&project, &graph, &diags);
	diag_render(&diags, &project.sources, false, out);
	if (!diags.errors)
		dump(out, &project);
	graph_release(&graph);
	diag_list_release(&diags);
	project_release(&project);
	strvec_release(&assignments);
}

static void run_format(const char *source, size_t len, struct strbuf *out)
{
	struct source_set sources = {0};
	struct diag_list diags = {0};
	struct strbuf again = {0};

	if (format_text(&sources, "Orchfile", source, len, &diags, out) == 0) {
		assert_int_equal(format_text(&sources, "Orchfile", strbuf_cstr(out), out->len, &diags, &again), 0);
		assert_string_equal(strbuf_cstr(&again), strbuf_cstr(out));
	}
	diag_render(&diags, &sources, false, out);
	strbuf_release(&again);
	diag_list_release(&diags);
	source_set_release(&sources);
}

static void run_file(const char *name)
{
	char path[8192];
	char *text, *at;
	int number = 0, failed = 0;

	snprintf(path, sizeof path, "%s/%s", tests_dir, name);
	text = read_file(path);
	for (at = text; *at; number++) {
		char *end = strstr(at, CASE_LINE), *next = end ? end + strlen(CASE_LINE) : at + strlen(at);
		char *dashes = strstr(at, DASH_LINE);
		struct strbuf out = {0};
		char *expected;

		if (!end)
			end = next;
		if (!dashes || dashes > end)
			fail_msg("%s, case %d: no dashes", name, number + 1);
		expected = xstrndup(dashes + strlen(DASH_LINE), (size_t)(end - dashes) - strlen(DASH_LINE));
		if (strncmp(name, "fmt-", 4) == 0)
			run_format(at, (size_t)(dashes - at), &out);
		else
			run_load(at, (size_t)(dashes - at), &out);
		if (getenv("LANG_TEST_PRINT")) {
			printf("%.*s%s%s%s", (int)(dashes - at), at, DASH_LINE, strbuf_cstr(&out),
				*next ? CASE_LINE : "");
		} else if (strcmp(strbuf_cstr(&out), expected) != 0) {
			print_error("%s, case %d:\n%.*s---- expected:\n%s---- got:\n%s", name, number + 1,
				(int)(dashes - at), at, expected, strbuf_cstr(&out));
			failed++;
		}
		free(expected);
		strbuf_release(&out);
		at = next;
	}
	free(text);
	assert_int_equal(failed, 0);
	assert_true(number > 0);
}

static int is_test(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 2 && strcmp(entry->d_name + len - 2, ".t") == 0;
}

static void test_files(void **state)
{
	struct dirent **entries;
	int count = scandir(tests_dir, &entries, is_test, alphasort);
	const char *only = getenv("LANG_TEST_ONLY");

	(void)state;
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		if (!only || strcmp(entries[i]->d_name, only) == 0)
			run_file(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* loads bytes that cannot stand in a .t file; the first line of the diagnostics */
static void expect_first_line(const char *text, size_t len, const char *expected)
{
	struct strbuf out = {0};

	run_load(text, len, &out);
	if (out.data && strchr(out.data, '\n'))
		*strchr(out.data, '\n') = '\0';
	assert_string_equal(strbuf_cstr(&out), expected);
	strbuf_release(&out);
}

static void test_bytes(void **state)
{
	struct strbuf text = {0};

	(void)state;
	expect_first_line("", 0, "");
	expect_first_line("a:\n\tx\0y\n", 8, "Orchfile:2:3: error: NUL byte: an Orchfile is text");
	expect_first_line("a:\n\tx\xff\n", 7, "Orchfile:2:3: error: invalid UTF-8: byte 0xff");
	expect_first_line("\xef\xbb\xbf"
			  "a:\r\n\tx\r\n",
		11, "a:");
	strbuf_addstr(&text, "a:\n\t");
	while (text.len < 1100000)
		strbuf_addstr(&text, "xxxxxxxxxx");
	expect_first_line(text.data, text.len, "Orchfile:2:1: error: this line has more than 1 MiB");
	strbuf_release(&text);
}

/* streams that are the same share their settings, and a command of one line stays where it was written */
static void test_sharing(void **state)
{
	static const char text[] =
		"a:\n\tone\nb:\n\ttwo\ndefaults:\n\ttimeout = 5m\nc:\n\tretries = 1\nd:\n\tretries = 1\n";
	struct load_options options = {.path = "Orchfile", .dir = "/", .isolated = true};
	struct diag_list diags = {0};
	struct project project;
	const struct source *source;

	(void)state;
	project_init(&project);
	assert_int_equal(load_text(&project, &options, text, strlen(text), &diags, NULL), 0);
	source = source_get(&project.sources, 1);
	assert_ptr_equal(project.streams[0].set, project.streams[1].set);
	assert_ptr_equal(project.streams[0].set, project.defaults);
	assert_ptr_equal(project.streams[2].set, project.streams[3].set);
	assert_int_equal(project.streams[2].set->timeout_ms, 300000);
	assert_ptr_equal(project.streams[0].run.bytes, source->text + 4);
	assert_int_equal(project.streams[0].run.len, 3);
	project_release(&project);
	diag_list_release(&diags);
}

static void test_files_that_cannot_be_read(void **state)
{
	struct load_options options = {.path = "/", .dir = "/"};
	struct diag_list diags = {0};
	struct orch_error err = {0};
	struct project project;

	(void)state;
	project_init(&project);
	assert_int_equal(load_project(&project, &options, &diags, &err), -1);
	assert_int_equal(err.code, ORCH_EFAILED);
	options.path = "/nonexistent/Orchfile";
	assert_int_equal(load_project(&project, &options, &diags, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
	project_release(&project);
	diag_list_release(&diags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_files_that_cannot_be_read),
	};
	const char *srcdir = getenv("srcdir");
	char files[8192], *absolute;

	snprintf(files, sizeof files, "%s/tests/lang", srcdir ? srcdir : ".");
	absolute = realpath(files, NULL);
	if (!absolute) {
		fprintf(stderr, "cannot find %s: set srcdir\n", files);
		return 99;
	}
	snprintf(tests_dir, sizeof tests_dir, "%s", absolute);
	free(absolute);
	snprintf(files, sizeof files, "%s/files", tests_dir);
	if (chdir(files) != 0) {
		perror(files);
		return 99;
	}
	setenv("ORCH_TEST_VALUE", "from the environment", 1);
	unsetenv("ORCH_TEST_NOTHING");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
