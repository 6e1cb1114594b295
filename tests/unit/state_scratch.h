/* A directory of its own for each test of state/: made, entered, removed behind. */
#ifndef TESTS_UNIT_STATE_SCRATCH_H
#define TESTS_UNIT_STATE_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fs.h"

static char scratch_path[256];

static inline int scratch_setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(scratch_path, sizeof scratch_path, "%.200s/orch-unit-XXXXXX", base ? base : "/tmp");
	return mkdtemp(scratch_path) && chdir(scratch_path) == 0 ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
	(void)state;
	return chdir("/") == 0 ? fs_remove_tree(scratch_path, NULL) : -1;
}

static inline void scratch_write_bytes(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static inline void scratch_write(const char *name, const char *text)
{
	scratch_write_bytes(name, text, strlen(text));
}

/* not inlined: gcc 12 would take what is found in the text for a pointer to the variable */
__attribute__((noinline, unused)) static char *scratch_read(const char *name, size_t *len)
{
	char *text;

	assert_int_equal(fs_read(name, 0, &text, len, NULL), 0);
	return text;
}

#endif
