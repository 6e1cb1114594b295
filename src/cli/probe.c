#include "config.h"

#include "cli/probe.h"

#include "os/child.h"
#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	AT_ONCE = 3,
	PATIENCE_MS = 10000,
	LOOK_MS = 50, /* at how much it has printed */
	OUTPUT_MAX = 16 << 20,
	VERSION_MAX = 60,
};

/* --- texts --- */

static bool is_flag_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool stands_alone(const char *text, const char *at, size_t len)
{
	return (at == text || !is_flag_char(at[-1])) && !is_flag_char(at[len]);
}

static bool has_flag(const char *help, const char *flag)
{
	size_t len = strlen(flag);

	for (const char *at = help; (at = strstr(at, flag)); at += len) {
		if (stands_alone(help, at, len))
			return true;
	}
	return false;
}

bool probe_mentions(const char *help, const char *flag)
{
	char *both;
	bool found = has_flag(help, flag);

	/* --[no-]name is both */
	if (!found && strncmp(flag, "--", 2) == 0) {
		both = xasprintf("--[no-]%s", strncmp(flag, "--no-", 5) == 0 ? flag + 5 : flag + 2);
		found = strstr(help, both) != NULL;
		free(both);
	}
	return found;
}

static bool is_assignment(const char *word)
{
	size_t len = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return len && word[len] == '=';
}

void probe_words(const char *script, struct strvec *out)
{
	const char *at = script;

	while (*at) {
		char *word;
		size_t len;

		/* a line that goes on, or that only comes before the command */
		if (*at == ' ' || *at == '\t' || (*at == '\\' && at[1] == '\n') || (*at == '\n' && !out->count)) {
			at += *at == '\\' ? 2 : 1;
			continue;
		}
		if (*at == '#' && !out->count) {
			at += strcspn(at, "\n");
			continue;
		}
		if (strchr("\n<>|;&()", *at))
			break;
		for (len = 0; at[len] && !strchr(" \t\n<>|;&()", at[len]); len++) {
			if (at[len] == '\\' && at[len + 1] == '\n')
				break;
		}
		word = xstrndup(at, len);
		at += len;
		if (out->count || (!is_assignment(word) && strcmp(word, "exec") != 0 && strcmp(word, "env") != 0))
			strvec_push(out, word);
		free(word);
	}
}

/* --- programs --- */

enum question { ASK_VERSION, ASK_RUN, ASK_RESUME, QUESTIONS };

/* one run of a program */
struct inquiry {
	struct inquest *all;
	const struct probe_request *request;
	enum question question;
	struct strvec argv;
	struct child *child;
	struct loop_timer *timer, *look;
	FILE *output;
	bool late, floods;
};

struct inquest {
	struct loop *loop;
	struct children *children;
	struct inquiry *list;
	size_t count, next, running;
	struct orch_error *err;
	int status;
};

static void set_problem(struct probe_result *result, char *problem)
{
	if (result->problem)
		free(problem);
	else
		result->problem = problem;
}

/* "1.2" somewhere in the line */
static bool has_version(const char *line, size_t len)
{
	for (size_t i = 1; i + 1 < len; i++) {
		if (line[i] == '.' && line[i - 1] >= '0' && line[i - 1] <= '9' && line[i + 1] >= '0' &&
			line[i + 1] <= '9')
			return true;
	}
	return false;
}

/* the first line with a version in it; without one, the first line */
static char *version_line(const char *text)
{
	const char *line = text, *chosen = text + strspn(text, " \t\r\n");
	struct strbuf out = {.limit = VERSION_MAX};
	size_t len;

	for (; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (has_version(line, len)) {
			chosen = line + strspn(line, " \t");
			break;
		}
	}
	for (len = strcspn(chosen, "\r\n"); len > 0; len--, chosen++)
		strbuf_addch(&out, (unsigned char)*chosen < ' ' || *chosen == 0x7f ? ' ' : *chosen);
	while (out.len && out.data[out.len - 1] == ' ')
		strbuf_truncate(&out, out.len - 1);
	if (!out.len) {
		strbuf_release(&out);
		return NULL;
	}
	return strbuf_detach(&out);
}

static void compare_flags(const char *script, const char *help, struct strvec *unknown)
{
	struct strvec words = {0};

	probe_words(script, &words);
	for (size_t i = 1; i < words.count; i++) {
		char *flag = xstrndup(words.items[i], strcspn(words.items[i], "="));

		if (flag[0] == '-' && flag[1] && strcmp(flag, "--") != 0 && !probe_mentions(help, flag))
			strvec_push(unknown, flag);
		free(flag);
	}
	strvec_release(&words);
}

