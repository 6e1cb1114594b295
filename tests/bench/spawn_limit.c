/*
 * The most that this machine can do: starts `sh -c :` COUNT times, at most JOBS at once, and waits for it. Nothing else
 * is done, so no tool that starts its commands one by one through a shell can be faster. Prints the seconds it took.
 *
 *   spawn_limit COUNT JOBS
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

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

int main(int argc, char **argv)
{
	char *const command[] = {"sh", "-eu", "-c", ":", NULL};
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0, jobs = argc > 2 ? strtol(argv[2], NULL, 10) : 0,
	     running = 0;
	posix_spawn_file_actions_t actions;
	double start;

	if (count < 1 || jobs < 1) {
		fprintf(stderr, "usage: spawn_limit COUNT JOBS\n");
		return 2;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	start = now();
	for (long i = 0; i < count; i++) {
		pid_t pid;
		int error;

		if (running == jobs) {
			if (wait_one() < 0)
				return 1;
			running--;
		}
		error = posix_spawn(&pid, "/bin/sh", &actions, NULL, command, environ);
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
	posix_spawn_file_actions_destroy(&actions);
	return 0;
}
