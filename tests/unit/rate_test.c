/* The token bucket, driven by a clock of its own. */
#include "policy/rate.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

/* -- The service's limit ------------------------------------------------------------------------------- */

/* A service that takes `takes` a second, counted by whole seconds, and refuses the rest; sends go as fast as
 * the rate lets them, up to 100 every 10 ms. */
struct run {
	struct rate r;
	mono_time now;
	int64_t second;
	int in_second;
	long taken, refused;
};

static struct run run_new(double configured)
{
	struct run run = { .now = begin };
	rate_init(&run.r, configured, begin);
	return run;
}

static void run_for(struct run *run, int takes, int64_t ms)
{
	for (mono_time end = mono_add_ms(run->now, ms); run->now.ns < end.ns;
	        run->now = mono_add_ms(run->now, 10)) {
		int n = rate_available(&run->r, run->now);
		n = n < 100 ? n : 100;
		if (run->now.ns / 1000000000 != run->second)
			run->in_second = 0;
		run->second = run->now.ns / 1000000000;
		rate_take(&run->r, n);
		for (int i = 0; i < n; i++) {
			bool taken = run->in_second < takes;
			run->in_second += taken;
			run->taken += taken;
			run->refused += !taken;
			if (taken)
				rate_accepted(&run->r, run->now);
			else
				rate_refused(&run->r, 0, run->now);
		}
	}
}

static void test_slows_down_to_what_the_service_takes(void **state)
{
	(void)state;
	static const int speeds[] = { 1, 5, 14, 50 };
	for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
		struct run run = run_new(0);
		run_for(&run, speeds[i], 2000);
		assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_SERVICE);
		run.taken = run.refused = 0;
		run_for(&run, speeds[i], 120000);
		/* Most of what the service would take is used, and few of its answers are refusals. */
		if (run.taken < 120 * speeds[i] * 55 / 100 || run.refused > run.taken / 4)
			fail_msg("%d/s: %ld taken, %ld refused in 120 s", speeds[i], run.taken, run.refused);
	}
}

static void test_a_burst_of_refusals_is_one_drop(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	for (int i = 0; i < 40; i++)
		rate_accepted(&r, mono_add_ms(begin, 25 * i));
	for (int i = 0; i < 200; i++)
		rate_refused(&r, 0, mono_add_ms(begin, 1000));
	assert_true(rate_effective(&r) > 19 && rate_effective(&r) < 21);
	for (int i = 0; i < 200; i++)
		rate_refused(&r, 0, mono_add_ms(begin, 1900));
	assert_true(rate_effective(&r) > 19);
	/* Over a second later: nothing was taken meanwhile. The floor holds. */
	rate_refused(&r, 0, mono_add_ms(begin, 2100));
	assert_true(rate_effective(&r) == RATE_LIMIT_MIN);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 2100)), 0);
	assert_true(rate_wait_ms(&r, mono_add_ms(begin, 2100)) <= 5000);
}

/* A refusal is quicker than a "yes". */
static void test_what_was_taken_may_be_known_late(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	for (int i = 0; i < 30; i++)
		rate_refused(&r, 0, begin);
	assert_true(rate_effective(&r) == RATE_LIMIT_FIRST);
	for (int i = 0; i < 20; i++)
		rate_accepted(&r, mono_add_ms(begin, 10 * i));
	assert_true(rate_effective(&r) > 9.5 && rate_effective(&r) < 10.5);
	/* Those that come later still were sent at the new speed. */
	for (int i = 0; i < 20; i++)
		rate_accepted(&r, mono_add_ms(begin, 1100));
	assert_true(rate_effective(&r) < 10.5);
}

/* Greylisting puts off single messages: no reason to slow all down. */
static void test_single_refusals_slow_nothing(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	for (int i = 0; i < 4; i++)
		rate_refused(&r, 0, mono_add_ms(begin, 100 * i));
	assert_int_equal(rate_limited_by(&r, begin), RATE_BY_NONE);
	for (int i = 0; i < 10000; i++) {
		mono_time now = mono_add_ms(begin, 5000 + i);
		if (i % 10 == 9)
			rate_refused(&r, 0, now);
		else
			rate_accepted(&r, now);
	}
	assert_int_equal(rate_limited_by(&r, begin), RATE_BY_NONE);
	assert_int_equal(rate_available(&r, begin), INT_MAX);
}

