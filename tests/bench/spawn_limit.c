/*
 * The most that this machine can do: starts `sh -c :` COUNT times, at most JOBS at once, and waits for it. Nothing else
 * is done, so no tool that starts its commands one by one through a shell can be faster. With a DIRECTORY each is in a
 * session of its own and has its output in a file of its own in there, so no tool that promises these can be faster.
 * Prints the seconds it took.
 *
 *   spawn_limit COUNT JOBS [DIRECTORY]
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int wait_one(void)
{
	int status;

	if (waitpid(-1, &status, 0) < 0) {
		perror("waitpid");
		return -1;
	}
	if (status) {
		fprintf(stderr, "spawn_limit: a command failed\n");
		return -1;
	}
	return 0;
}

/* the error number, or 0 */
static int start_one(const char *directory, long number)
{
	char *const command[] = {"sh", "-eu", "-c", ":", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error, log = -1;
	char path[4096];
	pid_t pid;

	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (directory) {
		snprintf(path, sizeof path, "%s/s%ld.1.log", directory, number);
		log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (log < 0)
			return errno;
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
		posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
	} else {
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	}
	error = posix_spawn(&pid, "/bin/sh", &actions, &attributes, command, environ);
	if (log >= 0)
		close(log);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0, jobs = argc > 2 ? strtol(argv[2], NULL, 10) : 0,
	     running = 0;
	double start;

	if (count < 1 || jobs < 1) {
		fprintf(stderr, "usage: spawn_limit COUNT JOBS [DIRECTORY]\n");
		return 2;
	}
	start = now();
	for (long i = 0; i < count; i++) {
		int error;

		if (running == jobs) {
			if (wait_one() < 0)
				return 1;
			running--;
		}
		error = start_one(argc > 3 ? argv[3] : NULL, i);
		if (error) {
			fprintf(stderr, "spawn_limit: %s\n", strerror(error));
			return 1;
		}
		running++;
	}
	for (; running; running--)
		if (wait_one() < 0)
			return 1;
	printf("%.6f\n", now() - start);
	return 0;
}
