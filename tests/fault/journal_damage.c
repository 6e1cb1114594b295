/*
 * Damages the journal of a real run in every place, and holds what is read from it against what was written.
 *
 * journal_damage JOURNAL FLIPS RECOVERIES: in an empty directory. The journal is cut at every byte; FLIPS times (0: in
 * every byte) one byte is another; and in RECOVERIES of these cases the machine is said to have been booted since, and
 * stamps are restored from what is left. One line says how many cases there were; what is wrong is printed, status 1.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/event.h"
#include "os/clock.h"
#include "os/fs.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "util/digest.h"
#include "util/strbuf.h"
#include "util/strvec.h"

#define RUN "20260101-000000"

static char *text; /* the journal as it was written */
static size_t text_len;
static struct strvec lines; /* its events, as they are read from it undamaged */
static size_t *line_ends;   /* behind each one's newline */
static unsigned problems;

static void wrong(const char *what, size_t at, const char *detail)
{
	problems++;
	printf("%s at byte %zu: %s\n", what, at, detail);
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("cannot %s\n", what);
	exit(2);
}

static int keep_line(void *data, const struct orch_event *event)
{
	char *json = orch_event_json(event);

	strvec_push(data, json);
	free(json);
	return 0;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	must(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0, "write a file");
}

/* the last run was before the machine was booted: another boot's name in the first line, and its checksum made right */
static char *before_boot(void)
{
	char *copy = malloc(text_len + 1), *boot;
	const char *id = clock_boot_id();
	static const char key[] = ",\"sum\":\"";
	size_t body = line_ends[0] - 1 - (sizeof key - 1 + 16 + 2);
	char sum[17];

	must(copy != NULL, "have memory");
	memcpy(copy, text, text_len);
	copy[text_len] = '\0';
	boot = strstr(copy, id);
	must(boot && boot < copy + body, "find the boot in the first line");
	boot[0] = boot[0] == '0' ? '1' : '0';
	snprintf(sum, sizeof sum, "%016" PRIx64, digest_bytes(copy, body));
	memcpy(copy + body + sizeof key - 1, sum, 16);
	return copy;
}

static size_t lines_before(size_t at)
{
	size_t count = 0;

	while (count < lines.count && line_ends[count] <= at)
		count++;
	return count;
}

/* exactly the lines before the damage, as they were */
static void check_reading(const char *what, size_t at, const char *bytes, size_t len)
{
	struct strvec seen = {0};
	struct orch_error err = {0};
	uint64_t good = 0;
	size_t expected = lines_before(at);

	write_file("damaged", bytes, len);
	if (journal_read("damaged", 0, keep_line, &seen, &good, &err) != 0)
		wrong(what, at, err.message);
	if (seen.count != expected || good != (expected ? line_ends[expected - 1] : 0))
		wrong(what, at, "not what was whole was read");
	for (size_t i = 0; i < seen.count && i < expected; i++) {
		if (strcmp(seen.items[i], lines.items[i]) != 0)
			wrong(what, at, seen.items[i]);
	}
	strvec_release(&seen);
}

struct expectation {
	struct strvec streams;
	size_t left;
};

/* which streams have a stamp after the first `left` events: one that began again has none until it is stamped again */
static int expect(void *data, const struct orch_event *event)
{
	struct expectation *expectation = data;

	if (expectation->left == 0)
		return 1;
	expectation->left--;
	if (event->type == ORCH_EVENT_STAMPED && event->stream) {
		for (size_t i = 0; i < expectation->streams.count; i++) {
			if (strcmp(expectation->streams.items[i], event->stream) == 0)
				return 0;
		}
		strvec_push(&expectation->streams, event->stream);
	}
	return 0;
}

static size_t count_stamps(const struct strvec *streams, struct stamp_store *store)
{
	struct stamp stamp;
	size_t count = 0;

	for (size_t i = 0; i < streams->count; i++)
		count += stamp_store_get(store, streams->items[i], &stamp);
	return count;
}

