/* doctor: what of this machine orch can use, what is missing, what it is needed for, and how to get it. */
#include "config.h"

#include "cli/cmd.h"
#include "cli/find.h"
#include "cli/probe.h"
#include "cli/say.h"
#include "os/cgroup.h"
#include "os/fs.h"
#include "os/landlock.h"
#include "os/open_files.h"
#include "os/sandbox.h"
#include "util/alloc.h"
#include "util/array.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	GIT_MAJOR = 2, /* merge-tree --write-tree */
	GIT_MINOR = 38,
	FILES_ENOUGH = 1024,
	DISK_ENOUGH_MB = 1024,
};

struct doctor_options {
	struct common common;
	bool json;
};

static const struct opt doctor_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct doctor_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

enum state { STATE_OK, STATE_LIMITED, STATE_MISSING };

static const char *const state_names[] = {"ok", "limited", "missing"};

struct check {
	const char *name, *purpose, *advice; /* advice: how to get it; NULL: nothing can be done */
	enum state state;
	bool needed; /* without it orch does not do its work */
	char *found; /* what there is, or what is wrong */
};

struct examination {
	ARRAY(struct check) checks;
};

/* takes over `found` */
static void add(struct examination *all, const char *name, enum state state, bool needed, char *found,
	const char *purpose, const char *advice)
{
	*ARRAY_PUSH(&all->checks) = (struct check){name, purpose, advice, state, needed, found};
}

/* the first line of what the command prints; NULL: it is not there, or fails */
static char *version_of(const char *program, const char *option)
{
	char *path = fs_find_program(program), *words[3] = {path, NULL, NULL}, *text = NULL, *line = NULL;
	char *copy = xstrdup(option);
	int status = 0;

	words[1] = copy;
	if (path && probe_command(words, &status, &text, NULL) == 0) {
		line = xstrndup(text, strcspn(text, "\n"));
		free(text);
	}
	free(copy);
	free(path);
	if (line && status != 0) {
		free(line);
		line = NULL;
	}
	return line;
}

/* --- the checks --- */

static void check_git(struct examination *all)
{
	char *found = version_of("git", "--version");
	int major = 0, minor = 0;
	bool is_new;

	if (!found) {
		add(all, "git", STATE_MISSING, true, xstrdup("not found, or it cannot say its version"),
			"streams in worktrees", "install the package git, 2.38 or later");
		return;
	}
	is_new = sscanf(found, "git version %d.%d", &major, &minor) == 2 &&
		(major > GIT_MAJOR || (major == GIT_MAJOR && minor >= GIT_MINOR));
	add(all, "git", is_new ? STATE_OK : STATE_MISSING, true, found, "streams in worktrees",
		is_new ? NULL : "install git 2.38 or later");
}

/* the sandbox of a stream, tried */
static void check_bubblewrap(struct examination *all, const struct sandbox_means *means)
{
	struct sandbox_spec spec = {.bwrap = means->bwrap, .dir = "/", .status = "/dev/null", .offline = true};
	static const char purpose[] = "'sandbox = worktree' and 'offline': streams that write only where they work";
	struct strvec words = {0};
	struct orch_error err = {0};
	char *text = NULL;
	int status = -1, result;

	if (!means->bwrap) {
		add(all, "bubblewrap", STATE_MISSING, false, xstrdup("there is no program bwrap in PATH"), purpose,
			"install the package bubblewrap, 0.8.0 or later");
		return;
	}
	sandbox_words(&words, &spec);
	strvec_push(&words, "/bin/true");
	result = probe_command(words.items, &status, &text, &err);
	if (result == 0 && status == 0) {
		char *version = version_of("bwrap", "--version");

		add(all, "bubblewrap", STATE_OK, false, version ? version : xstrdup(means->bwrap), purpose, NULL);
	} else {
		add(all, "bubblewrap", STATE_MISSING, false,
			result == 0 ? xasprintf("it cannot make a sandbox here: %.*s", (int)strcspn(text, "\n"), text)
				    : xstrdup(err.message),
			purpose,
			"allow user namespaces (in a container, run it with them; sysctl kernel.unprivileged_userns_clone, "
			"kernel.apparmor_restrict_unprivileged_userns), or install bubblewrap 0.8.0 or later");
	}
	free(text);
	strvec_release(&words);
}

static void check_landlock(struct examination *all, const struct sandbox_means *means)
{
	bool enough = means->landlock >= LANDLOCK_ENOUGH;

	add(all, "landlock", enough ? STATE_OK : STATE_MISSING, false,
		means->landlock ? xasprintf("version %d", means->landlock)
				: xstrdup("the kernel has none, or it is switched off"),
		"'sandbox = worktree' where bubblewrap is not installed",
		enough ? NULL : "install bubblewrap instead, or run Linux 6.2 or later with lsm=landlock");
}

