/* Trace events, as chrome://tracing, Perfetto and speedscope open them: a track for each slot. */
#include "config.h"

#include "listener/report.h"
#include "util/json.h"
#include "util/strbuf.h"

enum { PROCESS = 1 };

static void begin_event(struct json_writer *w, const char *name, const char *phase, int64_t thread)
{
	json_begin_object(w);
	json_add_key(w, "name");
	json_add_string(w, name);
	json_add_key(w, "ph");
	json_add_string(w, phase);
	json_add_key(w, "pid");
	json_add_int(w, PROCESS);
	json_add_key(w, "tid");
	json_add_int(w, thread);
}

static void add_name_of(struct json_writer *w, const char *what, int64_t thread, const char *name)
{
	begin_event(w, what, "M", thread);
	json_add_key(w, "args");
	json_begin_object(w);
	json_add_key(w, "name");
	json_add_string(w, name);
	json_end_object(w);
	json_end_object(w);
	strbuf_addch(w->out, '\n');
}

static void add_argument(struct json_writer *w, const char *key, int64_t value)
{
	if (value < 0)
		return;
	json_add_key(w, key);
	json_add_int(w, value);
}

/* the viewer's own names of colours */
static const char *color(const struct report_attempt *attempt)
{
	switch (attempt->outcome) {
	case -1:
		return "thread_state_running";
	case ORCH_OUTCOME_SUCCESS:
		return "good";
	case ORCH_OUTCOME_STOPPED:
		return "bad";
	default:
		return "terrible";
	}
}

static void add_attempt(struct json_writer *w, const struct report *report, const struct report_attempt *attempt)
{
	const struct orch_stream_status *stream = &report->status.streams[attempt->stream];

	begin_event(w, stream->name, "X", attempt->slot);
	json_add_key(w, "cat");
	json_add_string(w, attempt->outcome >= 0 ? orch_outcome_name((enum orch_outcome)attempt->outcome) : "running");
	json_add_key(w, "ts");
	json_add_int(w, (attempt->started_ms - report->status.started_ms) * 1000);
	json_add_key(w, "dur");
	/* one that took no time at all would not be seen */
	json_add_int(w,
		report_attempt_end(report, attempt) > attempt->started_ms
			? (report_attempt_end(report, attempt) - attempt->started_ms) * 1000
			: 1);
	json_add_key(w, "cname");
	json_add_string(w, color(attempt));
	json_add_key(w, "args");
	json_begin_object(w);
	add_argument(w, "attempt", attempt->number);
	add_argument(w, "exit_code", attempt->exit_code);
	add_argument(w, "signal", attempt->signal);
	add_argument(w, "user_ms", attempt->user_ms);
	add_argument(w, "system_ms", attempt->system_ms);
	add_argument(w, "max_rss_kb", attempt->max_rss_kb);
	add_argument(w, "cost_micros", attempt->cost_micros);
	add_argument(w, "tokens", attempt->tokens);
	if (attempt->agent) {
		json_add_key(w, "agent");
		json_add_string(w, attempt->agent);
	}
	if (stream->title) {
		json_add_key(w, "title");
		json_add_string(w, stream->title);
	}
	if (attempt->message) {
		json_add_key(w, "message");
		json_add_string(w, attempt->message);
	}
	json_end_object(w);
	json_end_object(w);
	strbuf_addch(w->out, '\n');
}

void report_write_trace(struct strbuf *out, const struct report *report)
{
	const struct orch_status *status = &report->status;
	struct json_writer w = {.out = out};
	struct strbuf name = {0};

	json_begin_object(&w);
	json_add_key(&w, "displayTimeUnit");
	json_add_string(&w, "ms");
	json_add_key(&w, "otherData");
	json_begin_object(&w);
	json_add_key(&w, "run");
	json_add_string(&w, status->run ? status->run : "");
	json_add_key(&w, "state");
	json_add_string(&w, report_state(report));
	json_end_object(&w);
	json_add_key(&w, "traceEvents");
	json_begin_array(&w);
	strbuf_addf(&name, "orch: %s", status->project ? status->project : "");
	add_name_of(&w, "process_name", 0, strbuf_cstr(&name));
	for (unsigned slot = 0; slot < report->slots; slot++) {
		strbuf_truncate(&name, 0);
		strbuf_addf(&name, "slot %u", slot);
		add_name_of(&w, "thread_name", (int64_t)slot, strbuf_cstr(&name));
	}
	/* what could not be started was in no slot */
	for (size_t i = 0; i < report->attempts.count; i++) {
		if (report->attempts.items[i].slot >= 0)
			add_attempt(&w, report, &report->attempts.items[i]);
	}
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addch(out, '\n');
	strbuf_release(&name);
}
