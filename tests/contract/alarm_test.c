/* Alarms in the database: one of a name and channel is raised at a time, who was told of it is told of its
 * end, an operator acknowledges it once, and it is forgotten in the end. */
#include "fixture.h"

#include "base/mem.h"
#include "store/alarm.h"
#include "store/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

static struct alarm_row alarm_of(const char *name, const char *channel)
{
	struct alarm_row row = { .severity = SEVERITY_CRITICAL, .raised_at = wall_now(), .value = 12.5 };

	snprintf(row.name, sizeof row.name, "%s", name);
	snprintf(row.channel, sizeof row.channel, "%s", channel);
	snprintf(row.text, sizeof row.text, "it's \"bad\"; 12.5%% of all");
	return row;
}

static struct notice_row notice_to(const char *notify)
{
	struct notice_row n = { .created_at = wall_now() };

	snprintf(n.notify, sizeof n.notify, "%s", notify);
	return n;
}

static int64_t raise_one(const char *name, const char *channel)
{
	struct alarm_row row = alarm_of(name, channel);
	struct notice_row notices[] = { notice_to("log"), notice_to("ops") };

	assert_done(alarm_raise(db, &row, notices, 2, &err), &err);
	assert_true(row.id > 0 && notices[0].id > 0 && notices[1].id > notices[0].id);
	return row.id;
}

static struct notice_row unsettled[NOTICES_UNSETTLED_MAX];

static size_t count_unsettled(void)
{
	size_t n = 0;
	assert_done(notices_unsettled(db, 60000, unsettled, &n, &err), &err);
	return n;
}

static void an_alarm_comes_back_as_it_was_raised(void **state)
{
	static struct alarm_row rows[ALARM_RAISED_MAX];
	size_t n = 0;
	(void)state;

	int64_t id = raise_one("dead", "email");
	assert_done(alarm_raised(db, rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].id, id);
	assert_string_equal(rows[0].name, "dead");
	assert_string_equal(rows[0].channel, "email");
	assert_int_equal(rows[0].severity, SEVERITY_CRITICAL);
	assert_true(rows[0].raised && rows[0].value == 12.5 && rows[0].cleared_at.ms == 0);
	assert_string_equal(rows[0].text, "it's \"bad\"; 12.5% of all");
	assert_string_equal(rows[0].acked_by, "");
	assert_int_equal(count_unsettled(), 2);
	assert_string_equal(unsettled[0].notify, "log");
	assert_int_equal(unsettled[0].alarm_id, id);
	assert_int_equal(unsettled[1].what, NOTICE_RAISED);
}

static void one_of_a_name_and_channel_is_raised_at_a_time(void **state)
{
	struct alarm_row again = alarm_of("dead", "email");
	struct notice_row notice = notice_to("ops");
	(void)state;

	int64_t first = raise_one("dead", "email");
	raise_one("dead", "coupon");
	raise_one("outbox", "");
	assert_code(alarm_raise(db, &again, &notice, 1, &err), USHER_ECONFLICT, &err);
	assert_int_equal(again.id, 0);
	assert_int_equal(count_unsettled(), 6);
	assert_done(alarm_clear(db, first, wall_now(), &err), &err);
	assert_code(alarm_clear(db, first, wall_now(), &err), USHER_ECONFLICT, &err);
	assert_int_not_equal(raise_one("dead", "email"), first);
}

static void who_was_told_of_it_is_told_of_its_end(void **state)
{
	(void)state;
	int64_t id = raise_one("dead", "email");
	struct notice_row *rows;
	size_t n;

	assert_done(alarm_clear(db, id, wall_now(), &err), &err);
	assert_done(notices_of(db, &id, 1, &rows, &n, &err), &err);
	assert_int_equal(n, 4);
	assert_int_equal(rows[3].what, NOTICE_CLEARED);
	assert_string_equal(rows[3].notify, "ops");
	free(rows);
}

