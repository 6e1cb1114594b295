#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/sim.h"
#include "sched/reload.h"
#include "state/approval.h"
#include "state/statedir.h"
#include "state_scratch.h"

#include <string.h>
#include <sys/stat.h>

/* --- the scheduler, in virtual time --- */

static bool given; /* what run_options.approval finds */
static unsigned asked;

static const char *approval(void *data, uint32_t stream)
{
	(void)data, (void)stream;
	asked++;
	return given ? NULL : "approval: please";
}

static void begin(struct sim *sim, const char *text, unsigned jobs, bool keep_going)
{
	given = false;
	asked = 0;
	sim_init(sim, text);
	sim_plan(sim, NULL, false);
	sim->options.jobs = jobs;
	sim->options.keep_going = keep_going;
	sim->options.approval = approval;
	sim_start(sim);
}

static void run_all(struct sim *sim)
{
	while (sim_step(sim))
		;
}

static void it_waits_without_a_slot(void **state)
{
	struct sim sim;

	(void)state;
	begin(&sim, "a [approve]:\nb:\nc: a\n", 1, false);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_HELD);
	assert_string_equal(sim_reason(&sim, "a"), "approval: please");
	assert_int_equal(sched_asking(sim.run), 1);
	run_all(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "b");
	assert_false(run_is_done(sim.run));
	/* neither the end of a hold nor a pause is a person's word */
	sched_release(sim.run, sim_id(&sim, "a"), "held no more");
	sched_pause(sim.run, true);
	sched_pause(sim.run, false);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_HELD);
	assert_false(sched_approve(sim.run, sim_id(&sim, "c"), "approved"));
	assert_false(sched_approve(sim.run, sim_id(&sim, "b"), "approved"));
	assert_true(sched_approve(sim.run, sim_id(&sim, "a"), "approved by ann"));
	assert_string_equal(sim_reason(&sim, "a"), "approved by ann");
	assert_false(sched_approve(sim.run, sim_id(&sim, "a"), "approved"));
	assert_int_equal(sched_asking(sim.run), 0);
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "b a c");
	assert_int_equal(asked, 1);
	sim_release(&sim);
}

static void it_asks_when_it_is_ready(void **state)
{
	struct sim sim;

	(void)state;
	begin(&sim, "a [ms=3]:\nb [approve]: a\nc [approve]: a\nd [approve]: a\n", 4, false);
	assert_int_equal(asked, 0);
	assert_int_equal(sim_state(&sim, "b"), ORCH_TASK_WAITING);
	/* before its turn: it does not ask at all */
	assert_true(sched_approve(sim.run, sim_id(&sim, "c"), "approved"));
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_WAITING);
	run_all(&sim);
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_COMPLETED);
	assert_int_equal(asked, 2);
	assert_int_equal(sched_asking(sim.run), 2);
	assert_true(sched_approve(sim.run, sim_id(&sim, "b"), "approved"));
	run_all(&sim);
	assert_int_equal(sim_state(&sim, "b"), ORCH_TASK_COMPLETED);
	assert_int_equal(sched_cancel(sim.run, (const uint32_t[]){sim_id(&sim, "d")}, 1, "stopped"), 1);
	assert_int_equal(sched_asking(sim.run), 0);
	assert_true(run_is_done(sim.run));
	/* a second try of one that nobody has approved of asks again */
	assert_true(sched_retry(sim.run, sim_id(&sim, "d"), "again"));
	assert_int_equal(sim_state(&sim, "d"), ORCH_TASK_HELD);
	given = true;
	sched_stop(sim.run, "stopped");
	assert_int_equal(sched_asking(sim.run), 0);
	sim_release(&sim);
}

static void what_was_approved_before_starts_at_once(void **state)
{
	struct sim sim;

	(void)state;
	given = true;
	sim_init(&sim, "a [approve]:\n");
	sim_plan(&sim, NULL, false);
	sim.options.jobs = 1;
	sim.options.approval = approval;
	sim_start(&sim);
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "a");
	sim_release(&sim);
	/* nobody is asked where nobody asks: in virtual time */
	sim_init(&sim, "a [approve]:\n");
	sim_plan(&sim, NULL, false);
	sim.options.jobs = 1;
	sim_start(&sim);
	sim_run(&sim);
	sim_release(&sim);
}

