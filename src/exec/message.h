/*
 * A message to whoever works in an attempt: typed into the job's terminal where its runner has one (runner_ops.send),
 * else left in the attempt's inbox, a file that the work looks into: $ORCH_INBOX.
 */
#ifndef EXEC_MESSAGE_H
#define EXEC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "orch/error.h"

struct attempt;
struct strbuf;

/* The text as it is sent: UTF-8, without control characters but newlines and tabs, and without newlines at its end;
 * what is no UTF-8 becomes U+FFFD. -1 with ORCH_EUSAGE: nothing is left, or it has more than 64 KiB */
int message_clean(struct strbuf *out, const char *text, size_t len, struct orch_error *err);
/* `from`: who sends it, for the reader and for the event. *typed (may be NULL): it goes into a terminal, else it lies
 * in the inbox. -1 with ORCH_EUSAGE: nobody is there to read it, or the text is none; other codes: it could not be left
 * there. The attempt's `messaged` is told of it when it has been done */
int message_send(struct attempt *attempt, const char *text, size_t len, const char *from, bool *typed,
	struct orch_error *err);
/* the inbox of the attempt, relative to the project's directory; it is there once there is a message. NULL: messages
 * are typed. The caller frees */
char *message_inbox(const struct attempt *attempt);

#endif
