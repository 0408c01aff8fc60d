/* The pace of redrive jobs, driven by a clock of its own. */
#include "policy/redrive.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const mono_time begin = { 7000000000 };

static void a_job_stops_when_what_it_sends_fails_again(void **state)
{
	static const struct {
		struct redrive_plan plan;
		struct redrive_outcome outcome;
		bool stops;
	} cases[] = {
		{ { 10, 1, 5 }, { 0, 0, 0 }, false },
		{ { 10, 1, 5 }, { 1, 1, 0 }, false }, /* the canary is on its way */
		{ { 10, 1, 5 }, { 1, 0, 0 }, false }, /* and arrived */
		{ { 10, 1, 5 }, { 1, 0, 1 }, true },  /* or failed: one is enough */
		{ { 10, 3, 5 }, { 2, 1, 1 }, true },
		{ { 10, 3, 5 }, { 4, 0, 1 }, false }, /* later, the plan's number */
		{ { 10, 1, 5 }, { 100, 3, 4 }, false },
		{ { 10, 1, 5 }, { 100, 3, 5 }, true },
		{ { 10, 1, 1 }, { 100, 3, 1 }, true },
		{ { 10, 0, 5 }, { 0, 0, 0 }, false }, /* without a canary */
		{ { 10, 0, 5 }, { 4, 0, 4 }, false },
		{ { 10, 0, 5 }, { 5, 0, 5 }, true },
		{ { 10, 1, 0 }, { 1, 0, 1 }, false }, /* never */
		{ { 10, 1, 0 }, { 900, 0, 900 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(redrive_must_stop(&cases[i].plan, &cases[i].outcome), cases[i].stops);
}

static void the_canary_goes_at_once_and_is_awaited(void **state)
{
	static const struct {
		struct redrive_plan plan;
		struct redrive_outcome outcome;
		int64_t allowed;
		bool awaited;
	} cases[] = {
		{ { 10, 3, 5 }, { 0, 0, 0 }, 3, false },
		{ { 10, 3, 5 }, { 2, 2, 0 }, 1, false },
		{ { 10, 3, 5 }, { 3, 3, 0 }, 0, true },
		{ { 10, 3, 5 }, { 3, 1, 0 }, 0, true },
		{ { 10, 3, 5 }, { 3, 0, 0 }, 1, false },
		{ { 10, 0, 5 }, { 0, 0, 0 }, 1, false },
		{ { 0.1, 0, 5 }, { 0, 0, 0 }, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redrive_pace pace = { 0 };

		assert_int_equal(redrive_awaits_canary(&cases[i].plan, &cases[i].outcome), cases[i].awaited);
		assert_int_equal(
		        redrive_allows(&cases[i].plan, &cases[i].outcome, &pace, begin), cases[i].allowed);
	}
}

/* Runs a job for some seconds in steps of 100 ms, every row delivered at once; returns the rows sent. */
static int64_t run(const struct redrive_plan *plan, struct redrive_outcome *outcome,
        struct redrive_pace *pace, int64_t from_ms, int64_t to_ms)
{
	int64_t sent = 0;

	for (int64_t ms = from_ms; ms < to_ms; ms += 100) {
		int64_t n = redrive_allows(plan, outcome, pace, mono_add_ms(begin, ms));

		redrive_sent(pace, n);
		outcome->sent += n;
		sent += n;
	}
	return sent;
}

static void the_rest_goes_faster_and_faster_up_to_the_rate(void **state)
{
	static const struct {
		double rate;
		int64_t second[10]; /* rows in the nth second after the canary, one more or less */
	} cases[] = {
		{ 1, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
		{ 3, { 1, 1, 2, 2, 3, 3, 3, 3, 3, 3 } },
		{ 10, { 1, 1, 2, 2, 4, 4, 8, 8, 10, 10 } },
		{ 1000, { 1, 1, 2, 2, 4, 4, 8, 8, 16, 16 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redrive_plan plan = { cases[i].rate, 1, 5 };
		struct redrive_outcome outcome = { 1, 0, 0 };
		struct redrive_pace pace = { 0 };

		for (int64_t s = 0; s < 10; s++)
			assert_in_range(run(&plan, &outcome, &pace, s * 1000, s * 1000 + 1000) + 1,
			        cases[i].second[s], cases[i].second[s] + 2);
		assert_in_range(run(&plan, &outcome, &pace, 60000, 61000), (int64_t)cases[i].rate,
		        2 * (int64_t)cases[i].rate);
	}
}

static void less_than_one_a_second_is_kept(void **state)
{
	struct redrive_plan plan = { 0.2, 0, 5 };
	struct redrive_outcome outcome = { 0 };
	struct redrive_pace pace = { 0 };

	(void)state;
	assert_int_equal(run(&plan, &outcome, &pace, 0, 5000), 1);
	assert_int_equal(run(&plan, &outcome, &pace, 5000, 25000), 4);
}

static void it_does_not_run_ahead_of_the_outcomes(void **state)
{
	static const struct {
		double rate;
		int64_t sent, on_the_way, failed, allowed;
	} cases[] = {
		{ 1, 1000, 0, 0, 1 }, { 1, 1000, 9, 0, 1 }, { 1, 1000, 10, 0, 0 }, { 1, 1000, 11, 0, 0 },
		{ 50, 1000, 100, 0, 50 }, { 50, 1000, 480, 0, 20 }, { 50, 1000, 500, 0, 0 },
		{ 50, 1000, 900, 0, 0 }, { 1000, 10, 10, 0, 0 },  /* nothing has been delivered yet */
		{ 1000, 9, 9, 0, 1 }, { 1000, 40, 20, 0, 0 },     /* as many as have been */
		{ 1000, 40, 15, 0, 10 }, { 1000, 40, 10, 15, 5 }, /* what failed does not help */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redrive_plan plan = { cases[i].rate, 0, 50 };
		struct redrive_outcome outcome = { cases[i].sent, cases[i].on_the_way, cases[i].failed };
		struct redrive_pace pace = { 0 };

		redrive_allows(&plan, &outcome, &pace, begin);
		assert_int_equal(
		        redrive_allows(&plan, &outcome, &pace, mono_add_ms(begin, 60000)), cases[i].allowed);
	}
}

static void what_was_not_used_does_not_pile_up(void **state)
{
	struct redrive_plan plan = { 10, 0, 5 };
	struct redrive_outcome outcome = { 1, 0, 0 };
	struct redrive_pace pace = { 0 };

	(void)state;
	redrive_allows(&plan, &outcome, &pace, begin);
	assert_int_equal(redrive_allows(&plan, &outcome, &pace, mono_add_ms(begin, 3600000)), 10);
	pace = (struct redrive_pace){ 0 }; /* it waited: from the beginning */
	assert_int_equal(redrive_allows(&plan, &outcome, &pace, mono_add_ms(begin, 3600000)), 1);
}

static void after_stops_the_next_waits_longer(void **state)
{
	static const struct {
		int stops;
		int64_t minutes;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 2, 5 }, { 3, 25 }, { 4, 60 }, { 5, 60 }, { 50, 60 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(redrive_rest_ms(cases[i].stops), cases[i].minutes * 60 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_stops_when_what_it_sends_fails_again),
		cmocka_unit_test(the_canary_goes_at_once_and_is_awaited),
		cmocka_unit_test(the_rest_goes_faster_and_faster_up_to_the_rate),
		cmocka_unit_test(less_than_one_a_second_is_kept),
		cmocka_unit_test(it_does_not_run_ahead_of_the_outcomes),
		cmocka_unit_test(what_was_not_used_does_not_pile_up),
		cmocka_unit_test(after_stops_the_next_waits_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
