/* Alarms as arithmetic: when one is raised and over, figures over a window, and how figures are written. */
#include "base/mem.h"
#include "model/alarm.h"
#include "policy/alarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static mono_time at_s(double s)
{
	return (mono_time){ (int64_t)((s + 1000) * 1e9) };
}

/* A letter a second: what the figure is by then, and what must come of it. */
struct course {
	const char *name;
	struct alarm_rule rule;
	const char *figures; /* a digit: the value; '?': unknown */
	const char *changes; /* '.': nothing; 'R': raised; 'C': cleared */
};

static const struct alarm_rule plain = { .raise = 5, .clear = 5 };
static const struct alarm_rule hysteresis = { .raise = 5, .clear = 2 };
static const struct alarm_rule held = { .raise = 5, .clear = 2, .for_ms = 3000, .clear_for_ms = 2000 };
static const struct alarm_rule below = { .is_below = true, .raise = 3, .clear = 6 };

static void courses_go_as_they_should(void **state)
{
	const struct course courses[] = {
		{ "at the threshold nothing is bad", plain, "0555", "...." },
		{ "raised once, cleared once", plain, "06999550", ".R...C.." },
		{ "to and fro over one threshold", plain, "6464", "RCRC" },
		{ "to and fro inside the hysteresis", hysteresis, "63636359132", "R.......C.." },
		{ "a short trouble is none", held, "6606660066600", "............." },
		{ "held before it is raised", held, "0666663", "....R.." },
		{ "a short well does not end it", held, "66661166112", "...R......C" },
		{ "between the thresholds its end is not near", held, "66661311133", "...R....C.." },
		{ "unknown raises nothing", plain, "0???0", "....." },
		{ "unknown clears nothing", plain, "6???60", "R....C" },
		{ "unknown begins the hold anew", held, "66?66666", ".....R.." },
		{ "unknown begins the clear hold anew", held, "666611?1110", "...R....C.." },
		{ "below: bad is less", below, "9322245569", "..R.....C." },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(courses); i++) {
		const struct course *c = &courses[i];
		struct alarm_state alarm = { 0 };
		char got[64] = "";
		for (size_t s = 0; c->figures[s]; s++) {
			struct alarm_value v = { c->figures[s] != '?', c->figures[s] - '0' };
			got[s] = ".RC"[alarm_turn(&alarm, &c->rule, v, at_s((double)s))];
		}
		if (strcmp(got, c->changes) != 0)
			fail_msg("%s: %s gave %s, not %s", c->name, c->figures, got, c->changes);
	}
}

static void a_clear_that_could_not_be_done_is_said_again(void **state)
{
	struct alarm_state alarm = { 0 };
	struct alarm_value bad = { true, 9 }, well = { true, 0 };
	(void)state;

	assert_int_equal(alarm_turn(&alarm, &held, bad, at_s(0)), ALARM_SAME);
	assert_int_equal(alarm_turn(&alarm, &held, bad, at_s(3)), ALARM_RAISE);
	assert_int_equal(alarm_turn(&alarm, &held, well, at_s(4)), ALARM_SAME);
	assert_int_equal(alarm_turn(&alarm, &held, well, at_s(6)), ALARM_CLEAR);
	alarm_undo_clear(&alarm);
	assert_int_equal(alarm_turn(&alarm, &held, well, at_s(6.1)), ALARM_CLEAR);
	assert_int_equal(alarm_turn(&alarm, &held, well, at_s(6.2)), ALARM_SAME);
}

/* -- Windows ------------------------------------------------------------------------------------------ */

static void shares_are_of_the_window(void **state)
{
	struct alarm_ring ring = { 0 };
	struct alarm_value v;
	(void)state;

	assert_false(alarm_ring_share(&ring, 10000, 1, 0, 0, at_s(0)).known);
	for (int s = 0; s <= 100; s++) /* 9 of 10 well, and from 50 on all bad */
		alarm_ring_add(&ring, 10000, s < 50 ? s : 50 + (s - 50) * 10, s < 50 ? s * 9 : 450, at_s(s));
	v = alarm_ring_share(&ring, 10000, 20, 50 + 50 * 10, 450, at_s(100));
	assert_true(v.known && v.value == 1);
	v = alarm_ring_share(&ring, 10000, 2000, 50 + 50 * 10, 450, at_s(100));
	assert_false(v.known);
}

static void no_failure_is_none_however_few_attempts_there_were(void **state)
{
	struct alarm_ring ring = { 0 };
	(void)state;

	alarm_ring_add(&ring, 1000, 5, 5, at_s(0));
	struct alarm_value v = alarm_ring_share(&ring, 1000, 20, 5, 6, at_s(0.5));
	assert_true(v.known && v.value == 0);
	v = alarm_ring_share(&ring, 1000, 20, 6, 6, at_s(0.6));
	assert_false(v.known);
}

