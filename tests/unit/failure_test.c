/* The table of failure classes, against the design's table. */
#include "model/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AUTO DISPOSITION_AUTO
#define MANUAL DISPOSITION_MANUAL

static void test_the_table(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool retried, feeds_breaker, burns_attempt;
		enum disposition mail, coupon;
	} cases[] = {
		{ "service_down", true, true, true, AUTO, AUTO },
		{ "timeout", true, true, true, AUTO, AUTO },
		{ "ambiguous", true, true, true, MANUAL, AUTO },
		{ "rate_limited", true, false, false, AUTO, AUTO },
		{ "invalid_address", false, false, true, MANUAL, MANUAL },
		{ "rejected", false, false, true, MANUAL, MANUAL },
		{ "out_of_stock", true, false, true, MANUAL, MANUAL },
		{ "misconfigured", false, true, true, AUTO, AUTO },
		{ "malformed", false, false, true, MANUAL, MANUAL },
		{ "worker_lost", false, false, true, AUTO, AUTO },
	};
	assert_int_equal(FAILURE_COUNT - 1, sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum failure_class class = failure_by_name(cases[i].name);
		const struct failure_info *info = failure_info(class);
		assert_int_not_equal(class, FAILURE_NONE);
		assert_string_equal(info->name, cases[i].name);
		assert_int_equal(info->retried, cases[i].retried);
		assert_int_equal(info->feeds_breaker, cases[i].feeds_breaker);
		assert_int_equal(info->burns_attempt, cases[i].burns_attempt);
		assert_int_equal(failure_disposition(class, CHANNEL_EMAIL), cases[i].mail);
		assert_int_equal(failure_disposition(class, CHANNEL_COUPON), cases[i].coupon);
		assert_true(strlen(info->help) > 10);
		assert_true(strlen(info->name) <= 24); /* delivery.last_class */
	}
}

static void test_none_and_unknown(void **state)
{
	(void)state;
	assert_string_equal(failure_info(FAILURE_NONE)->name, "");
	assert_false(failure_info(FAILURE_NONE)->retried);
	assert_false(failure_info(FAILURE_NONE)->feeds_breaker);
	assert_int_equal(failure_by_name(""), FAILURE_NONE);
	assert_int_equal(failure_by_name(NULL), FAILURE_NONE);
	assert_int_equal(failure_by_name("Timeout"), FAILURE_NONE);
	assert_int_equal(failure_by_name("none"), FAILURE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table),
		cmocka_unit_test(test_none_and_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