static void what_became_of_a_notice_is_noted(void **state)
{
	(void)state;
	raise_one("dead", "email");
	assert_int_equal(count_unsettled(), 2);
	struct notice_row sent = unsettled[0], failed = unsettled[1];

	sent.sent = true;
	sent.settled_at = wall_now();
	sent.attempts = 1;
	assert_done(notice_note(db, &sent, &err), &err);
	failed.attempts = 3;
	failed.wait_ms = 60000;
	snprintf(failed.last_error, sizeof failed.last_error, "connection refused");
	assert_done(notice_note(db, &failed, &err), &err);
	assert_int_equal(count_unsettled(), 1);
	assert_int_equal(unsettled[0].attempts, 3);
	assert_in_range(unsettled[0].wait_ms, 50000, 60000);
	assert_string_equal(unsettled[0].last_error, "connection refused");
	failed.settled_at = wall_now();
	assert_done(notice_note(db, &failed, &err), &err);
	assert_int_equal(count_unsettled(), 1); /* given up, and shown for a while */
	assert_true(unsettled[0].settled_at.ms > 0 && !unsettled[0].sent);
	fixture_exec(
	        db, "UPDATE alarm_notice SET settled_at = settled_at - INTERVAL 2 MINUTE WHERE sent = 0");
	assert_int_equal(count_unsettled(), 0);
}

static void what_was_told_without_a_database_is_stored_as_told(void **state)
{
	struct alarm_row row = alarm_of("database", "");
	struct notice_row notices[] = { notice_to("log"), notice_to("ops") };
	(void)state;

	notices[0].sent = true;
	notices[0].settled_at = wall_now();
	notices[0].attempts = 1;
	assert_done(alarm_raise(db, &row, notices, 2, &err), &err);
	assert_int_equal(count_unsettled(), 1);
	assert_string_equal(unsettled[0].notify, "ops");
}

static void the_list_has_raised_ones_first_page_by_page(void **state)
{
	struct alarm_row *rows;
	char cursor[CURSOR_SIZE] = "", seen[256] = "";
	int64_t last = INT64_MAX;
	size_t n;
	(void)state;

	for (int i = 0; i < 3; i++)
		assert_done(alarm_clear(db, raise_one("a", ""), wall_now(), &err), &err);
	raise_one("b", "");
	raise_one("c", "");
	do {
		assert_done(alarm_list(db, cursor, 2, &rows, &n, cursor, &err), &err);
		for (size_t i = 0; i < n; i++) {
			strncat(seen, rows[i].name, sizeof seen - strlen(seen) - 1);
			assert_true(rows[i].id < last);
			last = rows[i].id;
		}
		alarm_rows_free(rows, n);
	} while (*cursor);
	assert_string_equal(seen, "cbaaa");
	assert_code(alarm_list(db, "zz", 2, &rows, &n, cursor, &err), USHER_EINVAL, &err);
}

static void an_alarm_is_acknowledged_once(void **state)
{
	const struct act kim = { .operator= "kim", .role = "operator", .reason = "on it" };
	const struct act lee = { .operator= "lee", .role = "operator" };
	struct alarm_row row;
	struct audit_row *audit;
	char next[CURSOR_SIZE], target[40];
	size_t n;
	(void)state;

	int64_t id = raise_one("dead", "email");
	assert_done(alarm_ack(db, id, &kim, &err), &err);
	assert_done(alarm_get(db, id, &row, &err), &err);
	assert_string_equal(row.acked_by, "kim");
	assert_string_equal(row.ack_reason, "on it");
	assert_true(row.acked_at.ms > 0);
	free(row.ack_reason);
	assert_code(alarm_ack(db, id, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "by kim at "));
	assert_done(alarm_clear(db, id, wall_now(), &err), &err);
	assert_code(alarm_ack(db, id, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "is over"));
	assert_code(alarm_ack(db, id + 9, &lee, &err), USHER_ENOTFOUND, &err);
	snprintf(target, sizeof target, "alarms/%lld", (long long)id);
	assert_done(audit_list(db, target, "", 10, &audit, &n, next, &err), &err);
	assert_int_equal(n, 3);
	assert_string_equal(audit[2].outcome, "done");
	assert_string_equal(audit[2].reason, "on it");
	assert_string_equal(audit[1].outcome, "conflict");
	audit_rows_free(audit, n);
}

