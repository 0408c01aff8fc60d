/* The retry schedule as tables: time and chance are given. */
#include "policy/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

/* What the card asks for, and conf ships. */
static const struct retry_policy shipped = {
	.max_attempts = 3, .base_ms = MINUTE, .factor = 5, .max_delay_ms = HOUR, .jitter = 0
};

static struct retry_verdict judge(const struct retry_policy *policy, enum failure_class class, int attempts,
        int throttled, int64_t retry_after_ms, double chance)
{
	return retry_judge(policy,
	        &(struct retry_attempt){
	                .class = class,
	                .attempts = attempts,
	                .throttled = throttled,
	                .retry_after_ms = retry_after_ms,
	        },
	        chance);
}

static void test_default_schedule_is_1m_5m_dead(void **state)
{
	(void)state;
	struct retry_verdict v = judge(&shipped, FAILURE_SERVICE_DOWN, 0, 0, 0, 0.999);
	assert_int_equal(v.kind, VERDICT_RETRY);
	assert_int_equal(v.attempts, 1);
	assert_int_equal(v.delay_ms, MINUTE);
	v = judge(&shipped, FAILURE_TIMEOUT, v.attempts, v.throttled, 0, 0.999);
	assert_int_equal(v.kind, VERDICT_RETRY);
	assert_int_equal(v.attempts, 2);
	assert_int_equal(v.delay_ms, 5 * MINUTE);
	v = judge(&shipped, FAILURE_AMBIGUOUS, v.attempts, v.throttled, 0, 0.999);
	assert_int_equal(v.kind, VERDICT_DEAD);
	assert_int_equal(v.attempts, 3);
	assert_int_equal(v.throttled, 0);
}

static void test_delays(void **state)
{
	(void)state;
	static const struct {
		struct retry_policy policy;
		int attempt;
		double chance;
		int64_t delay_ms;
	} cases[] = {
		{ { 3, MINUTE, 5, HOUR, 0 }, 1, 0.5, MINUTE },
		{ { 3, MINUTE, 5, HOUR, 0 }, 3, 0.5, 25 * MINUTE },
		{ { 3, MINUTE, 5, HOUR, 0 }, 4, 0, HOUR },
		{ { 3, MINUTE, 5, HOUR, 0 }, 0, 0, MINUTE }, /* before the first: as the first */
		{ { 3, MINUTE, 5, HOUR, 0 }, -4, 0, MINUTE },
		{ { 3, MINUTE, 5, HOUR, 0 }, INT32_MAX, 0, HOUR },
		{ { 3, MINUTE, 5, INT64_MAX, 0 }, INT32_MAX, 0, INT64_MAX },
		{ { 3, MINUTE, 1, HOUR, 0 }, 9, 0, MINUTE },
		{ { 3, 1000, 1.5, HOUR, 0 }, 3, 0, 2250 },
		{ { 3, 0, 5, HOUR, 1 }, 3, 0.9, 0 },
		{ { 3, MINUTE, 5, 30000, 0 }, 1, 0, 30000 }, /* the cap wins over the base */
		{ { 3, MINUTE, 5, 0, 0 }, 1, 0, 0 },
		/* Jitter stretches, never shortens, and stays under the cap. */
		{ { 3, MINUTE, 5, HOUR, 0.5 }, 1, 0, MINUTE },
		{ { 3, MINUTE, 5, HOUR, 0.5 }, 1, 0.5, 75000 },
		{ { 3, MINUTE, 5, HOUR, 1 }, 2, 0.25, 375000 },
		{ { 3, MINUTE, 5, HOUR, 1 }, 4, 0.99, HOUR },
		{ { 3, HOUR - 1000, 5, HOUR, 1 }, 1, 0.99, HOUR },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t delay = retry_delay_ms(&cases[i].policy, cases[i].attempt, cases[i].chance);
		if (delay != cases[i].delay_ms)
			fail_msg("case %zu: %lld ms", i, (long long)delay);
	}
}

