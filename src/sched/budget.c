#include "config.h"

#include "sched/budget.h"

#include <string.h>

#include "util/units.h"

#define MILLION 1000000.0
/* beyond it a figure is not believed: no run costs a billion, or uses a thousand billion tokens */
#define COST_MAX 1e9
#define TOKENS_MAX INT64_C(1000000000000)

void meter_start(struct meter *meter, enum agent_counts counts, const struct meter *before)
{
	memset(meter, 0, sizeof *meter);
	meter->counts = counts;
	if (before && counts == COUNTS_SESSION) {
		meter->cost_before = before->cost.of_session;
		meter->tokens_before = before->tokens.of_session;
		/* if nothing is reported, the next attempt goes on from here */
		meter->cost.of_session = meter->cost_before;
		meter->tokens.of_session = meter->tokens_before;
	}
}

static int64_t report(enum agent_counts counts, struct meter_value *value, int64_t *before, int64_t figure)
{
	int64_t old = value->of_attempt;

	switch (counts) {
	case COUNTS_LAST:
		value->of_attempt = figure;
		break;
	case COUNTS_SUM:
		value->of_attempt += figure;
		break;
	case COUNTS_SESSION:
		/* less than before: the program began to count again */
		if (figure < *before)
			*before = 0;
		value->of_attempt = figure - *before;
		break;
	}
	value->of_session = figure;
	return value->of_attempt - old;
}

bool meter_add_cost(struct meter *meter, const char *text, int64_t *grown)
{
	double amount;

	if (!units_parse_double(text, &amount) || !(amount >= 0) || amount > COST_MAX)
		return false;
	meter->has_cost = true;
	*grown = report(meter->counts, &meter->cost, &meter->cost_before, budget_millionths(amount));
	return true;
}

bool meter_add_tokens(struct meter *meter, const char *input, const char *output, int64_t *grown)
{
	int64_t in, out = 0;

	if (!units_parse_int(input, 0, TOKENS_MAX, &in) || (output && !units_parse_int(output, 0, TOKENS_MAX, &out)))
		return false;
	meter->has_tokens = true;
	*grown = report(meter->counts, &meter->tokens, &meter->tokens_before, in + out);
	return true;
}

int64_t budget_millionths(double amount)
{
	return (int64_t)(amount * MILLION + 0.5);
}

bool budget_spend(struct budget *budget, int64_t millionths)
{
	budget->spent += millionths;
	return budget_is_reached(budget);
}

bool budget_is_reached(const struct budget *budget)
{
	return budget->limit > 0 && budget->spent >= budget->limit;
}
