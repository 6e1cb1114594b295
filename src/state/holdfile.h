/*
 * Usage limits that are still in force, on disk: .orch/holds, a line each of time, account and reason, with a tab
 * between them. A person may read it, and delete a line or all of it. It survives orch: the next one goes on waiting.
 */
#ifndef STATE_HOLDFILE_H
#define STATE_HOLDFILE_H

#include <stddef.h>
#include <stdint.h>

#include "orch/error.h"

struct statedir;

struct held_account {
	char *account;
	int64_t until_ms; /* since 1970; INT64_MAX: until a person ends it, written as `-` */
	char *reason;
};

/* replaces what is there; with none the file goes. On the disk when it returns. A tab or line end in a text becomes a
 * blank, a reason is cut at 300 bytes */
int holdfile_write(const struct statedir *dir, const struct held_account *items, size_t count, struct orch_error *err);
/* none: no file. Lines that say nothing are left out, and counted in *bad; more than 10 000 are an error */
int holdfile_read(
	const struct statedir *dir, struct held_account **items, size_t *count, size_t *bad, struct orch_error *err);
void holdfile_free(struct held_account *items, size_t count);

#endif
