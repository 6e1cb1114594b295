#include "config.h"

#include "cli/diff.h"
#include "cli/find.h"
#include "cli/say.h"
#include "orch/history.h"
#include "os/fs.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fmt_options {
	struct common common;
	bool check;
};

static const struct opt fmt_table[] = {
	{0, "check", OPT_FLAG, offsetof(struct fmt_options, check),
		.help = "change nothing: print the difference, exit status 1 if there is any"},
	CMD_COMMON_OPTIONS,
	{0},
};

static int write_new(
	int fd, const char *path, const char *temporary, const char *text, size_t len, struct orch_error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || fchmod(fd, st.st_mode & 07777) < 0)
		return error_errno(err, "the mode of '%s'", path);
	if (fs_write_all(fd, text, len) < 0 || fsync(fd) < 0)
		return error_errno(err, "cannot write '%s'", temporary);
	if (rename(temporary, path) < 0)
		return error_errno(err, "cannot replace '%s'", path);
	return 0;
}

/* the file behind a symbolic link is replaced, not the link; its mode stays. It is the old text or the new one at every
 * moment */
static int replace(const char *name, const char *text, size_t len, struct orch_error *err)
{
	char *path = realpath(name, NULL), *temporary;
	int fd, status;

	if (!path)
		return error_errno(err, "'%s'", name);
	temporary = xasprintf("%s.XXXXXX", path);
	fd = mkostemp(temporary, 0);
	if (fd < 0) {
		status = error_errno(err, "cannot write beside '%s'", name);
	} else {
		status = write_new(fd, path, temporary, text, len, err);
		if (close(fd) < 0 && status == 0)
			status = error_errno(err, "cannot write '%s'", name);
		if (status < 0)
			unlink(temporary);
	}
	free(temporary);
	free(path);
	return status;
}

/* an exit status; `name` "-" is standard input and output */
static int format_file(const char *name, const char *shown, bool check)
{
	bool is_stream = strcmp(name, "-") == 0, same;
	char *text = NULL, *formatted = NULL;
	struct strbuf out = {0};
	struct orch_error err;
	size_t len = 0;
	int status = EXIT_COMPLETE;

	if ((is_stream ? fs_read_fd(STDIN_FILENO, shown, 0, &text, &len, &err) : fs_read(name, 0, &text, &len, &err)) <
		0)
		return say_error(&err);
	if (orch_format(shown, text, len, say_err()->color, &formatted, &err) < 0) {
		if (err.code == ORCH_EPARSE && formatted && *formatted)
			(void)!fs_write_all(STDERR_FILENO, formatted, strlen(formatted));
		else
			say_error(&err);
		free(formatted);
		free(text);
		return EXIT_USAGE;
	}
	same = strlen(formatted) == len && memcmp(formatted, text, len) == 0;
	if (check) {
		diff_write(&out, shown, text, len, formatted, strlen(formatted));
		status = say_output(&out);
		if (status == EXIT_COMPLETE && !same)
			status = EXIT_STREAM_FAILED;
	} else if (is_stream) {
		status = say_bytes(formatted, strlen(formatted));
	} else if (!same && replace(name, formatted, strlen(formatted), &err) < 0) {
		status = say_error(&err);
	}
	free(formatted);
	free(text);
	return status;
}

/* the Orchfile's path as it can be opened, relative to where we are if it is here; the caller frees */
static int default_file(char **out, const struct common *common)
{
	struct orch_error err;
	char *dir, *here;

	if (common->file) {
		*out = xstrdup(common->file);
		return EXIT_COMPLETE;
	}
	if (orch_find_project(NULL, NULL, &dir, &err) < 0)
		return say_error(&err);
	here = fs_cwd();
	*out = here && strcmp(here, dir) == 0 ? xstrdup("Orchfile") : path_join(dir, "Orchfile");
	free(here);
	free(dir);
	return EXIT_COMPLETE;
}

static int fmt_run(void *data, const struct operands *operands)
{
	struct fmt_options *options = data;
	int worst = EXIT_COMPLETE;

	if (!operands->words.count) {
		char *file = NULL;
		int status = default_file(&file, &options->common);

		if (status == EXIT_COMPLETE)
			status = format_file(file, file, options->check);
		free(file);
		return status;
	}
	for (size_t i = 0; i < operands->words.count; i++) {
		const char *name = operands->words.items[i];
		int status = format_file(name, strcmp(name, "-") == 0 ? "standard input" : name, options->check);

		if (status > worst)
			worst = status;
	}
	return worst;
}

const struct cmd cmd_fmt = {
	.name = "fmt",
	.operands = "[FILE | -]...",
	.summary = "Rewrite an Orchfile in its canonical form",
	.about =
		"Comments stay. A file that is in that form already is not written. '-' reads standard input and writes standard output.\n"
		"A file with errors is left alone.\n",
	.group = CMD_WRITING,
	.options = fmt_table,
	.size = sizeof(struct fmt_options),
	.max = CMD_ANY,
	.run = fmt_run,
};
