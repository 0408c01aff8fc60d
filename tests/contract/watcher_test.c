/* The watcher on a real database and the embedded broker: what an operator sees on the status page, what
 * becomes of copies in a DLQ, of redrives, and of what is old. */
#include "fixture.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/join.h"
#include "store/failed.h"
#include "store/ledger.h"
#include "store/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define EVENT                                                                                                \
	"{\"eventId\":\"%s\",\"type\":\"user-signup\",\"userId\":\"u-%s\",\"email\":\"%s@example.com\","     \
	"\"name\":\"김하늘\"}"

static struct config config;
static struct engine *engine;
static struct db *db;
static struct queues *queues;
static struct usher_error err;

/* -- The ground ------------------------------------------------------------------------------ */

static void default_config(void)
{
	const struct db_settings *s = fixture_settings();
	memset(&config, 0, sizeof config);
	config.broker.driver = (char *)"embedded";
	config.database.socket = (char *)s->socket;
	config.database.user = (char *)s->user;
	config.database.password = (char *)s->password;
	config.database.name = (char *)s->name;
	config.database.connect_timeout_ms = 1000;
	config.database.read_timeout_ms = 5000;
	config.database.keep_delivered_ms = 30LL * 24 * 3600 * 1000;
	config.watch.depth_interval_ms = 20;
	config.watch.mirror_interval_ms = 3600 * 1000;
	config.channel[CHANNEL_EMAIL] = (struct config_channel){ .enabled = true,
		.queue = (char *)"mail",
		.dlq = (char *)"mail-dlq",
		.visibility_timeout_ms = 60000 };
	config.channel[CHANNEL_COUPON] = (struct config_channel){ .enabled = true,
		.queue = (char *)"coupon",
		.dlq = (char *)"coupon-dlq",
		.visibility_timeout_ms = 60000 };
}

static int setup(void **state)
{
	(void)state;
	default_config();
	fixture_clear();
	db = fixture_db();
	queues = queues_new(db);
	struct queue_definition definitions[] = { { "mail", "mail-dlq", 60000, QUEUE_RETENTION_MS, 10 },
		{ "coupon", "coupon-dlq", 60000, QUEUE_RETENTION_MS, 10 } };
	assert_done(queue_ensure(queues, EMBEDDED_TOPIC, definitions, 2, &err), &err);
	engine = engine_new(&config);
	return 0;
}

static void start(void)
{
	assert_done(watcher_start(engine, &engine->watcher, &err), &err);
}

static void stop(void)
{
	if (engine->watcher) {
		watcher_stop(engine->watcher);
		watcher_join(engine->watcher);
	}
	engine->watcher = NULL;
}

static int teardown(void **state)
{
	(void)state;
	stop();
	engine_free(engine);
	queues_free(queues);
	db_free(db);
	return 0;
}

/* A check on the newest snapshot. */
#define STATUS(expression)                                                                                   \
	({                                                                                                   \
		struct status *s = status_board_get(engine->board);                                          \
		bool holds_ = s && (expression);                                                             \
		status_release(s);                                                                           \
		holds_;                                                                                      \
	})

static uint32_t newest(const struct status *s, enum series series)
{
	return s->history.recent[s->history.recent_len - 1].value[CHANNEL_EMAIL][series];
}

static void put(const char *queue, const char *body, const struct message_attributes *attributes)
{
	struct queue_put one = { body, strlen(body), attributes, 0 };
	assert_done(queue_put(queues, &queue, 1, &one, 1, &err), &err);
}

static void put_event(const char *queue, const char *id)
{
	char body[300];
	snprintf(body, sizeof body, EVENT, id, id, id);
	put(queue, body, NULL);
}

static int64_t count(const char *what)
{
	char sql[300];
	snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", what);
	return fixture_int(db, sql);
}

static int64_t in_queue(const char *queue)
{
	char sql[200];
	snprintf(sql, sizeof sql,
	        "broker_message m JOIN broker_queue q ON q.id = m.queue_id WHERE q.name = '%s'", queue);
	return count(sql);
}

static void assert_text(const char *sql, const char *want)
{
	OWNED char *text = fixture_text(db, sql);
	assert_string_equal(text, want);
}

