/* What is known of jobs that a scheduler runs, and what follows from it: runner/queue_state.h. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "runner/queue_state.h"

enum { LOST = 8000 };

static enum queue_word word(const char *text)
{
	return queue_word(text, strlen(text));
}

static void words_of_schedulers(void **state)
{
	(void)state;
	assert_int_equal(word("PENDING"), QUEUE_WAITING);
	assert_int_equal(word("pending"), QUEUE_WAITING);
	assert_int_equal(word("queued"), QUEUE_WAITING);
	assert_int_equal(word("RUNNING"), QUEUE_RUNNING);
	/* its end is known, but its processes may still be there */
	assert_int_equal(word("COMPLETING"), QUEUE_RUNNING);
	assert_int_equal(word("COMPLETED"), QUEUE_DONE);
	assert_int_equal(word("FAILED"), QUEUE_FAILED);
	assert_int_equal(word("CANCELLED"), QUEUE_CANCELLED);
	assert_int_equal(word("TIMEOUT"), QUEUE_TIME_LIMIT);
	assert_int_equal(word("OUT_OF_MEMORY"), QUEUE_MEMORY);
	assert_int_equal(word("NODE_FAIL"), QUEUE_NODE);
	assert_int_equal(word("PREEMPTED"), QUEUE_PREEMPTED);
	assert_int_equal(word("NODE_FAI"), QUEUE_STRANGE);
	assert_int_equal(word(""), QUEUE_STRANGE);
	assert_true(QUEUE_STRANGE < QUEUE_DONE);
}

static void check_line(const struct queue_line *line, const char *id, const char *state, const char *reason)
{
	assert_int_equal(line->id_len, strlen(id));
	assert_memory_equal(line->id, id, line->id_len);
	assert_int_equal(line->state_len, strlen(state));
	assert_memory_equal(line->state, state, line->state_len);
	assert_int_equal(line->reason_len, strlen(reason));
	assert_memory_equal(line->reason, reason, line->reason_len);
}

static void lines_of_an_answer(void **state)
{
	static const char text[] = "12                  PENDING             Resources here   \n\n  \t\nlonely\n"
				   "host:7 running\r\nlast done";
	const char *at = text, *end = text + strlen(text);
	struct queue_line line;

	(void)state;
	assert_true(queue_line_next(&at, end, &line));
	check_line(&line, "12", "PENDING", "Resources here");
	assert_true(queue_line_next(&at, end, &line));
	check_line(&line, "host:7", "running", "");
	assert_true(queue_line_next(&at, end, &line));
	check_line(&line, "last", "done", "");
	assert_false(queue_line_next(&at, end, &line));
	at = end;
	assert_false(queue_line_next(&at, end, &line));
}

static void check_id(const char *text, const char *wanted)
{
	const char *id;
	size_t len;
	bool found = queue_submitted_id(text, strlen(text), &id, &len);

	assert_int_equal(found, wanted != NULL);
	if (wanted) {
		assert_int_equal(len, strlen(wanted));
		assert_memory_equal(id, wanted, len);
	}
}

static void id_of_a_submit(void **state)
{
	(void)state;
	check_id("12\n", "12");
	check_id("12", "12");
	check_id("warning: this and that\n  12.server \n\n", "12.server");
	check_id("", NULL);
	check_id("\n \n", NULL);
	check_id("Submitted batch job 12\n", NULL);
}

static void one_that_waits(void **state)
{
	struct sight sight = {0};

	(void)state;
	assert_int_equal(sight_decide(&sight, LOST, 1000), SIGHT_WAIT);
	sight_answer(&sight, QUEUE_WAITING, 1000, 1100);
	/* however long */
	assert_int_equal(sight_decide(&sight, LOST, 100000000), SIGHT_WAIT);
	/* left out once is nothing */
	sight_answer(&sight, QUEUE_NOTHING, 2000, 2100);
	assert_int_equal(sight_decide(&sight, LOST, 2100), SIGHT_ASK);
	sight_answer(&sight, QUEUE_WAITING, 3000, 3100);
	assert_int_equal(sight_decide(&sight, LOST, 3100), SIGHT_WAIT);
	sight_answer(&sight, QUEUE_NOTHING, 4000, 4100);
	sight_answer(&sight, QUEUE_NOTHING, 5000, 5100);
	assert_int_equal(sight_decide(&sight, LOST, 5100), SIGHT_TAKE);
}

static void one_that_was_ended_before_it_began(void **state)
{
	struct sight sight = {0};

	(void)state;
	sight_answer(&sight, QUEUE_CANCELLED, 1000, 1000);
	/* it may have begun, and its files be late */
	assert_int_equal(sight_decide(&sight, LOST, 1000), SIGHT_WAIT);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST / 4), SIGHT_TAKE);
	/* put into the queue again */
	sight_answer(&sight, QUEUE_WAITING, 2000, 2000);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST / 4), SIGHT_WAIT);
}

static struct sight running(int64_t now)
{
	struct sight sight = {0};

	sight_claimed(&sight, now);
	sight_answer(&sight, QUEUE_RUNNING, now, now);
	return sight;
}

static void one_that_lives(void **state)
{
	struct sight sight = running(1000);
	int64_t now = 1000;

	(void)state;
	/* nobody in the queue knows it, and yet it lives */
	for (uint64_t beat = 1; beat < 100; beat++) {
		now += LOST / 8;
		sight_beat(&sight, beat, now);
		sight_answer(&sight, QUEUE_NOTHING, now, now);
		assert_int_equal(sight_decide(&sight, LOST, now), SIGHT_WAIT);
	}
	/* a beat that cannot be read is none */
	sight_beat(&sight, 0, now + LOST);
	assert_int_equal(sight_decide(&sight, LOST, now + LOST + 1), SIGHT_GIVE_UP);
}

