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

typedef int stamp_call(struct orch *orch, const size_t *streams, size_t count, struct orch_error *err);

static int apply(
	const struct touch_options *options, const struct operands *operands, stamp_call *call, const char *what)
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
	if (status == EXIT_COMPLETE && call(orch, streams, count, &err) < 0)
		status = say_error(&err);
	if (status == EXIT_COMPLETE && !options->silent) {
		struct strbuf text = {0};

		plan_add_count(&text, count, "stream");
		say("%s %s", strbuf_cstr(&text), what);
		strbuf_release(&text);
	}
	free(streams);
	orch_close(orch);
	return status;
}

static int touch_run(void *options, const struct operands *operands)
{
	return apply(options, operands, orch_touch, "now count as complete");
}

static int reset_run(void *options, const struct operands *operands)
{
	return apply(options, operands, orch_reset, "will run again");
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
	.summary = "Forget that streams were completed",
	.about =
		"Exactly those named; what depends on them follows when their results turn out different. No file of yours is touched.\n",
	.group = CMD_STEERING,
	.options = touch_table,
	.size = sizeof(struct touch_options),
	.min = 1,
	.max = CMD_ANY,
	.assigns = true,
	.run = reset_run,
};
