/* Who is lent slots, in virtual time: clients that want so many, and streams that come and go. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sched/lend.h"

/* what is really in a client's pipe, and in its hands */
struct client {
	bool there;
	unsigned wants, lies, holds;
};

struct world {
	struct lending all;
	struct client clients[LEND_SLOTS_MAX];
	unsigned jobs, used;
	unsigned gives, takes;
	bool wanted;
	int64_t now;
};

static int spare(const struct world *w)
{
	return (int)w->jobs - (int)w->used - (int)w->all.lent;
}

static unsigned running(const struct world *w)
{
	unsigned sum = w->used;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		/* what its own weight has paid for is among the used ones */
		unsigned own = w->all.clients[i].own;

		if (w->clients[i].there)
			sum += w->clients[i].holds > own ? w->clients[i].holds - own : 0;
	}
	return sum;
}

static void check(const struct world *w)
{
	unsigned lent = 0;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		const struct lend_client *known = &w->all.clients[i];
		const struct client *real = &w->clients[i];

		if (!real->there)
			continue;
		assert_int_equal(known->has, real->lies + real->holds);
		lent += known->has > known->own ? known->has - known->own : 0;
	}
	assert_int_equal(w->all.lent, lent);
}

/* clients take what they want of what lies there, and orch hears of it */
static bool take(struct world *w)
{
	bool any = false;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		struct client *c = &w->clients[i];

		while (c->there && c->lies > 0 && c->holds < c->wants) {
			c->lies--;
			c->holds++;
			any = true;
		}
		if (c->there && c->lies == 0 && w->all.clients[i].lies > 0)
			lend_emptied(&w->all, i);
	}
	return any;
}

static void balance(struct world *w)
{
	for (unsigned guard = 0;; guard++) {
		struct lend_action next = lend_next(&w->all, spare(w), w->wanted, w->now);
		struct client *c = &w->clients[next.slot];

		assert_true(guard < 1000);
		if (next.what == LEND_NOTHING)
			break;
		assert_true(c->there);
		if (next.what == LEND_GIVE) {
			assert_true(w->all.clients[next.slot].has < w->all.clients[next.slot].own ||
				(!w->wanted && spare(w) > 0));
			c->lies++;
			w->gives++;
			lend_given(&w->all, next.slot, w->now);
		} else {
			unsigned lay = c->lies;

			c->lies = 0;
			w->takes++;
			lend_took(&w->all, next.slot, lay, w->wanted, w->now);
		}
		check(w);
	}
}

/* until nothing happens any more before `until`; how often somebody had to wake up for nothing but the time */
static unsigned settle(struct world *w, int64_t until)
{
	unsigned wakes = 0;

	for (;;) {
		int64_t wake;

		do
			balance(w);
		while (take(w));
		assert_true(running(w) <= w->jobs || w->used > w->jobs);
		wake = lend_wake(&w->all, spare(w), w->wanted, w->now);
		if (wake < 0 || wake > until)
			break;
		assert_true(wake > w->now);
		w->now = wake;
		wakes++;
	}
	if (w->now < until)
		w->now = until;
	return wakes;
}

static void begin(struct world *w, unsigned slot, unsigned weight, unsigned wants)
{
	w->used += weight;
	w->clients[slot] = (struct client){.there = true, .wants = wants};
	lend_join(&w->all, slot, weight - 1, w->now);
}

static void end(struct world *w, unsigned slot, unsigned weight)
{
	w->used -= weight;
	w->clients[slot].there = false;
	lend_leave(&w->all, slot);
}

static void give_back(struct world *w, unsigned slot, unsigned count)
{
	w->clients[slot].holds -= count;
	lend_returned(&w->all, slot, count);
}

static void one_make_gets_all(void **state)
{
	struct world w = {.jobs = 4};

	(void)state;
	begin(&w, 0, 1, 7);
	balance(&w);
	assert_int_equal(w.gives, 0); /* a short command is offered nothing */
	settle(&w, 1000);
	assert_int_equal(w.clients[0].holds, 3);
	assert_int_equal(running(&w), 4);
	/* it dies with them */
	end(&w, 0, 1);
	assert_int_equal(w.all.lent, 0);
	assert_int_equal(spare(&w), 4);
}

static void idle_ones_leave_it_to_the_hungry(void **state)
{
	struct world w = {.jobs = 6};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		begin(&w, i, 1, 0);
	/* two spare slots, offered to two of four that want none */
	settle(&w, 1000);
	assert_int_equal(w.all.lent, 2);
	w.clients[3].wants = 5;
	settle(&w, w.now + 2 * LEND_WAIT_MAX_MS);
	assert_int_equal(w.clients[3].holds, 2);
	assert_int_equal(running(&w), 6);
}