/* A dead delivery with its copy in the mail DLQ, as the pipeline leaves it; returns the failed row. */
static int64_t dead(const char *id)
{
	char body[300], sql[200];
	struct message m = {
		.id = (char *)"first-id", .receipt = (char *)"1.1", .body = body, .receive_count = 1
	};
	snprintf(body, sizeof body, EVENT, id, id, id);
	m.body_len = strlen(body);
	message_attribute_set(&m.attributes, "origin", "체험");
	message_attribute_set(&m.attributes, ATTRIBUTE_CLASS, "rejected");
	message_attribute_set(&m.attributes, ATTRIBUTE_REASON, "SMTP 554");
	message_attribute_set(&m.attributes, ATTRIBUTE_EVENT_ID, id);
	struct ledger_dead row = { "김하늘", &m, "mail" };
	assert_done(
	        ledger_adopt(db, CHANNEL_EMAIL, id, "u", "a@b.c", &row, FAILURE_REJECTED, "SMTP 554", &err),
	        &err);
	put("mail-dlq", body, &m.attributes);
	message_attributes_free(&m.attributes);
	snprintf(sql, sizeof sql, "SELECT id FROM failed_notification WHERE event_id = '%s'", id);
	return fixture_int(db, sql);
}

static const struct act act = { "jin", "operator", "the mail service is well again" };

/* -- Status ---------------------------------------------------------------------------------- */

static void the_board_shows_depths_and_counts(void **state)
{
	(void)state;
	struct message *taken[1];
	size_t n = 0;
	int64_t next_ms = 0;
	put_event("mail", "e-1");
	put_event("mail", "e-2");
	assert_done(queue_take(queues, "mail", 1, 60000, taken, &n, &next_ms, &err), &err);
	assert_int_equal(n, 1);
	message_free(taken[0]);
	dead("e-3");
	fixture_exec(db, "INSERT INTO signup_outbox (event_id, payload) VALUES ('e-9', '{}')");
	start();
	WAIT_FOR(STATUS(s->channel[CHANNEL_EMAIL].dead == 1));
	assert_true(STATUS(s->database.up && s->broker.up && s->database.since.ms && s->broker.since.ms));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.value == 1));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.exactness == EXACT));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.in_flight.value == 1));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].dlq_depth.visible.value == 1));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth_at.ms != 0));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth_error[0] == 0));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.oldest_age_ms >= 0));
	assert_true(STATUS(s->channel[CHANNEL_COUPON].depth.visible.value == 0));
	assert_true(STATUS(s->outbox_waiting == 1 && s->outbox_oldest_ms >= 0));
	counter_add(&engine->counters.channel[CHANNEL_EMAIL].delivered, 50);
	WAIT_FOR(STATUS(s->channel[CHANNEL_EMAIL].out_per_s > 0 && s->history.recent_len > 3));
	put_event("mail", "e-4");
	WAIT_FOR(STATUS(newest(s, SERIES_DEPTH) == 3));
}

static void a_channel_that_is_off_is_not_asked_for(void **state)
{
	(void)state;
	config.channel[CHANNEL_COUPON].enabled = false;
	fixture_exec(db, "DELETE FROM broker_queue");
	start();
	WAIT_FOR(STATUS(s->history.recent_len > 2));
	assert_true(STATUS(s->broker.up && !s->channel[CHANNEL_COUPON].enabled));
	assert_int_equal(count("broker_queue WHERE name LIKE 'coupon%'"), 0);
	assert_int_equal(count("broker_queue WHERE name LIKE 'mail%'"), 2);
}

static void figures_stand_still_while_the_database_is_away(void **state)
{
	(void)state;
	put_event("mail", "e-1");
	start();
	WAIT_FOR(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.value == 1 && s->database.up));
	fixture_kill();
	WAIT_FOR(STATUS(!s->database.up && !s->broker.up));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.value == 1));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.exactness == STALE));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].dlq_depth.visible.exactness == STALE));
	assert_true(STATUS(strlen(s->channel[CHANNEL_EMAIL].depth_error) > 0));
	assert_true(STATUS(strlen(s->database.error) > 0 && strlen(s->broker.error) > 0));
	watcher_kick(engine->watcher); /* harmless */
	fixture_restart();
	WAIT_FOR(STATUS(s->database.up && s->broker.up));
	WAIT_FOR(STATUS(s->channel[CHANNEL_EMAIL].depth.visible.exactness == EXACT));
	assert_true(STATUS(s->channel[CHANNEL_EMAIL].depth_error[0] == 0 && s->database.error[0] == 0));
}

