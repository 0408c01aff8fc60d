/* The circuit breaker, driven by a clock of its own. */
#include "policy/breaker.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct breaker_settings settings = {
	.failures = 3, .window_ms = 60000, .cooldown_ms = 1000, .probes = 2
};
/* As shipped, with an in-flight bound of 20. */
static const struct breaker_settings shipped = {
	.failures = 10, .share = 0.5, .window_ms = 60000, .cooldown_ms = 30000, .probes = 3, .ramp_to = 20
};

struct bench {
	struct breaker b;
	unsigned ticket; /* of the last start */
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
		t->ticket = breaker_started(&t->b);
}

static void fail_times(struct bench *t, int count)
{
	for (int i = 0; i < count; i++)
		breaker_failed(&t->b, &settings, t->b.epoch, t->now, t->wall);
}

static void succeed(struct bench *t)
{
	breaker_succeeded(&t->b, &settings, t->b.epoch, t->now, t->wall);
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
	breaker_released(&t.b, t.ticket); /* it says nothing */
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

static void test_late_ends_of_earlier_calls_do_not_count(void **state)
{
	(void)state;
	struct bench t = bench_new();
	start(&t, 10);
	unsigned early = t.ticket;
	fail_times(&t, 3);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	int64_t until = t.b.until.ns;
	pass_ms(&t, 500);
	breaker_succeeded(&t.b, &settings, early, t.now, t.wall);
	breaker_failed(&t.b, &settings, early, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(t.b.until.ns, until); /* hundreds of failing calls do not prolong it */
	pass_ms(&t, 500);
	assert_int_equal(allows(&t), 2);
	breaker_succeeded(&t.b, &settings, early, t.now, t.wall);
	breaker_failed(&t.b, &settings, early, t.now, t.wall);
	breaker_tripped(&t.b, &settings, early, t.now, t.wall);
	breaker_released(&t.b, early);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
	assert_int_equal(allows(&t), 2);
	start(&t, 2);
	succeed(&t);
	succeed(&t);
	/* Nor do they open it again. */
	for (int i = 0; i < 5; i++)
		breaker_failed(&t.b, &settings, early, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
}

static void test_zero_failures_never_opens(void **state)
{
	(void)state;
	static const struct breaker_settings off = { .failures = 0, .cooldown_ms = 1000, .probes = 1 };
	struct breaker b = { 0 };
	for (int i = 0; i < 1000; i++)
		breaker_failed(&b, &off, b.epoch, (mono_time){ 0 }, (wall_time){ 1 });
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
	breaker_failed(&b, &odd, b.epoch, (mono_time){ 5 }, (wall_time){ 1 });
	assert_int_equal(breaker_allows(&b, &odd, (mono_time){ INT64_MAX - 1 }, (wall_time){ 1 }), 0);
	assert_true(breaker_wait_ms(&b, (mono_time){ 5 }) > 0);
	odd.cooldown_ms = 0;
	b = (struct breaker){ 0 };
	breaker_failed(&b, &odd, b.epoch, (mono_time){ 5 }, (wall_time){ 1 });
	assert_int_equal(
	        breaker_allows(&b, &odd, (mono_time){ 5 }, (wall_time){ 1 }), 1); /* one probe at least */
}

static void test_failures_outside_the_window_do_not_count(void **state)
{
	(void)state;
	struct bench t = bench_new();
	for (int i = 0; i < 20; i++) { /* one every 31 s: never three in a minute */
		fail_times(&t, 1);
		pass_ms(&t, 31000);
	}
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	pass_ms(&t, 10 * 60000);
	fail_times(&t, 2);
	pass_ms(&t, 50000);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
}

/* One letter a call, a second apart: F failed, s succeeded. Where it opens: the letter's number, -1 never. */
static int opens_at(const struct breaker_settings *s, const char *calls)
{
	struct bench t = bench_new();
	for (int i = 0; calls[i]; i++) {
		pass_ms(&t, 1000);
		unsigned ticket = breaker_started(&t.b);
		if (calls[i] == 'F')
			breaker_failed(&t.b, s, ticket, t.now, t.wall);
		else
			breaker_succeeded(&t.b, s, ticket, t.now, t.wall);
		if (t.b.state == BREAKER_OPEN)
			return i + 1;
	}
	return -1;
}

static void test_failure_share(void **state)
{
	(void)state;
	static const struct {
		int failures;
		double share;
		int64_t window_ms;
		const char *calls;
		int opens_at;
	} cases[] = {
		{ 4, 0.5, 60000, "FsFsFsFsFsFs", 7 },                /* four of seven */
		{ 4, 0.5, 60000, "ssFssFssFssFssFssF", -1 },         /* a third */
		{ 4, 0.3, 60000, "ssFssFssFssFssFssF", 12 },         /* four of twelve */
		{ 4, 0.5, 60000, "FFFs", -1 },                       /* too few to tell */
		{ 4, 0, 60000, "FsFsFsFsFsFsFsFsFsFsFsFsFsFs", -1 }, /* not by share */
		{ 4, 1, 60000, "FsFsFsFsFsFFFF", 14 },               /* in a row */
		{ 4, 0.5, 5000, "FsssFsssFsssFsssFsss", -1 },        /* never four in five seconds */
		{ 1, 0.5, 60000, "sssssF", 6 },                      /* one is in a row */
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct breaker_settings s = settings;
		s.failures = cases[i].failures;
		s.share = cases[i].share;
		s.window_ms = cases[i].window_ms;
		int at = opens_at(&s, cases[i].calls);
		if (at != cases[i].opens_at)
			fail_msg("case %zu: opens at %d", i, at);
	}
}

static void test_cooldown_max(void **state)
{
	(void)state;
	static const struct breaker_settings s = {
		.failures = 1, .cooldown_ms = 200, .cooldown_max_ms = 5000, .probes = 1
	};
	static const int64_t expected[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };
	struct bench t = bench_new();
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		breaker_failed(&t.b, &s, t.b.epoch, t.now, t.wall);
		assert_int_equal(breaker_wait_ms(&t.b, t.now), expected[i]);
		pass_ms(&t, expected[i]);
		assert_int_equal(breaker_allows(&t.b, &s, t.now, t.wall), 1);
	}
	breaker_succeeded(&t.b, &s, t.b.epoch, t.now, t.wall);
	assert_int_equal(breaker_allows(&t.b, &s, t.now, t.wall), INT_MAX);
}

/* Starts all that is allowed, up to `asked`; then all of it succeeds. Returns how many. */
static int round_trip(struct bench *t, const struct breaker_settings *s, int asked)
{
	int n = breaker_allows(&t->b, s, t->now, t->wall);
	n = n < asked ? n : asked;
	start(t, n);
	pass_ms(t, 100);
	for (int i = 0; i < n; i++)
		breaker_succeeded(&t->b, s, t->b.epoch, t->now, t->wall);
	return n;
}

static void open_with(struct bench *t, const struct breaker_settings *s)
{
	for (int i = 0; i < s->failures; i++)
		breaker_failed(&t->b, s, t->b.epoch, t->now, t->wall);
	assert_int_equal(t->b.state, BREAKER_OPEN);
}

static void test_ramp_doubles_each_round_trip(void **state)
{
	(void)state;
	struct bench t = bench_new();
	open_with(&t, &shipped);
	pass_ms(&t, shipped.cooldown_ms);
	assert_int_equal(round_trip(&t, &shipped, 1000), 3); /* the trials */
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	assert_int_equal(round_trip(&t, &shipped, 1000), 3);
	assert_int_equal(round_trip(&t, &shipped, 1000), 6);
	assert_int_equal(round_trip(&t, &shipped, 1000), 12);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), INT_MAX);
}

