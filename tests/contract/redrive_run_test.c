/* The runner of redrive jobs, and automatic redrive, in a watcher on a real database: nobody sends anything
 * here, so a test says itself what becomes of a redriven row. */
#include "fixture.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/join.h"
#include "store/queue.h"
#include "store/redrive_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct engine *engine;
static struct db *db;
static struct queues *queues;
static struct usher_error err;

/* -- The ground ------------------------------------------------------------------------------ */

static int setup(void **state)
{
	const struct db_settings *s = fixture_settings();

	(void)state;
	memset(&config, 0, sizeof config);
	config.broker.driver = (char *)"embedded";
	config.database.socket = (char *)s->socket;
	config.database.user = (char *)s->user;
	config.database.name = (char *)s->name;
	config.database.connect_timeout_ms = 1000;
	config.database.read_timeout_ms = 5000;
	config.database.keep_delivered_ms = 30LL * 24 * 3600 * 1000;
	config.watch.depth_interval_ms = 20;
	config.watch.mirror_interval_ms = 3600 * 1000;
	for (int id = 0; id < CHANNEL_COUNT; id++)
		config.channel[id] = (struct config_channel){ .enabled = true,
			.queue = (char *)(id == CHANNEL_EMAIL ? "mail" : "coupon"),
			.dlq = (char *)(id == CHANNEL_EMAIL ? "mail-dlq" : "coupon-dlq"),
			.visibility_timeout_ms = 60000,
			.auto_redrive_max = 3,
			.auto_redrive_rate = 100 };
	fixture_clear();
	db = fixture_db();
	fixture_exec(db, "ALTER TABLE redrive_job AUTO_INCREMENT = 1");
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

static int teardown(void **state)
{
	(void)state;
	if (engine->watcher) {
		watcher_stop(engine->watcher);
		watcher_join(engine->watcher);
	}
	engine->watcher = NULL;
	engine_free(engine);
	queues_free(queues);
	db_free(db);
	return 0;
}

static void dead_rows(int first, int n, const char *channel, const char *class)
{
	char sql[900];

	snprintf(sql, sizeof sql,
	        "INSERT INTO delivery (id, event_id, channel, state) SELECT seq, CONCAT('e-', seq), '%s', "
	        "'dead' FROM seq_%d_to_%d",
	        channel, first, first + n - 1);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (id, delivery_id, event_id, channel, status, class, reason, "
	        "attempts, payload, attributes, source_queue, message_id, first_at, dead_at, updated_at) "
	        "SELECT "
	        "seq, seq, CONCAT('e-', seq), '%s', 'dead', '%s', 'HTTP 503', 3, '{}', '{}', '%s', 'm', at, "
	        "at, "
	        "at FROM (SELECT seq, UTC_TIMESTAMP(3) - INTERVAL 60 SECOND at FROM seq_%d_to_%d) s",
	        channel, class, strcmp(channel, "email") == 0 ? "mail" : "coupon", first, first + n - 1);
	fixture_exec(db, sql);
}

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "it is back" };

static int64_t create(int64_t canary, int64_t stop_on)
{
	struct redrive_order order = { .selection = { .channel = -1, .class = -1, .auto_max = -1 },
		.rate = 1000,
		.canary = canary,
		.stop_on = stop_on,
		.act = kim };
	int64_t id = 0;

	assert_done(redrive_job_create(db, &order, &id, &err), &err);
	return id;
}

/* What a pipeline would make of the rows that are queued. */
static void outcome(bool delivered)
{
	char sql[300];

	snprintf(sql, sizeof sql,
	        "UPDATE failed_notification f JOIN delivery d ON d.id = f.delivery_id SET f.status = '%s', "
	        "d.state = "
	        "'%s', f.dead_at = UTC_TIMESTAMP(3), f.updated_at = UTC_TIMESTAMP(3) WHERE f.status = "
	        "'queued'",
	        delivered ? "delivered" : "dead", delivered ? "delivered" : "dead");
	fixture_exec(db, sql);
}

