#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "event/event.h"
#include "os/clock.h"
#include "state/journal.h"
#include "state/stamp.h"
#include "state/statedir.h"
#include "state_scratch.h"
#include "util/digest.h"
#include "util/strbuf.h"

enum { EVENTS = 6 };

static struct orch_event make_event(unsigned i)
{
	struct orch_event event;

	orch_event_init(&event, i == 0 ? ORCH_EVENT_RUN_STARTED : ORCH_EVENT_TASK);
	event.seq = i + 1;
	event.time_ms = 1795239421123;
	if (i == 0) {
		event.run = "20261121-053701";
		event.boot = "other";
	} else {
		event.stream = "a";
		event.state = ORCH_TASK_RUNNING;
		event.reason = "\"sum\":\"0000000000000000\"}\n{";
	}
	return event;
}

static void write_journal(const char *path)
{
	struct journal *journal;
	struct orch_event event;

	assert_int_equal(journal_create(&journal, path, NULL), 0);
	for (unsigned i = 0; i < EVENTS; i++) {
		event = make_event(i);
		assert_int_equal(journal_append(journal, &event, NULL), 0);
		orch_event_init(&event, ORCH_EVENT_OUTPUT);
		assert_int_equal(journal_append(journal, &event, NULL), 0);
	}
	assert_int_equal(journal_flush(journal, true, NULL), 0);
	journal_close(journal);
}

struct seen {
	unsigned count, stop_at;
};

/* each event must be one that was written, and the next one */
static int see(void *data, const struct orch_event *event)
{
	struct seen *seen = data;
	struct orch_event expected = make_event(seen->count);

	assert_int_equal(event->seq, expected.seq);
	assert_int_equal(event->type, expected.type);
	if (expected.reason)
		assert_string_equal(event->reason, expected.reason);
	seen->count++;
	return seen->stop_at && seen->count >= seen->stop_at;
}

static void test_comes_back(void **state)
{
	struct seen seen = {0};
	struct orch_error err = {0};
	struct journal *journal;
	uint64_t good, first;
	size_t len;

	(void)state;
	assert_int_equal(journal_read("j", 0, see, &seen, &good, &err), -1);
	assert_int_equal(err.code, ORCH_ENOTFOUND);
	write_journal("j");
	free(scratch_read("j", &len));
	assert_int_equal(journal_read("j", 0, see, &seen, &good, NULL), 0);
	assert_int_equal(seen.count, EVENTS);
	assert_int_equal(good, len);
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(journal_read("j", 0, see, &seen, &first, NULL), 0);
	assert_int_equal(seen.count, 2);
	seen.stop_at = 0;
	assert_int_equal(journal_read("j", first, see, &seen, &good, NULL), 0);
	assert_int_equal(seen.count, EVENTS);
	assert_int_equal(good, len);
	assert_int_equal(journal_read("j", len + 100, see, &seen, &good, NULL), 0);
	assert_int_equal(journal_create(&journal, "j", &err), -1);
	assert_null(journal);
	journal_close(NULL);
}

static void test_cut_at_every_byte(void **state)
{
	size_t len, lines, start;
	char *text;

	(void)state;
	write_journal("j");
	text = scratch_read("j", &len);
	for (size_t cut = 0; cut < len; cut++) {
		struct seen seen = {0};
		uint64_t good;

		lines = start = 0;
		for (size_t i = 0; i < cut; i++) {
			if (text[i] == '\n') {
				lines++;
				start = i + 1;
			}
		}
		scratch_write_bytes("cut", text, cut);
		assert_int_equal(journal_read("cut", 0, see, &seen, &good, NULL), 0);
		assert_int_equal(seen.count, lines);
		assert_int_equal(good, start);
	}
	free(text);
}

