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
/* How far its work is, as that says itself: of its tasks "5/7", else "3/7", "45%" or a few words; clean. False: nothing
 * is known, or it is of no interest any more */
bool words_progress(struct strbuf *out, const struct orch_stream_status *stream, bool unicode);
/* what a running stream is at, in one line that is not clean yet: what its agent noted, since an agent's output is
 * seldom for people. NULL: its log says it best */
const char *words_noted(const struct orch_stream_status *stream);
/* "1 stream", "7 streams" */
void words_count(struct strbuf *out, size_t count, const char *noun);
/* the stream ended without success, so that there is something to say about it */
bool words_is_bad(const struct orch_stream_status *stream);
/* what became of an attempt whose run was killed, and what to do about it */
const char *words_left(enum orch_left left);
/* the command that shows the whole log: "orch logs NAME" */
void words_logs_command(struct strbuf *out, const char *stream);

#endif