static void test_it_rises_again_and_is_forgotten(void **state)
{
	(void)state;
	struct run run = run_new(0);
	run_for(&run, 20, 5000);
	double low = rate_effective(&run.r);
	assert_true(low >= 5 && low <= 20);
	run_for(&run, 1000000, 10000); /* the service has recovered */
	double later = rate_effective(&run.r);
	assert_true(later > low + 5 && later < low * 3 + 20); /* little by little */
	run_for(&run, 1000000, 40000);
	assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_SERVICE);
	run_for(&run, 1000000, 200000); /* by then it is over all that is asked for */
	assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_NONE);
	assert_int_equal(rate_available(&run.r, run.now), INT_MAX);
	/* With nothing to send it is forgotten too. */
	run = run_new(0);
	run_for(&run, 20, 5000);
	assert_int_equal(rate_limited_by(&run.r, mono_add_ms(run.now, 50000)), RATE_BY_SERVICE);
	assert_int_equal(rate_limited_by(&run.r, mono_add_ms(run.now, 61000)), RATE_BY_NONE);
}

/* Six seconds in which it refused everything are not an answer to the speed: members need not wait minutes
 * for it. */
static void test_half_of_what_it_took_is_soon_regained(void **state)
{
	(void)state;
	struct run run = run_new(0);
	run_for(&run, 50, 20000);
	run_for(&run, 0, 6000);
	assert_true(rate_effective(&run.r) < 5);
	run.taken = run.refused = 0;
	run_for(&run, 50, 20000);
	if (run.taken < 150)
		fail_msg("%ld taken in 20 s, at %.1f/s", run.taken, rate_effective(&run.r));
	run_for(&run, 50, 30000);
	if (rate_effective(&run.r) < 25)
		fail_msg("%.1f/s after 50 s", rate_effective(&run.r));
}

static void test_it_never_exceeds_the_configuration(void **state)
{
	(void)state;
	struct run run = run_new(14);
	assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_CONFIGURATION);
	run_for(&run, 5, 10000);
	assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_SERVICE);
	run.taken = run.refused = 0;
	run_for(&run, 100000, 60000);
	assert_true(rate_effective(&run.r) == 14);
	assert_true(run.taken <= 14 * 61);
	run_for(&run, 100000, 10000); /* a minute without a refusal */
	assert_int_equal(rate_limited_by(&run.r, run.now), RATE_BY_CONFIGURATION);
}

static void test_retry_after_is_silence(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	rate_refused(&r, 3000, begin);
	rate_refused(&r, 1000, mono_add_ms(begin, 100)); /* the longer one holds */
	assert_true(rate_paused(&r, mono_add_ms(begin, 2999)));
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 2999)), 0);
	assert_int_equal(rate_wait_ms(&r, mono_add_ms(begin, 100)), 2900);
	assert_int_equal(rate_limited_by(&r, mono_add_ms(begin, 100)), RATE_BY_SERVICE);
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 3000)), INT_MAX);
	assert_int_equal(rate_limited_by(&r, mono_add_ms(begin, 3000)), RATE_BY_NONE);
	rate_refused(&r, INT64_MAX, mono_add_ms(begin, 4000));
	assert_int_equal(rate_wait_ms(&r, mono_add_ms(begin, 4000)), RATE_PAUSE_MAX_MS);
	rate_init(&r, 2, begin);
	rate_take(&r, 2);
	rate_refused(&r, 100, begin);
	assert_int_equal(rate_wait_ms(&r, begin), 500); /* the token comes later than the pause ends */
}

static void test_by_names(void **state)
{
	(void)state;
	assert_string_equal(rate_by_name(RATE_BY_NONE), "none");
	assert_string_equal(rate_by_name(RATE_BY_CONFIGURATION), "configuration");
	assert_string_equal(rate_by_name(RATE_BY_SERVICE), "service");
}

static void test_another_rate_is_configured(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, begin);
	rate_configure(&r, 10, begin);
	assert_int_equal(rate_available(&r, begin), 1); /* nothing was saved up while it had no limit */
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 500)), 6);
	rate_configure(&r, 2, mono_add_ms(begin, 500));
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 500)), 2);
	rate_configure(&r, 0, mono_add_ms(begin, 500));
	assert_int_equal(rate_available(&r, mono_add_ms(begin, 500)), INT_MAX);
	assert_true(rate_effective(&r) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_rate_is_configured),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_a_second_full_then_refilled_by_time),
		cmocka_unit_test(test_slow_rates_keep_one_token),
		cmocka_unit_test(test_waiting_as_told_always_finds_a_token),
		cmocka_unit_test(test_the_rate_holds_over_time),
		cmocka_unit_test(test_a_debt_is_paid_back),
		cmocka_unit_test(test_time_standing_still_or_behind_gives_nothing),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_slows_down_to_what_the_service_takes),
		cmocka_unit_test(test_a_burst_of_refusals_is_one_drop),
		cmocka_unit_test(test_what_was_taken_may_be_known_late),
		cmocka_unit_test(test_single_refusals_slow_nothing),
		cmocka_unit_test(test_it_rises_again_and_is_forgotten),
		cmocka_unit_test(test_half_of_what_it_took_is_soon_regained),
		cmocka_unit_test(test_it_never_exceeds_the_configuration),
		cmocka_unit_test(test_retry_after_is_silence),
		cmocka_unit_test(test_by_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