static void test_every_byte_flipped(void **state)
{
	static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xff};
	size_t len, line = 0;
	char *text;

	(void)state;
	write_journal("j");
	text = scratch_read("j", &len);
	for (size_t i = 0; i < len; i++) {
		for (size_t f = 0; f < sizeof flips; f++) {
			struct seen seen = {0};

			text[i] = (char)(text[i] ^ flips[f]);
			scratch_write_bytes("flipped", text, len);
			assert_int_equal(journal_read("flipped", 0, see, &seen, NULL, NULL), 0);
			assert_int_equal(seen.count, line);
			text[i] = (char)(text[i] ^ flips[f]);
		}
		if (text[i] == '\n')
			line++;
	}
	free(text);
}

static void add_line(struct strbuf *out, const char *start)
{
	strbuf_addf(out, "%s,\"sum\":\"%016" PRIx64 "\"}\n", start, digest_bytes(start, strlen(start)));
}

static int count_event(void *data, const struct orch_event *event)
{
	(void)event;
	++*(unsigned *)data;
	return 0;
}

static void test_other_versions(void **state)
{
	struct strbuf text = {0};
	struct orch_error err = {0};
	unsigned count = 0;

	(void)state;
	add_line(
		&text, "{\"v\":1,\"seq\":1,\"time\":\"2026-11-21T05:37:01.123Z\",\"type\":\"unheard-of\",\"branch\":\"x\"");
	add_line(&text,
		"{\"v\":1,\"seq\":2,\"time\":\"2026-11-21T05:37:01.123Z\",\"type\":\"stopping\",\"message\":\"x\",\"more\":[1,2]");
	scratch_write("j", text.data);
	assert_int_equal(journal_read("j", 0, count_event, &count, NULL, &err), 0);
	assert_int_equal(count, 1);
	add_line(&text, "{\"v\":2,\"seq\":3,\"time\":\"2026-11-21T05:37:01.123Z\",\"type\":\"stopping\"");
	scratch_write("j", text.data);
	assert_int_equal(journal_read("j", 0, count_event, &count, NULL, &err), -1);
	assert_int_equal(err.code, ORCH_ESTATE);
	strbuf_release(&text);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = {"\n", "\n\n\n", "{}\n", "{\"sum\":\"\"}\n",
		",\"sum\":\"ef46db3751d8e999\"}\n", "[[[[[[[\n", "\0\0\0\n"};
	struct strbuf text = {0};
	unsigned count = 0;
	uint64_t good;

	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		scratch_write("j", garbage[i]);
		assert_int_equal(journal_read("j", 0, count_event, &count, &good, NULL), 0);
		assert_int_equal(good, 0);
	}
	add_line(&text, "");
	add_line(&text, "[");
	scratch_write("j", text.data);
	assert_int_equal(journal_read("j", 0, count_event, &count, &good, NULL), 0);
	assert_int_equal(count, 0);
	strbuf_release(&text);
}

static void test_lines_larger_than_a_block(void **state)
{
	enum { LONG = 700 * 1024 };
	struct journal *journal;
	struct orch_event event;
	unsigned count = 0;
	char *message = malloc(LONG + 1);

	(void)state;
	assert_non_null(message);
	memset(message, 'm', LONG);
	message[LONG] = '\0';
	assert_int_equal(journal_create(&journal, "j", NULL), 0);
	orch_event_init(&event, ORCH_EVENT_WARNING);
	for (unsigned i = 0; i < 4000; i++) {
		event.message = i % 1000 ? "short" : message;
		assert_int_equal(journal_append(journal, &event, NULL), 0);
	}
	assert_int_equal(journal_flush(journal, false, NULL), 0);
	journal_close(journal);
	assert_int_equal(journal_read("j", 0, count_event, &count, NULL, NULL), 0);
	assert_int_equal(count, 4000);
	free(message);
}

