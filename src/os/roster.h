/*
 * Our children as the kernel lists them (proc_own_children_text()), brought up to date by what we start and reap. When
 * a new reading says the same, nobody has become our child unasked: so it is at nearly every end of a child, and with a
 * thousand of them the list need not be taken apart each time. Private to os/child.c. A zeroed struct is empty.
 */
#ifndef OS_ROSTER_H
#define OS_ROSTER_H

#include <sys/types.h>

#include "util/strbuf.h"

struct pid_list;

struct roster {
	struct strbuf expected, seen;
};

enum roster_news { ROSTER_UNKNOWN = -1, ROSTER_AS_EXPECTED, ROSTER_OTHER };

/* reads the list; from then on it is what is expected. ROSTER_UNKNOWN: it cannot be read */
enum roster_news roster_read(struct roster *roster);
/* adds all that are expected to be in the list */
void roster_list(const struct roster *roster, struct pid_list *out);
void roster_started(struct roster *roster, pid_t pid);
void roster_reaped(struct roster *roster, pid_t pid);
void roster_release(struct roster *roster);

#endif