static void hungry_ones_share(void **state)
{
	struct world w = {.jobs = 8};

	(void)state;
	begin(&w, 0, 1, 20);
	begin(&w, 1, 1, 20);
	settle(&w, 1000);
	assert_int_equal(w.clients[0].holds, 3);
	assert_int_equal(w.clients[1].holds, 3);
	/* a third comes, for which one is kept back; what is given back goes to it first */
	w.wanted = true;
	give_back(&w, 0, 1);
	settle(&w, w.now + 100);
	assert_int_equal(spare(&w), 1);
	begin(&w, 2, 1, 20);
	w.wanted = false;
	settle(&w, w.now + 100);
	for (unsigned i = 0; i < 2; i++) {
		give_back(&w, i, 1);
		settle(&w, w.now + 100);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(w.clients[i].holds, 1, 2);
	assert_int_equal(running(&w), 8);
}

static void streams_come_first(void **state)
{
	struct world w = {.jobs = 4};

	(void)state;
	begin(&w, 0, 1, 2);
	settle(&w, 1000);
	assert_int_equal(w.clients[0].holds, 2);
	assert_int_equal(w.clients[0].lies, 1);
	/* what nobody has taken is back at once, and nothing is given any more */
	w.wanted = true;
	balance(&w);
	assert_int_equal(w.clients[0].lies, 0);
	assert_int_equal(spare(&w), 1);
	w.used++;
	give_back(&w, 0, 1);
	settle(&w, w.now + 100);
	assert_int_equal(w.clients[0].holds, 1);
	assert_int_equal(spare(&w), 1);
	w.wanted = false;
	settle(&w, w.now + 100);
	assert_int_equal(w.clients[0].holds, 2);
}

/* fewer slots than before: nothing is given until there are some again */
static void fewer_slots(void **state)
{
	struct world w = {.jobs = 6};

	(void)state;
	begin(&w, 0, 1, 4);
	settle(&w, 1000);
	assert_int_equal(w.all.lent, 5);
	w.jobs = 2;
	balance(&w);
	assert_int_equal(w.clients[0].lies, 0);
	assert_int_equal(spare(&w), -3);
	give_back(&w, 0, 4);
	settle(&w, w.now + 1000);
	assert_int_equal(w.clients[0].holds, 1);
}

/* weight 3 has paid for two tokens, which no stream gets */
static void weight_is_its_own(void **state)
{
	struct world w = {.jobs = 4, .wanted = true};

	(void)state;
	begin(&w, 0, 3, 9);
	begin(&w, 1, 1, 0);
	settle(&w, 1000);
	assert_int_equal(w.clients[0].holds, 2);
	assert_int_equal(w.all.lent, 0);
	give_back(&w, 0, 2);
	settle(&w, w.now + 100);
	assert_int_equal(w.clients[0].holds, 2);
	end(&w, 1, 1);
	w.wanted = false;
	settle(&w, w.now + 100);
	assert_int_equal(w.clients[0].holds, 3);
	assert_int_equal(w.all.lent, 1);
}

static void nothing_wakes_up_for_nothing(void **state)
{
	struct world w = {.jobs = 40};

	(void)state;
	/* as many tokens as clients that want none */
	for (unsigned i = 0; i < 20; i++)
		begin(&w, i, 1, 0);
	settle(&w, 1000);
	assert_int_equal(settle(&w, w.now + 3600 * 1000), 0);
	/* none spare */
	w.jobs = 20;
	settle(&w, w.now + 1000);
	assert_int_equal(settle(&w, w.now + 3600 * 1000), 0);
	/* fewer than clients: they are passed round, seldom */
	w.jobs = 22;
	settle(&w, w.now + 60 * 1000);
	assert_true(settle(&w, w.now + 3600 * 1000) <= 20 * 3600 * 1000 / LEND_WAIT_MAX_MS);
}

static void what_was_never_given_counts_for_nothing(void **state)
{
	struct world w = {.jobs = 4};

	(void)state;
	begin(&w, 0, 1, 0);
	settle(&w, 1000);
	lend_returned(&w.all, 0, 100);
	assert_int_equal(w.all.clients[0].has, 1);
	assert_int_equal(w.all.lent, 1);
	lend_leave(&w.all, 0);
	lend_returned(&w.all, 0, 1);
	assert_int_equal(w.all.lent, 0);
	lend_join(&w.all, LEND_SLOTS_MAX, 0, 0);
	lend_leave(&w.all, LEND_SLOTS_MAX);
	assert_int_equal(w.all.count, 0);
}

static uint64_t random_state;

static unsigned below(unsigned limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % limit);
}

/* whatever happens: never more than there are slots; and when all is quiet, no slot is idle that somebody could use */
static void anything_may_happen(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct world w = {.jobs = 1 + seed % 12};
		unsigned wanting = 0;

		random_state = seed;
		for (unsigned step = 0; step < 200; step++) {
			unsigned slot = below(w.jobs < 12 ? w.jobs : 12);
			struct client *c = &w.clients[slot];

			switch (below(5)) {
			case 0:
				if (!c->there && spare(&w) > 0)
					begin(&w, slot, 1, below(6));
				break;
			case 1:
				if (c->there)
					end(&w, slot, 1);
				break;
			case 2:
				if (c->there && c->holds > 0)
					give_back(&w, slot, 1 + below(c->holds));
				break;
			case 3:
				c->wants = below(6);
				break;
			case 4:
				w.wanted = below(2);
				break;
			}
			settle(&w, w.now + below(50));
			check(&w);
		}
		w.wanted = false;
		for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
			struct client *c = &w.clients[i];

			if (c->there && c->holds > c->wants)
				give_back(&w, i, c->holds - c->wants);
		}
		settle(&w, w.now + 20 * LEND_WAIT_MAX_MS);
		for (unsigned i = 0; i < LEND_SLOTS_MAX; i++)
			wanting += w.clients[i].there ? w.clients[i].wants - w.clients[i].holds : 0;
		assert_true(wanting == 0 || running(&w) == w.jobs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_make_gets_all),
		cmocka_unit_test(idle_ones_leave_it_to_the_hungry),
		cmocka_unit_test(hungry_ones_share),
		cmocka_unit_test(streams_come_first),
		cmocka_unit_test(fewer_slots),
		cmocka_unit_test(weight_is_its_own),
		cmocka_unit_test(nothing_wakes_up_for_nothing),
		cmocka_unit_test(what_was_never_given_counts_for_nothing),
		cmocka_unit_test(anything_may_happen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