static void settle(struct inquiry *inquiry, const char *text, const struct child_exit *how)
{
	struct probe_result *result = inquiry->request->result;
	struct strbuf command = {0};

	for (size_t i = 0; i < inquiry->argv.count; i++)
		strbuf_addf(&command, "%s%s", i ? " " : "", inquiry->argv.items[i]);
	if (inquiry->floods)
		set_problem(result, xasprintf("'%s' printed more than %d MiB", strbuf_cstr(&command), OUTPUT_MAX >> 20));
	else if (inquiry->late)
		set_problem(result,
			xasprintf("'%s' did not end within %d seconds", strbuf_cstr(&command), PATIENCE_MS / 1000));
	else if (how->signalled || how->code)
		set_problem(result,
			xasprintf("'%s' ended with %s %d", strbuf_cstr(&command), how->signalled ? "signal" : "status",
				how->code));
	else if (inquiry->question == ASK_VERSION)
		result->version = version_line(text);
	else if (inquiry->question == ASK_RUN)
		compare_flags(inquiry->request->run, text, &result->unknown_run);
	else
		compare_flags(inquiry->request->resume, text, &result->unknown_resume);
	strbuf_release(&command);
}

static void start_more(struct inquest *all);

static bool prints_too_much(FILE *output)
{
	struct stat st;

	return fstat(fileno(output), &st) == 0 && st.st_size > OUTPUT_MAX;
}

static void on_exit_of(void *data, const struct child_exit *how)
{
	struct inquiry *inquiry = data;
	struct inquest *all = inquiry->all;
	char *text = NULL;
	size_t len;

	loop_timer_free(inquiry->timer);
	loop_timer_free(inquiry->look);
	inquiry->timer = inquiry->look = NULL;
	inquiry->floods |= prints_too_much(inquiry->output);
	inquiry->request->result->hangs |= inquiry->late || inquiry->floods;
	if (inquiry->floods || lseek(fileno(inquiry->output), 0, SEEK_SET) < 0 ||
		fs_read_fd(fileno(inquiry->output), "the output", OUTPUT_MAX, &text, &len, NULL) < 0)
		text = NULL;
	settle(inquiry, text ? text : "", how);
	free(text);
	fclose(inquiry->output);
	inquiry->output = NULL;
	all->running--;
	start_more(all);
}

static void on_late(void *data)
{
	struct inquiry *inquiry = data;

	inquiry->late = true;
	child_signal(inquiry->child, SIGKILL);
}

static void on_look(void *data)
{
	struct inquiry *inquiry = data;

	inquiry->floods = prints_too_much(inquiry->output);
	if (inquiry->floods)
		child_signal(inquiry->child, SIGKILL);
	else
		loop_timer_arm(inquiry->look, LOOK_MS);
}

static void start_one(struct inquest *all, struct inquiry *inquiry)
{
	struct child_spec spec = {.argv = inquiry->argv.items, .in = -1, .on_exit = on_exit_of, .data = inquiry};
	struct orch_error err;

	inquiry->all = all;
	inquiry->output = tmpfile();
	if (!inquiry->output) {
		all->status = error_errno(all->err, "cannot make a temporary file");
		return;
	}
	spec.out = spec.err = fileno(inquiry->output);
	if (child_spawn(&inquiry->child, all->children, &spec, NULL, &err) < 0) {
		set_problem(inquiry->request->result, xstrdup(err.message));
		fclose(inquiry->output);
		inquiry->output = NULL;
		return;
	}
	inquiry->timer = loop_timer_new(all->loop, on_late, inquiry);
	loop_timer_arm(inquiry->timer, PATIENCE_MS);
	inquiry->look = loop_timer_new(all->loop, on_look, inquiry);
	loop_timer_arm(inquiry->look, LOOK_MS);
	all->running++;
}

static void start_more(struct inquest *all)
{
	while (all->status == 0 && all->running < AT_ONCE && all->next < all->count) {
		struct inquiry *next = &all->list[all->next++];

		if (!next->request->result->hangs)
			start_one(all, next);
	}
	if (!all->running)
		loop_stop(all->loop);
}

static void ask(struct inquest *all, const struct probe_request *request, enum question question, struct strvec *words)
{
	struct inquiry *inquiry = &all->list[all->count++];

	inquiry->request = request;
	inquiry->question = question;
	strvec_push(&inquiry->argv, words->items[0]);
	/* subcommands have a --help of their own: `codex exec resume --help` */
	for (size_t i = 1; question != ASK_VERSION && i < words->count; i++) {
		if (strspn(words->items[i], "abcdefghijklmnopqrstuvwxyz-") != strlen(words->items[i]) ||
			*words->items[i] == '-')
			break;
		strvec_push(&inquiry->argv, words->items[i]);
	}
	strvec_push(&inquiry->argv, question == ASK_VERSION ? "--version" : "--help");
}

