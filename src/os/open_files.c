#include "config.h"

#include "os/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit found;
static bool is_raised;

long open_files_raise(void)
{
	struct rlimit limit, higher;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	if (limit.rlim_cur < limit.rlim_max) {
		higher = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
		if (setrlimit(RLIMIT_NOFILE, &higher) == 0) {
			found = limit;
			limit = higher;
			is_raised = true;
		}
	}
	return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > (rlim_t)INT32_MAX ? (long)INT32_MAX
										     : (long)limit.rlim_cur;
}

long open_files_left(void)
{
	struct rlimit limit;
	int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (lowest < 0)
		return errno == EMFILE || errno == ENFILE ? 0 : INT32_MAX;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > (rlim_t)INT32_MAX)
		return INT32_MAX;
	return (rlim_t)lowest < limit.rlim_cur ? (long)limit.rlim_cur - lowest : 0;
}

void open_files_restore(void)
{
	/* lowering a soft limit is always allowed */
	if (is_raised)
		setrlimit(RLIMIT_NOFILE, &found);
}