static void check_cgroups(struct examination *all)
{
	struct cgroup_places places = {0};
	static const char purpose[] = "'memory': a limit for all processes of a stream; an end that none of them escapes";

	cgroup_find(&places, "/proc/self");
	if (places.memory)
		add(all, "cgroups", STATE_OK, false,
			xasprintf("version %d, %s", places.memory_v1 ? 1 : 2, places.memory), purpose, NULL);
	else
		add(all, "cgroups", places.kill ? STATE_LIMITED : STATE_MISSING, false, xstrdup(places.why), purpose,
			"delegate a control group with the memory controller to this user, or use 'memory = SIZE rlimit'");
	cgroup_places_release(&places);
}

static void check_proc(struct examination *all)
{
	bool there = access("/proc/self/stat", R_OK) == 0, lists = access("/proc/thread-self/children", R_OK) == 0;

	add(all, "proc", there && lists ? STATE_OK : there ? STATE_LIMITED : STATE_MISSING, false,
		xstrdup(there && lists  ? "/proc, with lists of children"
				: there ? "/proc, without lists of children (CONFIG_PROC_CHILDREN)"
					: "/proc is not mounted"),
		"ending processes that have left their stream's session", there && lists ? NULL : "mount /proc");
}

static void check_open_files(struct examination *all)
{
	long limit = open_files_raise();

	add(all, "open files", limit < 0 || limit >= FILES_ENOUGH ? STATE_OK : STATE_LIMITED, false,
		limit < 0 ? xstrdup("no limit is known") : xasprintf("at most %ld", limit),
		"running many streams at once: each takes a few", limit < 0 || limit >= FILES_ENOUGH ? NULL : "raise 'ulimit -Hn'");
}

static void check_directory(struct examination *all, const char *dir)
{
	struct statvfs st;
	char text[UNITS_TEXT_MAX];
	int64_t left;

	if (access(dir, W_OK) != 0) {
		add(all, "directory", STATE_MISSING, true, xasprintf("'%s' cannot be written", dir),
			"orch keeps its state in .orch there", "run orch as the directory's owner");
		return;
	}
	if (statvfs(dir, &st) != 0) {
		add(all, "directory", STATE_LIMITED, true, xasprintf("'%s': how much is free cannot be told", dir),
			"worktrees and logs", NULL);
		return;
	}
	left = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
	add(all, "directory", left >= (int64_t)DISK_ENOUGH_MB << 20 ? STATE_OK : STATE_LIMITED, true,
		xasprintf("'%s', %s free", dir, units_size(text, left)), "worktrees and logs",
		left >= (int64_t)DISK_ENOUGH_MB << 20 ? NULL : "make room: 'orch clean' and 'orch prune' remove what is not needed");
}

static void check_terminal(struct examination *all)
{
	const char *term = getenv("TERM");
	bool is = isatty(STDERR_FILENO) == 1, dumb = !term || !*term || strcmp(term, "dumb") == 0;

	add(all, "terminal", is && !dumb ? STATE_OK : STATE_LIMITED, false,
		is ? xasprintf("TERM=%s", term ? term : "") : xstrdup("standard error is no terminal"),
		"the live view of a run; elsewhere there is one line for each change", is && dumb ? "set TERM" : NULL);
}

/* programs that only some streams or commands use */
static void check_programs(struct examination *all)
{
	static const struct {
		const char *name, *option, *purpose, *advice;
	} programs[] = {
		{"tmux", "-V", "streams with runner = tmux", "install the package tmux"},
		{"sbatch", "--version", "streams that run on a Slurm cluster", "ask who runs the cluster"},
		{"gh", "--version", "'orch merge --pr' on GitHub", "see https://cli.github.com"},
		{"glab", "--version", "'orch merge --pr' on GitLab", "see https://gitlab.com/gitlab-org/cli"},
	};

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		char *found = version_of(programs[i].name, programs[i].option);

		add(all, programs[i].name, found ? STATE_OK : STATE_MISSING, false,
			found ? found : xstrdup("not in PATH"), programs[i].purpose, found ? NULL : programs[i].advice);
	}
}