static bool holds(const char *condition)
{
	char sql[400];

	snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM redrive_job WHERE %s", condition);
	return fixture_int(db, sql) > 0;
}

/* -- Jobs ------------------------------------------------------------------------------------- */

static void the_canary_is_awaited_before_the_rest(void **state)
{
	(void)state;
	dead_rows(1, 20, "email", "timeout");
	create(2, 5);
	start();
	WAIT_FOR(holds("sent = 2 AND waits = 'the canary''s outcome'"));
	fixture_exec(
	        db, "UPDATE failed_notification SET status = 'delivered' WHERE status = 'queued' LIMIT 1");
	WAIT_FOR(holds("on_the_way = 1"));
	assert_true(holds("sent = 2"));
	outcome(true);
	WAIT_FOR(holds("sent > 2 AND waits IS NULL"));
	WAIT_FOR((outcome(true), holds("state = 'done' AND sent = 20 AND failed = 0 AND on_the_way = 0")));
	WAIT_FOR(holds("settled"));
}

static void a_canary_that_fails_stops_the_job(void **state)
{
	(void)state;
	dead_rows(1, 20, "email", "timeout");
	create(1, 5);
	start();
	WAIT_FOR(holds("sent = 1"));
	outcome(false);
	WAIT_FOR(holds("state = 'stopped' AND sent = 1 AND moved_by = 'usher' AND why = 'the canary failed "
	               "again: HTTP "
	               "503'"));
	WAIT_FOR(holds("settled"));
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'"), 20);
}

static void it_does_not_run_ahead_of_the_outcomes(void **state)
{
	(void)state;
	dead_rows(1, 300, "email", "timeout");
	create(0, 5);
	dead_rows(1001, 1, "coupon", "timeout");
	start();
	WAIT_FOR(holds("sent = 10"));
	int64_t next = create(0, 0); /* jobs take turns: when this one has gone on, so could the first */
	WAIT_FOR(fixture_int(db, "SELECT sent FROM redrive_job ORDER BY id DESC LIMIT 1") > 3);
	assert_true(holds("id = 1 AND sent = 10"));
	assert_int_equal(next, 2);
	outcome(false);
	WAIT_FOR(holds(
	        "id = 1 AND state = 'stopped' AND failed = 10 AND why LIKE '10 failed again, such as: HTTP "
	        "503'"));
}

static void a_job_waits_for_its_channel(void **state)
{
	(void)state;
	dead_rows(1, 3, "coupon", "timeout");
	atomic_store(&engine->counters.channel[CHANNEL_COUPON].breaker, BREAKER_OPEN);
	create(0, 5);
	start();
	WAIT_FOR(holds("waits = 'coupon breaker is open'"));
	assert_true(holds("sent = 0"));
	atomic_store(&engine->counters.channel[CHANNEL_COUPON].breaker, BREAKER_CLOSED);
	WAIT_FOR((outcome(true), holds("state = 'done' AND sent = 3")));
}

static void jobs_go_on_when_the_database_is_back(void **state)
{
	(void)state;
	dead_rows(1, 30, "email", "timeout");
	create(0, 5);
	start();
	WAIT_FOR(holds("sent > 0"));
	fixture_kill();
	fixture_restart();
	db_free(db);
	db = fixture_db();
	queues_free(queues);
	queues = queues_new(db);
	WAIT_FOR((outcome(true), holds("state = 'done' AND sent = 30 AND skipped = 0")));
	assert_int_equal(fixture_int(db, "SELECT MAX(redrives) FROM failed_notification"), 1);
}

/* -- By usher itself ---------------------------------------------------------------------------- */

#define DELIVERY(when)                                                                                       \
	"INSERT INTO delivery (event_id, channel, state, delivered_at) VALUES (UUID(), 'coupon', "           \
	"'delivered', UTC_TIMESTAMP(3) - INTERVAL " when " SECOND)"

