/* The pace of redrive jobs: see redrive.h. Arithmetic only; a pace belongs to one thread. */
#include "policy/redrive.h"

#define REST_FIRST_MS (60LL * 1000)
#define REST_FACTOR 5
#define REST_MAX_MS (60LL * 60 * 1000)

static bool in_canary(const struct redrive_plan *plan, const struct redrive_outcome *outcome)
{
	return outcome->sent <= plan->canary;
}

bool redrive_must_stop(const struct redrive_plan *plan, const struct redrive_outcome *outcome)
{
	if (plan->stop_on <= 0)
		return false;
	return outcome->failed >= (in_canary(plan, outcome) ? 1 : plan->stop_on);
}

bool redrive_awaits_canary(const struct redrive_plan *plan, const struct redrive_outcome *outcome)
{
	return plan->canary > 0 && outcome->sent == plan->canary && outcome->on_the_way > 0;
}

static double speed(const struct redrive_plan *plan, const struct redrive_pace *pace, mono_time now)
{
	double per_s = REDRIVE_RAMP_FIRST_PER_S;

	for (int64_t ms = mono_since_ms(pace->begun, now); ms >= REDRIVE_RAMP_STEP_MS && per_s < plan->rate;
	        ms -= REDRIVE_RAMP_STEP_MS)
		per_s *= 2;
	return per_s < plan->rate ? per_s : plan->rate;
}

/* Credit does not pile up: what was not used within a second is gone. */
static void earn(struct redrive_pace *pace, double per_s, mono_time now)
{
	double most = per_s > 1 ? per_s : 1;

	if (pace->begun.ns == 0) {
		*pace = (struct redrive_pace){ .begun = now, .at = now, .credit = 1 };
		return;
	}
	pace->credit += per_s * (double)(now.ns - pace->at.ns) / 1e9;
	pace->credit = pace->credit < most ? pace->credit : most;
	pace->at = now;
}

static int64_t ahead(const struct redrive_outcome *outcome, double per_s)
{
	int64_t delivered = outcome->sent - outcome->on_the_way - outcome->failed;
	int64_t most = (int64_t)(per_s * REDRIVE_AHEAD_S);

	most = delivered < most ? delivered : most;
	return most > REDRIVE_AHEAD_MIN ? most : REDRIVE_AHEAD_MIN;
}

int64_t redrive_allows(const struct redrive_plan *plan, const struct redrive_outcome *outcome,
        struct redrive_pace *pace, mono_time now)
{
	if (outcome->sent < plan->canary)
		return plan->canary - outcome->sent;
	if (redrive_awaits_canary(plan, outcome))
		return 0;
	double per_s = speed(plan, pace->begun.ns ? pace : &(struct redrive_pace){ .begun = now }, now);
	earn(pace, per_s, now);
	int64_t room = ahead(outcome, per_s) - outcome->on_the_way;
	int64_t credit = (int64_t)pace->credit;
	return room <= 0 ? 0 : credit < room ? credit : room;
}

void redrive_sent(struct redrive_pace *pace, int64_t n)
{
	pace->credit -= (double)n;
	if (pace->credit < 0) /* canary rows are not paced */
		pace->credit = 0;
}

int64_t redrive_rest_ms(int stops)
{
	int64_t ms = stops > 0 ? REST_FIRST_MS : 0;

	while (--stops > 0 && ms < REST_MAX_MS)
		ms *= REST_FACTOR;
	return ms < REST_MAX_MS ? ms : REST_MAX_MS;
}
