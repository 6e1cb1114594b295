/* Any bytes behind the mark of a SQLite database, as a task database: no crash, no endless query, nothing written. */
#include "config.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "foreign/foreign.h"
#include "util/alloc.h"
#include "util/diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_it(const char *path, char *text, size_t size)
{
	struct foreign_file file = {.path = path};
	struct source_set sources = {0};
	struct diag_list diags = {0};
	struct written written = {0};
	struct strbuf shown = {0};
	bool needs_agent;
	const char *kind;
	int result = foreign_read(&sources, &file, text, size, &diags, &written, &needs_agent, &kind);

	if ((result == 0) != (diags.errors == 0))
		abort();
	diag_render(&diags, &sources, false, &shown);
	strbuf_release(&shown);
	written_release(&written);
	diag_list_release(&diags);
	source_set_release(&sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "SQLite format 3";
	char *text = xcalloc(1, size + sizeof mark + 2);
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	if (size)
		memcpy(text, data, size);
	memcpy(text, mark, sizeof mark);
	if (size < sizeof mark)
		size = sizeof mark;
	if (write(fd, text, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	read_it(path, text, size);
	close(fd);
	return 0;
}
