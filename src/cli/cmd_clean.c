#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "orch/work.h"
#include "util/json.h"
#include "util/strbuf.h"

#include <string.h>

struct clean_options {
	struct common common;
	bool dry_run, verbose, json;
};

static const struct opt clean_table[] = {
	{'n', "dry-run", OPT_FLAG, offsetof(struct clean_options, dry_run),
		.help = "say what would go, and remove nothing; also during a run"},
	{'v', "verbose", OPT_FLAG, offsetof(struct clean_options, verbose), .help = "also each run that stays"},
	{0, "json", OPT_FLAG, offsetof(struct clean_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

struct cleaning {
	const struct clean_options *options;
	const char *dir; /* the project's */
	struct strbuf out;
	struct json_writer json;
	size_t removed, kept, runs_kept;
};

static void write_item(struct json_writer *w, const struct orch_cleaned *item)
{
	json_begin_object(w);
	json_add_key(w, "kind");
	json_add_string(w, orch_remnant_name(item->kind));
	json_add_key(w, "name");
	json_add_string(w, item->name);
	json_add_key(w, "stream");
	json_add_string(w, item->stream);
	json_add_key(w, "removed");
	json_add_bool(w, item->removed);
	json_add_key(w, "failed");
	json_add_bool(w, item->failed);
	json_add_key(w, "why");
	json_add_string(w, item->why);
	json_end_object(w);
}

static void on_item(void *data, const struct orch_cleaned *item)
{
	struct cleaning *cleaning = data;
	const char *name = item->name;
	size_t len = strlen(cleaning->dir);

	if (item->removed)
		cleaning->removed++;
	else
		cleaning->kept++;
	if (cleaning->options->json) {
		write_item(&cleaning->json, item);
		return;
	}
	/* every run has logs: one line for all of them is enough */
	if (item->kind == ORCH_REMNANT_RUN && !item->removed && !item->failed && !cleaning->options->verbose) {
		cleaning->runs_kept++;
		return;
	}
	if (name[0] == '/' && strncmp(name, cleaning->dir, len) == 0 && name[len] == '/')
		name += len + 1;
	strbuf_addf(&cleaning->out, "%s %s ",
		item->removed          ? cleaning->options->dry_run ? "remove " : "removed"
			: item->failed ? "FAILED "
				       : "kept   ",
		orch_remnant_name(item->kind));
	say_name(&cleaning->out, name);
	strbuf_addstr(&cleaning->out, ": ");
	say_name(&cleaning->out, item->why);
	strbuf_addch(&cleaning->out, '\n');
}

static void add_sum(struct cleaning *cleaning)
{
	if (cleaning->runs_kept > 0)
		strbuf_addf(&cleaning->out,
			"kept    %zu run%s: their logs are nowhere else; 'orch prune' removes old runs\n",
			cleaning->runs_kept, cleaning->runs_kept == 1 ? "" : "s");
	if (cleaning->removed + cleaning->kept == 0)
		strbuf_addstr(&cleaning->out, "nothing is there to be removed\n");
	else
		strbuf_addf(&cleaning->out, "%zu %s, %zu kept\n", cleaning->removed,
			cleaning->options->dry_run ? "to be removed" : "removed", cleaning->kept);
}

static int clean(const struct clean_options *options, struct orch *orch)
{
	struct cleaning cleaning = {.options = options, .dir = orch_dir(orch)};
	struct orch_error err;
	int status, printed;

	cleaning.json = (struct json_writer){.out = &cleaning.out, .pretty = true};
	if (options->json) {
		json_begin_object(&cleaning.json);
		json_add_key(&cleaning.json, "v");
		json_add_int(&cleaning.json, 1);
		json_add_key(&cleaning.json, "dry_run");
		json_add_bool(&cleaning.json, options->dry_run);
		json_add_key(&cleaning.json, "items");
		json_begin_array(&cleaning.json);
	}
	status = orch_clean(orch, options->dry_run, on_item, &cleaning, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
	if (options->json) {
		json_end_array(&cleaning.json);
		json_end_object(&cleaning.json);
		strbuf_addch(&cleaning.out, '\n');
	} else if (status == EXIT_COMPLETE || cleaning.removed + cleaning.kept > 0) {
		add_sum(&cleaning);
	}
	/* without the lock nothing was looked at, and there is nothing to say but that */
	if (status != EXIT_COMPLETE && cleaning.removed + cleaning.kept == 0) {
		strbuf_release(&cleaning.out);
		return status;
	}
	printed = say_output(&cleaning.out);
	return status == EXIT_COMPLETE ? printed : status;
}

static int clean_run(void *data, const struct operands *operands)
{
	const struct clean_options *options = data;
	struct orch *orch = NULL;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);

	if (status == EXIT_COMPLETE)
		status = clean(options, orch);
	orch_close(orch);
	return status;
}

const struct cmd cmd_clean = {
	.name = "clean",
	.operands = "",
	.summary = "Remove worktrees, branches and saved work that are provably not needed",
	.about =
		"Says of each worktree, branch, saved work and run why it can go, or why it stays. What goes: worktrees whose work is on\n"
		"their branch, of streams that have completed; branches whose commits another branch has; saved work whose files other\n"
		"branches have; runs in which nothing ran. Look first: orch clean --dry-run.\n",
	.group = CMD_STEERING,
	.options = clean_table,
	.size = sizeof(struct clean_options),
	.assigns = true,
	.run = clean_run,
};
