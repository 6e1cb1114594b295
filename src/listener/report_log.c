#include "config.h"

#include "listener/report_log.h"

#include <stdlib.h>

#include "listener/ansi.h"
#include "listener/markup.h"
#include "listener/report.h"
#include "orch/history.h"
#include "util/strbuf.h"

struct plain {
	struct strbuf *out;
	unsigned how;
};

bool report_log_read(struct report_log *log, const struct report_attempt *attempt, unsigned lines, size_t max)
{
	*log = (struct report_log){.size = -1};
	if (!attempt->log)
		return false;
	log->text = orch_log_end(attempt->log, lines, max, &log->len, &log->size);
	log->is_cut = log->text && (int64_t)log->len < log->size;
	return log->text && log->len > 0;
}

static void add_piece(void *data, const char *text, size_t len, const struct ansi_style *style)
{
	struct plain *plain = data;

	(void)style;
	markup_add(plain->out, text, len, plain->how);
}

void report_log_add_plain(struct strbuf *out, const struct report_log *log, unsigned how)
{
	struct plain plain = {out, how};

	ansi_split(log->text, log->len, add_piece, &plain);
}

void report_log_release(struct report_log *log)
{
	free(log->text);
	*log = (struct report_log){.size = -1};
}
