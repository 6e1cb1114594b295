#include "config.h"

#include "runner/runner.h"

#include <stddef.h>
#include <string.h>

static const struct runner_ops *const runners[] = {
	&runner_process,
};

const struct runner_ops *runner_find(const char *name)
{
	for (size_t i = 0; i < sizeof runners / sizeof *runners; i++) {
		if (strcmp(runners[i]->name, name) == 0)
			return runners[i];
	}
	return NULL;
}
