/* The circuit breaker, driven by a clock of its own. */
#include "policy/breaker.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct breaker_settings settings = { .failures = 3, .cooldown_ms = 1000, .probes = 2 };

struct bench {
	struct breaker b;
	mono_time now;
	wall_time wall;
};

static struct bench bench_new(void)
{
	return (struct bench){ .now = { 1000000000 }, .wall = { 5000 } };
}

static void pass_ms(struct bench *t, int64_t ms)
{
	t->now = mono_add_ms(t->now, ms);
	t->wall.ms += ms;
}

static int allows(struct bench *t)
{
	return breaker_allows(&t->b, &settings, t->now, t->wall);
}

static void start(struct bench *t, int count)
{
	for (int i = 0; i < count; i++)
		breaker_started(&t->b);
}

static void fail_times(struct bench *t, int count)
{
	for (int i = 0; i < count; i++)
		breaker_failed(&t->b, &settings, t->now, t->wall);
}

static void succeed(struct bench *t)
{
	breaker_succeeded(&t->b, &settings, t->wall);
}

static struct bench bench_open(void)
{
	struct bench t = bench_new();
	fail_times(&t, settings.failures);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	return t;
}

static void test_starts_closed(void **state)
{
	(void)state;
	struct bench t = bench_new();
	assert_int_equal(allows(&t), INT_MAX);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 0);
}

static void test_opens_at_failures_in_a_row(void **state)
{
	(void)state;
	struct bench t = bench_new();
	fail_times(&t, 2);
	assert_int_equal(allows(&t), INT_MAX);
	succeed(&t); /* breaks the row */
	fail_times(&t, 2);
	assert_int_equal(allows(&t), INT_MAX);
	pass_ms(&t, 40);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(t.b.since.ms, 5040);
	assert_int_equal(allows(&t), 0);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 1000);
}

static void test_trials_begin_exactly_when_the_cooldown_ends(void **state)
{
	(void)state;
	struct bench t = bench_open();
	pass_ms(&t, 999);
	assert_int_equal(allows(&t), 0);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 1);
	t.now.ns += 999999; /* one nanosecond is missing */
	assert_int_equal(allows(&t), 0);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 1);
	t.now.ns += 1;
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 0);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(allows(&t), 2);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
	assert_int_equal(t.b.since.ms, t.wall.ms);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 0);
}

static struct bench bench_half_open(void)
{
	struct bench t = bench_open();
	pass_ms(&t, settings.cooldown_ms);
	assert_int_equal(allows(&t), settings.probes);
	return t;
}

static void test_trials_are_counted(void **state)
{
	(void)state;
	struct bench t = bench_half_open();
	start(&t, 1);
	assert_int_equal(allows(&t), 1);
	start(&t, 1);
	assert_int_equal(allows(&t), 0);
	breaker_released(&t.b); /* given back unsent */
	assert_int_equal(allows(&t), 1);
	start(&t, 1);
	succeed(&t);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
	assert_int_equal(allows(&t), 0);
	succeed(&t);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	assert_int_equal(allows(&t), INT_MAX);
	/* It starts anew: the old failures are forgotten. */
	fail_times(&t, 2);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
}

static void test_failed_trial_doubles_the_cooldown_to_a_bound(void **state)
{
	(void)state;
	static const int64_t expected[] = { 2000, 4000, 8000, 8000, 8000 };
	struct bench t = bench_half_open();
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		start(&t, 1);
		fail_times(&t, 1);
		assert_int_equal(t.b.state, BREAKER_OPEN);
		assert_int_equal(breaker_wait_ms(&t.b, t.now), expected[i]);
		pass_ms(&t, expected[i] - 1);
		assert_int_equal(allows(&t), 0);
		pass_ms(&t, 1);
		assert_int_equal(allows(&t), 2);
	}
	/* Once it has closed, the next outage begins with the short cooldown again. */
	start(&t, 2);
	succeed(&t);
	succeed(&t);
	fail_times(&t, 3);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 1000);
}

static void test_one_failed_trial_is_enough(void **state)
{
	(void)state;
	struct bench t = bench_half_open();
	start(&t, 2);
	succeed(&t);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
}

static void test_late_ends_of_earlier_sends_do_not_count(void **state)
{
	(void)state;
	struct bench t = bench_open();
	int64_t until = t.b.until.ns;
	pass_ms(&t, 500);
	succeed(&t);
	fail_times(&t, 10);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(t.b.until.ns, until); /* hundreds of failing sends do not prolong it */
	breaker_released(&t.b);
	breaker_started(&t.b);
	pass_ms(&t, 500);
	assert_int_equal(allows(&t), 2);
	succeed(&t);
	succeed(&t);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
	assert_int_equal(allows(&t), 2);
	breaker_released(&t.b); /* nothing to give back */
	assert_int_equal(allows(&t), 2);
}

static void test_zero_failures_never_opens(void **state)
{
	(void)state;
	static const struct breaker_settings off = { .failures = 0, .cooldown_ms = 1000, .probes = 1 };
	struct breaker b = { 0 };
	for (int i = 0; i < 1000; i++)
		breaker_failed(&b, &off, (mono_time){ 0 }, (wall_time){ 1 });
	assert_int_equal(breaker_allows(&b, &off, (mono_time){ 0 }, (wall_time){ 1 }), INT_MAX);
	/* Switched off while open: it closes at once. */
	struct bench t = bench_open();
	assert_int_equal(breaker_allows(&t.b, &off, t.now, t.wall), INT_MAX);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
}

static void test_odd_settings(void **state)
{
	(void)state;
	struct breaker b = { 0 };
	struct breaker_settings odd = { .failures = 1, .cooldown_ms = INT64_MAX, .probes = 0 };
	breaker_failed(&b, &odd, (mono_time){ 5 }, (wall_time){ 1 });
	assert_int_equal(breaker_allows(&b, &odd, (mono_time){ INT64_MAX - 1 }, (wall_time){ 1 }), 0);
	assert_true(breaker_wait_ms(&b, (mono_time){ 5 }) > 0);
	odd.cooldown_ms = 0;
	b = (struct breaker){ 0 };
	breaker_failed(&b, &odd, (mono_time){ 5 }, (wall_time){ 1 });
	assert_int_equal(
	        breaker_allows(&b, &odd, (mono_time){ 5 }, (wall_time){ 1 }), 1); /* one probe at least */
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
	assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_closed),
		cmocka_unit_test(test_opens_at_failures_in_a_row),
		cmocka_unit_test(test_trials_begin_exactly_when_the_cooldown_ends),
		cmocka_unit_test(test_trials_are_counted),
		cmocka_unit_test(test_failed_trial_doubles_the_cooldown_to_a_bound),
		cmocka_unit_test(test_one_failed_trial_is_enough),
		cmocka_unit_test(test_late_ends_of_earlier_sends_do_not_count),
		cmocka_unit_test(test_zero_failures_never_opens),
		cmocka_unit_test(test_odd_settings),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
