#include "config.h"

#include "cli/draft.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/probe.h"
#include "os/glob.h"
#include "util/array.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

enum { FILES_SHOWN = 300, FOLDERS_SHOWN = 200 };

/* --- the files of the project --- */

/* those that git knows or would take; else what lies about, two levels deep */
static void find_files(struct strvec *files)
{
	char *const argv[] = {"git", "ls-files", "--cached", "--others", "--exclude-standard", NULL};
	struct orch_error err;
	char *text = NULL;
	int status;

	if (probe_command(argv, &status, &text, &err) == 0 && status == 0) {
		for (char *line = text, *end; *line; line = *end ? end + 1 : end) {
			end = line + strcspn(line, "\n");
			strvec_pushn(files, line, (size_t)(end - line));
		}
		free(text);
		return;
	}
	free(text);
	/* a directory that cannot be read is no part of what there is to know */
	(void)glob_files(".", "*", files, &err);
	(void)glob_files(".", "*/*", files, &err);
}

/* how long its first two directories are, with the '/' */
static size_t folder_length(const char *path)
{
	const char *slash = strchr(path, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;

	return second ? (size_t)(second - path) + 1 : slash ? (size_t)(slash - path) + 1 : 0;
}

/* of many files only their directories, with how many are below */
static void add_folders(struct strbuf *out, const struct strvec *files)
{
	size_t shown = 0, i = 0;

	while (i < files->count && shown < FOLDERS_SHOWN) {
		size_t len = folder_length(files->items[i]), count = 1;

		while (len && i + count < files->count && strncmp(files->items[i], files->items[i + count], len) == 0 &&
			folder_length(files->items[i + count]) == len)
			count++;
		if (len)
			strbuf_addf(
				out, "%.*s (%zu file%s)\n", (int)len, files->items[i], count, count == 1 ? "" : "s");
		else
			strbuf_addf(out, "%s\n", files->items[i]);
		shown++;
		i += count;
	}
	if (i < files->count)
		strbuf_addf(out, "... and %zu more files\n", files->count - i);
}

static void add_files(struct strbuf *out)
{
	struct strvec files = {0};

	find_files(&files);
	if (!files.count)
		strbuf_addstr(out, "(none: the project is empty)\n");
	else if (files.count > FILES_SHOWN)
		add_folders(out, &files);
	else
		for (size_t i = 0; i < files.count; i++)
			strbuf_addf(out, "%s\n", files.items[i]);
	strvec_release(&files);
}

void draft_prompt(struct strbuf *out, const char *request, size_t len)
{
	strbuf_add(out, asset_draft_md, asset_draft_md_len);
	strbuf_addstr(out, "\n# The project's files\n\n");
	add_files(out);
	strbuf_addstr(out, "\n# The request\n\n");
	strbuf_add(out, request, len);
	if (!len || request[len - 1] != '\n')
		strbuf_addch(out, '\n');
}

/* --- the answer --- */

struct fence {
	char mark;
	size_t length, indent;
};

/* a line that opens or closes a fenced block; what stands behind the marks in *info */
static bool is_fence(const char *line, size_t len, struct fence *fence, const char **info)
{
	size_t at = 0;

	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	fence->indent = at;
	fence->mark = at < len ? line[at] : '\0';
	if (fence->mark != '`' && fence->mark != '~')
		return false;
	while (at < len && line[at] == fence->mark)
		at++;
	fence->length = at - fence->indent;
	while (at < len && line[at] == ' ')
		at++;
	*info = line + at;
	return fence->length >= 3;
}

static size_t line_length(const char *at, const char *end)
{
	const char *stop = memchr(at, '\n', (size_t)(end - at));

	return stop ? (size_t)(stop - at) : (size_t)(end - at);
}

/* without the indentation that its fence has, as in an item of a list */
static void add_line(struct strbuf *out, const char *line, size_t len, size_t indent)
{
	size_t skip = 0;

	while (skip < indent && skip < len && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	if (len > skip && line[len - 1] == '\r')
		len--;
	strbuf_add(out, line + skip, len - skip);
	strbuf_addch(out, '\n');
}

/* the last block, or the last that is called orchfile; false: there is none */
static bool take_block(struct strbuf *out, const char *answer, size_t size)
{
	const char *end = answer + size, *info;
	struct fence open = {0}, fence;
	struct strbuf block = {0};
	bool inside = false, found = false, named = false, wanted = false;

	for (const char *at = answer; at < end;) {
		size_t len = line_length(at, end);

		if (!inside && is_fence(at, len, &open, &info)) {
			inside = true;
			wanted = (size_t)(end - info) >= 8 && strncasecmp(info, "orchfile", 8) == 0;
			strbuf_truncate(&block, 0);
		} else if (inside && is_fence(at, len, &fence, &info) && fence.mark == open.mark &&
			fence.length >= open.length && (*info == '\n' || *info == '\r' || info >= end)) {
			inside = false;
			if (wanted || !named) {
				strbuf_truncate(out, 0);
				strbuf_add(out, strbuf_cstr(&block), block.len);
				found = true;
			}
			named |= wanted;
		} else if (inside) {
			add_line(&block, at, len, open.indent);
		}
		at += len + (at + len < end);
	}
	/* a block that was cut off is no answer */
	strbuf_release(&block);
	return found;
}

/* `NAME != COMMAND` at the start of a line: a command that would run when the draft is read */
static bool runs_when_read(const char *line, size_t len)
{
	size_t at = 0;

	while (at < len && (isalnum((unsigned char)line[at]) || line[at] == '_' || line[at] == '-'))
		at++;
	while (at > 0 && at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return at > 0 && at + 1 < len && line[at] == '!' && line[at + 1] == '=';
}

int draft_extract(struct strbuf *out, const char *answer, size_t size, struct orch_error *err)
{
	const char *end;

	if (!take_block(out, answer, size)) {
		if (memmem(answer, size, "```", 3))
			return error_set(
				err, "the fenced block of the answer does not end: the whole Orchfile is wanted");
		for (const char *at = answer; at < answer + size;) {
			size_t len = line_length(at, answer + size);

			add_line(out, at, len, 0);
			at += len + (at + len < answer + size);
		}
	}
	end = strbuf_cstr(out) + out->len;
	for (const char *at = strbuf_cstr(out); at < end;) {
		size_t len = line_length(at, end);

		if (runs_when_read(at, len))
			return error_set(err, "'%.*s': a draft must not run commands when it is read ('!=')",
				(int)(len > 100 ? 100 : len), at);
		if (len > 8 && (memcmp(at, "include ", 8) == 0 || memcmp(at, "include?", 8) == 0))
			return error_set(err, "a draft must not include other files: write its streams out");
		at += len + (at + len < end);
	}
	if (!out->len)
		return error_set(err, "the answer is empty: an Orchfile in a fenced block is wanted");
	return 0;
}
