/* The token bucket, driven by a clock of its own. */
#include "policy/rate.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const mono_time begin = { 7000000000 };

static void test_unlimited(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	assert_int_equal(rate_available(&r, begin), INT_MAX);
	rate_take(&r, 1000000);
	assert_int_equal(rate_available(&r, begin), INT_MAX);
	assert_int_equal(rate_wait_ms(&r, begin), 0);
	rate_init(&r, -5, begin);
	assert_int_equal(rate_available(&r, begin), INT_MAX);
}

static void test_a_second_full_then_refilled_by_time(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 10, begin);
	assert_int_equal(rate_available(&r, begin), 10);
	rate_take(&r, 10);
	assert_int_equal(rate_available(&r, begin), 0);
	assert_int_equal(rate_wait_ms(&r, begin), 100);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 99)), 0);
	assert_int_equal(rate_wait_ms(&r, mono_add_ms(begin, 99)), 1);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 100)), 1);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 450)), 4);
	/* Idle for an hour: never more than a second's worth. */
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 3600000)), 10);
}

static void test_slow_rates_keep_one_token(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0.1, begin);
	assert_int_equal(rate_available(&r, begin), 1);
	rate_take(&r, 1);
	assert_int_equal(rate_wait_ms(&r, begin), 10000);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 9998)), 0);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 10000)), 1);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 1000000)), 1);
}

static void test_waiting_as_told_always_finds_a_token(void **state)
{
	(void)state;
	static const double rates[] = { 0.001, 0.3, 1, 3, 7, 14, 99.9, 333, 1000, 12345.678 };
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct rate r;
		mono_time now = begin;
		rate_init(&r, rates[i], now);
		rate_take(&r, rate_available(&r, now));
		for (int round = 0; round < 500; round++) {
			now = mono_add_ms(now, rate_wait_ms(&r, now));
			int n = rate_available(&r, now);
			assert_true(n >= 1);
			assert_int_equal(rate_wait_ms(&r, now), 0);
			rate_take(&r, n);
			now.ns += 37 * round; /* off the millisecond */
		}
	}
}

static void test_the_rate_holds_over_time(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 14, begin); /* as mail services grant it */
	long taken = 0;
	for (int ms = 0; ms <= 60000; ms += 7) {
		int n = rate_available(&r, mono_add_ms(begin, ms));
		rate_take(&r, n);
		taken += n;
	}
	assert_true(taken >= 14 * 60 && taken <= 14 * 61);
}

static void test_a_debt_is_paid_back(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 10, begin);
	rate_take(&r, 30); /* a batch that was allowed as a whole */
	assert_int_equal(rate_available(&r, begin), 0);
	assert_int_equal(rate_wait_ms(&r, begin), 2100);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 2100)), 1);
}

static void test_time_standing_still_or_behind_gives_nothing(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 10, begin);
	rate_take(&r, 10);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, -5000)), 0);
	assert_int_equal(rate_available(&r, begin), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rate_available(&r, mono_add_ms(begin, 100)), 1);
}

static void test_extremes(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 1e12, begin);
	assert_int_equal(rate_available(&r, begin), INT_MAX);
	rate_init(&r, 1e-12, begin);
	rate_take(&r, 1);
	assert_true(rate_wait_ms(&r, begin) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_a_second_full_then_refilled_by_time),
		cmocka_unit_test(test_slow_rates_keep_one_token),
		cmocka_unit_test(test_waiting_as_told_always_finds_a_token),
		cmocka_unit_test(test_the_rate_holds_over_time),
		cmocka_unit_test(test_a_debt_is_paid_back),
		cmocka_unit_test(test_time_standing_still_or_behind_gives_nothing),
		cmocka_unit_test(test_extremes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