/* a shell has neither a version nor flags that anyone would ask it for */
static void ask_version(struct inquest *all, const struct probe_request *request)
{
	struct strvec words = {0};

	probe_words(request->run, &words);
	if (words.count && !strpbrk(words.items[0], "$`\"'{*?")) {
		request->result->program = xstrdup(words.items[0]);
		request->result->path = fs_find_program(words.items[0]);
	}
	if (request->result->path && strcmp(words.items[0], "sh") != 0)
		ask(all, request, ASK_VERSION, &words);
	strvec_release(&words);
}

static void ask_flags(struct inquest *all, const struct probe_request *request)
{
	const char *program = request->result->path ? request->result->program : NULL;
	struct strvec words = {0}, resume = {0};

	if (!request->flags || !program || strcmp(program, "sh") == 0)
		return;
	probe_words(request->run, &words);
	ask(all, request, ASK_RUN, &words);
	if (request->resume)
		probe_words(request->resume, &resume);
	if (resume.count && strcmp(resume.items[0], program) == 0)
		ask(all, request, ASK_RESUME, &resume);
	strvec_release(&words);
	strvec_release(&resume);
}

/* until what there is to ask has been answered */
static int inquire(struct inquest *all)
{
	start_more(all);
	if (all->running)
		loop_run(all->loop);
	return all->status;
}

int probe_programs(const struct probe_request *requests, size_t count, struct orch_error *err)
{
	struct inquest all = {.err = err};
	int status;

	all.list = xcalloc(QUESTIONS * count + 1, sizeof *all.list);
	status = loop_new(&all.loop, err);
	if (status == 0)
		status = children_new(&all.children, all.loop, err);
	for (size_t i = 0; i < count && status == 0; i++)
		ask_version(&all, &requests[i]);
	if (status == 0)
		status = inquire(&all);
	/* after all versions: those that hang are known now */
	for (size_t i = 0; i < count && status == 0; i++)
		ask_flags(&all, &requests[i]);
	if (status == 0)
		status = inquire(&all);
	children_free(all.children);
	loop_free(all.loop);
	for (size_t i = 0; i < all.count; i++)
		strvec_release(&all.list[i].argv);
	free(all.list);
	return status;
}

void probe_result_release(struct probe_result *result)
{
	free(result->program);
	free(result->path);
	free(result->version);
	free(result->problem);
	strvec_release(&result->unknown_run);
	strvec_release(&result->unknown_resume);
	memset(result, 0, sizeof *result);
}

/* --- one command --- */

struct trial {
	struct loop *loop;
	struct child *child;
	int status;
};

static void on_trial_exit(void *data, const struct child_exit *how)
{
	struct trial *trial = data;

	trial->status = how->signalled ? -1 : how->code;
	loop_stop(trial->loop);
}

static void on_trial_late(void *data)
{
	struct trial *trial = data;

	child_signal(trial->child, SIGKILL);
}

int probe_command(char *const *argv, int *status, char **text, struct orch_error *err)
{
	struct trial trial = {0};
	struct child_spec spec = {.argv = argv, .in = -1, .on_exit = on_trial_exit, .data = &trial};
	struct children *children = NULL;
	struct loop_timer *timer = NULL;
	FILE *output = tmpfile();
	size_t len;
	int result = output ? 0 : error_errno(err, "cannot make a temporary file");

	if (result == 0)
		result = loop_new(&trial.loop, err);
	if (result == 0)
		result = children_new(&children, trial.loop, err);
	if (result == 0) {
		spec.out = spec.err = fileno(output);
		result = child_spawn(&trial.child, children, &spec, NULL, err);
	}
	if (result == 0) {
		timer = loop_timer_new(trial.loop, on_trial_late, &trial);
		loop_timer_arm(timer, PATIENCE_MS);
		loop_run(trial.loop);
		*status = trial.status;
		result = lseek(fileno(output), 0, SEEK_SET) < 0
			? error_errno(err, "cannot read what '%s' printed", argv[0])
			: fs_read_fd(fileno(output), "the output", OUTPUT_MAX, text, &len, err);
	}
	loop_timer_free(timer);
	children_free(children);
	loop_free(trial.loop);
	if (output)
		fclose(output);
	return result;
}