static void test_ramp_counts_what_is_under_way(void **state)
{
	(void)state;
	struct bench t = bench_new();
	open_with(&t, &shipped);
	breaker_probed(&t.b, &shipped, true, t.now, t.wall);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 3);
	start(&t, 2);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 1);
	start(&t, 1);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 0);
	breaker_failed(&t.b, &shipped, t.ticket, t.now, t.wall); /* grows nothing */
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 1);
	breaker_released(&t.b, t.ticket);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 2);
	breaker_succeeded(&t.b, &shipped, t.ticket, t.now, t.wall);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 4);
	/* Failures during the ramp count as usual. */
	open_with(&t, &(struct breaker_settings){ .failures = 9, .window_ms = 60000, .cooldown_ms = 1 });
}

static void test_a_probe_sees_the_recovery(void **state)
{
	(void)state;
	struct bench t = bench_new();
	open_with(&t, &shipped);
	pass_ms(&t, 10000);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 20000); /* no call was spent: nothing grows */
	pass_ms(&t, 5000);
	breaker_probed(&t.b, &shipped, true, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	assert_int_equal(round_trip(&t, &shipped, 1000), 3);
	/* Proved by calls: the next outage begins anew, and probes are heard again. */
	open_with(&t, &shipped);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 30000);
	breaker_probed(&t.b, &shipped, true, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
}

