/* What became of a stream, in words for people. */
#ifndef UI_WORDS_H
#define UI_WORDS_H

#include "orch/status.h"

struct strbuf;

/*
 * How its last attempt ended: "exit status 3", "killed by SIGSEGV", "timed out after 2h00m", "check failed: MESSAGE",
 * ... in one clean line. Text that came from outside (messages) is made fit for a screen; `unicode` as in ui/term.h.
 */
void words_outcome(struct strbuf *out, const struct orch_stream_status *stream, bool unicode);
/* "SIGSEGV", or "signal 60" */
void words_signal(struct strbuf *out, int64_t signo);
/* "1 stream", "7 streams" */
void words_count(struct strbuf *out, size_t count, const char *noun);
/* the stream ended without success, so that there is something to say about it */
bool words_is_bad(const struct orch_stream_status *stream);
/* what became of an attempt whose run was killed, and what to do about it */
const char *words_left(enum orch_left left);
/* the command that shows the whole log: "orch logs NAME" */
void words_logs_command(struct strbuf *out, const char *stream);

#endif
