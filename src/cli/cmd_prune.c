#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "orch/history.h"
#include "util/json.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>

struct prune_options {
	struct common common;
	int64_t age_ms, size, keep;
	bool dry_run, verbose, json;
};

static const struct prune_options prune_defaults = {.keep = 1};

static const struct opt prune_table[] = {
	{0, "age", OPT_DURATION, offsetof(struct prune_options, age_ms), .what = "TIME",
		.help = "runs that ended longer ago: 12h, 30d"},
	{0, "size", OPT_SIZE, offsetof(struct prune_options, size), .what = "SIZE",
		.help = "the oldest, until all runs together take no more: 500M, 2G"},
	{0, "keep", OPT_INT, offsetof(struct prune_options, keep), .what = "N",
		.help = "the last N runs stay in any case (1)", .min = 1, .max = INT32_MAX},
	{'n', "dry-run", OPT_FLAG, offsetof(struct prune_options, dry_run),
		.help = "say what would go, and remove nothing"},
	{'v', "verbose", OPT_FLAG, offsetof(struct prune_options, verbose), .help = "also what stays, and why"},
	{0, "json", OPT_FLAG, offsetof(struct prune_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

struct pruning {
	const struct prune_options *options;
	struct strbuf out;
	struct json_writer json;
	size_t removed, kept;
	int64_t removed_bytes, kept_bytes;
};

static void write_run(struct json_writer *w, const struct orch_pruned *run)
{
	char text[UNITS_TEXT_MAX];

	json_begin_object(w);
	json_add_key(w, "run");
	json_add_string(w, run->run);
	json_add_key(w, "ended");
	json_add_string(w, units_time_utc(text, run->ended_ms));
	json_add_key(w, "bytes");
	json_add_int(w, run->bytes);
	json_add_key(w, "removed");
	json_add_bool(w, run->removed);
	json_add_key(w, "why");
	json_add_string(w, run->why);
	json_end_object(w);
}

static void on_run(void *data, const struct orch_pruned *run)
{
	struct pruning *pruning = data;
	char size[UNITS_TEXT_MAX];

	if (run->removed) {
		pruning->removed++;
		pruning->removed_bytes += run->bytes;
	} else {
		pruning->kept++;
		pruning->kept_bytes += run->bytes;
	}
	if (pruning->options->json)
		write_run(&pruning->json, run);
	/* what is past a limit and stays all the same was perhaps expected to go */
	else if (run->removed || run->exceeds || pruning->options->verbose)
		strbuf_addf(&pruning->out, "%s %-20s %9s  %s\n",
			!run->removed                       ? "kept   "
				: pruning->options->dry_run ? "remove "
							    : "removed",
			run->run, units_size(size, run->bytes), run->why);
}

static void add_sum(struct pruning *pruning)
{
	char removed[UNITS_TEXT_MAX], kept[UNITS_TEXT_MAX];

	strbuf_addf(&pruning->out, "%zu %s %s (%s), %zu kept (%s)\n", pruning->removed,
		pruning->removed == 1 ? "run" : "runs", pruning->options->dry_run ? "to be removed" : "removed",
		units_size(removed, pruning->removed_bytes), pruning->kept, units_size(kept, pruning->kept_bytes));
}

static int prune(const struct prune_options *options)
{
	const struct orch_prune_options limits = {.max_age_ms = options->age_ms,
		.max_bytes = options->size,
		.keep = (unsigned)options->keep,
		.dry_run = options->dry_run};
	struct pruning pruning = {.options = options};
	struct orch_error err;
	int status, printed;

	pruning.json = (struct json_writer){.out = &pruning.out, .pretty = true};
	if (options->json) {
		json_begin_object(&pruning.json);
		json_add_key(&pruning.json, "v");
		json_add_int(&pruning.json, 1);
		json_add_key(&pruning.json, "dry_run");
		json_add_bool(&pruning.json, options->dry_run);
		json_add_key(&pruning.json, "runs");
		json_begin_array(&pruning.json);
	}
	status = orch_prune(".", &limits, on_run, &pruning, &err) < 0 ? say_error(&err) : EXIT_COMPLETE;
	if (options->json) {
		json_end_array(&pruning.json);
		json_end_object(&pruning.json);
		strbuf_addch(&pruning.out, '\n');
	} else if (status == EXIT_COMPLETE || pruning.removed > 0) {
		add_sum(&pruning);
	}
	/* without the lock nothing was looked at, and there is nothing to say but that */
	if (status != EXIT_COMPLETE && pruning.removed + pruning.kept == 0) {
		strbuf_release(&pruning.out);
		return status;
	}
	printed = say_output(&pruning.out);
	return status == EXIT_COMPLETE ? printed : status;
}

static int prune_run(void *data, const struct operands *operands)
{
	const struct prune_options *options = data;
	char *dir = NULL;
	int status;

	(void)operands;
	if (!options->age_ms && !options->size)
		return say_usage("say which runs may go: --age 30d, --size 1G, or both");
	status = find_project(&dir, &options->common);
	if (status == EXIT_COMPLETE)
		status = prune(options);
	free(dir);
	return status;
}

const struct cmd cmd_prune = {
	.name = "prune",
	.operands = "",
	.summary = "Remove old runs with their logs, by age or size",
	.about =
		"What is complete stays complete. Never the last run, nor one that an attempt which goes on without orch, or another\n"
		"run that stays, still needs.\n",
	.group = CMD_STEERING,
	.options = prune_table,
	.size = sizeof(struct prune_options),
	.defaults = &prune_defaults,
	.run = prune_run,
};