static void a_stop_does_not_wait_for_the_database(void **state)
{
	(void)state;
	fixture_kill();
	start();
	WAIT_FOR(STATUS(!s->database.up));
	mono_time begin = mono_now();
	stop();
	assert_true(mono_since_ms(begin, mono_now()) < 5000);
	fixture_restart();
}

/* -- DLQ mirror ------------------------------------------------------------------------------ */

static void what_the_queue_policy_moved_gets_a_row(void **state)
{
	(void)state;
	put_event("coupon-dlq", "e-7");
	start();
	WAIT_FOR(count("failed_notification") == 1);
	assert_text("SELECT CONCAT_WS('|', event_id, channel, status, class, user_id, recipient, name, "
	            "source_queue) "
	            "FROM failed_notification",
	        "e-7|coupon|dead|worker_lost|u-e-7|e-7@example.com|김하늘|coupon");
	WAIT_FOR(
	        count("failed_notification f JOIN broker_message m ON m.message_id = f.dlq_message_id") == 1);
	assert_int_equal(
	        fixture_int(db, "SELECT ROUND((UNIX_TIMESTAMP(dlq_expires_at) - UNIX_TIMESTAMP(m.sent_at)) / "
	                        "86400) FROM failed_notification, broker_message m"),
	        14);
	assert_int_equal(in_queue("coupon-dlq"), 1); /* it stays where it is */
	WAIT_FOR(counter_get(&engine->counters.mirror_adopted) == 1);
	WAIT_FOR(STATUS(s->channel[CHANNEL_COUPON].control.mirrored_at.ms != 0));
	assert_text("SELECT state FROM delivery", "dead");
}

static void what_usher_marked_keeps_its_class(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	message_attribute_set(&a, ATTRIBUTE_CLASS, "rejected");
	message_attribute_set(&a, ATTRIBUTE_REASON, "SMTP 554 5.7.1: no");
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, "e-8");
	message_attribute_set(&a, ATTRIBUTE_SOURCE_QUEUE, "old-mail");
	char body[300];
	snprintf(body, sizeof body, EVENT, "e-8", "e-8", "e-8");
	put("mail-dlq", body, &a);
	message_attributes_free(&a);
	start();
	WAIT_FOR(count("failed_notification") == 1);
	assert_text("SELECT CONCAT_WS('|', event_id, class, reason, source_queue) FROM failed_notification",
	        "e-8|rejected|SMTP 554 5.7.1: no|old-mail");
}

static void what_is_no_event_gets_a_row_too(void **state)
{
	(void)state;
	put("mail-dlq", "\xff not json", NULL);
	start();
	WAIT_FOR(count("failed_notification") == 1);
	assert_text("SELECT class FROM failed_notification", "malformed");
	assert_int_equal(
	        count("failed_notification f JOIN broker_message m ON m.message_id = f.event_id"), 1);
	assert_text("SELECT HEX(payload) FROM failed_notification", "FF206E6F74206A736F6E");
}

static void a_long_dlq_is_gone_through(void **state)
{
	(void)state;
	for (int i = 0; i < 250; i++) {
		char id[16];
		snprintf(id, sizeof id, "e-%d", i);
		put_event("mail-dlq", id);
	}
	start();
	WAIT_FOR(count("failed_notification WHERE dlq_message_id IS NOT NULL") == 250);
	assert_int_equal(in_queue("mail-dlq"), 250);
	assert_int_equal(counter_get(&engine->counters.mirror_deleted), 0);
}

static void a_cancelled_copy_is_deleted(void **state)
{
	(void)state;
	int64_t id = dead("e-1");
	dead("e-2");
	start();
	WAIT_FOR(count("failed_notification WHERE dlq_message_id IS NOT NULL") == 2);
	assert_done(failed_cancel(db, id, -1, &act, &err), &err);
	watcher_kick(engine->watcher);
	WAIT_FOR(in_queue("mail-dlq") == 1);
	assert_text("SELECT JSON_VALUE(attributes, '$.\"usher.event_id\"') FROM broker_message", "e-2");
	WAIT_FOR(counter_get(&engine->counters.mirror_deleted) == 1);
}

