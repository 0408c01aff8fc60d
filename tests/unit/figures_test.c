/* Rates and histories out of counters, with time injected. */
#include "engine/figures.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define START_MS (1795382591042 / 60000 * 60000) /* a full minute */

static struct counters counters;
static struct figures figures;
static struct status status;

static int setup(void **state)
{
	(void)state;
	memset(&counters, 0, sizeof counters);
	memset(&figures, 0, sizeof figures);
	memset(&status, 0, sizeof status);
	status.history.step_ms = 1000;
	status.database.up = true;
	return 0;
}

static void tick(int64_t at_ms)
{
	struct figures_sample s = figures_read(&counters, (mono_time){ at_ms * 1000000 });
	status.at = (wall_time){ START_MS + at_ms };
	figures_add(&figures, &s, &status);
}

static struct channel_status *email(void)
{
	return &status.channel[CHANNEL_EMAIL];
}

static uint32_t recent(int i, enum series series)
{
	return status.history.recent[i].value[CHANNEL_EMAIL][series];
}

static uint32_t minute(int i, enum series series)
{
	return status.history.minutes[i].value[CHANNEL_EMAIL][series];
}

/* What was done before it is in its point all the same: the counters begin with the daemon. */
static void the_first_sample_gives_no_rate(void **state)
{
	(void)state;
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 1000);
	tick(5000);
	assert_true(email()->out_per_s == 0);
	assert_int_equal(recent(0, SERIES_OUT), 1000);
	assert_int_equal(status.history.recent_len, 1);
}

static void a_rate_is_over_the_time_that_passed(void **state)
{
	(void)state;
	tick(0);
	counter_add(&counters.channel[CHANNEL_EMAIL].received, 40);
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 20);
	counter_add(&counters.channel[CHANNEL_EMAIL].failed, 10);
	counter_add(&counters.relay.published, 6);
	tick(2000);
	assert_true(email()->in_per_s == 20);
	assert_true(email()->out_per_s == 10);
	assert_true(email()->fail_per_s == 5);
	assert_true(status.published_per_s == 3);
	assert_true(status.channel[CHANNEL_COUPON].out_per_s == 0);
}

static void what_is_older_than_the_window_no_longer_counts(void **state)
{
	(void)state;
	tick(0);
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 100);
	tick(1000);
	assert_true(email()->out_per_s == 100);
	for (int64_t ms = 2000; ms <= 10000; ms += 1000)
		tick(ms);
	assert_true(email()->out_per_s == 10);
	tick(11000);
	assert_true(email()->out_per_s == 0);
}

static void an_interval_longer_than_the_window_still_gives_a_rate(void **state)
{
	(void)state;
	tick(0);
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 60);
	tick(60000);
	assert_true(email()->out_per_s == 1);
}

static void more_samples_than_are_kept(void **state)
{
	(void)state;
	for (int i = 0; i <= 10 * FIGURES_SAMPLES; i++) {
		counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 1);
		tick(i * 10);
	}
	assert_true(email()->out_per_s > 99.9 && email()->out_per_s < 100.1);
}

static void histories_keep_the_newest_points_in_order(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HISTORY_RECENT + 5; i++) {
		counter_add(&counters.channel[CHANNEL_EMAIL].delivered, i);
		email()->depth.visible.value = i;
		email()->depth.in_flight.value = 1;
		email()->depth.delayed.value = 2;
		email()->dlq_depth.visible.value = 7;
		email()->retrying = 9;
		tick(i * 1000);
	}
	assert_int_equal(status.history.recent_len, HISTORY_RECENT);
	for (int i = 0; i < HISTORY_RECENT; i++) {
		assert_int_equal(recent(i, SERIES_OUT), i + 5);
		assert_int_equal(recent(i, SERIES_DEPTH), i + 5 + 3);
		assert_int_equal(recent(i, SERIES_DLQ), 7);
		assert_int_equal(recent(i, SERIES_RETRYING), 9);
	}
}

static void what_is_not_known_is_a_gap(void **state)
{
	(void)state;
	email()->depth.visible.value = 4;
	email()->retrying = 4;
	tick(0);
	email()->depth.visible.exactness = STALE;
	status.database.up = false;
	tick(1000);
	assert_int_equal(recent(0, SERIES_DEPTH), 4);
	assert_int_equal(recent(1, SERIES_DEPTH), HISTORY_GAP);
	assert_int_equal(recent(1, SERIES_RETRYING), HISTORY_GAP);
	assert_int_equal(recent(1, SERIES_OUT), 0);
}

