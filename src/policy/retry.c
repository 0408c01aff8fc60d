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

struct retry_verdict retry_judge(const struct retry_policy *policy, enum failure_class class, int attempts,
        int throttled, int64_t retry_after_ms, double chance)
{
	const struct failure_info *info = failure_info(class);
	struct retry_verdict verdict = { VERDICT_DEAD, attempts, throttled, 0 };
	if (class == FAILURE_NONE) {
		verdict.kind = VERDICT_DELIVERED;
		verdict.attempts++;
		return verdict;
	}
	bool burns = info->burns_attempt;
	if (!burns) {
		verdict.throttled++;
		burns = verdict.throttled > THROTTLED_MAX;
	}
	if (burns)
		verdict.attempts++;
	if (!info->retried || verdict.attempts >= policy->max_attempts)
		return verdict;
	/* An answer "too much" that burns nothing still waits longer each time. */
	int failures = burns ? verdict.attempts : verdict.attempts + verdict.throttled;
	verdict.kind = VERDICT_RETRY;
	verdict.delay_ms = delay_after(policy, failures, retry_after_ms, chance);
	return verdict;
}