/* -- Redrives -------------------------------------------------------------------------------- */

static void a_redrive_sends_a_fresh_copy(void **state)
{
	(void)state;
	int64_t id = dead("e-1");
	start();
	WAIT_FOR(count("failed_notification WHERE dlq_message_id IS NOT NULL") == 1);
	assert_done(failed_redrive(db, id, -1, &act, &err), &err);
	watcher_kick(engine->watcher);
	WAIT_FOR(in_queue("mail") == 1);
	WAIT_FOR(in_queue("mail-dlq") == 0);
	WAIT_FOR(count("redrive_intent") == 0);
	WAIT_FOR(counter_get(&engine->counters.redriven) == 1);
	assert_text(
	        "SELECT attributes FROM broker_message", "{\"usher.event_id\":\"e-1\",\"origin\":\"체험\"}");
	assert_int_equal(count("broker_message m JOIN failed_notification f ON f.payload = m.body"), 1);
}

/* The fresh copy killed its worker again and again: it is dead once more, and not taken for the old copy. */
static void a_redriven_copy_that_comes_back_is_dead_again(void **state)
{
	(void)state;
	int64_t id = dead("e-1");
	start();
	assert_done(failed_redrive(db, id, -1, &act, &err), &err);
	watcher_kick(engine->watcher);
	WAIT_FOR(in_queue("mail") == 1);
	WAIT_FOR(in_queue("mail-dlq") == 0);
	fixture_exec(db, /* by the clock of a broker that is behind the database's */
	        "UPDATE broker_message SET queue_id = (SELECT id FROM broker_queue WHERE name = 'mail-dlq'), "
	        "sent_at = sent_at - INTERVAL 30 SECOND");
	WAIT_FOR(count("failed_notification WHERE status = 'dead' AND class = 'worker_lost'") == 1);
	WAIT_FOR(
	        count("failed_notification f JOIN broker_message m ON m.message_id = f.dlq_message_id") == 1);
	WAIT_FOR(counter_get(&engine->counters.mirror_adopted) == 1);
}

/* Acts of another daemon, or of one that died before it could send. */
static void intents_of_others_are_sent_without_a_kick(void **state)
{
	(void)state;
	int64_t id = dead("e-1");
	assert_done(failed_redrive(db, id, -1, &act, &err), &err);
	start();
	WAIT_FOR(in_queue("mail") == 1);
	WAIT_FOR(count("redrive_intent") == 0);
}

static void many_redrives_go_in_batches(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 230; i++) {
		char name[16];
		snprintf(name, sizeof name, "e-%d", i);
		int64_t id = dead(name);
		assert_done(failed_redrive(db, id, -1, &act, &err), &err);
	}
	watcher_kick(engine->watcher);
	WAIT_FOR(in_queue("mail") == 230);
	WAIT_FOR(in_queue("mail-dlq") == 0);
	WAIT_FOR(count("redrive_intent") == 0);
	WAIT_FOR(counter_get(&engine->counters.redriven) == 230);
}

static void a_redrive_that_cannot_be_sent_waits_and_says_why(void **state)
{
	(void)state;
	int64_t lost = dead("e-1"), fine = dead("e-2");
	char sql[200];
	snprintf(sql, sizeof sql, "UPDATE failed_notification SET source_queue = 'gone' WHERE id = %lld",
	        (long long)lost);
	fixture_exec(db, sql);
	assert_done(failed_redrive(db, lost, -1, &act, &err), &err);
	assert_done(failed_redrive(db, fine, -1, &act, &err), &err);
	start();
	WAIT_FOR(in_queue("mail") == 1);
	WAIT_FOR(count("redrive_intent WHERE attempts = 1 AND next_at > UTC_TIMESTAMP(3)") == 1);
	OWNED char *why = fixture_text(db, "SELECT last_error FROM redrive_intent");
	assert_non_null(strstr(why, "gone"));
	WAIT_FOR(count("redrive_intent WHERE attempts = 2") == 1); /* it is tried again */
	assert_true(STATUS(s->broker.up));
}