static void one_word_is_enough_for_all_attempts(void **state)
{
	struct sim sim;

	(void)state;
	begin(&sim, "a [approve fail=3 retries=1 backoff=10 max=10]:\n", 1, true);
	assert_true(sched_approve(sim.run, sim_id(&sim, "a"), "approved"));
	run_all(&sim);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_FAILED);
	assert_true(sched_retry(sim.run, sim_id(&sim, "a"), "again"));
	sim_run(&sim);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_COMPLETED);
	assert_int_equal(asked, 1);
	sim_release(&sim);
}

static void a_failure_elsewhere_ends_the_waiting(void **state)
{
	struct sim sim;

	(void)state;
	begin(&sim, "a [approve]:\nb [fail=1]:\nc [when=always approve]: b\n", 2, false);
	run_all(&sim);
	assert_int_equal(sim_state(&sim, "a"), ORCH_TASK_CANCELLED);
	/* a clean-up stream asks as well */
	assert_int_equal(sim_state(&sim, "c"), ORCH_TASK_HELD);
	assert_int_equal(sched_asking(sim.run), 1);
	assert_true(sched_approve(sim.run, sim_id(&sim, "c"), "approved"));
	sim_run(&sim);
	assert_string_equal(strbuf_cstr(&sim.order), "b c");
	sim_release(&sim);
}

static void another_orchfile_asks_again(void **state)
{
	struct sim from, to;

	(void)state;
	begin(&from, "a [approve]:\nb [approve]:\nc [ms=5]:\n", 1, false);
	assert_int_equal(sched_asking(from.run), 2);
	sim_reload(&to, &from, "a [approve recipe=2]:\nb:\nc [ms=5]:\n", NULL);
	assert_int_equal(sched_asking(to.run), 1);
	assert_int_equal(sim_state(&to, "a"), ORCH_TASK_HELD);
	assert_int_equal(sim_state(&to, "b"), ORCH_TASK_READY);
	assert_true(sched_approve(to.run, sim_id(&to, "a"), "approved"));
	sim_run(&to);
	assert_int_equal(run_count(to.run, ORCH_TASK_COMPLETED), 3);
	sim_release(&to);
	sim_release(&from);
}

static uint32_t next_random(uint32_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random;
}

/* whatever comes in whatever order: those that ask are those that are held, and it comes to an end */
static void random_approvals(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct strbuf text = {0};
		struct sim sim;
		uint32_t random = seed;
		unsigned count = 3 + next_random(&random) % 15;

		for (unsigned s = 0; s < count; s++) {
			strbuf_addf(&text, "s%u [ms=%u fail=%u%s]:", s, 1 + next_random(&random) % 4,
				next_random(&random) % 6 == 0 ? 1u : 0u, next_random(&random) % 2 ? " approve" : "");
			for (unsigned d = 0; d < s; d++) {
				if (next_random(&random) % 4 == 0)
					strbuf_addf(&text, " s%u", d);
			}
			strbuf_addch(&text, '\n');
		}
		begin(&sim, strbuf_cstr(&text), 2, seed % 2);
		for (int step = 0; step < 150; step++) {
			uint32_t one = next_random(&random) % count;
			size_t asking = 0;

			switch (next_random(&random) % 8) {
			case 0:
				sched_cancel(sim.run, &one, 1, "stopped");
				break;
			case 1:
				sched_retry(sim.run, one, "again");
				break;
			case 2:
			case 3:
				sched_approve(sim.run, one, "approved");
				break;
			default:
				sim_step(&sim);
				break;
			}
			for (uint32_t s = 0; s < count; s++) {
				const struct task *task = run_task(sim.run, s);

				assert_true(!task->asks || task->state == ORCH_TASK_HELD);
				assert_true(task->state != ORCH_TASK_HELD || task->asks);
				assert_true(task->state != ORCH_TASK_RUNNING || task->approved);
				asking += task->asks;
			}
			assert_int_equal(asking, sched_asking(sim.run));
		}
		do {
			run_all(&sim);
			for (uint32_t s = 0; s < count; s++)
				sched_approve(sim.run, s, "approved");
		} while (!run_is_done(sim.run));
		sim_run(&sim);
		sim_release(&sim);
		strbuf_release(&text);
	}
}

