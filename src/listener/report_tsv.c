/* The columns of GNU parallel's --joblog, so that what reads those reads this: a line for each attempt that ended. */
#include "config.h"

#include "listener/report.h"
#include "orch/history.h"
#include "util/strbuf.h"

#include <stdlib.h>

/* a column holds neither tabs nor ends of line */
static void add_column(struct strbuf *out, const char *text)
{
	for (; *text; text++)
		strbuf_addch(out, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

static int64_t log_size(const struct report_attempt *attempt)
{
	int64_t size = -1;
	size_t len;

	if (attempt->log)
		free(orch_log_end(attempt->log, 0, 0, &len, &size));
	return size > 0 ? size : 0;
}

void report_write_tsv(struct strbuf *out, const struct report *report)
{
	size_t seq = 0;

	strbuf_addstr(out, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n");
	for (size_t i = 0; i < report->attempts.count; i++) {
		const struct report_attempt *attempt = &report->attempts.items[i];

		if (attempt->ended_ms == 0)
			continue;
		/* parallel says -1 for what it ended itself, and 0 for what a signal ended */
		strbuf_addf(out, "%zu\t:\t%10.3f\t%10.3f\t0\t%lld\t%lld\t%lld\t", ++seq,
			(double)attempt->started_ms / 1000, (double)attempt->duration_ms / 1000,
			(long long)log_size(attempt),
			(long long)(attempt->exit_code >= 0 ? attempt->exit_code
					: attempt->signal > 0 && attempt->outcome == ORCH_OUTCOME_SIGNAL ? 0
													 : -1),
			(long long)(attempt->signal > 0 ? attempt->signal : 0));
		add_column(out, report->status.streams[attempt->stream].name);
		strbuf_addch(out, '\n');
	}
}
