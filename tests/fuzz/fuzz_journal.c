/*
 * Any bytes as a journal, and any lines with the checksum that they should have. Reading must end, say how much was
 * good, and read that much again just so; every event that is read must, written again, be read as the same, and make
 * a status.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
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
#include "util/digest.h"
#include "util/json.h"
#include "util/strbuf.h"

#define SUM_KEY ",\"sum\":\""
enum { SUM_LENGTH = sizeof SUM_KEY - 1 + 16 + 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void demand_round_trip(const struct orch_event *event)
{
	struct strbuf once = {0}, twice = {0};
	struct orch_error err = {0};
	struct json_value *value;
	struct orch_event again;

	event_write_json(&once, event);
	demand(json_read(&value, once.data, once.len, &err) == 0);
	demand(event_read_json(&again, value) == 0);
	demand(again.type == event->type && again.seq == event->seq && again.time_ms == event->time_ms);
	event_write_json(&twice, &again);
	demand(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	json_value_free(value);
	strbuf_release(&once);
	strbuf_release(&twice);
}

struct seen {
	size_t events;
	struct orch_status status;
};

static int see(void *data, const struct orch_event *event)
{
	struct seen *seen = data;

	seen->events++;
	demand_round_trip(event);
	orch_status_apply(&seen->status, event);
	return 0;
}

static int count(void *data, const struct orch_event *event)
{
	size_t *events = data;

	(void)event;
	(*events)++;
	return 0;
}

static void demand_status(const struct orch_status *status)
{
	char *text = orch_status_json(status);
	struct json_value *value;
	size_t total = 0;

	demand(json_read(&value, text, strlen(text), NULL) == 0);
	json_value_free(value);
	free(text);
	for (size_t i = 0; i < ORCH_TASK_STATES; i++)
		total += status->count[i];
	demand(total == status->stream_count);
	for (size_t i = 0; i < status->stream_count; i++)
		demand(orch_status_find(status, status->streams[i].name) == &status->streams[i]);
}

static void try_journal(const char *text, size_t len)
{
	struct seen seen = {0};
	uint64_t good = UINT64_MAX, rest;
	size_t again = 0, more = 0;
	char path[40];
	int fd = memfd_create("journal", MFD_CLOEXEC), result;

	demand(fd >= 0 && fs_write_all(fd, text, len) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	orch_status_init(&seen.status);
	result = journal_read(path, 0, see, &seen, &good, NULL);
	demand(good <= len && (good == 0 || text[good - 1] == '\n'));
	demand_status(&seen.status);
	orch_status_release(&seen.status);

	/* followed from there nothing is read twice, and what was good is read as often without what spoils it */
	demand(journal_read(path, good, count, &more, &rest, NULL) == result);
	demand(more == 0 && rest == good);
	demand(ftruncate(fd, (off_t)good) == 0);
	demand(journal_read(path, 0, count, &again, &rest, NULL) == 0);
	demand(again == seen.events && rest == good);
	close(fd);
}

/* the lines as they are, but with the checksum that nobody guesses */
static void try_summed(const char *text, size_t len)
{
	struct strbuf summed = {0};

	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len, body = line, start = summed.len;

		if (line > SUM_LENGTH && memcmp(text + line - SUM_LENGTH, SUM_KEY, sizeof SUM_KEY - 1) == 0)
			body = line - SUM_LENGTH;
		else if (line > 0 && text[line - 1] == '}')
			body--;
		strbuf_add(&summed, text, body);
		strbuf_addf(&summed, SUM_KEY "%016" PRIx64 "\"}\n", digest_bytes(summed.data + start, body));
		text += line + (newline != NULL);
		len -= line + (newline != NULL);
	}
	try_journal(strbuf_cstr(&summed), summed.len);
	strbuf_release(&summed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	try_journal(text, size);
	try_summed(text, size);
	return 0;
}
