#include "config.h"

#include "sched/lend.h"

#include <stddef.h>

static unsigned paid_by_others(const struct lend_client *client)
{
	return client->has > client->own ? client->has - client->own : 0;
}

static void set_has(struct lending *all, struct lend_client *client, unsigned has)
{
	all->lent -= paid_by_others(client);
	client->has = has;
	all->lent += paid_by_others(client);
}

void lend_join(struct lending *all, unsigned slot, unsigned own, int64_t now_ms)
{
	struct lend_client *client;

	if (slot >= LEND_SLOTS_MAX)
		return;
	client = &all->clients[slot];
	if (client->there)
		lend_leave(all, slot);
	*client = (struct lend_client){.there = true, .own = own, .due_ms = now_ms + LEND_PATIENCE_MS};
	all->count++;
}

void lend_leave(struct lending *all, unsigned slot)
{
	struct lend_client *client;

	if (slot >= LEND_SLOTS_MAX || !all->clients[slot].there)
		return;
	client = &all->clients[slot];
	set_has(all, client, client->own);
	client->there = false;
	all->count--;
}

/* may it be offered one now? */
static bool is_candidate(const struct lend_client *client, int64_t now_ms)
{
	return client->there && client->lies == 0 && (client->hungry || now_ms >= client->due_ms);
}

/* of two candidates: who has fewer, else who took the last one, else who has waited longer */
static bool is_before(const struct lend_client *a, const struct lend_client *b)
{
	if (paid_by_others(a) != paid_by_others(b))
		return paid_by_others(a) < paid_by_others(b);
	if (a->hungry != b->hungry)
		return a->hungry;
	return a->due_ms < b->due_ms;
}

static struct lend_action give_to(const struct lending *all, int64_t now_ms)
{
	const struct lend_client *best = NULL;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		const struct lend_client *client = &all->clients[i];

		if (is_candidate(client, now_ms) && (!best || is_before(client, best)))
			best = client;
	}
	return best ? (struct lend_action){LEND_GIVE, (unsigned)(best - all->clients)} : (struct lend_action){0};
}

/* what the stream's own weight has paid for is nobody else's */
static struct lend_action give_own(const struct lending *all, int64_t now_ms)
{
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		const struct lend_client *client = &all->clients[i];

		if (client->has < client->own && is_candidate(client, now_ms))
			return (struct lend_action){LEND_GIVE, i};
	}
	return (struct lend_action){0};
}

/* whose token has lain longest, and may be taken back; NULL: nobody's */
static const struct lend_client *longest_lying(const struct lending *all)
{
	const struct lend_client *longest = NULL;

	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		const struct lend_client *client = &all->clients[i];

		if (client->there && client->lies > 0 && paid_by_others(client) > 0 &&
			(!longest || client->since_ms < longest->since_ms))
			longest = client;
	}
	return longest;
}

struct lend_action lend_next(const struct lending *all, int spare, bool wanted, int64_t now_ms)
{
	const struct lend_client *longest;
	struct lend_action own;

	if (all->count == 0)
		return (struct lend_action){0};
	own = give_own(all, now_ms);
	if (own.what != LEND_NOTHING)
		return own;
	if (spare > 0 && !wanted)
		return give_to(all, now_ms);
	longest = all->lent > 0 ? longest_lying(all) : NULL;
	if (!longest)
		return (struct lend_action){0};
	if (wanted || spare < 0 ||
		(now_ms >= longest->since_ms + LEND_PATIENCE_MS && give_to(all, now_ms).what == LEND_GIVE))
		return (struct lend_action){LEND_TAKE, (unsigned)(longest - all->clients)};
	return (struct lend_action){0};
}

void lend_given(struct lending *all, unsigned slot, int64_t now_ms)
{
	struct lend_client *client = &all->clients[slot];

	set_has(all, client, client->has + 1);
	client->lies++;
	client->since_ms = now_ms;
}

void lend_took(struct lending *all, unsigned slot, unsigned count, bool wanted, int64_t now_ms)
{
	struct lend_client *client = &all->clients[slot];
	unsigned lay = client->lies;

	client->lies = 0;
	set_has(all, client, count < client->has ? client->has - count : 0);
	if (count < lay) {
		client->hungry = true;
		client->wait_ms = 0;
	} else if (wanted) {
		client->due_ms = now_ms;
	} else {
		client->hungry = false;
		client->wait_ms = client->wait_ms ? 2 * client->wait_ms : 2 * LEND_PATIENCE_MS;
		if (client->wait_ms > LEND_WAIT_MAX_MS)
			client->wait_ms = LEND_WAIT_MAX_MS;
		client->due_ms = now_ms + client->wait_ms;
	}
}

int64_t lend_wake(const struct lending *all, int spare, bool wanted, int64_t now_ms)
{
	const struct lend_client *longest = all->lent > 0 ? longest_lying(all) : NULL;
	int64_t wake = -1;

	if (all->count == 0)
		return -1;
	for (unsigned i = 0; i < LEND_SLOTS_MAX; i++) {
		const struct lend_client *client = &all->clients[i];
		int64_t due;

		if (!client->there || client->lies > 0)
			continue;
		due = client->hungry ? now_ms : client->due_ms;
		if (client->has < client->own) {
			/* its own: whatever others want */
		} else if (wanted || spare < 0 || (spare == 0 && !longest)) {
			continue;
		} else if (spare == 0 && due < longest->since_ms + LEND_PATIENCE_MS) {
			due = longest->since_ms + LEND_PATIENCE_MS;
		}
		if (wake < 0 || due < wake)
			wake = due;
	}
	return wake;
}

void lend_emptied(struct lending *all, unsigned slot)
{
	struct lend_client *client = &all->clients[slot];

	if (client->lies == 0)
		return;
	client->lies = 0;
	client->hungry = true;
	client->wait_ms = 0;
}

void lend_returned(struct lending *all, unsigned slot, unsigned count)
{
	struct lend_client *client = &all->clients[slot];
	unsigned taken = client->has - client->lies;

	if (!client->there)
		return;
	if (count > taken)
		count = taken;
	set_has(all, client, client->has - count);
}