static void growth_is_known_once_the_window_has_passed(void **state)
{
	struct alarm_ring ring = { 0 };
	struct alarm_value v = { 0 };
	(void)state;

	for (int ms = 0; ms < 60000; ms += 100) {
		double level = ms / 100.0; /* 10 a second */
		v = alarm_ring_growth(&ring, 30000, level, at_s(ms / 1000.0));
		assert_int_equal(v.known, ms >= 30000);
		alarm_ring_add(&ring, 30000, level, 0, at_s(ms / 1000.0));
	}
	assert_true(v.value > 9.9 && v.value < 10.1);
}

/* -- Figures as text ----------------------------------------------------------------------------------- */

static void figures_are_written_for_people(void **state)
{
	static const struct {
		enum alarm_unit unit;
		double value;
		const char *text;
	} cases[] = {
		{ UNIT_COUNT, 0, "0" },
		{ UNIT_COUNT, 12, "12" },
		{ UNIT_COUNT, 1000000, "1000000" },
		{ UNIT_SHARE, 0.05, "5%" },
		{ UNIT_SHARE, 0.0825, "8.25%" },
		{ UNIT_SHARE, 1, "100%" },
		{ UNIT_RATE, 0.25, "0.25/s" },
		{ UNIT_RATE, 12.5, "12.5/s" },
		{ UNIT_RATE, -3, "-3/s" },
		{ UNIT_SECONDS, 0, "0s" },
		{ UNIT_SECONDS, 1.26, "1.2s" },
		{ UNIT_SECONDS, 59.9, "59s" },
		{ UNIT_SECONDS, 60, "1m" },
		{ UNIT_SECONDS, 200, "3m 20s" },
		{ UNIT_SECONDS, 3605, "1h" },
		{ UNIT_SECONDS, 86400 * 2 + 3600 * 3, "2d 3h" },
		{ UNIT_SECONDS, -5, "0s" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF(64);
		alarm_value_print(&b, cases[i].unit, cases[i].value);
		assert_string_equal(buf_str(&b), cases[i].text);
		buf_free(&b);
	}
}

static void thresholds_are_read_as_their_unit_wants(void **state)
{
	static const struct {
		enum alarm_unit unit;
		const char *text;
		double value; /* -1: refused */
	} cases[] = {
		{ UNIT_COUNT, "12", 12 },
		{ UNIT_COUNT, "1.5", 1.5 },
		{ UNIT_COUNT, "", -1 },
		{ UNIT_COUNT, "-1", -1 },
		{ UNIT_COUNT, "5%", -1 },
		{ UNIT_COUNT, "5s", -1 },
		{ UNIT_COUNT, "1.", -1 },
		{ UNIT_COUNT, ".5", -1 },
		{ UNIT_COUNT, "1e3", -1 },
		{ UNIT_COUNT, "1234567890123456", -1 },
		{ UNIT_SHARE, "5%", 0.05 },
		{ UNIT_SHARE, "0.05", 0.05 },
		{ UNIT_SHARE, "100%", 1 },
		{ UNIT_SHARE, "101%", -1 },
		{ UNIT_SHARE, "2", -1 },
		{ UNIT_SHARE, "5%%", -1 },
		{ UNIT_RATE, "0.25", 0.25 },
		{ UNIT_SECONDS, "90s", 90 },
		{ UNIT_SECONDS, "1m", 60 },
		{ UNIT_SECONDS, "500ms", 0.5 },
		{ UNIT_SECONDS, "90", -1 },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double value = -2;
		bool taken = alarm_value_parse(cases[i].text, cases[i].unit, &value);
		if (taken != (cases[i].value >= 0) || (taken && value != cases[i].value))
			fail_msg("\"%s\": %d, %g", cases[i].text, taken, value);
	}
}

static void every_metric_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < ALARM_METRIC_COUNT; i++) {
		enum alarm_metric found;
		assert_true(alarm_metric_by_name(alarm_metric_info((enum alarm_metric)i)->name, &found));
		assert_int_equal(found, i);
	}
	assert_false(alarm_metric_by_name("nothing", &(enum alarm_metric){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(courses_go_as_they_should),
		cmocka_unit_test(a_clear_that_could_not_be_done_is_said_again),
		cmocka_unit_test(shares_are_of_the_window),
		cmocka_unit_test(no_failure_is_none_however_few_attempts_there_were),
		cmocka_unit_test(growth_is_known_once_the_window_has_passed),
		cmocka_unit_test(figures_are_written_for_people),
		cmocka_unit_test(thresholds_are_read_as_their_unit_wants),
		cmocka_unit_test(every_metric_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
