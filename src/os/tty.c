#include "config.h"

#include "os/tty.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_COLUMNS = 80, DEFAULT_ROWS = 24, SIZE_MAX_SANE = 10000 };

bool tty_is(int fd)
{
	return fd >= 0 && isatty(fd) == 1;
}

static unsigned from_environment(const char *name, unsigned fallback)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (!text || !*text)
		return fallback;
	value = strtol(text, &end, 10);
	return *end == '\0' && value > 0 && value <= SIZE_MAX_SANE ? (unsigned)value : fallback;
}

void tty_size(int fd, unsigned *columns, unsigned *rows)
{
	struct winsize size = {0};

	if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) != 0)
		size.ws_col = size.ws_row = 0;
	/* a terminal that was never told its size (a serial line, a bare pty) says 0 */
	*columns = size.ws_col > 0 ? size.ws_col : from_environment("COLUMNS", DEFAULT_COLUMNS);
	*rows = size.ws_row > 0 ? size.ws_row : from_environment("LINES", DEFAULT_ROWS);
}
