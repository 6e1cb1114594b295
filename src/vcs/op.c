#include "config.h"

#include "vcs/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/loop.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strvec.h"
#include "vcs/refs.h"
#include "vcs/repo.h"
#include "vcs/stale.h"

enum { LOCK_WAIT_MS = 60000, LOCK_AGAIN_MS = 25, NOTE_MAX = 64 << 10 };

const char *const op_fallback_identity[] = {"GIT_AUTHOR_NAME=orch", "GIT_AUTHOR_EMAIL=orch@localhost",
	"GIT_COMMITTER_NAME=orch", "GIT_COMMITTER_EMAIL=orch@localhost", NULL};

/* --- steps --- */

static void step(struct op *op, const struct git_result *result)
{
	op_step *next = op->next;

	if (result && result->said[0]) {
		strbuf_addstr(&op->said, result->said);
		if (op->said.data[op->said.len - 1] != '\n')
			strbuf_addch(&op->said, '\n');
	}
	if (git_is_stopping(op->git) || (result && result->stopped)) {
		op_fail(op, VCS_STOPPED, "stopped");
		return;
	}
	next(op, result);
}

static void on_result(void *data, const struct git_result *result)
{
	step(data, result);
}

static void on_call(void *data)
{
	step(data, NULL);
}

void op_later(struct op *op, op_step *next)
{
	op->next = next;
	git_later(op->git, 0, on_call, op);
}

void op_pause(struct op *op, int64_t ms, op_step *next)
{
	op->next = next;
	git_later(op->git, ms, on_call, op);
}

void op_begin(struct op *op, struct git *git, const char *dir, void (*finish)(struct op *op), op_step *first)
{
	op->git = git;
	op->dir = dir;
	op->finish = finish;
	op->lock.fd = -1;
	op->said.limit = 256 << 10;
	git_hold(git);
	op_later(op, first);
}

