#include "config.h"

#include "cli/forge.h"

#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 << 10 };

static const char *const programs[] = {"gh", "glab"};

static bool is_installed(const char *program)
{
	char *path = fs_find_program(program);
	bool found = path != NULL;

	free(path);
	return found;
}

int forge_check(struct orch_error *err)
{
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		if (is_installed(programs[i]))
			return 0;
	}
	return error_code(err, ORCH_EUSAGE,
		"pull requests are opened with 'gh' (GitHub) or 'glab' (GitLab), and neither is installed; 'git push' and the "
		"web page do it by hand");
}

const char *forge_program(const char *url)
{
	if (strstr(url, "gitlab"))
		return "glab";
	if (strstr(url, "github"))
		return "gh";
	return is_installed("gh") ? "gh" : "glab";
}

static void build_command(struct strvec *argv, const struct forge_request *request)
{
	const char *program = forge_program(request->url);
	bool gitlab = strcmp(program, "glab") == 0;

	strvec_push(argv, program);
	strvec_push(argv, gitlab ? "mr" : "pr");
	strvec_push(argv, "create");
	strvec_push(argv, gitlab ? "--source-branch" : "--head");
	strvec_push(argv, request->branch);
	strvec_push(argv, gitlab ? "--target-branch" : "--base");
	strvec_push(argv, request->into);
	strvec_push(argv, "--title");
	strvec_push(argv, request->title);
	/* the text is standard input where that is possible */
	strvec_push(argv, gitlab ? "--description" : "--body-file");
	strvec_push(argv, gitlab ? request->body : "-");
	if (gitlab)
		strvec_push(argv, "--yes");
}

/* the last word that is an address; the caller frees */
static char *find_page(const char *text)
{
	const char *found = NULL;
	size_t len = 0;

	for (const char *at = text; (at = strstr(at, "http")); at += len) {
		len = strcspn(at, " \t\r\n\"'<>)");
		if (strncmp(at, "http://", 7) == 0 || strncmp(at, "https://", 8) == 0)
			found = at;
	}
	return found ? xstrndup(found, strcspn(found, " \t\r\n\"'<>)")) : NULL;
}

struct waiting {
	struct loop *loop;
	struct child_exit how;
};

static void on_exit_of(void *data, const struct child_exit *how)
{
	struct waiting *waiting = data;

	waiting->how = *how;
	loop_stop(waiting->loop);
}

static int run_program(
	const struct strvec *argv, const char *dir, FILE *in, FILE *out, struct child_exit *how, struct orch_error *err)
{
	struct waiting waiting = {0};
	struct children *children = NULL;
	struct child *child;
	const struct child_spec spec = {.argv = argv->items,
		.dir = dir,
		.in = fileno(in),
		.out = fileno(out),
		.err = fileno(out),
		.on_exit = on_exit_of,
		.data = &waiting};
	int status;

	if (loop_new(&waiting.loop, err) < 0)
		return -1;
	status = children_new(&children, waiting.loop, err);
	if (status == 0)
		status = child_spawn(&child, children, &spec, NULL, err);
	if (status == 0)
		loop_run(waiting.loop);
	*how = waiting.how;
	children_free(children);
	loop_free(waiting.loop);
	return status;
}

static int read_back(FILE *out, char **text, struct orch_error *err)
{
	size_t len;

	if (lseek(fileno(out), 0, SEEK_SET) < 0)
		return error_errno(err, "cannot read what it printed");
	return fs_read_fd(fileno(out), "what it printed", OUTPUT_MAX, text, &len, err);
}

static int judge(const struct strvec *argv, const struct child_exit *how, const char *text, char **page, bool *existed,
	struct orch_error *err)
{
	size_t len = strlen(text);

	*page = find_page(text);
	if (!how->signalled && how->code == 0)
		return 0;
	/* both programs say so */
	*existed = strstr(text, "already exists") != NULL;
	if (*existed)
		return 0;
	free(*page);
	*page = NULL;
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	return error_set(err, "'%s %s create' ended with %s %d: %.*s", argv->items[0], argv->items[1],
		how->signalled ? "signal" : "status", how->code, len ? (int)(len > 300 ? 300 : len) : 15,
		len ? text : "it said nothing");
}

int forge_open(const struct forge_request *request, char **page, bool *existed, struct orch_error *err)
{
	struct strvec argv = {0};
	struct child_exit how = {0};
	FILE *in = tmpfile(), *out = tmpfile();
	char *text = NULL;
	int status;

	*page = NULL;
	*existed = false;
	build_command(&argv, request);
	if (!in || !out || fs_write_all(fileno(in), request->body, strlen(request->body)) < 0 ||
		lseek(fileno(in), 0, SEEK_SET) < 0)
		status = error_errno(err, "cannot make a temporary file");
	else
		status = run_program(&argv, request->dir, in, out, &how, err);
	if (status == 0)
		status = read_back(out, &text, err);
	if (status == 0)
		status = judge(&argv, &how, text, page, existed, err);
	free(text);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	strvec_release(&argv);
	return status;
}