/* --- the file --- */

static struct statedir dir;

static int setup(void **state)
{
	struct orch_error err;

	return scratch_setup(state) == 0 ? statedir_claim(&dir, scratch_path, &err) : -1;
}

static int teardown(void **state)
{
	statedir_release(&dir);
	return scratch_teardown(state);
}

static void what_is_written_is_read(void **state)
{
	static char name[] = "Ann\nof \x1b[31mTown";
	struct approval out,
		in = {.by = name, .at_ms = INT64_C(1795262400123), .recipe = 1, .inputs = UINT64_MAX, .deps = 3};
	struct orch_error err;
	struct stat st;

	(void)state;
	assert_int_equal(approval_read(&dir, "s", &out, &err), 0);
	assert_int_equal(approval_remove(&dir, "s", &err), 0);
	assert_int_equal(approval_write(&dir, "s", &in, &err), 0);
	assert_int_equal(stat(".orch/approvals/s", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(approval_read(&dir, "s", &out, &err), 1);
	assert_string_equal(out.by, "Ann of  [31mTown");
	assert_true(out.at_ms == in.at_ms);
	assert_false(out.made_known);
	assert_true(approval_fits(&out, 1, 77, 77));
	assert_false(approval_fits(&out, 2, 77, 77));
	approval_release(&out);
	in.made_known = true;
	assert_int_equal(approval_write(&dir, "s", &in, &err), 0);
	assert_int_equal(approval_read(&dir, "s", &out, &err), 1);
	assert_true(approval_fits(&out, 1, UINT64_MAX, 3));
	assert_false(approval_fits(&out, 1, 77, 3));
	assert_false(approval_fits(&out, 1, UINT64_MAX, 4));
	approval_release(&out);
	assert_int_equal(approval_remove(&dir, "s", &err), 0);
	assert_int_equal(approval_read(&dir, "s", &out, &err), 0);
}

static void what_says_nothing_approves_of_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		"orch-approval 1\n",
		"orch-approval 2\nat 2026-11-21T10:00:00.000Z\nmade-from 1 - -\nby ann\n",
		"orch-approval 1\nat yesterday\nmade-from 1 - -\nby ann\n",
		"orch-approval 1\nat 2026-11-21T10:00:00.000Z\nmade-from x - -\nby ann\n",
		"orch-approval 1\nat 2026-11-21T10:00:00.000Z\nmade-from 1 2 -\nby ann\n",
		"orch-approval 1\nat 2026-11-21T10:00:00.000Z\nmade-from 1 - -\nby ann",
		"orch-approval 1\nat 2026-11-21T10:00:00.000Z\nmade-from 1 - -\n",
	};
	struct approval out;
	struct orch_error err;

	(void)state;
	assert_int_equal(mkdir(".orch/approvals", 0700), 0);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		scratch_write(".orch/approvals/s", texts[i]);
		if (approval_read(&dir, "s", &out, &err) != 0)
			fail_msg("%s", texts[i]);
	}
	scratch_write(".orch/approvals/s", "orch-approval 1\nat 2026-11-21T10:00:00.000Z\nmade-from 1 - -\nby ann\n");
	assert_int_equal(approval_read(&dir, "s", &out, &err), 1);
	approval_release(&out);
	/* not through a link to elsewhere */
	assert_int_equal(rename(".orch/approvals/s", "real"), 0);
	assert_int_equal(symlink("../../real", ".orch/approvals/s"), 0);
	assert_int_equal(approval_read(&dir, "s", &out, &err), -1);
	assert_non_null(strstr(err.message, "'.orch/approvals/s'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_without_a_slot),
		cmocka_unit_test(it_asks_when_it_is_ready),
		cmocka_unit_test(what_was_approved_before_starts_at_once),
		cmocka_unit_test(one_word_is_enough_for_all_attempts),
		cmocka_unit_test(a_failure_elsewhere_ends_the_waiting),
		cmocka_unit_test(another_orchfile_asks_again),
		cmocka_unit_test(random_approvals),
		cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(what_says_nothing_approves_of_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