/* a file without a name that holds `input`, to be read from its start; -1 with errno */
static int input_file(const struct strbuf *input)
{
	int saved;
#ifdef HAVE_MEMFD_CREATE
	int fd = memfd_create("orch-input", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
#else
	char path[] = "/tmp/orch-input-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		return -1;
	unlink(path);
#endif
	if (fs_write_all(fd, strbuf_cstr(input), input->len) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void op_gitv(struct op *op, op_step *next, const char *dir, struct strvec *argv, const char *const *env,
	const struct strbuf *input)
{
	struct git_command command = {
		.dir = dir ? dir : op->dir,
		.not_above = op->in_worktree && (!dir || strcmp(dir, op->dir) == 0),
		.argv = (const char *const *)argv->items,
		.env = env,
		.in = op->lock.fd};
	int in = -1;

	op->next = next;
	if (input) {
		in = input_file(input);
		if (in < 0) {
			op_fail(op, VCS_FAILED, "cannot make a temporary file: %s", strerror(errno));
			strvec_release(argv);
			return;
		}
		command.in = in;
	} else if (op->lock.fd >= 0) {
		/* what is written in it is for the next to lock it, not for this command */
		lseek(op->lock.fd, 0, SEEK_END);
	}
	git_start(op->git, &command, on_result, op);
	if (in >= 0)
		close(in);
	strvec_release(argv);
}

void op_git(struct op *op, op_step *next, ...)
{
	struct strvec argv = {0};
	const char *word;
	va_list args;

	va_start(args, next);
	while ((word = va_arg(args, const char *)))
		strvec_push(&argv, word);
	va_end(args);
	op_gitv(op, next, NULL, &argv, NULL, NULL);
}

static void do_work(void *data)
{
	struct op *op = data;

	op->work(op);
}

void op_work(struct op *op, op_step *next, void (*work)(struct op *op))
{
	op->next = next;
	op->work = work;
	loop_work(git_loop(op->git), do_work, on_call, op);
}

/* --- locks --- */

static void try_lock(void *data);

static void lock_again(struct op *op)
{
	if (git_is_stopping(op->git))
		op_fail(op, VCS_STOPPED, "stopped");
	else if (loop_now(git_loop(op->git)) >= op->lock_until)
		op_fail(op, VCS_REFUSED,
			"git is still at work for somebody else here: '%s' has been locked for a minute",
			op->lock.path);
	else
		git_later(op->git, LOCK_AGAIN_MS, try_lock, op);
}

/* reads what the last holder noted and notes our own; -1 with errno */
static int exchange_notes(struct op *op, int fd)
{
	char chunk[4096];
	struct strbuf note = op->unended;
	ssize_t got;
	int result;

	op->unended = (struct strbuf){.limit = NOTE_MAX};
	while ((got = read(fd, chunk, sizeof chunk)) > 0)
		strbuf_add(&op->unended, chunk, (size_t)got);
	op->interrupted = op->unended.len > 0;
	result = got < 0 || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 ||
			fs_write_all(fd, strbuf_cstr(&note), note.len) != 0
		? -1
		: 0;
	strbuf_release(&note);
	return result;
}

bool op_note(struct op *op, const char *note)
{
	if (ftruncate(op->lock.fd, 0) == 0 && lseek(op->lock.fd, 0, SEEK_SET) == 0 &&
		fs_write_all(op->lock.fd, note, strlen(note)) == 0)
		return true;
	op_fail(op, VCS_FAILED, "cannot write '%s': %s", op->lock.path, strerror(errno));
	return false;
}

static void try_lock(void *data)
{
	struct op *op = data;
	struct stat ours, there;
	int fd = open(op->lock.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		op_fail(op, VCS_FAILED, "cannot open '%s': %s", op->lock.path, strerror(errno));
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		lock_again(op);
		return;
	}
	/* whoever held it may have removed the file on leaving */
	if (fstat(fd, &ours) != 0 || stat(op->lock.path, &there) != 0 || ours.st_ino != there.st_ino ||
		ours.st_dev != there.st_dev) {
		close(fd);
		lock_again(op);
		return;
	}
	op->lock.fd = fd;
	if (exchange_notes(op, fd) != 0)
		op_fail(op, VCS_FAILED, "cannot write '%s': %s", op->lock.path, strerror(errno));
	else
		step(op, NULL);
}

void op_lock(struct op *op, const char *path, const char *note, op_step *next)
{
	char *dir = path_dir(path);

	op->next = next;
	op->lock.path = xstrdup(path);
	op->lock_until = loop_now(git_loop(op->git)) + LOCK_WAIT_MS;
	strbuf_addstr(&op->unended, note); /* until exchange_notes() */
	if (fs_mkdirs(dir, 0777, &op->end.err) != 0)
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	else
		try_lock(op);
	free(dir);
}

void op_share_lock(struct op *op, const struct op *holder)
{
	op->lock = holder->lock;
	op->borrowed = true;
}

static void unlock(struct op *op)
{
	if (op->borrowed)
		return;
	if (op->lock.fd >= 0) {
		/* the name goes first: while it is locked, nobody else believes in it */
		if (!op->keep_note)
			unlink(op->lock.path);
		close(op->lock.fd);
	}
	free(op->lock.path);
	op->lock = (struct op_lock){.fd = -1};
}

static void clear_locks(struct op *op, const struct git_result *result)
{
	int left = stale_locks_remove(op->stale.repo->common_dir, op->stale.git_dir, op->stale.branch_ref,
		op->stale.stream, op->interrupted, &op->end.err);

	(void)result;
	if (left < 0) {
		op_fail(op, VCS_FAILED, "%s", op->end.err.message);
	} else if (left > 0 && ++op->stale.tries < STALE_TRIES) {
		op_pause(op, STALE_WAIT_MS, clear_locks);
	} else {
		/* what is still there is somebody's at work: git will say so */
		op_later(op, op->stale.next);
	}
}

void op_clear_locks(struct op *op, const struct repo *repo, const char *git_dir, const char *branch, const char *stream,
	op_step *next)
{
	op->stale.repo = repo;
	op->stale.git_dir = git_dir;
	op->stale.stream = stream;
	op->stale.tries = 0;
	op->stale.next = next;
	free(op->stale.branch_ref);
	op->stale.branch_ref = branch ? xasprintf(REFS_BRANCH "%s", branch) : NULL;
	clear_locks(op, NULL);
}

/* --- ends --- */

static void end(void *data)
{
	struct op *op = data;
	struct git *git = op->git;
	struct strbuf said = op->said, unended = op->unended;

	unlock(op);
	free(op->stale.branch_ref);
	op->end.said = strbuf_cstr(&said);
	op->finish(op);
	strbuf_release(&said);
	strbuf_release(&unended);
	git_release(git);
}

void op_end(struct op *op)
{
	op->end.status = VCS_OK;
	op->end.err = (struct orch_error){0};
	end(op);
}

void op_fail(struct op *op, enum vcs_status status, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	op->end.status = status;
	/* a killed command may have left lock files: the next operation looks for them */
	if (status == VCS_FAILED || status == VCS_STOPPED || status == VCS_REJECTED)
		op->keep_note = true;
	error_code(&op->end.err, status == VCS_ABSENT ? ORCH_ENOTFOUND : ORCH_EFAILED, "%s", text);
	free(text);
	/* in a moment: the caller may be in the middle of a step */
	git_later(op->git, 0, end, op);
}

void op_fail_as(struct op *op, const struct vcs_end *other)
{
	strbuf_addstr(&op->said, other->said);
	op_fail(op, other->status, "%s", other->err.message);
}

/* what git says, as one line: without its hints and labels, lines joined by "; " */
static void add_message(struct strbuf *out, const char *said)
{
	static const char *const labels[] = {"fatal: ", "error: ", NULL};
	size_t start = out->len;

	while (*said) {
		size_t len = strcspn(said, "\r\n");
		const char *line = said;

		said += len;
		said += strspn(said, "\r\n");
		if (strncmp(line, "hint:", 5) == 0 || strspn(line, " \t") >= len)
			continue;
		for (size_t i = 0; labels[i]; i++) {
			size_t label = strlen(labels[i]);

			if (len > label && strncmp(line, labels[i], label) == 0) {
				line += label;
				len -= label;
			}
		}
		if (out->len > start)
			strbuf_addstr(out, "; ");
		for (size_t i = 0; i < len; i++)
			strbuf_addch(out, (unsigned char)line[i] < ' ' || line[i] == 0x7f ? ' ' : line[i]);
	}
}

void op_fail_git(struct op *op, const struct git_result *result, const char *format, ...)
{
	struct strbuf text = {.limit = ORCH_ERROR_MESSAGE_MAX};
	va_list args;
	size_t before;

	va_start(args, format);
	strbuf_vaddf(&text, format, args);
	va_end(args);
	strbuf_addstr(&text, ": ");
	before = text.len;
	add_message(&text, result->said);
	if (text.len == before)
		add_message(&text, result->out);
	if (result->problem)
		strbuf_addf(&text, "%sgit: %s", text.len > before ? "; " : "", result->problem);
	else if (text.len == before)
		strbuf_addf(&text, "git ended with status %d", result->code);
	op_fail(op, VCS_FAILED, "%s", strbuf_cstr(&text));
	strbuf_release(&text);
}

bool op_succeeded(struct op *op, const struct git_result *result, const char *format, ...)
{
	va_list args;
	char *what;

	if (!result->problem && result->code == 0)
		return true;
	va_start(args, format);
	what = xvasprintf(format, args);
	va_end(args);
	op_fail_git(op, result, "%s", what);
	free(what);
	return false;
}

/* --- what commands print --- */

char *op_line(const struct git_result *result)
{
	size_t len = result->out_len;

	if (len > 0 && result->out[len - 1] == '\n')
		len--;
	return xstrndup(result->out, len);
}

bool oid_is_valid(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return (len == 40 || len == 64) && text[len] == '\0';
}

bool op_oid(const struct git_result *result, char oid[GIT_OID_MAX])
{
	size_t len = strcspn(result->out, "\n");

	if (result->problem || result->code != 0 || len >= GIT_OID_MAX)
		return false;
	memcpy(oid, result->out, len);
	oid[len] = '\0';
	return oid_is_valid(oid);
}
