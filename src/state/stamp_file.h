/* A stamp in a file of its own, .orch/stamps/STREAM: read, written, what a crash leaves removed. Private to state/. */
#ifndef STATE_STAMP_FILE_H
#define STATE_STAMP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAMP_FILE_MAX = 64 * 1024 * 1024 }; /* bytes */

struct strbuf;

/* the whole file into `text`, in place of what is in it. -1 with errno */
int stamp_file_read(int dir_fd, const char *stream, struct strbuf *text);
/* a temporary and a rename where there is one already; not synced. `*inode` is its. -1 with errno: as it was */
int stamp_file_write(int dir_fd, const char *stream, const char *text, size_t len, uint64_t *inode);
/* is a file of that name one that was never renamed? */
bool stamp_file_is_temporary(const char *name);
/* removes those; by who holds the lock, so that nobody else is using them */
void stamp_file_remove_temporaries(int dir_fd);

#endif
