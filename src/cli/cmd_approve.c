/* approve: a person's word for streams with `approve = yes`, to the run under way or for the next one. */
#include "config.h"

#include "cli/cmd_plan.h"
#include "cli/find.h"
#include "cli/say.h"
#include "cli/steer.h"
#include "orch/run.h"
#include "os/system.h"
#include "util/alloc.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct approve_options {
	struct common common;
};

static const struct opt approve_table[] = {CMD_COMMON_OPTIONS, {0}};

static void say_approved(size_t count, const char *what)
{
	struct strbuf text = {0};

	plan_add_count(&text, count, "stream");
	say("%s approved%s", strbuf_cstr(&text), what);
	strbuf_release(&text);
}

/* no run is under way: written down for the next one */
static int approve_for_later(const struct approve_options *options, const struct operands *operands)
{
	struct orch_plan_options named = {.only = (const char *const *)operands->words.items};
	struct orch *orch = NULL;
	struct orch_plan *plan = NULL;
	size_t *streams = NULL, count = 0, approved = 0;
	struct orch_error err;
	int status = find_orchfile(&orch, &options->common, operands, FIND_INSPECT);

	if (status == EXIT_COMPLETE)
		status = find_plan(&plan, orch, &named, operands);
	if (status == EXIT_COMPLETE) {
		char *who = system_user_name(geteuid());

		streams = xcalloc(orch_stream_count(orch) + 1, sizeof *streams);
		for (size_t s = 0; s < orch_stream_count(orch); s++) {
			if (orch_plan_action(plan, s) != ORCH_PLAN_NOT_WANTED)
				streams[count++] = s;
		}
		orch_plan_free(plan);
		if (orch_approve(orch, streams, count, who, &approved, &err) < 0)
			status = say_error(&err);
		free(who);
	}
	if (status == EXIT_COMPLETE)
		say_approved(approved,
			approved == 1 ? ", for the next run that starts it" : ", for the next run that starts them");
	free(streams);
	orch_close(orch);
	return status;
}

static int approve_run(void *data, const struct operands *operands)
{
	const struct approve_options *options = data;
	struct strbuf request = {0};
	char *dir = NULL;
	size_t count = 0;
	int from = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status, fd;

	status = from < 0 ? say_usage("cannot open the current directory: %s", strerror(errno))
			  : find_project(&dir, &options->common);
	free(dir);
	if (status != EXIT_COMPLETE)
		return status;
	fd = steer_connect(&status);
	if (fd < 0 && status == EXIT_COMPLETE) {
		/* paths of the command line are from where the user stands */
		status = fchdir(from) < 0 ? say_usage("cannot enter the directory again: %s", strerror(errno))
					  : approve_for_later(options, operands);
		close(from);
		return status;
	}
	close(from);
	if (fd < 0)
		return status;
	steer_write_request(&request, "approve", &operands->words, NULL, 0);
	status = steer_ask(fd, &request, &count);
	strbuf_release(&request);
	close(fd);
	if (status == EXIT_COMPLETE)
		say_approved(count, "");
	return status;
}

const struct cmd cmd_approve = {
	.name = "approve",
	.operands = "TARGET...",
	.summary = "Let streams start that have 'approve = yes'",
	.about =
		"A stream with 'approve = yes' waits for this when everything it depends on is done, or starts at once then if it\n"
		"was said before. Where no run is under way it is written down for the next one. It holds until the stream has\n"
		"completed, as long as the stream stays what it is: its recipe and, if they were known, its inputs and what its\n"
		"dependencies made.\n",
	.group = CMD_STEERING,
	.options = approve_table,
	.size = sizeof(struct approve_options),
	.min = 1,
	.max = CMD_ANY,
	.assigns = true,
	.run = approve_run,
};