static void one_that_is_silent(void **state)
{
	struct sight sight = running(1000);

	(void)state;
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST / 2), SIGHT_WAIT);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST / 2 + 1), SIGHT_ASK);
	/* its scheduler says that it runs */
	assert_int_equal(sight_decide(&sight, LOST, 1000 + 100 * LOST), SIGHT_ASK);
	sight_answer(&sight, QUEUE_NOTHING, 2000, 2000);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + 100 * LOST), SIGHT_ASK);
	sight_answer(&sight, QUEUE_NOTHING, 3000, 3000);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST), SIGHT_ASK);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST + 1), SIGHT_GIVE_UP);
}

static void one_whose_node_failed(void **state)
{
	struct sight sight = running(1000);

	(void)state;
	sight_beat(&sight, 1, 2000);
	sight_answer(&sight, QUEUE_NODE, 2000, 2000);
	assert_int_equal(sight_decide(&sight, LOST, 2000), SIGHT_WAIT);
	assert_int_equal(sight_decide(&sight, LOST, 2000 + LOST / 8 + 1), SIGHT_REVOKE);
	sight.revoked = true;
	/* until it has said that it is gone, or must be by its lease */
	assert_int_equal(sight_decide(&sight, LOST, 2000 + LOST), SIGHT_WAIT);
	assert_int_equal(sight_decide(&sight, LOST, 2000 + LOST + 1), SIGHT_GIVE_UP);
	sight_ended(&sight, true, 2000 + LOST);
	assert_int_equal(sight_decide(&sight, LOST, 2000 + LOST), SIGHT_SETTLE);
}

static void one_that_its_scheduler_ended(void **state)
{
	struct sight sight = running(1000);

	(void)state;
	sight_answer(&sight, QUEUE_TIME_LIMIT, 2000, 2000);
	/* what was on a node in reach is gone: its lease need not be waited for */
	assert_int_equal(sight_decide(&sight, LOST, 2000 + LOST / 4 + 1), SIGHT_GIVE_UP);
}

static void one_that_was_put_back(void **state)
{
	struct sight sight = running(1000);

	(void)state;
	sight_answer(&sight, QUEUE_WAITING, 2000, 2000);
	assert_int_equal(sight_decide(&sight, LOST, 2000), SIGHT_WAIT);
	assert_int_equal(sight_decide(&sight, LOST, 1000 + LOST + 1), SIGHT_GIVE_UP);
}

static void ends(void **state)
{
	struct sight sight = running(1000);

	(void)state;
	sight_ended(&sight, false, 5000);
	assert_int_equal(sight_decide(&sight, LOST, 5000), SIGHT_SETTLE);

	/* a bad one may have a reason that its scheduler knows */
	sight = running(1000);
	sight_ended(&sight, true, 5000);
	assert_int_equal(sight_decide(&sight, LOST, 5000), SIGHT_ASK);
	/* asked before it ended: that says nothing */
	sight_answer(&sight, QUEUE_NOTHING, 4000, 5100);
	sight_answer(&sight, QUEUE_NOTHING, 4500, 5200);
	assert_int_equal(sight_decide(&sight, LOST, 5200), SIGHT_ASK);
	/* it is still being cleared away */
	sight_answer(&sight, QUEUE_RUNNING, 5300, 5400);
	sight_answer(&sight, QUEUE_RUNNING, 5500, 5600);
	assert_int_equal(sight_decide(&sight, LOST, 5600), SIGHT_ASK);
	sight_answer(&sight, QUEUE_CANCELLED, 5700, 5800);
	assert_int_equal(sight_decide(&sight, LOST, 5800), SIGHT_SETTLE);

	/* nobody knows */
	sight = running(1000);
	sight_ended(&sight, true, 5000);
	sight_answer(&sight, QUEUE_NOTHING, 5000, 5100);
	assert_int_equal(sight_decide(&sight, LOST, 5100), SIGHT_ASK);
	sight_answer(&sight, QUEUE_NOTHING, 5200, 5300);
	assert_int_equal(sight_decide(&sight, LOST, 5300), SIGHT_SETTLE);

	/* nobody answers */
	sight = running(1000);
	sight_ended(&sight, true, 5000);
	assert_int_equal(sight_decide(&sight, LOST, 5000 + 30001), SIGHT_SETTLE);

	/* we asked for it ourselves */
	sight = running(1000);
	sight.asked = true;
	sight_ended(&sight, true, 5000);
	assert_int_equal(sight_decide(&sight, LOST, 5000), SIGHT_SETTLE);
}

static void intervals(void **state)
{
	(void)state;
	assert_int_equal(queue_interval(1000, 0), 1000);
	assert_int_equal(queue_interval(1000, 1), 2000);
	assert_int_equal(queue_interval(1000, 6), 7000);
	assert_int_equal(queue_interval(1000, 100000), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_schedulers),
		cmocka_unit_test(lines_of_an_answer),
		cmocka_unit_test(id_of_a_submit),
		cmocka_unit_test(one_that_waits),
		cmocka_unit_test(one_that_was_ended_before_it_began),
		cmocka_unit_test(one_that_lives),
		cmocka_unit_test(one_that_is_silent),
		cmocka_unit_test(one_whose_node_failed),
		cmocka_unit_test(one_that_its_scheduler_ended),
		cmocka_unit_test(one_that_was_put_back),
		cmocka_unit_test(ends),
		cmocka_unit_test(intervals),
	};

	return cmocka_run_group_tests_name("queue_state", tests, NULL, NULL);
}
