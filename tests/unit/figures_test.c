/* Rates and histories out of counters, with time injected. */
#include "engine/figures.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct counters counters;
static struct figures figures;
static struct status status;

static int setup(void **state)
{
	(void)state;
	memset(&counters, 0, sizeof counters);
	memset(&figures, 0, sizeof figures);
	memset(&status, 0, sizeof status);
	return 0;
}

static void tick(int64_t at_ms)
{
	struct figures_sample s = figures_read(&counters, (mono_time){ at_ms * 1000000 });
	figures_add(&figures, &s, &status);
}

static struct channel_status *email(void)
{
	return &status.channel[CHANNEL_EMAIL];
}

static void the_first_sample_gives_no_rate(void **state)
{
	(void)state;
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 1000);
	tick(5000);
	assert_true(email()->out_per_s == 0);
	assert_int_equal(email()->out_history[0], 0);
	assert_int_equal(status.history_len, 1);
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
	for (uint32_t i = 0; i < STATUS_HISTORY + 5; i++) {
		counter_add(&counters.channel[CHANNEL_EMAIL].delivered, i);
		email()->depth.visible.value = i;
		email()->depth.in_flight.value = 1;
		email()->depth.delayed.value = 2;
		tick(i * 1000);
	}
	assert_int_equal(status.history_len, STATUS_HISTORY);
	for (uint32_t i = 0; i < STATUS_HISTORY; i++) {
		assert_int_equal(email()->out_history[i], i + 5);
		assert_int_equal(email()->depth_history[i], i + 5 + 3);
	}
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
		cmocka_unit_test_setup(the_board_hands_out_the_newest, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
