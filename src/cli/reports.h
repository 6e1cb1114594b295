/* Reports of a run: its journal read, the report written to a file. What goes wrong is said here; the functions return
 * an exit status, 0 if all is well. The current directory is the project's. */
#ifndef CLI_REPORTS_H
#define CLI_REPORTS_H

#include "listener/report.h"

struct orch;

/* the run `id` (NULL: the newest), with the run before it. `orch` (may be NULL) knows dependencies that the journal
 * does not say. Release with report_release(), also when it failed */
int reports_read(struct report *out, const char *id, struct orch *orch);
/* of a run that had nothing to do, and left no journal */
void reports_nothing(struct report *out, const struct orch *orch, size_t complete);
/* whole, in place of what was there; "-": standard output. `from`: where the user stood, for relative paths */
int reports_save(const struct report *report, const char *path, enum report_format format, const char *from);
/* before a long run: can a report be written there, and is its format known by its name? */
int reports_check(const char *path, const char *from);

#endif
