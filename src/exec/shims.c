#include "config.h"

#include "exec/shims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "state/statedir.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"

/*
 * 8 and 9: what sh can name. Both are opened for reading and writing, which never waits, also where orch is gone. A
 * jobserver that is there already, as below a make, stays
 */
static const char script[] =
	"#!/bin/sh\n"
	"# Written by orch: lets this program share the slots of the run (see 'MAKE AND CARGO INSIDE' in Orchfile(5)).\n"
	"name=${0##*/}\n"
	"here=$(cd \"${0%/*}\" && pwd -P)\n"
	"real=\n"
	"IFS=:\n"
	"for place in $PATH; do\n"
	"\t[ -f \"$place/$name\" ] && [ -x \"$place/$name\" ] && [ \"$(cd \"$place\" && pwd -P)\" != \"$here\" ] || continue\n"
	"\treal=$place/$name\n"
	"\tbreak\n"
	"done\n"
	"unset IFS\n"
	"[ -n \"$real\" ] || { echo \"$name: not found\" >&2; exit 127; }\n"
	"case \"${MAKEFLAGS-} ${CARGO_MAKEFLAGS-}\" in *--jobserver-*) exec \"$real\" \"$@\" ;; esac\n"
	"[ -p \"${ORCH_JOBSERVER-}\" ] && [ -p \"$ORCH_JOBSERVER.back\" ] || exec \"$real\" \"$@\"\n"
	"exec 8<>\"$ORCH_JOBSERVER\" 9<>\"$ORCH_JOBSERVER.back\"\n"
	"case $name in\n"
	"cargo) export CARGO_MAKEFLAGS='-j --jobserver-fds=8,9 --jobserver-auth=8,9' ;;\n"
	"*) export MAKEFLAGS=\" -j --jobserver-auth=8,9${MAKEFLAGS:+ $MAKEFLAGS}\" ;;\n"
	"esac\n"
	"exec \"$real\" \"$@\"\n";

static int write_shim(const char *dir, const char *name, struct orch_error *err)
{
	char *path = path_join(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700), result = 0;

	if (fd < 0 || fs_write_all(fd, script, strlen(script)) != 0)
		result = error_errno(err, "cannot write '%s'", path);
	if (fd >= 0 && close(fd) != 0 && result == 0)
		result = error_errno(err, "cannot write '%s'", path);
	free(path);
	return result;
}

int shims_make(char **dir, const char *run, struct orch_error *err)
{
	static const char *const names[] = {"make", "gmake", "cargo"};
	char *path = statedir_shims(run), *cwd = fs_cwd();
	int result = 0;

	*dir = path_join(cwd, path);
	free(cwd);
	free(path);
	if (mkdir(*dir, 0700) != 0 && errno != EEXIST)
		result = error_errno(err, "cannot make the directory '%s'", *dir);
	for (size_t i = 0; i < sizeof names / sizeof *names && result == 0; i++)
		result = write_shim(*dir, names[i], err);
	if (result != 0) {
		free(*dir);
		*dir = NULL;
	}
	return result;
}