static void test_two_bad_probes_open(void **state)
{
	(void)state;
	struct bench t = bench_new();
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	breaker_probed(&t.b, &shipped, true, t.now, t.wall);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	round_trip(&t, &shipped, 1); /* a call that succeeds shows more */
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 30000);
}

static void test_while_probes_fail_trials_go_one_by_one(void **state)
{
	(void)state;
	struct bench t = bench_new();
	open_with(&t, &shipped);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	pass_ms(&t, shipped.cooldown_ms);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 1);
	start(&t, 1);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 0);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN); /* the trial decides */
	/* The probe may be the one that is wrong: calls that succeed close it all the same. */
	breaker_succeeded(&t.b, &shipped, t.ticket, t.now, t.wall);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 2);
	round_trip(&t, &shipped, 2);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	/* Half-open with nothing to try: the probe is the trial. */
	open_with(&t, &shipped);
	pass_ms(&t, shipped.cooldown_ms);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 3);
	breaker_probed(&t.b, &shipped, false, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 60000);
}

/* A service whose probe is well and whose every call fails: an hour of it, a probe every 15 s, a call
 * whenever one is allowed. */
static void test_a_probe_that_is_wrong_makes_no_flapping(void **state)
{
	(void)state;
	struct bench t = bench_new();
	int failed = 0, openings = 0;
	for (int64_t ms = 0; ms < 3600000; ms += 100, pass_ms(&t, 100)) {
		enum breaker_state before = t.b.state;
		if (ms % 15000 == 0)
			breaker_probed(&t.b, &shipped, true, t.now, t.wall);
		if (breaker_allows(&t.b, &shipped, t.now, t.wall) > 0) {
			start(&t, 1);
			breaker_failed(&t.b, &shipped, t.ticket, t.now, t.wall);
			failed++;
		}
		openings += before != BREAKER_OPEN && t.b.state == BREAKER_OPEN;
	}
	/* Ten that open it, ten after the probe's word, then one each 60, 120, 240, 240 ... s. */
	assert_true(failed <= 10 + 10 + 17);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	/* It comes back by its trials, and then the probe is heard again. */
	pass_ms(&t, 240000);
	assert_int_equal(round_trip(&t, &shipped, 10), 3);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	open_with(&t, &shipped);
	breaker_probed(&t.b, &shipped, true, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
}

static void test_tripped_at_once(void **state)
{
	(void)state;
	struct bench t = bench_new();
	start(&t, 1);
	breaker_tripped(&t.b, &shipped, t.ticket, t.now, t.wall);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	pass_ms(&t, 30000);
	assert_int_equal(breaker_allows(&t.b, &shipped, t.now, t.wall), 3);
	start(&t, 1);
	breaker_tripped(&t.b, &shipped, t.ticket, t.now, t.wall);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), 60000);
}

