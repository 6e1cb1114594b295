#include "config.h"

#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "os/cgroup.h"
#include "os/child.h"
#include "os/fs.h"
#include "os/landlock.h"
#include "os/open_files.h"
#include "util/alloc.h"
#include "util/error.h"

extern char **environ;

enum {
	FIRST_FREE_FD = 3,
	FILES_CLOSED_MAX = 65536, /* where they are closed one by one */
	FIRST_RARE_SIGNAL = 32,   /* none of ours is above, so they are as whoever started us left them */
};

int spawner_init(struct spawner *spawner, struct orch_error *err)
{
	int opened = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (opened < 0)
		return error_errno(err, "cannot open '/dev/null'");
	*spawner = (struct spawner){.null = opened, .last_signal = FIRST_RARE_SIGNAL - 1};
	if (opened < FIRST_FREE_FD) {
		/* we were started with a standard descriptor closed */
		spawner->null = fcntl(opened, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		close(opened);
		if (spawner->null < 0)
			return error_errno(err, "cannot open '/dev/null'");
	}
	for (int signo = FIRST_RARE_SIGNAL; signo < NSIG; signo++) {
		struct sigaction action;

		if (sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			spawner->last_signal = signo;
	}
	return 0;
}

void spawner_release(struct spawner *spawner)
{
	close(spawner->null);
	free(spawner->found);
	free(spawner->found_name);
	free(spawner->found_path);
}

static const char *variable(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

/* `path` as the child will see it from `dir` */
static char *seen_from(const char *dir, const char *path)
{
	return dir && path[0] != '/' ? xasprintf("%s/%s", dir, path) : xstrdup(path);
}

static bool is_program(const char *dir, const char *path)
{
	char *full = seen_from(dir, path);
	struct stat st;
	bool is = stat(full, &st) == 0 && S_ISREG(st.st_mode) && access(full, X_OK) == 0;

	free(full);
	return is;
}

/* execvp(3)'s search, but in the child's PATH, and without a try to run at each place. NULL with errno */
static char *find_program(const struct child_spec *spec, char *const *env)
{
	const char *name = spec->argv[0];
	const char *path = variable(env, "PATH");
	bool forbidden = false;

	if (name[0] == '\0') {
		errno = ENOENT;
		return NULL;
	}
	if (strchr(name, '/'))
		return xstrdup(name);
	if (!path)
		path = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(path, ":");
		char *file = len > 0 ? xasprintf("%.*s/%s", (int)len, path, name) : xasprintf("./%s", name);

		if (is_program(spec->dir, file))
			return file;
		if (!forbidden) {
			char *full = seen_from(spec->dir, file);
			forbidden = fs_exists(full) && !fs_is_directory(full);
			free(full);
		}
		free(file);
		if (path[len] == '\0')
			break;
		path += len + 1;
	}
	errno = forbidden ? EACCES : ENOENT;
	return NULL;
}

/* the kernel says only a number: what it is about is found out afterwards */
static void explain(const struct child_spec *spec, const char *file, int number, struct orch_error *err)
{
	const char *name = spec->argv[0];
	char *full;

	if (spec->dir && !fs_is_directory(spec->dir)) {
		errno = fs_exists(spec->dir) ? ENOTDIR : ENOENT;
		error_errno(err, "cannot run '%s' in directory '%s'", name, spec->dir);
		return;
	}
	full = file ? seen_from(spec->dir, file) : NULL;
	errno = number;
	if (number == ENOENT && full && is_program(NULL, full))
		error_set(
			err, "cannot run '%s': the interpreter in its first line, or its loader, does not exist", name);
	else if (number == ENOEXEC)
		error_set(err, "cannot run '%s': it is no program, and its first line does not begin with #!", name);
	else if (number == E2BIG)
		error_set(err, "cannot run '%s': its arguments or its environment are too long", name);
	else
		error_errno(err, "cannot run '%s'", name);
	free(full);
}

/* the descriptors to become 0, 1, 2, moved out of the way where one would be overwritten before it is copied. -1 with
 * errno; `moved` are those to close afterwards, else -1 */
static int arrange(const struct spawner *spawner, const struct child_spec *spec, int from[3], int moved[3])
{
	from[0] = spec->in < 0 ? spawner->null : spec->in;
	from[1] = spec->out < 0 ? STDOUT_FILENO : spec->out;
	from[2] = spec->err < 0 ? STDERR_FILENO : spec->err;
	for (int i = 0; i < 3; i++)
		moved[i] = -1;
	for (int i = 0; i < 3; i++) {
		if (from[i] >= FIRST_FREE_FD || from[i] == i)
			continue;
		moved[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (moved[i] < 0)
			return -1;
		from[i] = moved[i];
	}
	return 0;
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = with ? xstrdup(with) : NULL;
}

/* find_program(), which is not asked again for what it has just found. `*is_old`: it was not, so the file may be there
 * no more */
static char *find_again(struct spawner *spawner, const struct child_spec *spec, char *const *env, bool *is_old)
{
	const char *name = spec->argv[0], *path = variable(env, "PATH");
	char *file;

	*is_old = false;
	/* a relative entry of PATH means another place in another directory */
	if (!path || spec->dir || strchr(name, '/'))
		return find_program(spec, env);
	if (spawner->found && strcmp(spawner->found_name, name) == 0 && strcmp(spawner->found_path, path) == 0) {
		*is_old = true;
		return xstrdup(spawner->found);
	}
	file = find_program(spec, env);
	if (file) {
		replace(&spawner->found, file);
		replace(&spawner->found_name, name);
		replace(&spawner->found_path, path);
	}
	return file;
}

enum failure_kind { OF_START, OF_GROUP, OF_RULES }; /* of the program, of its group, of its rules */

struct failure {
	int number; /* 0: none */
	enum failure_kind what;
};

/* what the child does itself before it becomes another program */
struct plan {
	const struct child_spec *spec;
	const char *file;
	char *const *env;
	const int *from; /* descriptors to become 0, 1, 2 */
	int last_signal;
	int join[CGROUP_DIRS]; /* see cgroup_open_join() */
	int join_count;
	int rules;  /* see landlock_rules(); -1: none */
	int report; /* a pipe, for a failure; closed by success. -1: the child's memory is ours */
	/* written by the child: seen here if its memory is ours */
	struct failure failure;
	bool is_shared;
};

static void limit_address_space(int64_t bytes)
{
#ifdef RLIMIT_AS
	struct rlimit limit;

	if (bytes > 0 && getrlimit(RLIMIT_AS, &limit) == 0 &&
		(limit.rlim_max == RLIM_INFINITY || (rlim_t)bytes < limit.rlim_max)) {
		limit.rlim_cur = limit.rlim_max = (rlim_t)bytes;
		setrlimit(RLIMIT_AS, &limit);
	}
#else
	(void)bytes;
#endif
}

/* What somebody around us left open might lead a confined one to where it must not get */
static void close_others_later(void)
{
	struct rlimit limit;
	int last = FILES_CLOSED_MAX;

#ifdef SYS_close_range
	/* CLOSE_RANGE_CLOEXEC: what is needed until execve(2) stays open */
	if (syscall(SYS_close_range, (unsigned)FIRST_FREE_FD, ~0u, 4u) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_CLOSED_MAX)
		last = (int)limit.rlim_cur;
	for (int fd = FIRST_FREE_FD; fd < last; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Between vfork(2) and execve(2), with our memory for its own: only what is safe in a signal handler, and nothing of
 * ours is changed but the plan. It never returns */
static void become(struct plan *plan)
{
	const struct child_spec *spec = plan->spec;
	const struct sigaction default_action = {.sa_handler = SIG_DFL};
	enum failure_kind what = OF_START;
	sigset_t none;

	plan->is_shared = true;
	setsid();
	for (int i = 0; i < plan->join_count; i++) {
		what = OF_GROUP;
		if (write(plan->join[i], "0", 1) != 1)
			goto failed;
	}
	what = OF_START;
	for (int i = 0; i < 3; i++) {
		/* ours are inherited; if one of them is closed, so it is there */
		if (plan->from[i] != i && dup2(plan->from[i], i) < 0)
			goto failed;
	}
	for (int i = 0; i < 2 && spec->tokens; i++) {
		if (dup2(spec->tokens[i], CHILD_TOKENS + i) < 0)
			goto failed;
	}
	if ((spec->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) || (spec->dir && chdir(spec->dir) != 0))
		goto failed;
	for (int signo = 1; signo <= plan->last_signal; signo++)
		sigaction(signo, &default_action, NULL);
	open_files_restore();
	limit_address_space(spec->address_space);
	if (spec->wraps || spec->writable)
		close_others_later();
	if (plan->rules >= 0) {
		what = OF_RULES;
		if (landlock_enter(plan->rules) != 0)
			goto failed;
		what = OF_START;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(plan->file, spec->argv, plan->env);
failed:
	plan->failure = (struct failure){errno, what};
	if (plan->report >= 0)
		(void)!write(plan->report, &plan->failure, sizeof plan->failure);
	_exit(127);
}

/* vfork(2) leaves the frame that called it to the child: so it has one that holds nothing */
__attribute__((noinline)) static pid_t start_plan(struct plan *plan)
{
	pid_t pid = vfork();

	if (pid == 0)
		become(plan);
	return pid;
}

static void make_report(int ends[2])
{
	if (pipe(ends) != 0)
		return; /* then the status 127 is all there is to know of a failure */
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
}

static void read_report(int ends[2], struct failure *failure)
{
	struct failure read_one;
	ssize_t got;

	close(ends[1]);
	do
		got = read(ends[0], &read_one, sizeof read_one);
	while (got < 0 && errno == EINTR);
	if (got == (ssize_t)sizeof read_one)
		*failure = read_one;
	close(ends[0]);
}

/* The pid, or -1 with the failure. By vfork(2), since the cost of fork(2) grows with our memory. Where tools that watch
 * over memory make a fork(2) of it, the child reports over a pipe; the first start shows which it is */
static pid_t start_planned(struct spawner *spawner, struct plan *plan, struct failure *failure)
{
	int ends[2] = {-1, -1};
	sigset_t all, before;
	pid_t pid;

	if (!spawner->shares_memory)
		make_report(ends);
	plan->report = ends[1];
	/* a handler of ours must not run in the child, where it would change our memory */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = start_plan(plan);
	if (pid < 0)
		plan->failure.number = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0 && plan->is_shared)
		spawner->shares_memory = true;
	if (ends[0] >= 0)
		read_report(ends, &plan->failure);
	*failure = plan->failure;
	if (failure->number == 0)
		return pid;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

static pid_t start(struct spawner *spawner, const struct child_spec *spec, const char *file, char *const *env,
	const int from[3], struct failure *failure)
{
	struct plan plan = {
		.spec = spec, .file = file, .env = env, .from = from, .last_signal = spawner->last_signal, .rules = -1};
	pid_t pid = -1;

	*failure = (struct failure){0};
	plan.join_count = spec->group ? cgroup_open_join(spec->group, plan.join) : 0;
	if (plan.join_count < 0)
		*failure = (struct failure){errno, OF_GROUP};
	else if (spec->writable && (plan.rules = landlock_rules(spec->writable, NULL)) < 0)
		*failure = (struct failure){errno, OF_RULES};
	else
		pid = start_planned(spawner, &plan, failure);
	for (int i = 0; i < plan.join_count; i++)
		close(plan.join[i]);
	if (plan.rules >= 0)
		close(plan.rules);
	return pid;
}

/* finds the program, and starts it; *file, for the caller to free, NULL: it was not found */
static pid_t find_and_start(
	struct spawner *spawner, const struct child_spec *spec, const int from[3], char **file, struct failure *failure)
{
	char *const *env = spec->env ? spec->env : environ;
	bool is_old = false;
	pid_t pid;

	*file = spec->file ? xstrdup(spec->file) : find_again(spawner, spec, env, &is_old);
	pid = *file ? start(spawner, spec, *file, env, from, failure) : -1;
	if (pid < 0 && is_old && failure->what == OF_START &&
		(failure->number == ENOENT || failure->number == EACCES)) {
		replace(&spawner->found, NULL);
		free(*file);
		*file = find_again(spawner, spec, env, &is_old);
		pid = *file ? start(spawner, spec, *file, env, from, failure) : -1;
	}
	if (!*file)
		*failure = (struct failure){errno, OF_START};
	return pid;
}

pid_t spawner_start(struct spawner *spawner, const struct child_spec *spec, int *error_number, struct orch_error *err)
{
	int from[3], moved[3] = {-1, -1, -1};
	struct failure failure = {0};
	char *file = NULL;
	pid_t pid = -1;

	if (arrange(spawner, spec, from, moved) == 0)
		pid = find_and_start(spawner, spec, from, &file, &failure);
	else
		failure.number = errno;
	for (int i = 0; i < 3; i++) {
		if (moved[i] >= 0)
			close(moved[i]);
	}
	if (failure.number != 0) {
		errno = failure.number;
		if (failure.what == OF_RULES)
			error_errno(err, "cannot run '%s': Landlock cannot confine it", spec->argv[0]);
		else if (failure.what == OF_GROUP)
			error_errno(err, "cannot run '%s': it cannot be moved into its control group", spec->argv[0]);
		else
			explain(spec, file, failure.number, err);
	}
	free(file);
	*error_number = failure.number;
	return pid;
}
