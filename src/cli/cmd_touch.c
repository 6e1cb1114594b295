/* touch and reset: what is complete, by hand. */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/say.h"
#include "orch/run.h"
#include "util/alloc.h"
#include "util/strbuf.h"

#include <stdlib.h>

struct touch_options {
	struct common common;
	bool silent;
};

static const struct opt touch_table[] = {
	{'s', "silent", OPT_FLAG, offsetof(struct touch_options, silent), .help = "say nothing when it went well"},
	CMD_COMMON_OPTIONS,
	{0},
};

typedef int stamp_call(const struct touch_options *options, struct orch *orch, const size_t *streams, size_t count,
	struct orch_error *err);

static int apply(const struct touch_options *options, const struct operands *operands, stamp_call *call,
	const char *one, const char *more)
{
	struct orch_plan_options named = {.only = (const char *const *)operands->words.items};
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	size_t *streams = NULL, count = 0;
	struct orch_error err;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);

	if (status == EXIT_COMPLETE)
		status = find_plan(&plan, orch, &named, operands);
	if (status == EXIT_COMPLETE) {
		streams = xcalloc(orch_stream_count(orch) + 1, sizeof *streams);
		for (size_t s = 0; s < orch_stream_count(orch); s++) {
			if (orch_plan_action(plan, s) != ORCH_PLAN_NOT_WANTED && !orch_stream_is_group(orch, s))
				streams[count++] = s;
		}
		if (!count)
			status = say_usage(
				"only groups are named, which have no work of their own: name the streams that they depend on");
	}
	orch_plan_free(plan);
	if (status == EXIT_COMPLETE && call(options, orch, streams, count, &err) < 0)
		status = say_error(&err);
	if (status == EXIT_COMPLETE && !options->silent) {
		struct strbuf text = {0};

		plan_add_count(&text, count, "stream");
		say("%s %s", strbuf_cstr(&text), count == 1 ? one : more);
		strbuf_release(&text);
	}
	free(streams);
	orch_close(orch);
	return status;
}

static int touch_them(const struct touch_options *options, struct orch *orch, const size_t *streams, size_t count,
	struct orch_error *err)
{
	(void)options;
	return orch_touch(orch, streams, count, err);
}

static void on_kept(void *data, size_t stream, const char *ref)
{
	say("%s: what it had made is kept as %s", orch_stream_name(data, stream), ref);
}

static int reset_them(const struct touch_options *options, struct orch *orch, const size_t *streams, size_t count,
	struct orch_error *err)
{
	return orch_reset(orch, streams, count, options->silent ? NULL : on_kept, orch, err);
}

static int touch_run(void *options, const struct operands *operands)
{
	return apply(options, operands, touch_them, "now counts as complete", "now count as complete");
}

static int reset_run(void *options, const struct operands *operands)
{
	return apply(options, operands, reset_them, "will run again", "will run again");
}

const struct cmd cmd_touch = {
	.name = "touch",
	.operands = "TARGET...",
	.summary = "Call streams complete without running them",
	.about =
		"Exactly those named, not what they depend on. 'orch -t TARGET' does it for all that is stale below a target.\n",
	.group = CMD_STEERING,
	.options = touch_table,
	.size = sizeof(struct touch_options),
	.min = 1,
	.max = CMD_ANY,
	.assigns = true,
	.run = touch_run,
};

const struct cmd cmd_reset = {
	.name = "reset",
	.operands = "TARGET...",
	.summary = "Forget that streams were completed; what they have on branches is kept",
	.about =
		"Exactly those named; what depends on them follows when their results turn out different. No file of yours is touched.\n"
		"Of a stream in a worktree, that and its branch go too, once all that is in them is kept under refs/orch/wip/STREAM/N:\n"
		"it begins again from its base.\n",
	.group = CMD_STEERING,
	.options = touch_table,
	.size = sizeof(struct touch_options),
	.min = 1,
	.max = CMD_ANY,
	.assigns = true,
	.run = reset_run,
};
