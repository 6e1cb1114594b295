/*
 * Since when a log has had no new byte, told without being looked at while it grows: by its size, and by when the file
 * system says that it changed, where that can be trusted. The wall clock of the latter may have been set, and stood
 * still or ran on while the machine slept: so it only ever says when within the last look's time the byte came, and not
 * that none came.
 */
#ifndef EXEC_QUIET_H
#define EXEC_QUIET_H

#include <stdint.h>

/* the last look; all times are milliseconds */
struct quiet {
	int64_t size;
	int64_t mono, wall; /* of the look */
	int64_t since;      /* monotonic: no byte came after it */
};

/* it is of that size now, and counts as silent from now on */
void quiet_begin(struct quiet *quiet, int64_t size, int64_t mono, int64_t wall);
/* looks again: for how long no byte has come */
int64_t quiet_look(struct quiet *quiet, int64_t size, int64_t changed_wall, int64_t mono, int64_t wall);

#endif