static void it_wants_a_delivery_after_the_death(void **state)
{
	(void)state;
	config.channel[CHANNEL_COUPON].auto_redrive = config.channel[CHANNEL_EMAIL].auto_redrive = true;
	dead_rows(1, 3, "coupon", "service_down"); /* a minute ago */
	dead_rows(11, 1, "coupon", "rejected");
	dead_rows(21, 1, "coupon", "ambiguous");
	dead_rows(31, 1, "email", "worker_lost");
	fixture_exec(db, DELIVERY("70"));
	start();
	WAIT_FOR(holds(
	        "class = 'worker_lost' AND channel = 'email' AND kind = 'auto' AND rate = 1")); /* it has
	                                                                                           looked */
	assert_false(holds("channel = 'coupon'"));
	fixture_exec(db, DELIVERY("50"));
	WAIT_FOR((outcome(true),
	        holds("class = 'service_down' AND state = 'done' AND sent = 3 AND rate = 100")));
	WAIT_FOR((outcome(true), holds("class = 'ambiguous' AND state = 'done' AND sent = 1")));
	assert_false(holds("class = 'rejected'"));
	assert_true(holds("class = 'service_down' AND reason LIKE 'service_down is over since __:__ UTC'"));
	assert_int_equal(fixture_int(db, "SELECT auto_redrives FROM failed_notification WHERE id = 1"), 1);
}

static void after_a_stop_it_rests_and_rests_longer(void **state)
{
	(void)state;
	config.channel[CHANNEL_COUPON].auto_redrive = true;
	dead_rows(1, 3, "coupon", "service_down");
	fixture_exec(db, DELIVERY("50"));
	start();
	WAIT_FOR(holds("id = 1 AND sent = 1"));
	outcome(false);
	WAIT_FOR(holds("id = 1 AND state = 'stopped'"));
	dead_rows(11, 1, "coupon", "timeout"); /* another class: a sign that it goes on looking */
	WAIT_FOR((outcome(true), holds("id = 2 AND class = 'timeout' AND state = 'done'")));
	fixture_exec(db, "UPDATE redrive_job SET ended_at = ended_at - INTERVAL 61 SECOND WHERE id = 1");
	WAIT_FOR(holds("id = 3 AND class = 'service_down' AND sent = 1"));
	outcome(false);
	WAIT_FOR(holds("id = 3 AND state = 'stopped'"));
	fixture_exec(
	        db, "UPDATE redrive_job SET ended_at = ended_at - INTERVAL 61 SECOND WHERE id = 3"); /* now 5
	                                                                                                min */
	dead_rows(21, 1, "coupon", "timeout");
	WAIT_FOR((outcome(true), holds("id = 4 AND class = 'timeout' AND state = 'done'")));
	assert_false(holds("id = 5"));
	fixture_exec(db, "UPDATE redrive_job SET ended_at = ended_at - INTERVAL 240 SECOND WHERE id = 3");
	WAIT_FOR(holds("id = 5 AND class = 'service_down'"));
}

static void switched_off_it_stops_its_jobs(void **state)
{
	(void)state;
	config.channel[CHANNEL_COUPON].auto_redrive = true;
	dead_rows(1, 3, "coupon", "service_down");
	fixture_exec(db, DELIVERY("50"));
	start();
	WAIT_FOR(holds("id = 1 AND sent = 1"));
	watcher_stop(engine->watcher);
	watcher_join(engine->watcher);
	config.channel[CHANNEL_COUPON].auto_redrive = false;
	start();
	WAIT_FOR(holds("id = 1 AND state = 'stopped' AND why = 'auto_redrive was switched off'"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_canary_is_awaited_before_the_rest),
		T(a_canary_that_fails_stops_the_job),
		T(it_does_not_run_ahead_of_the_outcomes),
		T(a_job_waits_for_its_channel),
		T(jobs_go_on_when_the_database_is_back),
		T(it_wants_a_delivery_after_the_death),
		T(after_a_stop_it_rests_and_rests_longer),
		T(switched_off_it_stops_its_jobs),
	};
#undef T
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
