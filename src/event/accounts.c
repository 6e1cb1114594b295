#include "config.h"

#include "event/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/json.h"
#include "util/units.h"

static struct orch_account_status *account_of(struct orch_status *status, const char *name)
{
	struct orch_account_status *account;

	for (size_t i = 0; i < status->account_count; i++) {
		if (strcmp(status->accounts[i].name, name) == 0)
			return &status->accounts[i];
	}
	status->accounts = xreallocarray(status->accounts, status->account_count + 1, sizeof *status->accounts);
	account = &status->accounts[status->account_count++];
	*account = (struct orch_account_status){.name = xstrdup(name)};
	return account;
}

void accounts_hold(struct orch_status *status, const char *name, int64_t until_ms, const char *reason)
{
	struct orch_account_status *account = account_of(status, name);
	char *copy = reason ? xstrdup(reason) : NULL;

	free(account->held);
	account->held = copy;
	account->until_ms = reason ? until_ms : 0;
}

void accounts_apply(struct orch_status *status, const struct orch_event *event)
{
	struct orch_account_status *account;

	if (!event->account)
		return;
	switch (event->type) {
	case ORCH_EVENT_ACCOUNT_HELD:
		accounts_hold(status, event->account, event->until > 0 ? event->until : 0,
			event->message ? event->message : "held");
		break;
	case ORCH_EVENT_ACCOUNT_FREE:
		accounts_hold(status, event->account, 0, NULL);
		break;
	case ORCH_EVENT_ATTEMPT_FINISHED:
		account = account_of(status, event->account);
		if (event->cost_micros >= 0) {
			account->cost_micros += event->cost_micros;
			account->has_cost = true;
		}
		if (event->tokens > 0)
			account->tokens += event->tokens;
		break;
	default:
		break;
	}
}

int64_t accounts_next_ms(const struct orch_status *status, int64_t now_ms)
{
	int64_t next = 0;

	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];

		if (account->held && account->until_ms > now_ms && (!next || account->until_ms < next))
			next = account->until_ms;
	}
	return next;
}

char *orch_status_holds(const struct orch_status *status, int64_t now_ms)
{
	const struct orch_account_status *held = NULL;
	int64_t next = accounts_next_ms(status, now_ms);
	size_t count = 0;
	char clock[UNITS_TEXT_MAX];

	for (size_t i = 0; i < status->account_count; i++) {
		const struct orch_account_status *account = &status->accounts[i];

		/* one whose time has come is free, told of or not */
		if (!account->held || (account->until_ms && account->until_ms <= now_ms))
			continue;
		held = account;
		count++;
	}
	if (!count)
		return NULL;
	if (count == 1)
		return held->until_ms ? xasprintf("account '%s' is held until %s", held->name,
						units_clock(clock, held->until_ms, now_ms))
				      : xasprintf("account '%s' is held until 'orch resume'", held->name);
	if (next)
		return xasprintf("%zu accounts are held, the first until %s", count, units_clock(clock, next, now_ms));
	return xasprintf("%zu accounts are held until 'orch resume'", count);
}

static void write_account(struct json_writer *w, const struct orch_account_status *account)
{
	char text[UNITS_TEXT_MAX];

	json_begin_object(w);
	json_add_key(w, "account");
	json_add_string(w, account->name);
	if (account->has_cost) {
		json_add_key(w, "cost_micros");
		json_add_int(w, account->cost_micros);
	}
	if (account->tokens > 0) {
		json_add_key(w, "tokens");
		json_add_int(w, account->tokens);
	}
	if (account->held) {
		json_add_key(w, "held");
		json_add_string(w, account->held);
	}
	if (account->held && account->until_ms) {
		json_add_key(w, "until");
		json_add_string(w, units_time_utc(text, account->until_ms));
	}
	json_end_object(w);
}

void accounts_write(struct json_writer *w, const struct orch_status *status)
{
	if (!status->account_count)
		return;
	json_add_key(w, "accounts");
	json_begin_array(w);
	for (size_t i = 0; i < status->account_count; i++)
		write_account(w, &status->accounts[i]);
	json_end_array(w);
}

void accounts_release(struct orch_status *status)
{
	for (size_t i = 0; i < status->account_count; i++) {
		free(status->accounts[i].name);
		free(status->accounts[i].held);
	}
	free(status->accounts);
	status->accounts = NULL;
	status->account_count = 0;
}
