/* What is done with failed rows: acts that exactly one operator wins, intents that one daemon takes, and the
 * mirror of the DLQ. */
#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct db *db;

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

/* -- Rows to work on -------------------------------------------------------------------------------- */

/* One dead row with its ledger row; returns its id. */
static int64_t dead(const char *event_id)
{
	char sql[700];

	snprintf(sql, sizeof sql,
	        "INSERT INTO delivery (event_id, channel, state, version, attempts) VALUES ('%s', 'email', "
	        "'dead', 2, 3)",
	        event_id);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (delivery_id, event_id, channel, status, class, reason, "
	        "attempts, payload, attributes, "
	        "source_queue, message_id, first_at, dead_at, updated_at) SELECT id, event_id, channel, "
	        "'dead', 'service_down', 'no answer', "
	        "3, CONCAT('body of ', event_id), '{\"origin\":\"x\"}', 'welcome-email', 'm-1', "
	        "UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), "
	        "UTC_TIMESTAMP(3) FROM delivery WHERE event_id = '%s'",
	        event_id);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql, "SELECT id FROM failed_notification WHERE event_id = '%s'", event_id);
	return fixture_int(db, sql);
}

/* -- Acts ----------------------------------------------------------------------------------------------- */

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "because" };
static const struct act lee = { .operator= "lee", .role = "operator" };

static void assert_text(const char *sql, const char *want)
{
	OWNED char *text = fixture_text(db, sql);

	assert_string_equal(text, want);
}

#define ROW                                                                                                  \
	"SELECT CONCAT_WS(' ', f.status, f.version, f.redrives, d.state, d.version, d.attempts, "            \
	"d.redrives) FROM "                                                                                  \
	"failed_notification f JOIN delivery d ON d.id = f.delivery_id"
#define LAST_AUDIT                                                                                           \
	"SELECT CONCAT_WS(' ', operator, role, act, target, outcome) FROM audit ORDER BY id DESC LIMIT 1"

static void a_redrive_moves_everything_at_once(void **state)
{
	int64_t id = dead("e1");
	struct usher_error err;

	(void)state;
	assert_done(failed_redrive(db, id, 1, &kim, &err), &err);
	assert_text(ROW, "queued 2 1 queued 3 0 1");
	assert_text(
	        "SELECT CONCAT_WS(' ', settled_by, settled_reason) FROM failed_notification", "kim because");
	assert_int_equal(
	        fixture_int(db, "SELECT failed_id FROM redrive_intent WHERE next_at <= UTC_TIMESTAMP(3)"),
	        id);
	OWNED char *want = mem_array(100, 1);

	snprintf(want, 100, "kim operator redrive failed/%lld done", (long long)id);
	assert_text(LAST_AUDIT, want);
}

static void cancel_and_restore(void **state)
{
	int64_t id = dead("e1");
	struct usher_error err;

	(void)state;
	assert_done(failed_cancel(db, id, -1, &kim, &err), &err);
	assert_text(ROW, "cancelled 2 0 cancelled 3 3 0");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 0);
	assert_done(failed_restore(db, id, 2, &lee, &err), &err);
	assert_text(ROW, "dead 3 0 dead 4 3 0");
	assert_text("SELECT CONCAT(settled_by, settled_reason) FROM failed_notification", "");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'done'"), 2);
}

