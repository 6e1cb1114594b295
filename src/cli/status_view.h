/* What `orch status` has read, and what it says of that as text. */
#ifndef CLI_STATUS_VIEW_H
#define CLI_STATUS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cmd_plan.h"
#include "orch/history.h"

struct strbuf;

struct status_options {
	struct common common;
	int64_t watch; /* seconds; 0: once */
	bool json;
};

/* the newest run as its journal has it so far */
struct status_view {
	const struct status_options *options;
	const char *dir;    /* of the project */
	const char *stream; /* the one asked for; NULL: all */
	char *id;           /* of the run; NULL: there is none */
	bool running, crashed;
	size_t left_running; /* attempts that go on though their run was killed */
	struct orch_status status;
	unsigned progress; /* width of the column that says how far work is; 0: nobody's does */
	uint64_t offset;   /* in the journal */
	struct orch *orch; /* for dependencies; NULL: not looked for, or it cannot be read */
	bool looked_for_orch;
	struct loop *loop; /* of --watch */
	struct loop_timer *timer;
	int exit_status;
};

/* for what a stream waits for; NULL: an Orchfile that cannot be read is no reason to show nothing. Borrowed */
const struct orch *status_orchfile(struct status_view *view);
/* "none", "running", "crashed" or "finished" */
const char *status_state_of_run(const struct status_view *view);
/* the run and all its streams */
void status_text(struct status_view *view, struct strbuf *out);
/* one stream, in full */
void status_stream_text(struct status_view *view, struct strbuf *out, const struct orch_stream_status *stream);

#endif
