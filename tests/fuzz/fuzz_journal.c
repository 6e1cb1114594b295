/* A journal with anything in it: it is read as far as it is good, and what was read can be written and read again. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event/event.h"
#include "orch/status.h"
#include "os/fs.h"
#include "state/journal.h"
#include "util/json.h"
#include "util/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct orch_event *event, struct orch_status *status)
{
	struct strbuf written = {0}, again = {0};
	struct json_value *value;
	struct orch_event read;

	event_write_json(&written, event);
	if (json_read(&value, strbuf_cstr(&written), written.len, NULL) != 0)
		abort();
	if (event_read_json(&read, value) == 0) {
		event_write_json(&again, &read);
		if (strcmp(strbuf_cstr(&written), strbuf_cstr(&again)) != 0)
			abort();
	}
	orch_status_apply(status, event);
	json_value_free(value);
	strbuf_release(&written);
	strbuf_release(&again);
}

static int on_event(void *data, const struct orch_event *event)
{
	check_event(event, data);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	struct orch_status status;
	const char *line = (const char *)data, *end = line + size;
	char path[64];

	if (fd < 0 || fs_write_all(fd, data, size) < 0)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	orch_status_init(&status);
	(void)journal_read(path, 0, on_event, &status, NULL, NULL);
	close(fd);
	/* each line by itself, whatever its checksum */
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		struct json_value *value;
		struct orch_event event;

		if (!stop)
			stop = end;
		if (json_read(&value, line, (size_t)(stop - line), NULL) == 0) {
			if (event_read_json(&event, value) == 0)
				check_event(&event, &status);
			json_value_free(value);
		}
		line = stop + 1;
	}
	free(orch_status_json(&status));
	orch_status_release(&status);
	return 0;
}
