/*
 * main() of the fuzz targets where there is no libFuzzer: the seeds as they are, then FUZZ_RUNS mutations of them,
 * which are the same for the same FUZZ_SEED, so that `make check` runs every target with every compiler. What made a
 * target fail is written to NAME.failed; a file given as argument is run instead of all that:
 *
 *   fuzz_NAME            seeds from $srcdir/tests/fuzz/seeds-fuzz_NAME
 *   fuzz_NAME FILE...    only these
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DEFAULT_RUNS = 3000,
	DEFAULT_SEED = 1,
	INPUT_MAX = 16384,
	SEEDS_MAX = 64,
	CHANGES_MAX = 6,
	HANG_SECONDS = 120, /* for one input; far more than any takes under valgrind */
};

struct input {
	uint8_t *bytes;
	size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* there with the sanitizers only, which end the program without a signal */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static const char *target;
static struct input seeds[SEEDS_MAX];
static size_t seed_count;
static struct input running;
static char failed_path[256];
static uint64_t random_state;

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) */
static uint64_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t random_below(size_t limit)
{
	return limit ? (size_t)(random_next() % limit) : 0;
}

/* called from signal handlers: nothing but system calls */
static void keep_input(void)
{
	static const char said[] = "not ok 1 - failed on an input, which is in ";
	int fd = open(failed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, running.bytes, running.len) != (ssize_t)running.len ||
		write(STDOUT_FILENO, said, sizeof said - 1) < 0 ||
		write(STDOUT_FILENO, failed_path, strlen(failed_path)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(2);
}

static void fail(int number)
{
	keep_input();
	signal(number, SIG_DFL);
	raise(number);
}

/* in a block of its own that ends where the input does, so that reading behind it is seen */
static void run(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	running = (struct input){.bytes = copy, .len = len};
	alarm(HANG_SECONDS);
	LLVMFuzzerTestOneInput(copy, len);
	alarm(0);
	running = (struct input){0};
	free(copy);
}

static int read_seed(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct input seed = {.bytes = malloc(INPUT_MAX)};
	ssize_t got;

	if (fd < 0 || !seed.bytes || seed_count == SEEDS_MAX)
		goto failed;
	while (seed.len < INPUT_MAX && (got = read(fd, seed.bytes + seed.len, INPUT_MAX - seed.len)) != 0) {
		if (got < 0)
			goto failed;
		seed.len += (size_t)got;
	}
	close(fd);
	seeds[seed_count++] = seed;
	return 0;
failed:
	if (fd >= 0)
		close(fd);
	free(seed.bytes);
	return -1;
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_seed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int read_seeds(void)
{
	const char *srcdir = getenv("srcdir");
	struct dirent **entries;
	char dir[3000], path[3400];
	int count, result = 0;

	snprintf(dir, sizeof dir, "%.2500s/tests/fuzz/seeds-%.100s", srcdir ? srcdir : ".", target);
	count = scandir(dir, &entries, is_seed, compare_names);
	if (count <= 0) {
		printf("Bail out! no seeds in %s\n", dir);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%.255s", dir, entries[i]->d_name);
		if (result == 0 && read_seed(path) < 0) {
			printf("Bail out! cannot read %s\n", path);
			result = -1;
		}
		free(entries[i]);
	}
	free(entries);
	return result;
}

/* `bytes` instead of the `removed` ones at `at`, as far as there is room */
static void replace(struct input *input, size_t at, size_t removed, const uint8_t *bytes, size_t added)
{
	size_t rest = input->len - at - removed;

	if (input->len - removed + added > INPUT_MAX)
		return;
	memmove(input->bytes + at + added, input->bytes + at + removed, rest);
	if (added > 0)
		memcpy(input->bytes + at, bytes, added);
	input->len = at + added + rest;
}

/* a part of a seed, copied out since it may be of the input that is changed */
static size_t take_part(uint8_t *part, const struct input *from)
{
	size_t start = random_below(from->len + 1), len = random_below(from->len - start + 1);

	if (random_below(2) && len > 16)
		len = random_below(16);
	memcpy(part, from->bytes + start, len);
	return len;
}

static void change(struct input *input)
{
	static const char *const tokens[] = {"\n", "\t", "\n\t\t", "{{", "}}", "\"", "\\", "\r\n", "\xff", "\xc3\xa9",
		"\xf0\x9f\x98\x80", "\xef\xbb\xbf", "\033[2J", "*", "**/", "[", "]", "'", ":", "=", "#", "-1", "0",
		"9223372036854775807", "99999999999999999999", "1e999", "null", "..", "/", " or ", "(", ")"};
	static uint8_t part[INPUT_MAX];
	size_t at = random_below(input->len + 1), left = input->len - at, len;
	uint8_t byte = (uint8_t)random_next();

	switch (random_below(7)) {
	case 0:
		if (left)
			input->bytes[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 1:
		replace(input, at, left > 0, &byte, 1);
		break;
	case 2:
		len = random_below(random_below(4) ? 8 : left + 1);
		replace(input, at, len < left ? len : left, NULL, 0);
		break;
	case 3:
	case 4: {
		const char *token = tokens[random_below(sizeof tokens / sizeof tokens[0])];

		replace(input, at, 0, (const uint8_t *)token, strlen(token));
		break;
	}
	case 5:
		len = take_part(part, &seeds[random_below(seed_count)]);
		replace(input, at, random_below(left + 1), part, len);
		break;
	case 6:
		len = take_part(part, input);
		replace(input, at, 0, part, len);
		break;
	}
}

static unsigned long number_from(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : fallback;
}

static int run_files(char **paths)
{
	for (; *paths; paths++) {
		if (read_seed(*paths) < 0) {
			printf("Bail out! cannot read %s\n", *paths);
			return 1;
		}
		run(seeds[seed_count - 1].bytes, seeds[seed_count - 1].len);
		free(seeds[--seed_count].bytes);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
	unsigned long runs = number_from("FUZZ_RUNS", DEFAULT_RUNS), seed = number_from("FUZZ_SEED", DEFAULT_SEED);
	static uint8_t bytes[INPUT_MAX];

	target = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	snprintf(failed_path, sizeof failed_path, "%.200s.failed", target);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		signal(signals[i], fail);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input);
	printf("1..1\n# %s: FUZZ_SEED=%lu FUZZ_RUNS=%lu\n", target, seed, runs);
	fflush(stdout);
	if (argc > 1 ? run_files(argv + 1) : read_seeds())
		return 1;
	for (size_t i = 0; i < seed_count; i++)
		run(seeds[i].bytes, seeds[i].len);
	if (argc > 1)
		runs = 0;
	random_state = seed;
	for (unsigned long i = 0; i < runs; i++) {
		const struct input *from = &seeds[random_below(seed_count)];
		struct input input = {.bytes = bytes, .len = from->len};

		memcpy(bytes, from->bytes, from->len);
		for (size_t n = random_below(CHANGES_MAX) + 1; n > 0; n--)
			change(&input);
		run(input.bytes, input.len);
	}
	printf("ok 1 - %s: %lu inputs\n", target, argc > 1 ? (unsigned long)argc - 1 : runs + seed_count);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].bytes);
	return 0;
}
