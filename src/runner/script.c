#include "config.h"

#include "runner/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/supervised.h"
#include "os/supervisor.h"
#include "runner/runner.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"

/* one argument may have 128 KiB (Linux: MAX_ARG_STRLEN), its end included; some room is left */
enum { SCRIPT_ARGUMENT_MAX = 100000 };

/* the file is closed before anything is started: who runs a file that is open for writing gets ETXTBSY. -1 with errno
 */
static int write_script(const char *path, const char *script, struct orch_error *err)
{
	int fd, saved;
	bool ok;

	/* never into the file of an attempt before, which a process may still be reading */
	if (unlink(path) != 0 && errno != ENOENT)
		goto failed;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (fd < 0)
		goto failed;
	ok = fs_write_all(fd, script, strlen(script)) == 0 && fchmod(fd, 0700) == 0;
	saved = errno;
	if (close(fd) != 0 && ok) {
		saved = errno;
		ok = false;
	}
	if (ok)
		return 0;
	unlink(path);
	errno = saved;
failed:
	saved = errno;
	error_errno(err, "cannot write the script '%s'", path);
	errno = saved;
	return -1;
}

/* adds the words of the command line that runs the script. -1 with errno */
static int add_script_words(struct strvec *argv, const struct command *command, struct orch_error *err)
{
	const char *script = command->script;
	bool has_interpreter = strncmp(script, "#!", 2) == 0;
	size_t before = argv->count;
	char *cwd, *path;

	if (!has_interpreter) {
		strvec_split(argv, command->shell ? command->shell : "sh");
		if (argv->count == before) {
			error_set(err, "the shell's command line is empty");
			errno = EINVAL;
			return -1;
		}
		if (strlen(script) <= SCRIPT_ARGUMENT_MAX) {
			strvec_push(argv, "-c");
			strvec_push(argv, script);
			return 0;
		}
	}
	if (!command->script_path) {
		error_set(err, "a script that is %s needs a file, and there is no place for it",
			has_interpreter ? "its own program" : "this long");
		errno = EINVAL;
		return -1;
	}
	if (write_script(command->script_path, script, err) != 0)
		return -1;
	/* the command runs in a directory of its own */
	cwd = fs_cwd();
	path = path_join(cwd, command->script_path);
	strvec_push(argv, path);
	free(path);
	free(cwd);
	return 0;
}

int script_words(struct strvec *argv, const struct command *command, struct orch_error *err)
{
	for (char *const *word = command->wrap; word && *word; word++)
		strvec_push(argv, *word);
	if (command->script)
		return add_script_words(argv, command, err);
	if (!command->argv || !command->argv[0]) {
		error_set(err, "there is no command to run");
		errno = EINVAL;
		return -1;
	}
	for (char *const *word = command->argv; *word; word++)
		strvec_push(argv, *word);
	return 0;
}

int write_job_script(const char *record, const char *token, const char *scratch, struct orch_error *err)
{
	char *place = xasprintf("%s.supervisor", scratch), *program = supervision_remote_program(place, err), *path;
	struct strbuf text = {0};
	int result;

	free(place);
	if (!program)
		return -1;
	strbuf_addstr(&text, "#!/bin/sh\nexec ");
	path_quote(&text, program);
	strbuf_addstr(&text, " " SUPERVISOR_REMOTE_WORD " ");
	path_quote(&text, record);
	strbuf_addf(&text, " %s\n", token);
	path = xasprintf("%s.%s.sh", record, token);
	result = write_script(path, strbuf_cstr(&text), err);
	free(path);
	free(program);
	strbuf_release(&text);
	return result;
}
