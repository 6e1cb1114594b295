/*
 * Stands between what somebody prints and its log, and takes out secrets (util/redact.h): a mode of the program, of
 * which there is one process for each log that is written so (os/filter.h). It is nobody's business but the log's: it
 * goes when nothing can be printed any more, whatever has become of all others.
 */
#ifndef OS_REDACTOR_H
#define OS_REDACTOR_H

/* the word that makes the program one */
#define REDACTOR_WORD "__redact"

/* Descriptors that it finds open. Over the second it is told, by one byte, that whoever printed is gone, so that what
 * can be read now is all; where that is closed without it, nobody will say so */
enum { REDACTOR_INPUT = 0, REDACTOR_LOG = 1, REDACTOR_CONTROL = 2 };
/* What is to be taken out, in its environment, each as often as need be */
#define REDACTOR_PATTERN "ORCH_REDACT_PATTERN="
#define REDACTOR_VALUE "ORCH_REDACT_VALUE="

/* how long the beginning of a line waits for the rest of it */
enum { REDACTOR_PART_MS = 200 };

/* its whole life; the exit status: 0, or the errno of a log that cannot be written */
int redactor_main(void);

#endif
