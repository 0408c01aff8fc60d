/* Daemons on one database: which there are, which leads, and what operators say of channels for all. The
 * clock is the database's: tests age rows there. */
#include "fixture.h"

#include "base/mem.h"
#include "store/control.h"
#include "store/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LEASE_MS 60000
#define FORGET_MS 3600000

static struct db *db;
static struct usher_error err;

static int set_up(void **state)
{
	(void)state;
	fixture_clear();
	db = fixture_db();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

/* -- The fleet ------------------------------------------------------------------------------------- */

static struct fleet_member member(const char *owner)
{
	struct fleet_member m = { .pid = 7, .started_at = wall_now() };

	snprintf(m.owner, sizeof m.owner, "%s", owner);
	snprintf(m.host, sizeof m.host, "host-of-%.20s", owner);
	snprintf(m.socket, sizeof m.socket, "/run/usher/usher.sock");
	snprintf(m.version, sizeof m.version, "1.2.3");
	return m;
}

static bool beat(const char *owner)
{
	struct fleet_member me = member(owner);
	bool leads = false;

	assert_done(fleet_beat(db, &me, LEASE_MS, FORGET_MS, &leads, &err), &err);
	return leads;
}

static void lease_runs_out(void)
{
	fixture_exec(db, "UPDATE lease SET until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND");
}

static void one_leads_for_as_long_as_it_says_so(void **state)
{
	(void)state;
	assert_true(beat("a"));
	assert_false(beat("b"));
	fixture_exec(db, "UPDATE lease SET until = UTC_TIMESTAMP(3) + INTERVAL 1 SECOND");
	assert_true(beat("a")); /* prolonged */
	assert_int_equal(
	        fixture_int(db, "SELECT until > UTC_TIMESTAMP(3) + INTERVAL 50 SECOND FROM lease"), 1);
	assert_false(beat("b"));
}

static void an_expired_lease_is_taken_over_and_not_given_back(void **state)
{
	(void)state;
	assert_true(beat("a"));
	lease_runs_out();
	assert_true(beat("b"));
	assert_false(beat("a"));
	assert_true(beat("b"));
}

static void a_leader_late_by_itself_goes_on(void **state)
{
	(void)state;
	assert_true(beat("a"));
	lease_runs_out();
	assert_true(beat("a"));
}

static void who_leaves_gives_the_lease_up(void **state)
{
	(void)state;
	assert_true(beat("a"));
	assert_false(beat("b"));
	assert_done(fleet_leave(db, "b", &err), &err); /* not its own lease */
	assert_false(beat("c"));
	assert_done(fleet_leave(db, "a", &err), &err);
	assert_true(beat("c"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon"), 1);
}

static void the_list_shows_all_and_how_long_they_are_silent(void **state)
{
	struct fleet_member list[FLEET_MAX];
	size_t n = 0;

	(void)state;
	beat("a");
	beat("b");
	fixture_exec(db,
	        "UPDATE daemon SET seen_at = seen_at - INTERVAL 40 SECOND, started_at = started_at - "
	        "INTERVAL 1 HOUR WHERE owner = 'b'");
	assert_done(fleet_list(db, list, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].owner, "b"); /* started first */
	assert_string_equal(list[0].host, "host-of-b");
	assert_string_equal(list[0].version, "1.2.3");
	assert_int_equal(list[0].pid, 7);
	assert_in_range(list[0].silent_ms, 40000, 60000);
	assert_false(list[0].leads);
	assert_true(list[1].leads);
	assert_in_range(list[1].silent_ms, 0, 10000);
	lease_runs_out();
	assert_done(fleet_list(db, list, &n, &err), &err);
	assert_false(list[1].leads); /* who holds what has run out leads nothing */
}

static void the_leader_forgets_who_is_silent_for_long(void **state)
{
	(void)state;
	beat("a");
	beat("b");
	beat("c");
	fixture_exec(db, "UPDATE daemon SET seen_at = seen_at - INTERVAL 2 HOUR WHERE owner = 'b'");
	assert_false(beat("c"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon"), 3);
	assert_true(beat("a"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon WHERE owner = 'b'"), 0);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon"), 2);
}

static void a_long_fleet_is_cut_at_the_longest_silent(void **state)
{
	struct fleet_member list[FLEET_MAX];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < FLEET_MAX + 5; i++) {
		char owner[16], sql[120];

		snprintf(owner, sizeof owner, "d%d", i);
		beat(owner);
		snprintf(sql, sizeof sql,
		        "UPDATE daemon SET seen_at = seen_at - INTERVAL %d SECOND WHERE owner = '%s'", i,
		        owner);
		fixture_exec(db, sql);
	}
	assert_done(fleet_list(db, list, &n, &err), &err);
	assert_int_equal(n, FLEET_MAX);
	for (size_t i = 0; i < n; i++)
		assert_true(list[i].silent_ms < (FLEET_MAX + 2) * 1000);
}

static void a_daemon_takes_the_place_of_its_predecessor(void **state)
{
	struct fleet_member again = member("a"), elsewhere = member("a");

	(void)state;
	beat("a");
	beat("b");
	snprintf(elsewhere.owner, sizeof elsewhere.owner, "a-elsewhere");
	snprintf(elsewhere.socket, sizeof elsewhere.socket, "/run/other/usher.sock");
	assert_done(fleet_join(db, &elsewhere, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon"), 2);
	snprintf(again.owner, sizeof again.owner, "a-again");
	assert_done(fleet_join(db, &again, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon WHERE owner = 'a'"), 0);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM daemon"), 1);
}

/* -- What operators say ---------------------------------------------------------------------------- */

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "SMTP is being moved" };
static const struct act jun = { .operator= "jun", .role = "operator" };

static struct control read_back(enum channel_id id)
{
	struct control controls[CHANNEL_COUNT];

	assert_done(control_read(db, controls, &err), &err);
	return controls[id];
}

static void assert_refused(int code, int want, const char *words)
{
	assert_code(code, want, &err);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void nobody_has_said_anything(void **state)
{
	struct control c = read_back(CHANNEL_EMAIL);

	(void)state;
	assert_false(c.paused);
	assert_int_equal(c.breaker, CONTROL_AUTO);
	assert_int_equal(c.pause.at.ms, 0);
	assert_int_equal(c.mirrored_at.ms, 0);
	assert_refused(control_resume(db, CHANNEL_EMAIL, &jun, &err), USHER_ECONFLICT, "email is not paused");
	assert_refused(control_force(db, CHANNEL_EMAIL, CONTROL_AUTO, &jun, &err), USHER_ECONFLICT,
	        "breaker of email is not forced");
}

static void a_pause_stands_until_it_is_taken_back(void **state)
{
	struct control c;

	(void)state;
	assert_done(control_pause(db, CHANNEL_EMAIL, &kim, &err), &err);
	c = read_back(CHANNEL_EMAIL);
	assert_true(c.paused);
	assert_string_equal(c.pause.by, "kim");
	assert_string_equal(c.pause.reason, "SMTP is being moved");
	assert_in_range(c.pause.at.ms, wall_now().ms - 60000, wall_now().ms + 60000);
	assert_false(read_back(CHANNEL_COUPON).paused);
	assert_done(control_resume(db, CHANNEL_EMAIL, &jun, &err), &err);
	c = read_back(CHANNEL_EMAIL);
	assert_false(c.paused);
	assert_string_equal(c.pause.by, "jun");
	assert_string_equal(c.pause.reason, "");
}

static void who_comes_second_is_told_who_was_first_and_when(void **state)
{
	(void)state;
	assert_done(control_pause(db, CHANNEL_EMAIL, &kim, &err), &err);
	fixture_exec(db, "UPDATE channel_control SET pause_at = pause_at - INTERVAL 3 MINUTE");
	struct act second = { .operator= "jun", .role = "operator", .reason = "me too" };
	assert_refused(control_pause(db, CHANNEL_EMAIL, &second, &err), USHER_ECONFLICT,
	        "already paused: by kim 3 min ago");
	assert_string_equal(read_back(CHANNEL_EMAIL).pause.by, "kim");
	assert_done(control_resume(db, CHANNEL_EMAIL, &jun, &err), &err);
	assert_refused(
	        control_resume(db, CHANNEL_EMAIL, &kim, &err), USHER_ECONFLICT, "not paused: resumed by jun");
	OWNED char *told = fixture_text(db, "SELECT GROUP_CONCAT(CONCAT_WS(' ', operator, act, target, "
	                                    "outcome) ORDER BY id SEPARATOR ', ') FROM audit");
	assert_string_equal(told, "kim pause channels/email done, jun pause channels/email conflict, "
	                          "jun resume channels/email done, kim resume channels/email conflict");
}

static void reasons_are_required_where_work_stops(void **state)
{
	struct act endless = jun;
	char words[500 + 2];

	(void)state;
	assert_refused(control_pause(db, CHANNEL_EMAIL, &jun, &err), USHER_EINVAL, "reason is required");
	assert_refused(control_force(db, CHANNEL_EMAIL, CONTROL_OPEN, &jun, &err), USHER_EINVAL,
	        "reason is required");
	memset(words, 'x', sizeof words - 1);
	words[sizeof words - 1] = '\0';
	endless.reason = words;
	assert_refused(control_pause(db, CHANNEL_EMAIL, &endless, &err), USHER_EINVAL,
	        "501 characters; at most 500");
	assert_false(read_back(CHANNEL_EMAIL).paused);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'refused'"), 3);
}

static void a_breaker_is_forced_beside_a_pause(void **state)
{
	struct control c;

	(void)state;
	assert_done(control_pause(db, CHANNEL_COUPON, &kim, &err), &err);
	assert_done(control_force(db, CHANNEL_COUPON, CONTROL_OPEN, &kim, &err), &err);
	assert_refused(control_force(db, CHANNEL_COUPON, CONTROL_OPEN, &kim, &err), USHER_ECONFLICT,
	        "already forced open: by kim just now");
	assert_done(control_force(db, CHANNEL_COUPON, CONTROL_CLOSED, &kim, &err), &err);
	c = read_back(CHANNEL_COUPON);
	assert_true(c.paused);
	assert_int_equal(c.breaker, CONTROL_CLOSED);
	assert_string_equal(c.force.by, "kim");
	assert_done(control_force(db, CHANNEL_COUPON, CONTROL_AUTO, &jun, &err), &err);
	assert_int_equal(read_back(CHANNEL_COUPON).breaker, CONTROL_AUTO);
	assert_true(read_back(CHANNEL_COUPON).paused);
	OWNED char *told = fixture_text(db,
	        "SELECT GROUP_CONCAT(detail ORDER BY id SEPARATOR ', ') FROM audit WHERE act = 'breaker' "
	        "AND outcome = 'done'");
	assert_string_equal(told, "auto to open, open to closed, closed to auto");
}

static void a_look_into_a_dlq_is_noted_and_changes_nothing_else(void **state)
{
	(void)state;
	assert_done(control_mirrored(db, CHANNEL_EMAIL, &err), &err);
	assert_true(read_back(CHANNEL_EMAIL).mirrored_at.ms > 0);
	assert_done(control_pause(db, CHANNEL_EMAIL, &kim, &err), &err);
	fixture_exec(db, "UPDATE channel_control SET mirrored_at = NULL");
	assert_done(control_mirrored(db, CHANNEL_EMAIL, &err), &err);
	assert_true(read_back(CHANNEL_EMAIL).mirrored_at.ms > 0);
	assert_true(read_back(CHANNEL_EMAIL).paused);
}

static void words_are_kept_to_the_letter(void **state)
{
	struct act odd = {
		.operator= "김\"'; DROP TABLE users; --", .role = "operator", .reason = "이유 100%_\\ '"
	};
	struct control c;

	(void)state;
	assert_done(control_pause(db, CHANNEL_EMAIL, &odd, &err), &err);
	c = read_back(CHANNEL_EMAIL);
	assert_string_equal(c.pause.by, odd.operator);
	assert_string_equal(c.pause.reason, odd.reason);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(one_leads_for_as_long_as_it_says_so),
		T(an_expired_lease_is_taken_over_and_not_given_back),
		T(a_leader_late_by_itself_goes_on),
		T(who_leaves_gives_the_lease_up),
		T(the_list_shows_all_and_how_long_they_are_silent),
		T(the_leader_forgets_who_is_silent_for_long),
		T(a_long_fleet_is_cut_at_the_longest_silent),
		T(a_daemon_takes_the_place_of_its_predecessor),
		T(nobody_has_said_anything),
		T(a_pause_stands_until_it_is_taken_back),
		T(who_comes_second_is_told_who_was_first_and_when),
		T(reasons_are_required_where_work_stops),
		T(a_breaker_is_forced_beside_a_pause),
		T(a_look_into_a_dlq_is_noted_and_changes_nothing_else),
		T(words_are_kept_to_the_letter),
	};
#undef T
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
