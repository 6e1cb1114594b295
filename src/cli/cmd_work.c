/* diff and conflicts: what streams have changed, and what of it does not go together. */
#include "config.h"

#include "cli/find.h"
#include "cli/say.h"
#include "orch/work.h"
#include "os/tty.h"
#include "util/json.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* --- diff --- */

struct diff_options {
	struct common common;
	bool stat;
};

static const struct opt diff_table[] = {
	{0, "stat", OPT_FLAG, offsetof(struct diff_options, stat), .help = "only which files, and how much"},
	CMD_COMMON_OPTIONS,
	{0},
};

static int diff_run(void *data, const struct operands *operands)
{
	const struct diff_options *options = data;
	struct orch_diff_options how = {.stat = options->stat, .color = say_out()->color};
	struct orch *orch = NULL;
	struct orch_error err;
	char *text = NULL;
	size_t stream;
	int status;

	if (say_out()->tty) {
		unsigned columns, rows;

		tty_size(say_out()->fd, &columns, &rows);
		how.width = (int)columns;
	}
	status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);
	if (status == EXIT_COMPLETE)
		status = find_stream(&stream, orch, operands->words.items[0]);
	if (status == EXIT_COMPLETE && orch_diff(orch, stream, &how, &text, &err) < 0)
		status = say_error(&err);
	if (status == EXIT_COMPLETE && !*text)
		say("%s has changed nothing", operands->words.items[0]);
	if (status == EXIT_COMPLETE)
		status = say_bytes(text, strlen(text));
	free(text);
	orch_close(orch);
	return status;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.operands = "STREAM",
	.summary = "What a stream has changed in its worktree or on its branch",
	.about =
		"From what it was cut from to what it has now: with what lies uncommitted in its worktree, where it has one. Of a stream\n"
		"that has completed: to the commit that it completed with.\n",
	.group = CMD_LOOKING,
	.options = diff_table,
	.size = sizeof(struct diff_options),
	.min = 1,
	.max = 1,
	.assigns = true,
	.run = diff_run,
};

/* --- conflicts --- */

struct conflicts_options {
	struct common common;
	bool json;
};

static const struct opt conflicts_table[] = {
	{0, "json", OPT_FLAG, offsetof(struct conflicts_options, json), .help = "as JSON"},
	CMD_COMMON_OPTIONS,
	{0},
};

struct collisions {
	const struct orch *orch;
	bool as_json;
	struct strbuf out;
	struct json_writer json;
	size_t count;
};

static void write_collision(struct collisions *all, const struct orch_collision *collision)
{
	struct json_writer *w = &all->json;

	json_begin_object(w);
	json_add_key(w, "branches");
	json_begin_array(w);
	json_add_string(w, collision->ours);
	json_add_string(w, collision->theirs);
	json_end_array(w);
	json_add_key(w, "streams");
	json_begin_array(w);
	if (collision->our_stream != ORCH_NO_STREAM)
		json_add_string(w, orch_stream_name(all->orch, (size_t)collision->our_stream));
	json_add_string(w, orch_stream_name(all->orch, collision->their_stream));
	json_end_array(w);
	json_add_key(w, "files");
	json_begin_array(w);
	for (size_t i = 0; i < collision->file_count; i++)
		json_add_string(w, collision->files[i]);
	json_end_array(w);
	json_end_object(w);
}

static void on_collision(void *data, const struct orch_collision *collision)
{
	struct collisions *all = data;

	all->count++;
	if (all->as_json) {
		write_collision(all, collision);
		return;
	}
	strbuf_addf(&all->out, "%s and %s:",
		collision->our_stream == ORCH_NO_STREAM ? collision->ours
							: orch_stream_name(all->orch, (size_t)collision->our_stream),
		orch_stream_name(all->orch, collision->their_stream));
	for (size_t i = 0; i < collision->file_count; i++) {
		strbuf_addstr(&all->out, i ? ", " : " ");
		say_name(&all->out, collision->files[i]);
	}
	strbuf_addch(&all->out, '\n');
}

static int show_conflicts(const struct conflicts_options *options, struct orch *orch)
{
	struct collisions all = {.orch = orch, .as_json = options->json};
	struct orch_error err;
	size_t compared;
	int status;

	all.json = (struct json_writer){.out = &all.out, .pretty = true};
	if (options->json) {
		json_begin_object(&all.json);
		json_add_key(&all.json, "v");
		json_add_int(&all.json, 1);
		json_add_key(&all.json, "conflicts");
		json_begin_array(&all.json);
	}
	if (orch_conflicts(orch, on_collision, &all, &compared, &err) < 0) {
		strbuf_release(&all.out);
		return say_error(&err);
	}
	if (options->json) {
		json_end_array(&all.json);
		json_add_key(&all.json, "compared");
		json_add_int(&all.json, (int64_t)compared);
		json_end_object(&all.json);
		strbuf_addch(&all.out, '\n');
	} else if (all.count == 0 && compared < 2) {
		say("no stream has anything on a branch that could collide");
	} else if (all.count == 0) {
		say("%zu branches compared, every two with each other: they go together", compared);
	}
	status = say_output(&all.out);
	return status == EXIT_COMPLETE && all.count > 0 ? EXIT_STREAM_FAILED : status;
}

static int conflicts_run(void *data, const struct operands *operands)
{
	const struct conflicts_options *options = data;
	struct orch *orch = NULL;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);

	if (status == EXIT_COMPLETE)
		status = show_conflicts(options, orch);
	orch_close(orch);
	return status;
}

const struct cmd cmd_conflicts = {
	.name = "conflicts",
	.operands = "",
	.summary = "Which streams' work does not go together, now, while they run",
	.about =
		"Merges every two in memory: what streams have on their branches, what lies uncommitted in their worktrees, and what has\n"
		"come to the base meanwhile. Nothing is changed. Exit status: 0 all goes together, 1 some does not.\n",
	.group = CMD_LOOKING,
	.options = conflicts_table,
	.size = sizeof(struct conflicts_options),
	.assigns = true,
	.run = conflicts_run,
};
