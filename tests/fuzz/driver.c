/*
 * A main() for a fuzz target where the compiler has no libFuzzer, and for `make check`: the target over each file of
 * its folder of seeds (tests/fuzz/seeds-NAME), and over as many inputs made from them by chance as FUZZ_RUNS says. The
 * same seed number, FUZZ_SEED, makes the same inputs. TAP.
 */
#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS_MAX = 256, INPUT_MAX = 1 << 16, DEFAULT_RUNS = 3000 };

struct input {
	uint8_t *bytes;
	size_t size;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t state;

/* SplitMix64 (Steele et al., OOPSLA 2014) */
static uint64_t next_random(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static size_t below(size_t limit)
{
	return limit ? (size_t)(next_random() % limit) : 0;
}

static void read_seeds(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && seed_count < SEEDS_MAX && (entry = readdir(dir))) {
		char path[sizeof entry->d_name + 4100];
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		file = fopen(path, "rb");
		if (!file)
			continue;
		seeds[seed_count].bytes = malloc(INPUT_MAX);
		if (seeds[seed_count].bytes)
			seeds[seed_count].size = fread(seeds[seed_count].bytes, 1, INPUT_MAX, file);
		seed_count++;
		fclose(file);
	}
	if (dir)
		closedir(dir);
}

/* a few changes to one seed, with pieces of the others */
static size_t mutate(uint8_t *out, size_t room)
{
	static const char *const words[] = {"{{", "}}", "\n", "\t", ":", "=", "\"", "'", "\\", "/", "#", "\xff",
		"\xe2\x82", "include ", "for ", "a b"};
	const struct input *seed = &seeds[below(seed_count)];
	size_t size = seed->size < room / 2 ? seed->size : room / 2;

	memcpy(out, seed->bytes, size);
	for (size_t changes = 1 + below(6); changes > 0; changes--) {
		size_t at = below(size + 1), len;
		const uint8_t *piece;

		switch (below(5)) {
		case 0:
			if (size)
				out[below(size)] = (uint8_t)next_random();
			continue;
		case 1:
			if (size)
				out[below(size)] ^= (uint8_t)(1u << below(8));
			continue;
		case 2: /* cut */
			len = below(size - at + 1);
			memmove(out + at, out + at + len, size - at - len);
			size -= len;
			continue;
		case 3: {
			const struct input *other = &seeds[below(seed_count)];
			size_t from = below(other->size + 1);

			piece = other->bytes + from;
			len = below(other->size - from + 1);
			break;
		}
		default:
			piece = (const uint8_t *)words[below(sizeof words / sizeof words[0])];
			len = strlen((const char *)piece);
			break;
		}
		if (len > room - size)
			len = room - size;
		memmove(out + at + len, out + at, size - at);
		memcpy(out + at, piece, len);
		size += len;
	}
	return size;
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	const char *top = getenv("srcdir"), *name = strrchr(argv[0], '/');
	uint64_t seed = number_from_environment("FUZZ_SEED", 1),
		 runs = number_from_environment("FUZZ_RUNS", DEFAULT_RUNS);
	uint8_t *input = malloc(2 * INPUT_MAX);
	char folder[4096];

	name = name ? name + 1 : argv[0];
	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds-%s", top ? top : ".", argc > 1 ? argv[1] : name);
	read_seeds(folder);
	printf("1..1\n");
	if (!seed_count || !input) {
		printf("not ok 1 - %s: no seeds in %s\n", name, folder);
		return 1;
	}
	printf("# FUZZ_SEED=%" PRIu64 " FUZZ_RUNS=%" PRIu64 "\n", seed, runs);
	fflush(stdout);
	for (size_t i = 0; i < seed_count; i++)
		LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
	state = seed;
	for (uint64_t i = 0; i < runs; i++) {
		size_t size = mutate(input, 2 * INPUT_MAX);
		uint8_t *exact = malloc(size ? size : 1); /* so that a byte too far is seen */

		if (!exact)
			break;
		memcpy(exact, input, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	printf("ok 1 - %s: %zu seeds, %" PRIu64 " inputs made from them\n", name, seed_count, runs);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].bytes);
	free(input);
	return 0;
}
