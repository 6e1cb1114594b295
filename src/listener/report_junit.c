/* JUnit XML as Jenkins, GitLab and the actions for GitHub read it: a test case for each stream, a failure for each that
 * failed, with the end of its log; attempts before the last are in its output. */
#include "config.h"

#include "listener/markup.h"
#include "listener/report.h"
#include "listener/report_log.h"
#include "util/strbuf.h"
#include "util/units.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_LINES = 200, LOG_BYTES = 32 * 1024, LOGS_BYTES = 8 * 1024 * 1024, LOG_LEAST = 256 };

static void add_attribute(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addf(out, " %s=\"", name);
	markup_addstr(out, value, MARKUP_ATTRIBUTE);
	strbuf_addch(out, '"');
}

/* seconds; the schema's pattern has no sign and no exponent */
static void add_seconds(struct strbuf *out, const char *name, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	strbuf_addf(out, " %s=\"%lld.%03d\"", name, (long long)(ms / 1000), (int)(ms % 1000));
}

static void add_property(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addstr(out, "<property");
	add_attribute(out, "name", name);
	add_attribute(out, "value", value);
	strbuf_addstr(out, "/>\n");
}

static const char *attempt_type(const struct report_attempt *attempt)
{
	return attempt->outcome >= 0 ? orch_outcome_name((enum orch_outcome)attempt->outcome) : "unfinished";
}

static void add_log(struct strbuf *out, const struct report_attempt *attempt, size_t max)
{
	struct report_log log;

	if (report_log_read(&log, attempt, LOG_LINES, max)) {
		if (log.is_cut)
			markup_addstr(out, "(the end of the log)\n", MARKUP_TEXT);
		report_log_add_plain(out, &log, MARKUP_TEXT);
	}
	report_log_release(&log);
}

/* attempts before the last, in the order of the attempts */
static void add_earlier(struct strbuf *out, const struct report *report, size_t stream, size_t max)
{
	uint32_t last = report->streams.items[stream].last;

	for (uint32_t i = report->streams.items[stream].first; i != last; i = report->attempts.items[i].next) {
		const struct report_attempt *attempt = &report->attempts.items[i];

		strbuf_addf(out, "<system-out>attempt %lld: ", (long long)attempt->number);
		markup_addstr(out, attempt->message ? attempt->message : attempt_type(attempt), MARKUP_TEXT);
		strbuf_addch(out, '\n');
		add_log(out, attempt, max);
		strbuf_addstr(out, "</system-out>\n");
	}
}

static void add_result(struct strbuf *out, const struct report *report, size_t stream, size_t max)
{
	const struct orch_stream_status *status = &report->status.streams[stream];
	uint32_t last = report->streams.items[stream].last;
	struct strbuf why = {0};
	const char *element, *type;

	report_add_why(&why, report, stream);
	switch (status->state) {
	case ORCH_TASK_COMPLETED:
		element = status->outcome == ORCH_OUTCOME_UNCHANGED ? "skipped" : NULL;
		type = "unchanged";
		break;
	case ORCH_TASK_FAILED:
		element = "failure";
		type = last != REPORT_NONE ? attempt_type(&report->attempts.items[last]) : "failed";
		break;
	case ORCH_TASK_SKIPPED:
	case ORCH_TASK_CANCELLED:
		element = "skipped";
		type = orch_task_state_name(status->state);
		break;
	default:
		/* neither good nor bad yet; of a run that ended, bad */
		element = report->running ? "skipped" : "error";
		type = orch_task_state_name(status->state);
		break;
	}
	if (element) {
		bool skipped = strcmp(element, "skipped") == 0;

		strbuf_addf(out, "<%s", element);
		/* that one has no attributes in the schema: its text is the reason */
		if (!skipped) {
			add_attribute(out, "type", type);
			add_attribute(out, "message", why.len ? strbuf_cstr(&why) : type);
		}
		strbuf_addch(out, '>');
		if (skipped)
			markup_addstr(out, why.len ? strbuf_cstr(&why) : type, MARKUP_TEXT);
		else if (status->state == ORCH_TASK_FAILED && last != REPORT_NONE)
			add_log(out, &report->attempts.items[last], max);
		strbuf_addf(out, "</%s>\n", element);
	}
	strbuf_release(&why);
}

/* unfinished streams of a run that ended without them are errors; none failed itself */
static size_t count_errors(const struct report *report)
{
	const size_t *count = report->status.count;

	if (report->running)
		return 0;
	return count[ORCH_TASK_WAITING] + count[ORCH_TASK_HELD] + count[ORCH_TASK_READY] + count[ORCH_TASK_RUNNING] +
		count[ORCH_TASK_BACKOFF];
}

static size_t count_skipped(const struct report *report)
{
	const size_t *count = report->status.count;
	size_t skipped = count[ORCH_TASK_SKIPPED] + count[ORCH_TASK_CANCELLED] + report->status.unchanged;

	if (report->running)
		skipped += count[ORCH_TASK_WAITING] + count[ORCH_TASK_HELD] + count[ORCH_TASK_READY] +
			count[ORCH_TASK_RUNNING] + count[ORCH_TASK_BACKOFF];
	return skipped;
}

void report_write_junit(struct strbuf *out, const struct report *report)
{
	const struct orch_status *status = &report->status;
	const char *project = status->project ? status->project : "orch";
	size_t failed = status->count[ORCH_TASK_FAILED], errors = count_errors(report), max;
	char time[UNITS_TEXT_MAX];

	max = LOGS_BYTES / (failed + 1);
	max = max > LOG_BYTES ? LOG_BYTES : max < LOG_LEAST ? LOG_LEAST : max;
	strbuf_addstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
	add_attribute(out, "name", project);
	add_seconds(out, "time", report->wall_ms);
	strbuf_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n<testsuite", status->stream_count, failed,
		errors);
	add_attribute(out, "name", project);
	add_attribute(out, "id", status->run ? status->run : "");
	/* ISO 8601, without a zone, as readers expect it */
	units_time_utc(time, status->started_ms)[19] = '\0';
	add_attribute(out, "timestamp", time);
	add_seconds(out, "time", report->wall_ms);
	strbuf_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n<properties>\n",
		status->stream_count, failed, errors, count_skipped(report));
	add_property(out, "orch.run", status->run ? status->run : "");
	add_property(out, "orch.state", report_state(report));
	strbuf_addstr(out, "</properties>\n");
	for (size_t i = 0; i < status->stream_count; i++) {
		strbuf_addstr(out, "<testcase");
		add_attribute(out, "name", status->streams[i].name);
		add_attribute(out, "classname", project);
		add_seconds(out, "time", report_stream_ms(report, i));
		strbuf_addstr(out, ">\n");
		add_result(out, report, i, max);
		if (report->streams.items[i].first != REPORT_NONE)
			add_earlier(out, report, i, max);
		strbuf_addstr(out, "</testcase>\n");
	}
	strbuf_addstr(out, "</testsuite>\n</testsuites>\n");
}