static void a_cancel_needs_a_reason(void **state)
{
	int64_t id = dead("e1");
	char words[502 * 3 + 1] = "";
	struct act act = kim;
	struct usher_error err;

	(void)state;
	act.reason = NULL;
	assert_code(failed_cancel(db, id, -1, &act, &err), USHER_EINVAL, &err);
	act.reason = "";
	assert_code(failed_cancel(db, id, -1, &act, &err), USHER_EINVAL, &err);
	assert_non_null(strstr(err.message, "reason"));
	for (int i = 0; i < 501; i++)
		strcat(words, "김");
	act.reason = words;
	assert_code(failed_cancel(db, id, -1, &act, &err), USHER_EINVAL, &err);
	assert_text(ROW, "dead 1 0 dead 2 3 0");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'refused'"), 3);
	words[500 * 3] = '\0';
	assert_done(failed_cancel(db, id, -1, &act, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT CHAR_LENGTH(settled_reason) FROM failed_notification"), 500);
}

static void a_conflict_names_who_was_first(void **state)
{
	int64_t id = dead("e1");
	char want[100];
	struct usher_error err;

	(void)state;
	assert_done(failed_redrive(db, id, -1, &kim, &err), &err);
	fixture_exec(db, "UPDATE failed_notification SET updated_at = UTC_TIMESTAMP(3) - INTERVAL 3500 "
	                 "MICROSECOND - INTERVAL 3 SECOND");
	assert_code(failed_redrive(db, id, -1, &lee, &err), USHER_ECONFLICT, &err);
	snprintf(want, sizeof want, "row %lld is already queued: redriven by kim 3 s ago", (long long)id);
	assert_string_equal(err.message, want);
	snprintf(want, sizeof want, "lee operator redrive failed/%lld conflict", (long long)id);
	assert_text(LAST_AUDIT, want);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM audit WHERE detail LIKE '%redriven by kim 3 s ago'"),
	        1);
	assert_code(failed_cancel(db, id, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "is queued: redriven by kim"));
	assert_code(failed_restore(db, id, -1, &lee, &err), USHER_ECONFLICT, &err);
	fixture_exec(db, "UPDATE failed_notification SET status = 'delivered', updated_at = UTC_TIMESTAMP(3) "
	                 "- INTERVAL 2 HOUR");
	assert_code(failed_redrive(db, id, -1, &lee, &err), USHER_ECONFLICT, &err);
	snprintf(want, sizeof want, "row %lld is delivered, 2 h ago, redriven by kim", (long long)id);
	assert_string_equal(err.message, want);
	assert_text(ROW, "delivered 2 1 queued 3 0 1");
}

static void what_changed_since_is_not_acted_on(void **state)
{
	int64_t id = dead("e1");
	struct usher_error err;

	(void)state;
	fixture_exec(db, "UPDATE failed_notification SET version = 5");
	assert_code(failed_redrive(db, id, 1, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "version 1 then, 5 now"));
	assert_code(failed_redrive(db, id + 1, -1, &kim, &err), USHER_ENOTFOUND, &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'refused'"), 1);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 0);
	fixture_exec(db, "UPDATE delivery SET state = 'claimed'");
	assert_code(failed_redrive(db, id, 5, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "claimed in the ledger"));
}

#define ACTORS 6

struct actor {
	pthread_barrier_t *barrier;
	int64_t id;
	struct act act;
	bool cancels;
	int code;
	struct usher_error err;
};

static void *act_thread(void *arg)
{
	struct actor *a = arg;
	struct db *own = fixture_db();

	db_ping(own, NULL);
	pthread_barrier_wait(a->barrier);
	a->code = (a->cancels ? failed_cancel : failed_redrive)(own, a->id, -1, &a->act, &a->err);
	db_free(own);
	return NULL;
}

static void exactly_one_operator_wins(void **state)
{
	(void)state;
	for (int round = 0; round < 15; round++) {
		struct actor actors[ACTORS] = { 0 };
		pthread_t threads[ACTORS];
		pthread_barrier_t barrier;
		int won = 0, cancelled = 0;

		fixture_clear();
		int64_t id = dead("e1");

		pthread_barrier_init(&barrier, NULL, ACTORS);
		for (int i = 0; i < ACTORS; i++) {
			actors[i] =
			        (struct actor){ .barrier = &barrier, .id = id, .act = kim, .cancels = i % 2 };
			pthread_create(&threads[i], NULL, act_thread, &actors[i]);
		}
		for (int i = 0; i < ACTORS; i++) {
			pthread_join(threads[i], NULL);
			if (actors[i].code == 0) {
				won++;
				cancelled += actors[i].cancels;
			} else {
				assert_code(actors[i].code, USHER_ECONFLICT, &actors[i].err);
			}
		}
		pthread_barrier_destroy(&barrier);
		assert_int_equal(won, 1);
		assert_text(ROW, cancelled ? "cancelled 2 0 cancelled 3 3 0" : "queued 2 1 queued 3 0 1");
		assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), !cancelled);
		assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'done'"), 1);
		assert_int_equal(
		        fixture_int(db, "SELECT COUNT(*) FROM audit WHERE outcome = 'conflict'"), ACTORS - 1);
	}
}

static void an_act_without_database_is_unavailable(void **state)
{
	int64_t id = dead("e1");
	struct usher_error err;

	(void)state;
	fixture_kill();
	assert_code(failed_redrive(db, id, -1, &kim, &err), USHER_EUNAVAILABLE, &err);
	fixture_restart();
	assert_done(failed_redrive(db, id, -1, &kim, &err), &err);
	assert_text(ROW, "queued 2 1 queued 3 0 1");
}

/* -- Intents ----------------------------------------------------------------------------------------------
 */

static struct intent *take(int max, size_t *ret_n)
{
	struct intent *intents = NULL;
	struct usher_error err;

	assert_done(intents_take(db, max, 60000, &intents, ret_n, &err), &err);
	return intents;
}

static void intents_are_taken_once_and_end(void **state)
{
	struct intent *intents;
	struct usher_error err;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		char event_id[16];

		snprintf(event_id, sizeof event_id, "e%d", i);
		assert_done(failed_redrive(db, dead(event_id), -1, &kim, &err), &err);
	}
	intents = take(2, &n);
	assert_int_equal(n, 2);
	assert_string_equal(intents[0].event_id, "e0");
	assert_string_equal(intents[0].payload, "body of e0");
	assert_int_equal(intents[0].payload_len, strlen("body of e0"));
	assert_string_equal(intents[0].source_queue, "welcome-email");
	assert_string_equal(intents[0].attributes, "{\"origin\":\"x\"}");
	assert_int_equal(intents[0].channel, CHANNEL_EMAIL);
	assert_done(intents_done(db, &intents[0].id, 1, &err), &err);
	assert_done(intents_failed(db, &intents[1].id, 1, 0, "no broker \xff", &err), &err);
	intents_free(intents, n);
	intents = take(10, &n); /* the third, and the one that failed */
	assert_int_equal(n, 2);
	intents_free(intents, n);
	assert_int_equal(
	        fixture_int(db, "SELECT attempts FROM redrive_intent WHERE last_error = 'no broker ?'"), 1);
	intents = take(10, &n);
	assert_int_equal(n, 0);
	intents_free(intents, n);
}

