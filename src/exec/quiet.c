#include "config.h"

#include "exec/quiet.h"

enum {
	COARSE_MS = 50,    /* the file system's clock is read less often than ours */
	SLEW_SHARE = 1000, /* a clock that is being corrected runs off by less than 1 ms in so many */
};

void quiet_begin(struct quiet *quiet, int64_t size, int64_t mono, int64_t wall)
{
	*quiet = (struct quiet){.size = size, .mono = mono, .wall = wall, .since = mono};
}

int64_t quiet_look(struct quiet *quiet, int64_t size, int64_t changed_wall, int64_t mono, int64_t wall)
{
	int64_t passed = mono - quiet->mono, drift = wall - quiet->wall - passed;
	int64_t allowed = COARSE_MS + passed / SLEW_SHARE;

	if (size != quiet->size) {
		int64_t ago = wall - changed_wall;

		/* the wall clock ran with ours, and the change lies where it must: after the last look, before this one
		 */
		if (drift > allowed || drift < -allowed || ago < 0 || ago > passed + allowed)
			ago = 0;
		quiet->since = mono - (ago < passed ? ago : passed);
	}
	quiet->size = size;
	quiet->mono = mono;
	quiet->wall = wall;
	return mono - quiet->since;
}
