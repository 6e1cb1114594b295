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
};

int spawner_init(struct spawner *spawner, struct orch_error *err)
{
	sigset_t none, all;
	int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	if (opened < 0)
		return error_errno(err, "cannot open '/dev/null'");
	*spawner = (struct spawner){.null = opened};
	if (opened < FIRST_FREE_FD) {
		/* we were started with a standard descriptor closed */
		spawner->null = fcntl(opened, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		close(opened);
		if (spawner->null < 0)
			return error_errno(err, "cannot open '/dev/null'");
	}
#ifdef POSIX_SPAWN_SETSID
	flags |= POSIX_SPAWN_SETSID;
#else
	flags |= POSIX_SPAWN_SETPGROUP;
#endif
	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	posix_spawnattr_init(&spawner->attributes);
	posix_spawnattr_setflags(&spawner->attributes, flags);
	posix_spawnattr_setsigmask(&spawner->attributes, &none);
	posix_spawnattr_setsigdefault(&spawner->attributes, &all);
	return 0;
}

void spawner_release(struct spawner *spawner)
{
	posix_spawnattr_destroy(&spawner->attributes);
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
	*text = xstrdup(with);
}

/* find_program(), which is not asked again for what it has just found and what is still there */
static char *find_again(struct spawner *spawner, const struct child_spec *spec, char *const *env)
{
	const char *name = spec->argv[0], *path = variable(env, "PATH");
	char *file;

	/* a relative entry of PATH means another place in another directory */
	if (!path || spec->dir || strchr(name, '/'))
		return find_program(spec, env);
	if (spawner->found && strcmp(spawner->found_name, name) == 0 && strcmp(spawner->found_path, path) == 0 &&
		access(spawner->found, X_OK) == 0)
		return xstrdup(spawner->found);
	file = find_program(spec, env);
	if (file) {
		replace(&spawner->found, file);
		replace(&spawner->found_name, name);
		replace(&spawner->found_path, path);
	}
	return file;
}

/* 0 and the pid, or errno */
static int start_plain(struct spawner *spawner, const struct child_spec *spec, const char *file, char *const *env,
	const int from[3], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int number = posix_spawn_file_actions_init(&actions);

	if (number != 0)
		return number;
	for (int i = 0; i < 3 && number == 0; i++) {
		/* ours are inherited; if one of them is closed, so it is there */
		if (from[i] != i)
			number = posix_spawn_file_actions_adddup2(&actions, from[i], i);
	}
	for (int i = 0; i < 2 && number == 0 && spec->tokens; i++)
		number = posix_spawn_file_actions_adddup2(&actions, spec->tokens[i], CHILD_TOKENS + i);
	if (number == 0 && spec->dir)
		number = posix_spawn_file_actions_addchdir_np(&actions, spec->dir);
	if (number == 0)
		number = posix_spawn(pid, file, &actions, &spawner->attributes, spec->argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return number;
}

/* what posix_spawn(3) cannot be told is done by the child itself before it becomes another program */
struct confined {
	const struct child_spec *spec;
	const char *file;
	char *const *env;
	const int *from;       /* descriptors to become 0, 1, 2 */
	int join[CGROUP_DIRS]; /* see cgroup_open_join() */
	int join_count;
	int rules;  /* see landlock_rules(); -1: none */
	int report; /* a pipe: what went wrong; closed by success */
};

struct confined_failure {
	int number;
	enum { OF_START, OF_GROUP, OF_RULES } what; /* of the program, of its group, of its rules */
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
 * ours is changed. It never returns */
static void become(const struct confined *plan)
{
	const struct sigaction default_action = {.sa_handler = SIG_DFL};
	struct confined_failure failure = {0};
	sigset_t none;

	setsid();
	for (int i = 0; i < plan->join_count; i++) {
		if (write(plan->join[i], "0", 1) != 1) {
			failure = (struct confined_failure){errno, OF_GROUP};
			goto failed;
		}
	}
	for (int i = 0; i < 3; i++) {
		if (plan->from[i] != i && dup2(plan->from[i], i) < 0) {
			failure.number = errno;
			goto failed;
		}
	}
	for (int i = 0; i < 2 && plan->spec->tokens; i++) {
		if (dup2(plan->spec->tokens[i], CHILD_TOKENS + i) < 0) {
			failure.number = errno;
			goto failed;
		}
	}
	if ((plan->spec->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) ||
		(plan->spec->dir && chdir(plan->spec->dir) != 0)) {
		failure.number = errno;
		goto failed;
	}
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &default_action, NULL);
	limit_address_space(plan->spec->address_space);
	if (plan->spec->wraps || plan->spec->writable)
		close_others_later();
	if (plan->rules >= 0 && landlock_enter(plan->rules) != 0) {
		failure = (struct confined_failure){errno, OF_RULES};
		goto failed;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(plan->file, plan->spec->argv, plan->env);
	failure.number = errno;
failed:
	(void)!write(plan->report, &failure, sizeof failure);
	_exit(127);
}

/* vfork(2) leaves the frame that called it to the child: so it has one that holds nothing */
__attribute__((noinline)) static pid_t start_plan(const struct confined *plan)
{
	pid_t pid = vfork();

	if (pid == 0)
		become(plan);
	return pid;
}

/* 0 and the pid, or errno */
static int start_confined(const struct child_spec *spec, const char *file, char *const *env, const int from[3],
	pid_t *pid, struct confined_failure *why)
{
	struct confined plan = {.spec = spec, .file = file, .env = env, .from = from, .rules = -1};
	struct confined_failure failure = {0};
	sigset_t all, before;
	int ends[2], number = 0;
	ssize_t got;

	if (pipe(ends) != 0)
		return errno;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	plan.report = ends[1];
	plan.join_count = plan.spec->group ? cgroup_open_join(plan.spec->group, plan.join) : 0;
	if (plan.join_count < 0) {
		number = errno;
		why->what = OF_GROUP;
	} else if (spec->writable && (plan.rules = landlock_rules(spec->writable, NULL)) < 0) {
		number = errno;
		why->what = OF_RULES;
	} else {
		/* a handler of ours must not run in the child, where it would change our memory */
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &before);
		*pid = start_plan(&plan);
		number = *pid < 0 ? errno : 0;
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	close(ends[1]);
	for (int i = 0; i < plan.join_count; i++)
		close(plan.join[i]);
	if (number == 0) {
		do
			got = read(ends[0], &failure, sizeof failure);
		while (got < 0 && errno == EINTR);
		if (got == (ssize_t)sizeof failure) {
			while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
				;
			number = failure.number;
			*why = failure;
		}
	}
	if (plan.rules >= 0)
		close(plan.rules);
	close(ends[0]);
	return number;
}

static bool is_confined(const struct child_spec *spec)
{
	return spec->group || spec->address_space > 0 || spec->writable || spec->wraps || spec->terminal;
}

pid_t spawner_start(struct spawner *spawner, const struct child_spec *spec, int *error_number, struct orch_error *err)
{
	char *const *env = spec->env ? spec->env : environ;
	char *file = spec->file ? xstrdup(spec->file) : find_again(spawner, spec, env);
	int from[3], moved[3] = {-1, -1, -1};
	int number;
	struct confined_failure why = {0};
	pid_t pid = -1;

	number = file ? 0 : errno;
	if (number == 0)
		number = arrange(spawner, spec, from, moved) == 0 ? 0 : errno;
	/* what we start finds the limits as we found them */
	if (number == 0) {
		open_files_begin_start();
		number = is_confined(spec) ? start_confined(spec, file, env, from, &pid, &why)
					   : start_plain(spawner, spec, file, env, from, &pid);
		open_files_end_start();
	}
	for (int i = 0; i < 3; i++) {
		if (moved[i] >= 0)
			close(moved[i]);
	}
	if (number != 0) {
		if (why.what == OF_RULES) {
			errno = number;
			error_errno(err, "cannot run '%s': Landlock cannot confine it", spec->argv[0]);
		} else if (why.what == OF_GROUP) {
			errno = number;
			error_errno(err, "cannot run '%s': it cannot be moved into its control group", spec->argv[0]);
		} else {
			explain(spec, file, number, err);
		}
		pid = -1;
	}
	free(file);
	*error_number = number;
	return pid;
}