/* the stamps are gone, and come back from what is left of the journal: all that it knows of, and no others */
static void check_recovery(const char *what, size_t at, const char *bytes, size_t len)
{
	struct expectation known = {.left = lines_before(at)}, all = {.left = lines.count};
	struct stamp_store *store;
	struct statedir dir;
	struct orch_error err = {0};
	unsigned restored = 0, again = 0;

	write_file("whole", text, text_len);
	must(journal_read("whole", 0, expect, &known, NULL, &err) == 0, err.message);
	must(journal_read("whole", 0, expect, &all, NULL, &err) == 0, err.message);
	must(fs_remove_tree(".orch", &err) == 0, err.message);
	must(statedir_claim(&dir, ".", &err) == 0, err.message);
	must(fs_mkdirs(".orch/runs/" RUN, 0700, &err) == 0, err.message);
	write_file(".orch/runs/" RUN "/journal.jsonl", bytes, len);
	must(stamp_store_open(&store, &dir, &err) == 0, err.message);
	if (journal_recover_stamps(&dir, store, &restored, &err) != 0)
		wrong(what, at, err.message);
	if (restored != known.streams.count || count_stamps(&known.streams, store) != known.streams.count)
		wrong(what, at, "not every stamp that the journal knows of was restored");
	if (count_stamps(&all.streams, store) != known.streams.count)
		wrong(what, at, "a stamp was restored that the journal does not know of");
	must(stamp_store_sync(store, &err) == 0, err.message);
	stamp_store_close(store);
	must(stamp_store_open(&store, &dir, &err) == 0, err.message);
	if (journal_recover_stamps(&dir, store, &again, &err) != 0)
		wrong(what, at, err.message);
	if (again != 0 || count_stamps(&all.streams, store) != known.streams.count)
		wrong(what, at, "the second start after it was not clean");
	stamp_store_close(store);
	statedir_release(&dir);
	strvec_release(&known.streams);
	strvec_release(&all.streams);
}

int main(int argc, char **argv)
{
	/* a newline, a quote, a digit, the case of a letter, all bits */
	static const unsigned char masks[] = {0x01, 0x20, 0x80, 0xff, 0x02};
	struct orch_error err = {0};
	size_t flips, recoveries, recovered = 0, line = 0;
	char *booted;

	must(argc == 4, "run without JOURNAL FLIPS RECOVERIES");
	must(fs_read(argv[1], 0, &text, &text_len, &err) == 0, err.message);
	flips = (size_t)strtoul(argv[2], NULL, 10);
	recoveries = (size_t)strtoul(argv[3], NULL, 10);
	must(journal_read(argv[1], 0, keep_line, &lines, NULL, &err) == 0, err.message);
	must(lines.count > 0, "read the journal");
	line_ends = calloc(lines.count, sizeof *line_ends);
	for (size_t i = 0; i < text_len && line < lines.count; i++) {
		if (text[i] == '\n')
			line_ends[line++] = i + 1;
	}
	must(line == lines.count && line_ends[line - 1] == text_len, "read all of the journal");
	booted = before_boot();

	for (size_t cut = 0; cut <= text_len; cut++)
		check_reading("cut", cut, text, cut);
	if (flips == 0 || flips > text_len)
		flips = text_len;
	for (size_t i = 0; i < flips; i++) {
		size_t at = i * text_len / flips;
		unsigned char mask = masks[i % sizeof masks];

		text[at] = (char)((unsigned char)text[at] ^ mask);
		check_reading("flipped", at, text, text_len);
		text[at] = (char)((unsigned char)text[at] ^ mask);
	}
	for (size_t i = 0; i < recoveries; i++, recovered += 2) {
		size_t at = (text_len * i + text_len / 2) / recoveries;

		check_recovery("cut before a boot", at, booted, at);
		booted[at] = (char)(booted[at] ^ 0x04);
		check_recovery("flipped before a boot", at, booted, text_len);
		booted[at] = (char)(booted[at] ^ 0x04);
	}
	check_recovery("whole before a boot", text_len, booted, text_len);
	printf("%zu bytes, %zu events: cut %zu times, flipped %zu times, stamps restored from it %zu times\n", text_len,
		lines.count, text_len + 1, flips, recovered + 1);
	free(booted);
	free(line_ends);
	free(text);
	strvec_release(&lines);
	return problems ? 1 : 0;
}
