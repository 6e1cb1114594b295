/* What a supervisor writes down when its tree has ended: RECORD.exit. Read by supervised_look() and remote_ended(). */
#ifndef OS_EXIT_TEXT_H
#define OS_EXIT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "os/child.h"
#include "os/supervised.h"

struct strbuf;

/* how it ended, after `duration_ms`; whoever adds lines of his own adds them before exit_text_end() */
void exit_text_begin(struct strbuf *out, const struct child_exit *how, int64_t duration_ms);
void exit_text_end(struct strbuf *out);
/* fills what .exit says of *out, and leaves the rest; false: it is none of ours, or not whole */
bool exit_text_parse(const char *text, struct supervised_record *out);
/* the same of .job */
bool job_text_parse(const char *text, struct supervised_record *out);
/* the rest of the line that begins with `word` and a space; NULL: there is none */
const char *record_value(const char *text, const char *word);

#endif