/* What will never go does not wait: the row is dead again, and the audit says what the broker said. */
static void a_copy_that_is_refused_for_good_is_no_redrive(void **state)
{
	(void)state;
	int64_t large = dead("e-1"), fine = dead("e-2");
	char sql[200];
	snprintf(sql, sizeof sql,
	        "UPDATE failed_notification SET payload = REPEAT('x', 1024 * 1024) WHERE id = %lld",
	        (long long)large);
	fixture_exec(db, sql);
	assert_done(failed_redrive(db, large, -1, &act, &err), &err);
	assert_done(failed_redrive(db, fine, -1, &act, &err), &err);
	start();
	WAIT_FOR(in_queue("mail") == 1);
	WAIT_FOR(count("redrive_intent") == 0);
	WAIT_FOR(count("failed_notification f JOIN delivery d ON d.id = f.delivery_id WHERE f.status = "
	               "'dead' AND "
	               "d.state = 'dead' AND f.settled_by IS NULL") == 1);
	assert_text("SELECT event_id FROM failed_notification WHERE status = 'dead'", "e-1");
	assert_int_equal(count("audit WHERE act = 'withdraw' AND operator = 'usher' AND outcome = 'done' AND "
	                       "reason LIKE '%over 1024 KiB%'"),
	        1);
	assert_done(failed_cancel(db, large, -1, &act, &err), &err);
	assert_int_equal(failed_withdraw(db, large, "too late", &err), USHER_ECONFLICT);
}

static void redrives_wait_for_the_database(void **state)
{
	(void)state;
	int64_t id = dead("e-1");
	start();
	WAIT_FOR(STATUS(s->database.up));
	fixture_kill();
	WAIT_FOR(STATUS(!s->database.up));
	fixture_restart();
	WAIT_FOR(db_ping(db, &err) == 0);
	assert_done(failed_redrive(db, id, -1, &act, &err), &err);
	WAIT_FOR(in_queue("mail") == 1);
}

/* -- Retention ------------------------------------------------------------------------------- */

static void what_is_old_is_deleted(void **state)
{
	(void)state;
	put_event("mail", "e-old");
	fixture_exec(db, "UPDATE broker_message SET sent_at = UTC_TIMESTAMP(3) - INTERVAL 15 DAY");
	put_event("mail", "e-young");
	fixture_exec(db, "INSERT INTO delivery (event_id, channel, state, delivered_at) VALUES "
	                 "('old', 'email', 'delivered', UTC_TIMESTAMP(3) - INTERVAL 31 DAY), "
	                 "('young', 'email', 'delivered', UTC_TIMESTAMP(3) - INTERVAL 29 DAY)");
	fixture_exec(db,
	        "INSERT INTO signup_outbox (event_id, payload, published_at) VALUES "
	        "('old', '{}', UTC_TIMESTAMP(3) - INTERVAL 31 DAY), ('young', '{}', UTC_TIMESTAMP(3)), "
	        "('waiting', '{}', NULL)");
	start();
	WAIT_FOR(counter_get(&engine->counters.expired) == 1);
	WAIT_FOR(counter_get(&engine->counters.pruned) == 2);
	assert_text("SELECT GROUP_CONCAT(event_id) FROM delivery", "young");
	assert_text("SELECT GROUP_CONCAT(event_id ORDER BY id) FROM signup_outbox", "young,waiting");
	assert_int_equal(in_queue("mail"), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_board_shows_depths_and_counts),
		T(a_channel_that_is_off_is_not_asked_for),
		T(figures_stand_still_while_the_database_is_away),
		T(a_stop_does_not_wait_for_the_database),
		T(what_the_queue_policy_moved_gets_a_row),
		T(what_usher_marked_keeps_its_class),
		T(what_is_no_event_gets_a_row_too),
		T(a_long_dlq_is_gone_through),
		T(a_cancelled_copy_is_deleted),
		T(a_redrive_sends_a_fresh_copy),
		T(a_redriven_copy_that_comes_back_is_dead_again),
		T(intents_of_others_are_sent_without_a_kick),
		T(many_redrives_go_in_batches),
		T(a_redrive_that_cannot_be_sent_waits_and_says_why),
		T(a_copy_that_is_refused_for_good_is_no_redrive),
		T(redrives_wait_for_the_database),
		T(what_is_old_is_deleted),
	};
#undef T
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