static void test_a_failed_write_stays_failed(void **state)
{
	struct rlimit old, none;
	struct journal *journal;
	struct orch_event event = make_event(0);
	struct orch_error err = {0};

	(void)state;
	assert_int_equal(journal_create(&journal, "j", NULL), 0);
	assert_int_equal(journal_append(journal, &event, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 10;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(journal_flush(journal, false, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_non_null(strstr(err.message, "cannot write the journal 'j'"));
	assert_int_equal(journal_append(journal, &event, &err), -1);
	assert_int_equal(journal_flush(journal, true, &err), -1);
	journal_close(journal);
}

/* a run whose journal says that `stream` was stamped, as made in boot `boot` */
static char *make_run(struct statedir *dir, const char *boot, const char *stream, uint64_t recipe)
{
	struct stamp_detail detail = {.stamp = {.recipe = recipe, .finished_ms = (int64_t)recipe * 1000}};
	struct strbuf text = {0};
	struct journal *journal;
	struct orch_event event;
	char *run = statedir_new_run(dir, NULL), *path;

	assert_non_null(run);
	path = statedir_journal(run);
	assert_int_equal(journal_create(&journal, path, NULL), 0);
	orch_event_init(&event, ORCH_EVENT_RUN_STARTED);
	event.boot = boot;
	assert_int_equal(journal_append(journal, &event, NULL), 0);
	orch_event_init(&event, ORCH_EVENT_STAMPED);
	stamp_detail_add(&detail, 'i', 3, "not utf-8: \xff");
	stamp_write(&text, stream, &detail);
	event.stream = stream;
	event.stamp = text.data;
	assert_int_equal(journal_append(journal, &event, NULL), 0);
	assert_int_equal(journal_flush(journal, false, NULL), 0);
	journal_close(journal);
	stamp_detail_release(&detail);
	strbuf_release(&text);
	free(path);
	return run;
}

static unsigned recover(const struct statedir *dir, uint64_t *recipe_of_a)
{
	struct stamp_store *store;
	struct stamp stamp;
	unsigned restored;

	assert_int_equal(stamp_store_open(&store, dir, NULL), 0);
	assert_int_equal(journal_recover_stamps(dir, store, &restored, NULL), 0);
	*recipe_of_a = stamp_store_get(store, "a", &stamp) ? stamp.recipe : 0;
	stamp_store_close(store);
	return restored;
}

static void test_recovery(void **state)
{
	struct statedir dir;
	char *run, *empty;
	uint64_t recipe;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	assert_int_equal(recover(&dir, &recipe), 0);
	/* the same boot: a person removed it */
	run = make_run(&dir, clock_boot_id(), "a", 5);
	assert_int_equal(recover(&dir, &recipe), 0);
	assert_true(statedir_is_synced(&dir, run));
	free(run);
	/* another boot, but the run had synced */
	run = make_run(&dir, "other", "a", 5);
	assert_int_equal(statedir_mark_synced(&dir, run, NULL), 0);
	assert_int_equal(recover(&dir, &recipe), 0);
	free(run);
	/* lost by a power cut; a run that had not even begun its journal does not hide it */
	run = make_run(&dir, "other", "a", 5);
	empty = statedir_new_run(&dir, NULL);
	assert_int_equal(recover(&dir, &recipe), 1);
	assert_int_equal(recipe, 5);
	free(empty);
	free(run);
	/* once is enough: removed now, it stays so */
	assert_int_equal(unlink(".orch/stamps/a"), 0);
	assert_int_equal(recover(&dir, &recipe), 0);
	assert_int_equal(recipe, 0);
	/* an older stamp is replaced, a newer one stays */
	free(make_run(&dir, "other", "a", 6));
	assert_int_equal(recover(&dir, &recipe), 1);
	free(make_run(&dir, "other", "a", 7));
	assert_int_equal(recover(&dir, &recipe), 1);
	assert_int_equal(recipe, 7);
	free(make_run(&dir, "other", "a", 4));
	assert_int_equal(recover(&dir, &recipe), 0);
	assert_int_equal(recipe, 7);
	statedir_release(&dir);
}

/* the index reached the disk, the stamp that it speaks of did not */
static void test_recovery_despite_index(void **state)
{
	struct stamp_detail detail = {.stamp = {.recipe = 5, .finished_ms = 1}};
	struct stamp_store *store;
	struct statedir dir;
	uint64_t recipe;
	bool synced;
	int fd;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	free(make_run(&dir, "other", "a", 5));
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	assert_int_equal(stamp_store_put(store, "a", &detail, NULL), 0);
	assert_int_equal(stamp_store_finish(store, &synced, NULL), 0);
	assert_true(synced);
	stamp_store_close(store);
	fd = open(".orch/stamps/a", O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(recover(&dir, &recipe), 1);
	assert_int_equal(recipe, 5);
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	assert_int_equal(stamp_store_read(store, "a", &detail, NULL), 0);
	stamp_detail_release(&detail);
	stamp_store_close(store);
	statedir_release(&dir);
}

/* the same for one in the pack, of which only a part reached the disk */
static void test_recovery_of_the_pack(void **state)
{
	struct stamp_detail detail = {.stamp = {.recipe = 5, .finished_ms = 1}};
	struct stamp_store *store;
	struct statedir dir;
	struct stat st;
	uint64_t recipe;
	bool synced;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	free(make_run(&dir, "other", "a", 5));
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof name, "s%d", i);
		assert_int_equal(stamp_store_put(store, i < 199 ? name : "a", &detail, NULL), 0);
	}
	assert_int_equal(stamp_store_finish(store, &synced, NULL), 0);
	stamp_store_close(store);
	assert_int_equal(stat(".orch/stamps/_pack", &st), 0);
	assert_int_equal(truncate(".orch/stamps/_pack", st.st_size - 10), 0);
	assert_int_equal(recover(&dir, &recipe), 1);
	assert_int_equal(recipe, 5);
	/* it has the size that it had, and something else is in it */
	free(make_run(&dir, "other", "a", 5));
	assert_int_equal(truncate(".orch/stamps/_pack", 10), 0);
	assert_int_equal(truncate(".orch/stamps/_pack", st.st_size), 0);
	assert_int_equal(unlink(".orch/stamps/a"), 0);
	assert_int_equal(recover(&dir, &recipe), 1);
	assert_int_equal(recipe, 5);
	statedir_release(&dir);
}

/* few are on the disk when a run ends; of many it is said that they may not be */
static void test_many_are_not_synced(void **state)
{
	struct stamp_detail detail = {.stamp = {.recipe = 5, .finished_ms = 1}};
	struct stamp_store *store;
	struct stamp stamp;
	struct statedir dir;
	bool synced;

	(void)state;
	assert_int_equal(statedir_claim(&dir, ".", NULL), 0);
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof name, "s%d", i);
		assert_int_equal(stamp_store_put(store, name, &detail, NULL), 0);
	}
	assert_int_equal(stamp_store_finish(store, &synced, NULL), 0);
	assert_false(synced);
	stamp_store_close(store);
	assert_int_equal(stamp_store_open(&store, &dir, NULL), 0);
	assert_true(stamp_store_get(store, "s199", &stamp));
	stamp_store_close(store);
	statedir_release(&dir);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(test_comes_back),
		SCRATCH_TEST(test_cut_at_every_byte),
		SCRATCH_TEST(test_every_byte_flipped),
		SCRATCH_TEST(test_other_versions),
		SCRATCH_TEST(test_garbage),
		SCRATCH_TEST(test_lines_larger_than_a_block),
		SCRATCH_TEST(test_a_failed_write_stays_failed),
		SCRATCH_TEST(test_recovery),
		SCRATCH_TEST(test_recovery_despite_index),
		SCRATCH_TEST(test_recovery_of_the_pack),
		SCRATCH_TEST(test_many_are_not_synced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