static void test_jitter_stays_in_its_share(void **state)
{
	(void)state;
	struct retry_policy p = shipped;
	p.jitter = 0.2;
	int64_t before = 0;
	for (int i = 0; i < 1000; i++) {
		int64_t delay = retry_delay_ms(&p, 1, i / 1000.0);
		assert_true(delay >= MINUTE && delay < MINUTE * 12 / 10);
		assert_true(delay >= before);
		before = delay;
	}
	assert_true(before > MINUTE * 119 / 100);
}

static void test_judgement(void **state)
{
	(void)state;
	static const struct {
		enum failure_class class;
		int attempts, throttled;
		int64_t retry_after_ms;
		struct retry_verdict verdict;
	} cases[] = {
		{ FAILURE_NONE, 0, 0, 0, { VERDICT_DELIVERED, 1, 0, 0 } },
		{ FAILURE_NONE, 2, 7, 0, { VERDICT_DELIVERED, 3, 7, 0 } },
		/* Not retried: dead at the first. */
		{ FAILURE_INVALID_ADDRESS, 0, 0, 0, { VERDICT_DEAD, 1, 0, 0 } },
		{ FAILURE_REJECTED, 0, 0, 9000, { VERDICT_DEAD, 1, 0, 0 } },
		{ FAILURE_MISCONFIGURED, 1, 2, 0, { VERDICT_DEAD, 2, 2, 0 } },
		{ FAILURE_MALFORMED, 0, 0, 0, { VERDICT_DEAD, 1, 0, 0 } },
		{ FAILURE_WORKER_LOST, 0, 0, 0, { VERDICT_DEAD, 1, 0, 0 } },
		/* Retried. */
		{ FAILURE_OUT_OF_STOCK, 0, 0, 0, { VERDICT_RETRY, 1, 0, MINUTE } },
		{ FAILURE_OUT_OF_STOCK, 2, 0, 0, { VERDICT_DEAD, 3, 0, 0 } },
		{ FAILURE_SERVICE_DOWN, 7, 0, 0,
		        { VERDICT_DEAD, 8, 0, 0 } }, /* the policy was shortened meanwhile */
		/* What the service asks for: longer wins, shorter does not, the cap holds. */
		{ FAILURE_SERVICE_DOWN, 0, 0, 2 * MINUTE, { VERDICT_RETRY, 1, 0, 2 * MINUTE } },
		{ FAILURE_SERVICE_DOWN, 1, 0, 2 * MINUTE, { VERDICT_RETRY, 2, 0, 5 * MINUTE } },
		{ FAILURE_SERVICE_DOWN, 0, 0, 9 * HOUR, { VERDICT_RETRY, 1, 0, HOUR } },
		{ FAILURE_SERVICE_DOWN, 0, 0, INT64_MAX, { VERDICT_RETRY, 1, 0, HOUR } },
		{ FAILURE_SERVICE_DOWN, 0, 0, -5, { VERDICT_RETRY, 1, 0, MINUTE } },
		{ FAILURE_SERVICE_DOWN, 2, 0, MINUTE, { VERDICT_DEAD, 3, 0, 0 } },
		/* Too much for now: no attempt is burned, the wait grows, up to the bound. */
		{ FAILURE_RATE_LIMITED, 0, 0, 0, { VERDICT_RETRY, 0, 1, MINUTE } },
		{ FAILURE_RATE_LIMITED, 0, 1, 0, { VERDICT_RETRY, 0, 2, 5 * MINUTE } },
		{ FAILURE_RATE_LIMITED, 2, 0, 0, { VERDICT_RETRY, 2, 1, 25 * MINUTE } },
		{ FAILURE_RATE_LIMITED, 0, 0, 7 * MINUTE, { VERDICT_RETRY, 0, 1, 7 * MINUTE } },
		{ FAILURE_RATE_LIMITED, 2, THROTTLED_MAX - 1, 0, { VERDICT_RETRY, 2, THROTTLED_MAX, HOUR } },
		{ FAILURE_RATE_LIMITED, 0, THROTTLED_MAX, 0,
		        { VERDICT_RETRY, 1, THROTTLED_MAX + 1, MINUTE } },
		{ FAILURE_RATE_LIMITED, 2, THROTTLED_MAX, 0, { VERDICT_DEAD, 3, THROTTLED_MAX + 1, 0 } },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct retry_verdict v = judge(&shipped, cases[i].class, cases[i].attempts,
		        cases[i].throttled, cases[i].retry_after_ms, 0);
		if (v.kind != cases[i].verdict.kind || v.attempts != cases[i].verdict.attempts ||
		        v.throttled != cases[i].verdict.throttled || v.delay_ms != cases[i].verdict.delay_ms)
			fail_msg("case %zu: kind %d, attempts %d, throttled %d, delay %lld", i, v.kind,
			        v.attempts, v.throttled, (long long)v.delay_ms);
	}
}

