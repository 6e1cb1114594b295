/*
 * What a chain of streams is made of where the time from the end of one to the start of the next is measured: the
 * project's shell.
 *
 *   edge FILE SCRIPT      appends "START END" to FILE, when it began and was about to end, in nanoseconds of the
 *                         monotonic clock; if SCRIPT says to sleep it waits for a signal instead
 *   edge FILE alone COUNT starts itself COUNT times, one after the other, by posix_spawn: nothing can be faster
 *
 * The time between two lines is that of the end of a process and of the start of the next one too.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int alone(char *self, char *file, long count)
{
	char *const command[] = {self, file, ":", NULL};

	for (; count > 0; count--) {
		int error, status;
		pid_t pid;

		error = posix_spawn(&pid, self, NULL, NULL, command, environ);
		if (error) {
			fprintf(stderr, "edge: %s\n", strerror(error));
			return 1;
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	long long start = now();
	char line[64];
	int file, size;

	if (argc < 3) {
		fprintf(stderr, "usage: edge FILE SCRIPT | edge FILE alone COUNT\n");
		return 2;
	}
	if (argc > 3 && strcmp(argv[2], "alone") == 0)
		return alone(argv[0], argv[1], strtol(argv[3], NULL, 10));
	if (strstr(argv[argc - 1], "sleep"))
		return pause();
	file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	size = snprintf(line, sizeof line, "%lld %lld\n", start, now());
	return file < 0 || write(file, line, (size_t)size) != size;
}