static void test_an_operator_decides(void **state)
{
	(void)state;
	struct bench t = bench_new();
	breaker_force(&t.b, FORCED_OPEN, (wall_time){ 9000 });
	assert_int_equal(t.b.state, BREAKER_OPEN);
	assert_int_equal(t.b.since.ms, 9000);
	pass_ms(&t, 24 * 3600000);
	assert_int_equal(allows(&t), 0);
	assert_int_equal(breaker_wait_ms(&t.b, t.now), -1);
	breaker_probed(&t.b, &settings, true, t.now, t.wall);
	succeed(&t);
	assert_int_equal(allows(&t), 0);
	breaker_force(&t.b, FORCED_OPEN, (wall_time){ 9999 }); /* said twice */
	assert_int_equal(t.b.since.ms, 9000);
	/* Left to itself it tries. */
	breaker_force(&t.b, FORCED_NONE, t.wall);
	assert_int_equal(allows(&t), 2);
	assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
	start(&t, 1);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	/* Closed, whatever fails. */
	breaker_force(&t.b, FORCED_CLOSED, t.wall);
	assert_int_equal(allows(&t), INT_MAX);
	start(&t, 50);
	fail_times(&t, 50);
	breaker_tripped(&t.b, &settings, t.b.epoch, t.now, t.wall);
	breaker_probed(&t.b, &settings, false, t.now, t.wall);
	assert_int_equal(allows(&t), INT_MAX);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	breaker_force(&t.b, FORCED_NONE, t.wall);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	fail_times(&t, 2);
	assert_int_equal(t.b.state, BREAKER_CLOSED);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
}

/* A service that is down for ten minutes, up to twenty calls a second of 100 ms each, no probe: how many
 * calls fail, and how soon after its return is it used to the full? */
static void test_an_outage_costs_few_calls(void **state)
{
	(void)state;
	struct bench t = bench_new();
	int failed = 0;
	int64_t full_at = -1;
	for (int64_t ms = 0; ms < 1200000 && full_at < 0; ms += 100, pass_ms(&t, 100)) {
		bool down = ms >= 1000 && ms < 601000;
		int n = breaker_allows(&t.b, &shipped, t.now, t.wall);
		n = n < 20 ? n : 20;
		start(&t, n);
		for (int i = 0; i < n; i++) {
			if (down)
				breaker_failed(&t.b, &shipped, t.ticket, t.now, t.wall);
			else
				breaker_succeeded(&t.b, &shipped, t.ticket, t.now, t.wall);
			failed += down;
		}
		if (ms > 601000 && n == 20)
			full_at = ms;
	}
	assert_true(failed <= 20 + 3 * 5); /* the first batch, and the trials at 30, 90, 210, 450 s */
	assert_true(full_at > 0 && full_at < 601000 + 240000 + 1000);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
	assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

static void test_another_service_is_tried_at_once(void **state)
{
	(void)state;
	struct bench t = bench_new();
	start(&t, 3);
	fail_times(&t, 3);
	assert_int_equal(allows(&t), 0);
	breaker_hasten(&t.b, t.now);
	assert_int_equal(allows(&t), settings.probes);
	start(&t, 1);
	fail_times(&t, 1);
	assert_int_equal(t.b.state, BREAKER_OPEN);
	breaker_force(&t.b, FORCED_OPEN, t.wall);
	breaker_hasten(&t.b, t.now);
	assert_int_equal(allows(&t), 0); /* an operator's word stands */
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
		cmocka_unit_test(test_late_ends_of_earlier_calls_do_not_count),
		cmocka_unit_test(test_zero_failures_never_opens),
		cmocka_unit_test(test_odd_settings),
		cmocka_unit_test(test_failures_outside_the_window_do_not_count),
		cmocka_unit_test(test_failure_share),
		cmocka_unit_test(test_cooldown_max),
		cmocka_unit_test(test_ramp_doubles_each_round_trip),
		cmocka_unit_test(test_ramp_counts_what_is_under_way),
		cmocka_unit_test(test_a_probe_sees_the_recovery),
		cmocka_unit_test(test_two_bad_probes_open),
		cmocka_unit_test(test_while_probes_fail_trials_go_one_by_one),
		cmocka_unit_test(test_a_probe_that_is_wrong_makes_no_flapping),
		cmocka_unit_test(test_tripped_at_once),
		cmocka_unit_test(test_an_operator_decides),
		cmocka_unit_test(test_an_outage_costs_few_calls),
		cmocka_unit_test(test_another_service_is_tried_at_once),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
