/* RFC 3339 times, durations, and the arithmetic of both clocks. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_times_that_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.001Z", 1 },
		{ "2026-11-22T21:23:11.042Z", 1795382591042 },
		{ "2026-11-22T21:23:11Z", 1795382591000 },
		{ "2026-11-23T06:23:11.042+09:00", 1795382591042 },
		{ "2026-11-22T21:23:11.042-00:00", 1795382591042 },
		{ "2026-11-22T15:53:11.042-05:30", 1795382591042 },
		{ "2026-11-22t21:23:11.042z", 1795382591042 },
		{ "2026-11-22T21:23:11.0429999999Z", 1795382591042 }, /* cut, not rounded */
		{ "2026-11-22T21:23:11.5Z", 1795382591500 },
		{ "2026-11-22T21:23:11.04Z", 1795382591040 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "2024-02-29T23:59:59Z", 1709251199000 },
		{ "2024-03-01T00:00:00Z", 1709251200000 },
		{ "2023-12-31T23:59:59+23:59", 1703980859000 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "1900-03-01T00:00:00Z", -2203891200000 },
		{ "0000-01-01T00:00:00Z", -62167219200000 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
		/* Leap seconds: the one of 2016, in UTC and as seen from Seoul. */
		{ "2016-12-31T23:59:60Z", 1483228800000 },
		{ "2017-01-01T08:59:60+09:00", 1483228800000 },
		{ "1990-12-31T15:59:60-08:00", 662688000000 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		wall_time t = { -7 };
		if (wall_parse(cases[i].text, &t) != 0)
			fail_msg("\"%s\" was refused", cases[i].text);
		if (t.ms != cases[i].ms)
			fail_msg("\"%s\" became %lld, not %lld", cases[i].text, (long long)t.ms,
			        (long long)cases[i].ms);
	}
}

static void test_times_that_are_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"now",
		"2026",
		"2026-11-22",
		"2026-11-22T21:23Z",
		"2026-11-22T21:23:11",
		"2026-11-22 21:23:11Z",
		"2026-11-22T21:23:11.Z",
		"2026-11-22T21:23:11,5Z",
		"2026-11-22T21:23:11z0",
		" 2026-11-22T21:23:11Z",
		"2026-11-22T21:23:11Z ",
		"2026-11-22T21:23:11Z\n",
		"26-11-22T21:23:11Z",
		"12026-11-22T21:23:11Z",
		"2026-1-22T21:23:11Z",
		"2026-00-22T21:23:11Z",
		"2026-13-22T21:23:11Z",
		"2026-11-00T21:23:11Z",
		"2026-11-31T21:23:11Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2024-02-30T00:00:00Z",
		"2026-11-22T24:00:00Z",
		"2026-11-22T21:60:11Z",
		"2026-11-22T21:23:61Z",
		"2026-11-22T21:23:11+0900",
		"2026-11-22T21:23:11+09",
		"2026-11-22T21:23:11+24:00",
		"2026-11-22T21:23:11+09:60",
		"2026-11-22T21:23:11+09:00Z",
		"2026-11-22T21:23:11 09:00",
		"-026-11-22T21:23:11Z",
		"2026-11-22T21:23:11.5.5Z",
		"2026-11-22T21:23:11.042",
		"2026/11/22T21:23:11Z",
		"2026-11-22T21-23-11Z",
		"20261122T212311Z",
		/* :60 only where a leap second can be. */
		"2026-11-22T21:23:60Z",
		"2016-12-31T23:59:60+09:00",
		"2016-12-31T23:58:60Z",
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		wall_time t = { -7 };
		if (wall_parse(cases[i], &t) != USHER_EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_int_equal(t.ms, -7);
	}
	assert_int_equal(wall_parse(NULL, &(wall_time){ 0 }), USHER_EINVAL);
}

static void test_format_and_parse_are_inverse(void **state)
{
	(void)state;
	char text[WALL_TEXT_SIZE];
	static const int64_t cases[] = { 1, 999, 1795382591042, -1, -1000, 253402300799999, 951782400000 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		wall_time back;
		assert_int_equal(wall_parse(wall_format((wall_time){ cases[i] }, text), &back), 0);
		assert_int_equal(back.ms, cases[i]);
	}
	/* Each day of 400 years once: the whole calendar. */
	for (int64_t day = 10957; day < 10957 + 146097; day++) {
		wall_time back, t = { day * 86400000 + 42 };
		assert_int_equal(wall_parse(wall_format(t, text), &back), 0);
		assert_int_equal(back.ms, t.ms);
	}
}

