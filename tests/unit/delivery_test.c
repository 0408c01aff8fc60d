/* Channels, states and the legal moves, against the design's own words. */
#include "model/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_names_go_round(void **state)
{
	(void)state;
	for (int i = 0; i < CHANNEL_COUNT; i++) {
		enum channel_id id = CHANNEL_COUNT;
		assert_true(channel_by_name(channel_name((enum channel_id)i), &id));
		assert_int_equal(id, i);
	}
	for (int i = 0; i < DELIVERY_STATE_COUNT; i++) {
		enum delivery_state s = DELIVERY_STATE_COUNT;
		assert_true(delivery_state_by_name(delivery_state_name((enum delivery_state)i), &s));
		assert_int_equal(s, i);
	}
	assert_string_equal(channel_name(CHANNEL_EMAIL), "email");
	assert_string_equal(channel_name(CHANNEL_COUPON), "coupon");
}

static void test_unknown_names_are_refused(void **state)
{
	(void)state;
	enum channel_id id = CHANNEL_COUPON;
	enum delivery_state s = DELIVERY_QUEUED;
	static const char *const names[] = { "", "Email", "email ", "sms", "DEAD", "unknown", NULL };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_false(channel_by_name(names[i], &id));
		assert_false(delivery_state_by_name(names[i], &s));
	}
	assert_int_equal(id, CHANNEL_COUPON);
	assert_int_equal(s, DELIVERY_QUEUED);
}

static void test_exactly_the_legal_moves(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} legal[] = {
		{ "claimed", "delivered" },
		{ "claimed", "retrying" },
		{ "claimed", "dead" },
		{ "claimed", "cancelled" },
		{ "retrying", "claimed" },
		{ "retrying", "dead" },
		{ "retrying", "cancelled" },
		{ "dead", "queued" },
		{ "dead", "cancelled" },
		{ "cancelled", "dead" },
		{ "queued", "claimed" },
		{ "queued", "dead" },
	};
	for (int from = 0; from < DELIVERY_STATE_COUNT; from++) {
		for (int to = 0; to < DELIVERY_STATE_COUNT; to++) {
			bool expected = false;
			for (size_t i = 0; i < sizeof legal / sizeof legal[0]; i++)
				if (strcmp(legal[i].from, delivery_state_name((enum delivery_state)from)) ==
				                0 &&
				        strcmp(legal[i].to, delivery_state_name((enum delivery_state)to)) ==
				                0)
					expected = true;
			assert_int_equal(
			        delivery_move_legal((enum delivery_state)from, (enum delivery_state)to),
			        expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_go_round),
		cmocka_unit_test(test_unknown_names_are_refused),
		cmocka_unit_test(test_exactly_the_legal_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