/* which are installed, NULL: none. It opens the project, if there is one, whose directory is the current one then */
static int find_agents(char **out, const struct common *common, const struct operands *operands)
{
	struct orch *orch = NULL;
	struct strbuf names = {0};
	size_t there = 0;
	int status = find_orchfile(&orch, common, operands, FIND_INSPECT | FIND_AGENTS);

	if (status != EXIT_COMPLETE)
		return status;
	for (size_t i = 0; i < orch_agent_count(orch); i++) {
		struct orch_agent agent;
		struct strvec words = {0};
		char *path = NULL;

		orch_agent_get(orch, i, &agent);
		probe_words(agent.run, &words);
		if (words.count && strcmp(words.items[0], "sh") != 0)
			path = fs_find_program(words.items[0]);
		if (path)
			strbuf_addf(&names, "%s%s", there++ ? ", " : "", agent.name);
		free(path);
		strvec_release(&words);
		orch_agent_release(&agent);
	}
	orch_close(orch);
	*out = there ? strbuf_detach(&names) : NULL;
	strbuf_release(&names);
	return EXIT_COMPLETE;
}

/* takes over `agents` */
static void check_agents(struct examination *all, char *agents)
{
	add(all, "agents", agents ? STATE_OK : STATE_MISSING, false, agents ? agents : xstrdup("none is installed"),
		"streams with a prompt", agents ? NULL : "install one of those that 'orch agents' lists");
}

/* --- the report --- */

static void doctor_text(struct strbuf *out, const struct examination *all)
{
	static const enum term_style styles[] = {TERM_GOOD, TERM_WARN, TERM_BAD};
	const struct term *term = say_out();

	for (size_t i = 0; i < all->checks.count; i++) {
		const struct check *check = &all->checks.items[i];

		strbuf_addf(out, "%s%-8s%s", term_style(term, styles[check->state]), state_names[check->state],
			term_style(term, TERM_RESET));
		say_padded(out, check->name, 11);
		strbuf_addch(out, ' ');
		say_name(out, check->found);
		strbuf_addch(out, '\n');
		if (check->state == STATE_OK)
			continue;
		strbuf_addf(out, "          for %s\n", check->purpose);
		if (check->advice)
			strbuf_addf(out, "          %s\n", check->advice);
	}
}

static void doctor_json(struct strbuf *out, const struct examination *all)
{
	struct json_writer w = {.out = out, .pretty = true};

	json_begin_object(&w);
	json_add_key(&w, "v");
	json_add_int(&w, 1);
	json_add_key(&w, "checks");
	json_begin_array(&w);
	for (size_t i = 0; i < all->checks.count; i++) {
		const struct check *check = &all->checks.items[i];

		json_begin_object(&w);
		json_add_key(&w, "name");
		json_add_string(&w, check->name);
		json_add_key(&w, "state");
		json_add_string(&w, state_names[check->state]);
		json_add_key(&w, "needed");
		json_add_bool(&w, check->needed);
		json_add_key(&w, "found");
		json_add_string(&w, check->found);
		json_add_key(&w, "purpose");
		json_add_string(&w, check->purpose);
		json_add_key(&w, "advice");
		json_add_string(&w, check->advice);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
}

static int doctor_run(void *data, const struct operands *operands)
{
	const struct doctor_options *options = data;
	struct examination all = {0};
	struct sandbox_means means = {0};
	struct strbuf out = {0};
	bool well = true;
	char *agents = NULL, *dir;
	int status = find_agents(&agents, &options->common, operands); /* an Orchfile with errors says so itself */

	dir = fs_cwd();
	sandbox_look(&means);
	check_git(&all);
	check_directory(&all, dir);
	check_bubblewrap(&all, &means);
	check_landlock(&all, &means);
	check_cgroups(&all);
	check_proc(&all);
	check_open_files(&all);
	check_terminal(&all);
	check_programs(&all);
	check_agents(&all, agents);
	if (options->json)
		doctor_json(&out, &all);
	else
		doctor_text(&out, &all);
	for (size_t i = 0; i < all.checks.count; i++) {
		well &= !all.checks.items[i].needed || all.checks.items[i].state != STATE_MISSING;
		free(all.checks.items[i].found);
	}
	ARRAY_RELEASE(&all.checks);
	sandbox_means_release(&means);
	free(dir);
	if (say_output(&out) != EXIT_COMPLETE)
		status = EXIT_USAGE;
	return status == EXIT_COMPLETE && !well ? EXIT_STREAM_FAILED : status;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.operands = "[NAME=value]...",
	.summary = "What this machine has of what orch can use, and how to get the rest",
	.about =
		"Each thing with what there is of it; where it is missing or limited, what it would be for and how to get it.\n"
		"Exit status 1 if something is missing that orch needs: git, or a directory that it can write.\n",
	.group = CMD_WRITING,
	.options = doctor_table,
	.size = sizeof(struct doctor_options),
	.assigns = true,
	.run = doctor_run,
};
