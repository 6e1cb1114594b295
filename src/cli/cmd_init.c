#include "config.h"

#include "cli/cmd.h"
#include "cli/say.h"
#include "orch/project.h"
#include "os/fs.h"
#include "os/glob.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct init_options {
	struct common common;
};

static const struct opt init_table[] = {CMD_COMMON_OPTIONS, {0}};

static const char first_orchfile[] =
	"# Orchfile: what there is to do, and what depends on what. `orch` runs what is not complete yet, as much at once\n"
	"# as it may; `orch -n` only says what would run. The whole language: man Orchfile; all settings: orch help settings\n"
	"\n"
	"# A variable. `?=` takes it from the environment if it is there; `orch greeting=Hi` on the command line wins.\n"
	"greeting ?= Hello\n"
	"\n"
	"# Settings of the run.\n"
	"project:\n"
	"\tjobs = 4\n"
	"\n"
	"# What every stream starts from.\n"
	"defaults:\n"
	"\ttimeout = 10m\n"
	"\n"
	"# A stream: name, title, and shell commands (`$` is the shell's and is not doubled). It is complete when they succeed.\n"
	"hello \"A first stream\":\n"
	"\techo \"{{greeting}} from {{stream}}\"\n"
	"\n"
	"# After the colon: what must be complete first. These two run at the same time.\n"
	"date \"Another one\": hello\n"
	"\tdate\n"
	"\n"
	"system: hello\n"
	"\tuname -a\n"
	"\n"
	"# Settings come before the commands: files it reads (`inputs`: it runs again when one changes) and files it makes\n"
	"# (`outputs`: they must exist afterwards).\n"
	"#\n"
	"# report: date system\n"
	"#\tinputs = data/*.csv\n"
	"#\toutputs = report.html\n"
	"#\tretries = 2\n"
	"#\tpython3 report.py > report.html\n"
	"\n"
	"# A stream without commands is a group.\n"
	"all: date system\n";

/* a directory stands for the prompts in it */
static int add_files(struct strvec *files, const char *name)
{
	struct orch_error err;
	size_t before = files->count;
	char *pattern;
	int status = EXIT_COMPLETE;

	if (!fs_is_directory(name)) {
		strvec_push(files, name);
		return EXIT_COMPLETE;
	}
	pattern = path_join(name, "*.md");
	if (glob_files(".", pattern, files, &err) < 0)
		status = say_error(&err);
	else if (files->count == before)
		status = say_usage("there is no prompt in '%s': no file matches '%s'", name, pattern);
	free(pattern);
	return status;
}

/* the Orchfile that task files make; malloc'd in *out, NULL without any; an exit status */
static int import_files(char **out, const struct operands *operands)
{
	struct strvec files = {0};
	struct orch_error err;
	char *told = NULL;
	int status = EXIT_COMPLETE;

	*out = NULL;
	for (size_t i = 0; i < operands->words.count && status == EXIT_COMPLETE; i++)
		status = add_files(&files, operands->words.items[i]);
	if (status == EXIT_COMPLETE && files.count) {
		int imported = orch_import((const char *const *)files.items, say_err()->color, out, &told, &err);

		say_rendered(told);
		status = imported < 0 ? say_error(&err) : EXIT_COMPLETE;
	}
	strvec_release(&files);
	return status;
}

static int write_new(const char *name, const char *text)
{
	/* never over something that is there, not even an empty file or a dangling link */
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int error;

	if (fd < 0 && errno == EEXIST)
		return say_usage("'%s' is there already and stays as it is; 'orch check' looks at it", name);
	if (fd < 0)
		return say_usage("cannot make '%s': %s", name, strerror(errno));
	error = fs_write_all(fd, text, strlen(text)) < 0 ? errno : 0;
	if (close(fd) < 0 && !error)
		error = errno;
	if (error) {
		unlink(name);
		return say_usage("cannot write '%s': %s", name, strerror(error));
	}
	return EXIT_COMPLETE;
}

static int init_run(void *data, const struct operands *operands)
{
	const struct init_options *options = data;
	const char *name = options->common.file ? options->common.file : "Orchfile";
	char *imported;
	int status = import_files(&imported, operands);

	if (status == EXIT_COMPLETE)
		status = write_new(name, imported ? imported : first_orchfile);
	free(imported);
	if (status != EXIT_COMPLETE)
		return status;
	if (options->common.file)
		say("wrote '%s'. Look at it, then: 'orch -f %s -n' shows what would run, 'orch -f %s' runs it", name,
			name, name);
	else
		say("wrote 'Orchfile'. Look at it, then: 'orch -n' shows what would run, 'orch' runs it, 'orch' again has nothing to do");
	return EXIT_COMPLETE;
}

const struct cmd cmd_init = {
	.name = "init",
	.operands = "[FILE]...",
	.summary = "Write a first Orchfile, with comments or from task files",
	.about = "FILE: what 'orch import' takes, or a directory of prompts (*.md). Never overwrites anything.\n",
	.group = CMD_WRITING,
	.options = init_table,
	.size = sizeof(struct init_options),
	.max = CMD_ANY,
	.run = init_run,
};
