/*
 * orch inside another program: lists the streams of an Orchfile, says what is stale and why, runs it and is told what
 * happens.
 *
 *   cc -std=c11 -o embed main.c $(pkg-config --cflags --libs liborch)
 *   ./embed ../quickstart/Orchfile [TARGET...]
 */
#include <orch.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, const struct orch_error *err)
{
	fprintf(stderr, "embed: %s: %s\n", what, err->message);
	return 2;
}

/* called for each event, on the loop of the run: it must not block for long */
static int on_event(void *data, const struct orch_event *event, struct orch_error *err)
{
	unsigned *failures = data;

	(void)err;
	switch (event->type) {
	case ORCH_EVENT_ATTEMPT_STARTED:
		printf("> %s\n", event->stream);
		break;
	case ORCH_EVENT_ATTEMPT_FINISHED:
		printf("< %s: %s after %" PRId64 " ms, log in %s\n", event->stream,
			orch_outcome_name((enum orch_outcome)event->outcome), event->duration_ms,
			event->log ? event->log : "-");
		if (event->outcome != ORCH_OUTCOME_SUCCESS)
			++*failures;
		break;
	case ORCH_EVENT_RUN_FINISHED:
		printf("%" PRId64 " completed, %" PRId64 " failed, %" PRId64 " skipped\n", event->completed,
			event->failed, event->skipped);
		break;
	default:
		break;
	}
	return 0;
}

static void list(const struct orch *orch, struct orch_plan *plan)
{
	for (size_t i = 0; i < orch_stream_count(orch); i++) {
		const char *title = orch_stream_title(orch, i), *reason = orch_plan_reason(plan, i);

		if (orch_plan_action(plan, i) == ORCH_PLAN_NOT_WANTED)
			continue;
		printf("%-16s %-44s %s\n", orch_stream_name(orch, i), title ? title : "", reason ? reason : "complete");
	}
}

static int run(struct orch *orch, struct orch_plan *plan, struct orch_error *err)
{
	struct orch_run_options options = ORCH_RUN_OPTIONS_INIT;
	unsigned failures = 0;
	const struct orch_listener listener = {.name = "embed", .notify = on_event, .data = &failures};
	struct orch_run *run;
	int status;

	options.jobs = 4;
	if (orch_run_new(&run, orch, plan, &options, err) < 0)
		return -1;
	orch_run_listen(run, &listener);
	status = orch_run_execute(run, err);
	if (failures)
		printf("%u attempts did not succeed\n", failures);
	orch_run_free(run);
	return status;
}

int main(int argc, char **argv)
{
	const struct orch_open_options options = {.file = argc > 1 ? argv[1] : NULL};
	/* argv ends with NULL; no target is the project's default */
	struct orch_plan_options wanted = {.targets = argc > 2 ? (const char *const *)argv + 2 : NULL, .jobs = 4};
	struct orch_error err;
	struct orch *orch;
	struct orch_plan *plan;
	int status;

	if (orch_open(&orch, &options, &err) < 0) {
		if (orch) { /* it was read, and has errors */
			char *text = orch_diagnostics_text(orch, false);

			fputs(text, stderr);
			free(text);
			orch_close(orch);
		}
		return complain("cannot open the Orchfile", &err);
	}
	if (orch_plan_new(&plan, orch, &wanted, &err) < 0) {
		orch_close(orch);
		return complain("cannot plan", &err);
	}
	list(orch, plan);
	status = run(orch, plan, &err);
	if (status < 0)
		status = complain("cannot run", &err);
	orch_plan_free(plan);
	orch_close(orch);
	return status;
}