static void old_alarms_are_forgotten_with_their_notices(void **state)
{
	int n = 0;
	(void)state;

	assert_done(alarm_clear(db, raise_one("a", ""), wall_now(), &err), &err);
	assert_done(alarm_clear(db, raise_one("b", ""), wall_now(), &err), &err);
	raise_one("c", "");
	fixture_exec(db, "UPDATE alarm SET cleared_at = cleared_at - INTERVAL 3 DAY, raised_at = raised_at - "
	                 "INTERVAL 3 "
	                 "DAY WHERE name IN ('a', 'c')");
	assert_done(alarm_prune(db, 2LL * 86400 * 1000, 10, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM alarm WHERE name = 'a'"), 0);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM alarm_notice"), 6);
}

/* -- Figures ------------------------------------------------------------------------------------------- */

static void add_failed(
        int id, const char *channel, const char *status, const char *dead_at, const char *expires)
{
	char sql[1000];

	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (delivery_id, event_id, channel, status, class, reason, "
	        "attempts, "
	        "payload, attributes, source_queue, message_id, first_at, dead_at, updated_at, "
	        "dlq_expires_at) VALUES (%d, "
	        "'e%d', '%s', '%s', 'rejected', '', 1, '', '{}', 'q', 'm', UTC_TIMESTAMP(3), "
	        "UTC_TIMESTAMP(3) + INTERVAL "
	        "%s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL %s)",
	        id, id, channel, status, dead_at, expires);
	fixture_exec(db, sql);
}

static void deaths_are_counted_within_the_window(void **state)
{
	int64_t n = -1;
	(void)state;

	add_failed(1, "email", "dead", "-1 MINUTE", "1 DAY");
	add_failed(2, "email", "cancelled", "-2 MINUTE", "1 DAY");
	add_failed(3, "email", "dead", "-9 MINUTE", "1 DAY");
	add_failed(4, "coupon", "dead", "-1 MINUTE", "1 DAY");
	assert_done(alarm_deaths(db, CHANNEL_EMAIL, 300000, &n, &err), &err);
	assert_int_equal(n, 1); /* who was cancelled needs nobody any more */
}

static void retention_is_that_of_the_first_to_expire(void **state)
{
	int64_t ms = 0;
	(void)state;

	assert_done(alarm_retention(db, CHANNEL_EMAIL, &ms, &err), &err);
	assert_int_equal(ms, -1);
	add_failed(1, "email", "dead", "-1 DAY", "3 HOUR");
	add_failed(2, "email", "dead", "-1 DAY", "2 HOUR");
	add_failed(3, "email", "cancelled", "-1 DAY", "1 HOUR");
	add_failed(4, "coupon", "dead", "-1 DAY", "1 HOUR");
	add_failed(5, "email", "dead", "-20 DAY", "-1 HOUR");
	assert_done(alarm_retention(db, CHANNEL_EMAIL, &ms, &err), &err);
	assert_in_range(ms, 7200000 - 60000, 7200000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_alarm_comes_back_as_it_was_raised),
		TEST(one_of_a_name_and_channel_is_raised_at_a_time),
		TEST(who_was_told_of_it_is_told_of_its_end),
		TEST(what_became_of_a_notice_is_noted),
		TEST(what_was_told_without_a_database_is_stored_as_told),
		TEST(the_list_has_raised_ones_first_page_by_page),
		TEST(an_alarm_is_acknowledged_once),
		TEST(old_alarms_are_forgotten_with_their_notices),
		TEST(deaths_are_counted_within_the_window),
		TEST(retention_is_that_of_the_first_to_expire),
	};
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