static void time_away_is_a_gap_of_its_length(void **state)
{
	(void)state;
	tick(0);
	tick(1000);
	tick(3900); /* late, as on a busy machine: none */
	assert_int_equal(status.history.recent_len, 3);
	tick(13900);
	assert_int_equal(status.history.recent_len, 3 + 9 + 1);
	for (int i = 3; i < 12; i++)
		assert_int_equal(recent(i, SERIES_OUT), HISTORY_GAP);
	assert_int_equal(recent(12, SERIES_OUT), 0);
	tick(13900 + 86400000); /* more than is kept */
	assert_int_equal(status.history.recent_len, HISTORY_RECENT);
	assert_int_equal(recent(HISTORY_RECENT - 2, SERIES_OUT), HISTORY_GAP);
	assert_int_equal(status.history.minutes_len, HISTORY_MINUTES);
	assert_int_equal(minute(0, SERIES_OUT), HISTORY_GAP);
}

static void minutes_add_flows_and_keep_the_highest_level(void **state)
{
	(void)state;
	for (int i = 0; i < 240; i++) {
		counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 2);
		email()->depth.visible.value = i == 30 ? 500 : i;
		if (i < 120 || i >= 180)
			tick(i * 1000);
	}
	assert_int_equal(status.history.minutes_len, 4);
	assert_int_equal(minute(0, SERIES_OUT), 120);
	assert_int_equal(minute(0, SERIES_DEPTH), 500);
	assert_int_equal(minute(1, SERIES_OUT), 120);
	assert_int_equal(minute(1, SERIES_DEPTH), 119);
	assert_int_equal(minute(2, SERIES_DEPTH), HISTORY_GAP);
	assert_int_equal(minute(3, SERIES_DEPTH), 239);
}

static void a_clock_set_back_goes_on(void **state)
{
	(void)state;
	tick(3600000);
	tick(0);
	tick(1000);
	assert_int_equal(status.history.recent_len, 3);
	assert_int_equal(status.history.minutes_len, 2);
}

static void numbers_too_large_are_no_gaps(void **state)
{
	(void)state;
	assert_int_equal(history_value(-1), HISTORY_GAP);
	assert_int_equal(history_value(INT64_MAX), HISTORY_GAP - 1);
}

static void the_board_hands_out_the_newest(void **state)
{
	(void)state;
	struct status_board *board = status_board_new();
	struct status *first = mem_alloc(sizeof *first), *second = mem_alloc(sizeof *second);
	first->outbox_waiting = 1;
	second->outbox_waiting = 2;
	assert_null(status_board_get(board));
	status_board_put(board, first);
	struct status *held = status_board_get(board);
	assert_ptr_equal(held, first);
	status_board_put(board, second);
	assert_int_equal(held->outbox_waiting, 1); /* stands as long as it is held */
	struct status *newest = status_board_get(board);
	assert_ptr_equal(newest, second);
	assert_int_equal(atomic_load(&held->refs), 1);
	assert_int_equal(atomic_load(&newest->refs), 2);
	status_release(held);
	status_board_free(board);
	assert_int_equal(newest->outbox_waiting, 2);
	status_release(newest);
	status_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_sample_gives_no_rate, setup),
		cmocka_unit_test_setup(a_rate_is_over_the_time_that_passed, setup),
		cmocka_unit_test_setup(what_is_older_than_the_window_no_longer_counts, setup),
		cmocka_unit_test_setup(an_interval_longer_than_the_window_still_gives_a_rate, setup),
		cmocka_unit_test_setup(more_samples_than_are_kept, setup),
		cmocka_unit_test_setup(histories_keep_the_newest_points_in_order, setup),
		cmocka_unit_test_setup(what_is_not_known_is_a_gap, setup),
		cmocka_unit_test_setup(time_away_is_a_gap_of_its_length, setup),
		cmocka_unit_test_setup(minutes_add_flows_and_keep_the_highest_level, setup),
		cmocka_unit_test_setup(a_clock_set_back_goes_on, setup),
		cmocka_unit_test_setup(numbers_too_large_are_no_gaps, setup),
		cmocka_unit_test_setup(the_board_hands_out_the_newest, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