static void test_format(void **state)
{
	(void)state;
	char text[WALL_TEXT_SIZE];
	assert_string_equal(wall_format((wall_time){ 1795382591042 }, text), "2026-11-22T21:23:11.042Z");
	assert_string_equal(wall_format((wall_time){ 1795382591000 }, text), "2026-11-22T21:23:11.000Z");
	assert_string_equal(wall_format((wall_time){ -1 }, text), "1969-12-31T23:59:59.999Z");
	assert_string_equal(wall_format((wall_time){ 0 }, text), "");
	assert_string_equal(wall_format((wall_time){ 253402300800000 }, text), ""); /* year 10000 */
	assert_string_equal(wall_format((wall_time){ INT64_MAX }, text), "");
	assert_string_equal(wall_format((wall_time){ INT64_MIN }, text), "");
}

static void test_durations_that_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "0s", 0 },
		{ "0ms", 0 },
		{ "500ms", 500 },
		{ "1s", 1000 },
		{ "30s", 30000 },
		{ "1m", 60000 },
		{ "5m", 300000 },
		{ "6h", 21600000 },
		{ "14d", 1209600000 },
		{ "007m", 420000 },
		{ "9223372036854775807ms", INT64_MAX },
		{ "9223372036854775s", 9223372036854775000 },
		{ "106751991167d", 9223372036828800000 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = -7;
		if (duration_parse(cases[i].text, &ms) != 0 || ms != cases[i].ms)
			fail_msg("\"%s\" became %lld", cases[i].text, (long long)ms);
	}
}

static void test_durations_that_are_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"5",
		"0",
		"m",
		"-5m",
		"+5m",
		" 5m",
		"5m ",
		"5 m",
		"5M",
		"5min",
		"1.5s",
		"1h30m",
		"5us",
		"0x5s",
		"9223372036854775808ms",
		"9223372036854776s",
		"106751991168d",
		"99999999999999999999999s",
		"1e3s",
		"5m\n",
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = -7;
		if (duration_parse(cases[i], &ms) != USHER_EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_int_equal(ms, -7);
	}
	assert_int_equal(duration_parse(NULL, &(int64_t){ 0 }), USHER_EINVAL);
}

static void test_duration_format(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 1, "1ms" },
		{ 999, "999ms" },
		{ 1000, "1s" },
		{ 1500, "1500ms" },
		{ 60000, "1m" },
		{ 90000, "90s" },
		{ 3600000, "1h" },
		{ 5400000, "90m" },
		{ 86400000, "1d" },
		{ 129600000, "36h" },
		{ 1209600000, "14d" },
		{ -90000, "-90s" },
		{ INT64_MAX, "9223372036854775807ms" },
		{ INT64_MIN, "-9223372036854775808ms" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[DURATION_TEXT_SIZE];
		assert_string_equal(duration_format(cases[i].ms, text), cases[i].text);
	}
}

static void test_monotonic_arithmetic(void **state)
{
	(void)state;
	mono_time t = { 5000000000 };
	assert_int_equal(mono_add_ms(t, 1500).ns, 6500000000);
	assert_int_equal(mono_since_ms(t, mono_add_ms(t, 1500)), 1500);
	assert_int_equal(mono_since_ms(mono_add_ms(t, 1500), t), -1500);
	assert_int_equal(mono_add_ms(t, INT64_MAX).ns, INT64_MAX);
	assert_int_equal(mono_add_ms((mono_time){ -1 }, INT64_MIN).ns, INT64_MIN);
	mono_time a = mono_now(), b = mono_now();
	assert_true(b.ns >= a.ns && a.ns > 0);
	assert_true(wall_now().ms > 1700000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_that_parse),
		cmocka_unit_test(test_times_that_are_refused),
		cmocka_unit_test(test_format_and_parse_are_inverse),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_durations_that_parse),
		cmocka_unit_test(test_durations_that_are_refused),
		cmocka_unit_test(test_duration_format),
		cmocka_unit_test(test_monotonic_arithmetic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
