/* The retry schedule: see retry.h. Arithmetic only; any thread. */
#include "policy/retry.h"

#include <math.h>
#include <stdbool.h>

int64_t retry_delay_ms(const struct retry_policy *policy, int attempt, double chance)
{
	double steps = attempt > 1 ? attempt - 1 : 0;
	double delay = (double)policy->base_ms * pow(policy->factor, steps) * (1 + policy->jitter * chance);
	/* Compared as doubles: a large power is infinite, and converting that would be undefined. */
	if (!(delay < (double)policy->max_delay_ms))
		return policy->max_delay_ms;
	return delay > 0 ? (int64_t)llround(delay) : 0;
}

static int64_t delay_after(
        const struct retry_policy *policy, int failures, int64_t retry_after_ms, double chance)
{
	int64_t delay = retry_delay_ms(policy, failures, chance);
	int64_t asked = retry_after_ms < policy->max_delay_ms ? retry_after_ms : policy->max_delay_ms;
	return asked > delay ? asked : delay;
}

/* Not so what may have had its effect, where every further try may be a further copy. */
static bool burns_nothing(const struct retry_attempt *a)
{
	const struct failure_info *info = failure_info(a->class);

	return !info->burns_attempt ||
	       (a->known_down && info->feeds_breaker && (a->idempotent || a->class != FAILURE_AMBIGUOUS));
}

struct retry_verdict retry_judge(
        const struct retry_policy *policy, const struct retry_attempt *a, double chance)
{
	struct retry_verdict verdict = { VERDICT_DEAD, a->attempts, a->throttled, 0 };
	bool spared = a->class != FAILURE_NONE && burns_nothing(a);
	bool retried = failure_info(a->class)->retried || spared;

	if (spared)
		verdict.throttled++;
	if (!spared || verdict.throttled > THROTTLED_MAX)
		verdict.attempts++;
	if (a->class == FAILURE_NONE) {
		verdict.kind = VERDICT_DELIVERED;
		return verdict;
	}
	if (!retried || verdict.attempts >= policy->max_attempts)
		return verdict;
	/* An answer "too much" that burns nothing still waits longer each time; who met a service that was
	 * down keeps his place in the schedule. */
	int failures = verdict.attempts;
	if (a->class == FAILURE_RATE_LIMITED && verdict.attempts == a->attempts)
		failures += verdict.throttled;
	verdict.kind = VERDICT_RETRY;
	verdict.delay_ms = delay_after(policy, failures, a->retry_after_ms, chance);
	return verdict;
}
