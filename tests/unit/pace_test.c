/* How often a look with a price is taken. */
#include "policy/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define QUICK_MS 1000
#define SLOW_MS 60000

/* Looks in `seconds`, asked every QUICK_MS. */
static int looks(struct pace *p, mono_time *now, int seconds, bool watched, bool moves)
{
	int n = 0;

	for (int i = 0; i < seconds; i++) {
		if (pace_due(p, QUICK_MS, watched, *now)) {
			pace_looked(p, QUICK_MS, SLOW_MS, moves, *now);
			n++;
		}
		*now = mono_add_ms(*now, QUICK_MS);
	}
	return n;
}

static void what_moves_is_looked_at_quickly(void **state)
{
	(void)state;
	struct pace p = { 0 };
	mono_time now = { 1 };

	assert_int_equal(looks(&p, &now, 60, false, true), 60);
}

static void what_stands_still_is_looked_at_once_a_minute(void **state)
{
	(void)state;
	struct pace p = { 0 };
	mono_time now = { 1 };

	assert_int_equal(looks(&p, &now, 63, false, false), 6); /* at 0, 2, 6, 14, 30, 62 s */
	assert_int_equal(looks(&p, &now, 600, false, false), 10);
}

static void a_watcher_is_shown_what_is_there_now(void **state)
{
	(void)state;
	struct pace p = { 0 };
	mono_time now = { 1 };

	looks(&p, &now, 600, false, false);
	assert_int_equal(looks(&p, &now, 10, true, false), 10);
	assert_int_equal(looks(&p, &now, 59, false, false), 0);
}

static void a_move_makes_it_quick_again(void **state)
{
	(void)state;
	struct pace p = { 0 };
	mono_time now = { 1 };

	looks(&p, &now, 600, false, false);
	pace_looked(&p, QUICK_MS, SLOW_MS, true, now);
	now = mono_add_ms(now, QUICK_MS);
	assert_true(pace_due(&p, QUICK_MS, false, now));
}

static void slow_may_be_quicker_than_twice_quick(void **state)
{
	(void)state;
	struct pace p = { 0 };
	mono_time now = { 1 };

	pace_looked(&p, QUICK_MS, QUICK_MS, false, now);
	assert_true(pace_due(&p, QUICK_MS, false, mono_add_ms(now, QUICK_MS)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_moves_is_looked_at_quickly),
		cmocka_unit_test(what_stands_still_is_looked_at_once_a_minute),
		cmocka_unit_test(a_watcher_is_shown_what_is_there_now),
		cmocka_unit_test(a_move_makes_it_quick_again),
		cmocka_unit_test(slow_may_be_quicker_than_twice_quick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