/* -- The DLQ mirror
 * ------------------------------------------------------------------------------------------ */

static struct dlq_copy copy_of(const char *event_id, const char *message_id, int64_t age_ms)
{
	struct dlq_copy copy = { .event_id = event_id, .message_id = message_id, .channel = CHANNEL_EMAIL };

	copy.sent_at.ms = wall_now().ms - age_ms;
	copy.expires_at.ms = copy.sent_at.ms + 14ll * 86400000;
	return copy;
}

static void reconcile(struct dlq_copy *copies, size_t n)
{
	struct usher_error err;

	assert_done(dlq_reconcile(db, copies, n, &err), &err);
}

static void a_dead_row_has_one_copy(void **state)
{
	struct dlq_copy copies[3];

	(void)state;
	dead("e1");
	reconcile(copies, 0);
	copies[0] = copy_of("e1", "m-old", 5000);
	copies[1] = copy_of("stranger", "m-x", 5000);
	reconcile(copies, 2);
	assert_true(copies[0].known && !copies[0].surplus);
	assert_true(!copies[1].known && !copies[1].surplus);
	assert_text("SELECT dlq_message_id FROM failed_notification WHERE dlq_seen_at IS NOT NULL", "m-old");
	/* a newer copy takes its place, wherever it stands in the page; seen again, nothing changes */
	copies[0] = copy_of("e1", "m-old", 5000);
	copies[1] = copy_of("e1", "m-new", 1000);
	copies[2] = copy_of("e1", "m-mid", 3000);
	reconcile(copies, 3);
	assert_true(copies[0].surplus && !copies[1].surplus && copies[2].surplus);
	copies[0] = copy_of("e1", "m-mid", 3000);
	reconcile(copies, 1);
	assert_true(copies[0].known && copies[0].surplus);
	assert_text("SELECT dlq_message_id FROM failed_notification", "m-new");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE version = 1 AND "
	                                 "dlq_expires_at > UTC_TIMESTAMP(3) + INTERVAL 13 DAY"),
	        1);
	/* the same event on the other channel is another delivery */
	copies[0] = copy_of("e1", "m-c", 1000);
	copies[0].channel = CHANNEL_COUPON;
	reconcile(copies, 1);
	assert_false(copies[0].known);
}

static void copies_of_settled_rows_are_surplus(void **state)
{
	struct dlq_copy copy = copy_of("e1", "m-1", 5000);
	int64_t id = dead("e1");
	struct usher_error err;

	(void)state;
	reconcile(&copy, 1);
	assert_done(failed_cancel(db, id, -1, &kim, &err), &err);
	reconcile(&copy, 1);
	assert_true(copy.known && copy.surplus);
	assert_text("SELECT dlq_message_id FROM failed_notification",
	        ""); /* it goes: the row is not in the DLQ any more */
	fixture_exec(
	        db, "INSERT INTO delivery (event_id, channel, state) VALUES ('done', 'email', 'delivered')");
	copy = copy_of("done", "m-2", 5000);
	reconcile(&copy, 1);
	assert_true(copy.known && copy.surplus);
	fixture_exec(
	        db, "INSERT INTO delivery (event_id, channel, state) VALUES ('busy', 'email', 'claimed')");
	copy = copy_of("busy", "m-3", 5000);
	reconcile(&copy, 1);
	assert_true(!copy.known && !copy.surplus);
}

static void a_redriven_copy_that_came_back_is_kept(void **state)
{
	struct dlq_copy copies[3];
	struct usher_error err;

	(void)state;
	assert_done(failed_redrive(db, dead("e1"), -1, &kim, &err), &err);
	copies[0] = copy_of("e1", "m-old", 3600000);
	copies[1] = copy_of("e1", "m-redriven", -1000);
	copies[2] = copy_of(
	        "e1", "m-moved", 0); /* died just before it was redriven, and bears the mark of that */
	copies[2].marked = true;
	reconcile(copies, 3);
	assert_true(copies[0].known && copies[0].surplus && !copies[0].returned);
	assert_true(!copies[1].known && !copies[1].surplus && copies[1].returned);
	assert_true(copies[2].known && copies[2].surplus && !copies[2].returned);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_redrive_moves_everything_at_once),
		TEST(cancel_and_restore),
		TEST(a_cancel_needs_a_reason),
		TEST(a_conflict_names_who_was_first),
		TEST(what_changed_since_is_not_acted_on),
		TEST(exactly_one_operator_wins),
		TEST(an_act_without_database_is_unavailable),
		TEST(intents_are_taken_once_and_end),
		TEST(a_dead_row_has_one_copy),
		TEST(copies_of_settled_rows_are_surplus),
		TEST(a_redriven_copy_that_came_back_is_kept),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