static void test_one_attempt_only(void **state)
{
	(void)state;
	struct retry_policy p = shipped;
	p.max_attempts = 1;
	assert_int_equal(judge(&p, FAILURE_TIMEOUT, 0, 0, 0, 0).kind, VERDICT_DEAD);
	assert_int_equal(judge(&p, FAILURE_RATE_LIMITED, 0, 0, 0, 0).kind, VERDICT_RETRY);
}

static void test_a_throttled_delivery_ends(void **state)
{
	(void)state;
	struct retry_verdict v = { VERDICT_RETRY, 0, 0, 0 };
	int tries = 0;
	for (; v.kind == VERDICT_RETRY && tries < 1000; tries++)
		v = judge(&shipped, FAILURE_RATE_LIMITED, v.attempts, v.throttled, 0, 0);
	assert_int_equal(v.kind, VERDICT_DEAD);
	assert_int_equal(tries, THROTTLED_MAX + 3);
}

static void test_a_service_known_to_be_down_burns_nothing(void **state)
{
	(void)state;
	static const struct {
		enum failure_class class;
		int attempts, throttled;
		struct retry_verdict verdict;
	} cases[] = {
		{ FAILURE_NONE, 1, 2, { VERDICT_DELIVERED, 2, 2, 0 } },
		/* The wait does not grow: the message keeps its place in the schedule. */
		{ FAILURE_SERVICE_DOWN, 0, 0, { VERDICT_RETRY, 0, 1, MINUTE } },
		{ FAILURE_SERVICE_DOWN, 2, 5, { VERDICT_RETRY, 2, 6, 5 * MINUTE } },
		{ FAILURE_TIMEOUT, 2, 0, { VERDICT_RETRY, 2, 1, 5 * MINUTE } },
		{ FAILURE_MISCONFIGURED, 0, 0, { VERDICT_RETRY, 0, 1, MINUTE } },
		/* What may have gone out is not tried without end. */
		{ FAILURE_AMBIGUOUS, 2, 0, { VERDICT_DEAD, 3, 0, 0 } },
		/* The message's own fault. */
		{ FAILURE_INVALID_ADDRESS, 0, 0, { VERDICT_DEAD, 1, 0, 0 } },
		/* There is a bound: it may be this message that fells the service. */
		{ FAILURE_SERVICE_DOWN, 2, THROTTLED_MAX, { VERDICT_DEAD, 3, THROTTLED_MAX + 1, 0 } },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct retry_attempt attempt = {
			.class = cases[i].class,
			.attempts = cases[i].attempts,
			.throttled = cases[i].throttled,
			.known_down = true,
		};
		struct retry_verdict v = retry_judge(&shipped, &attempt, 0);
		if (v.kind != cases[i].verdict.kind || v.attempts != cases[i].verdict.attempts ||
		        v.throttled != cases[i].verdict.throttled || v.delay_ms != cases[i].verdict.delay_ms)
			fail_msg("case %zu: kind %d, attempts %d, throttled %d, delay %lld", i, v.kind,
			        v.attempts, v.throttled, (long long)v.delay_ms);
	}
	/* Where a further try doubles nothing, it is one more failure of the service. */
	const struct retry_attempt harmless = {
		.class = FAILURE_AMBIGUOUS, .attempts = 2, .known_down = true, .idempotent = true
	};
	struct retry_verdict v = retry_judge(&shipped, &harmless, 0);
	assert_int_equal(v.kind, VERDICT_RETRY);
	assert_int_equal(v.attempts, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_schedule_is_1m_5m_dead),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_jitter_stays_in_its_share),
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_one_attempt_only),
		cmocka_unit_test(test_a_throttled_delivery_ends),
		cmocka_unit_test(test_a_service_known_to_be_down_burns_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
