/* The broker contract on the embedded driver, and what is this driver's own: cost, depth, retention, what
 * a database that goes away looks like. */
#include "broker_suite.h"
#include "fixture.h"

#include "base/mem.h"
#include "engine/join.h"
#include "store/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LONG_MS (60 * 1000)
#define DEADLINE_MS 20000
#define DEEP 40000
#define RETENTION_MS (60 * 60 * 1000)

static const struct broker_queue_settings queues[] = {
	{ .name = "work",
	        .dlq = "work-dlq",
	        .visibility_ms = 30000,
	        .max_receive_count = 3,
	        .retention_ms = RETENTION_MS },
	{ .name = "other",
	        .dlq = NULL,
	        .visibility_ms = 30000,
	        .max_receive_count = 3,
	        .retention_ms = RETENTION_MS },
};

static struct embedded_hub *hub;
static atomic_uint_least64_t statements;
static struct db *db;
static struct party party;

static struct broker *open_with(
        struct loop *loop, const char *topic, const struct broker_queue_settings *q, size_t n)
{
	struct db_settings settings = *fixture_settings();
	settings.statements = &statements;
	struct embedded_settings embedded = { topic, q, n, engine_storage(&settings), hub };
	return embedded_open(&embedded, loop);
}

static struct broker *open_embedded(struct loop *loop)
{
	return open_with(loop, "sign-ups", queues, ARRAY_LEN(queues));
}

static void reset(void)
{
	fixture_clear();
}

static const struct broker_suite embedded = {
	.open = open_embedded,
	.reset = reset,
	.queue = "work",
	.other_queue = "other",
	.dlq = "work-dlq",
	.max_receive_count = 3,
	.unit_ms = 100,
	.wake_ms = 100,
	.binary_bodies = true,
};

static int setup(void **state)
{
	(void)state;
	reset();
	party_open(&party, &embedded);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	party_close(&party);
	return 0;
}

static int group_setup(void **state)
{
	int rc = fixture_start(state);
	hub = embedded_hub_new();
	db = fixture_db();
	return rc;
}

static int group_teardown(void **state)
{
	db_free(db);
	embedded_hub_free(hub);
	return fixture_stop(state);
}

static void send_text(const char *body)
{
	struct broker_outgoing m = { .body = body, .body_len = strlen(body) };
	assert_done(party_send(&party, "work", &m, 1), &party.err);
	assert_int_equal(party.results[0].code, 0);
}

static void fill(const char *queue, int n)
{
	char sql[400];
	send_text("so that the queues are there");
	fixture_exec(db, "DELETE FROM broker_message");
	snprintf(sql, sizeof sql,
	        "INSERT INTO broker_message (queue_id, message_id, body, attributes, sent_at, visible_at) "
	        "SELECT q.id, LPAD(s.seq, 36, '0'), REPEAT('x', 300), '{}', UTC_TIMESTAMP(3), "
	        "UTC_TIMESTAMP(3) "
	        "FROM seq_1_to_%d s JOIN broker_queue q ON q.name = '%s'",
	        n, queue);
	fixture_exec(db, sql);
}

/* -- Cost ------------------------------------------------------------------------------------ */

static void a_batch_costs_few_statements(void **state)
{
	(void)state;
	struct broker_outgoing batch[MESSAGE_BATCH_MAX];
	const char *receipts[MESSAGE_BATCH_MAX];
	for (size_t i = 0; i < MESSAGE_BATCH_MAX; i++)
		batch[i] = (struct broker_outgoing){ .body = "x", .body_len = 1 };
	send_text("first"); /* what is remembered is there from now on */
	assert_done(party_receive(&party, "work", 1, 0, LONG_MS), &party.err);

	uint64_t before = atomic_load(&statements);
	assert_done(party_send(&party, "work", batch, MESSAGE_BATCH_MAX), &party.err);
	assert_int_equal(atomic_load(&statements) - before, 1);
	before = atomic_load(&statements);
	assert_done(party_receive(&party, "work", MESSAGE_BATCH_MAX, 0, LONG_MS), &party.err);
	assert_int_equal(party.n, MESSAGE_BATCH_MAX);
	assert_true(atomic_load(&statements) - before <= 5);
	for (size_t i = 0; i < MESSAGE_BATCH_MAX; i++)
		receipts[i] = party.messages[i]->receipt;
	before = atomic_load(&statements);
	assert_done(party_delete(&party, "work", receipts, MESSAGE_BATCH_MAX), &party.err);
	assert_int_equal(atomic_load(&statements) - before, 1);
}

static void an_idle_poll_costs_one_statement_an_interval(void **state)
{
	(void)state;
	assert_done(party_receive(&party, "work", 1, 0, LONG_MS), &party.err);
	uint64_t before = atomic_load(&statements);
	assert_done(party_receive(&party, "work", 10, EMBEDDED_POLL_MS + EMBEDDED_POLL_MS / 2, LONG_MS),
	        &party.err);
	assert_int_equal(party.n, 0);
	/* one when it began, one after an interval */
	assert_true(atomic_load(&statements) - before <= 2);
}

static void on_nothing(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	int *open = arg;
	(void)messages;
	assert_int_equal(err->code, 0);
	assert_int_equal(n, 0);
	if (--*open == 0)
		loop_stop(party.loop);
}

static void several_idle_receives_cost_as_much_as_one(void **state)
{
	(void)state;
	int open = 8;
	assert_done(party_receive(&party, "work", 1, 0, LONG_MS), &party.err);
	uint64_t before = atomic_load(&statements);
	struct broker_receive_options options = { 10, 300, LONG_MS };
	for (int i = 0; i < 8; i++)
		party.broker->ops->receive(party.broker, "work", &options, on_nothing, &open);
	loop_run(party.loop);
	assert_int_equal(atomic_load(&statements) - before, 1);
}

static int64_t sorted_rows(void)
{
	char *text = fixture_text(db, "SELECT variable_value FROM information_schema.global_status "
	                              "WHERE variable_name = 'SORT_ROWS'");
	int64_t n = atoll(text);
	free(text);
	return n;
}

static void a_deep_queue_is_received_as_fast_as_a_flat_one(void **state)
{
	(void)state;
	fill("work", DEEP);
	int64_t sorted = sorted_rows();
	mono_time begin = mono_now();
	for (int i = 0; i < 20; i++) {
		const char *receipts[MESSAGE_BATCH_MAX];
		assert_done(party_receive(&party, "work", MESSAGE_BATCH_MAX, 0, LONG_MS), &party.err);
		assert_int_equal(party.n, MESSAGE_BATCH_MAX);
		for (size_t k = 0; k < party.n; k++)
			receipts[k] = party.messages[k]->receipt;
		assert_done(party_delete(&party, "work", receipts, party.n), &party.err);
	}
	int64_t took = mono_since_ms(begin, mono_now());
	assert_int_equal(sorted_rows(), sorted); /* in the order of an index */
	assert_true(took < 4000); /* a scan or a sort of the queue for each batch takes longer by far */
	assert_done(party_depths(&party, "work"), &party.err);
	assert_int_equal(party.depths.visible.value, DEEP - 2000);
}

/* -- What the driver promises beyond the contract -------------------------------------------- */

static void a_long_queue_is_seen_in_turns(void **state)
{
	(void)state;
	static bool seen[250 + 1];
	memset(seen, 0, sizeof seen);
	fill("work", 250);
	for (int turn = 0; turn < 3; turn++) {
		assert_done(party_browse(&party, "work", 100), &party.err);
		assert_int_equal(party.n, turn < 2 ? 100 : 50);
		assert_false(party.exact);
		for (size_t i = 0; i < party.n; i++) {
			int k = atoi(party.messages[i]->id);
			assert_false(seen[k]);
			seen[k] = true;
		}
	}
	assert_done(party_browse(&party, "work", 250), &party.err);
	assert_int_equal(party.n, 250);
	assert_true(party.exact);
}

static void turns_end_where_the_queue_ends(void **state)
{
	(void)state;
	static const size_t want[] = { 100, 100, 0, 100 };
	fill("work", 200);
	for (size_t turn = 0; turn < ARRAY_LEN(want); turn++) {
		assert_done(party_browse(&party, "work", 100), &party.err);
		assert_int_equal(party.n, want[turn]);
		assert_false(party.exact);
	}
	fill("work", 100);
	party_close(&party);
	party_open(&party, &embedded);
	assert_done(party_browse(&party, "work", 100), &party.err);
	assert_int_equal(party.n, 100);
	assert_true(party.exact);
}

static void old_messages_expire(void **state)
{
	(void)state;
	struct usher_error err;
	struct queues *q = queues_new(db);
	int n = -1;
	fill("work", 30);
	send_text("young");
	fixture_exec(db, "UPDATE broker_message SET sent_at = UTC_TIMESTAMP(3) - INTERVAL 61 MINUTE "
	                 "WHERE body <> 'young'");
	assert_done(queue_expire(q, 20, &n, &err), &err);
	assert_int_equal(n, 20);
	assert_done(queue_expire(q, 20, &n, &err), &err);
	assert_int_equal(n, 10);
	assert_done(queue_expire(q, 20, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_done(party_receive(&party, "work", 10, 0, LONG_MS), &party.err);
	assert_int_equal(party.n, 1);
	assert_string_equal(party.messages[0]->body, "young");
	queues_free(q);
}

static void the_dlq_keeps_the_time_it_was_sent(void **state)
{
	(void)state;
	send_text("old");
	fixture_exec(db, "UPDATE broker_message SET receive_count = 3, "
	                 "sent_at = UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE");
	assert_done(party_receive(&party, "work", 1, 0, LONG_MS), &party.err);
	assert_int_equal(party.n, 0);
	assert_done(party_browse(&party, "work-dlq", 10), &party.err);
	assert_int_equal(party.n, 1);
	assert_int_equal(party.messages[0]->receive_count, 0);
	assert_in_range(wall_now().ms - party.messages[0]->sent_at.ms, 590000, 640000);
	assert_done(party_depths(&party, "work-dlq"), &party.err);
	assert_int_equal(party.depths.visible.value, 1);
	assert_in_range(party.depths.oldest_age_ms, 590000, 640000);
}

/* A queue without a dlq gives its messages out for ever. */
static void without_a_dlq_nothing_is_moved(void **state)
{
	(void)state;
	struct broker_outgoing m = { .body = "x", .body_len = 1 };
	assert_done(party_send(&party, "other", &m, 1), &party.err);
	fixture_exec(db, "UPDATE broker_message SET receive_count = 100");
	assert_done(party_receive(&party, "other", 1, 0, LONG_MS), &party.err);
	assert_int_equal(party.n, 1);
	assert_int_equal(party.messages[0]->receive_count, 101);
}

static void settings_follow_the_configuration(void **state)
{
	(void)state;
	send_text("x");
	struct broker_queue_settings changed = queues[0];
	changed.max_receive_count = 7;
	changed.retention_ms = 5000;
	struct party second;
	party_open(&second, &embedded);
	second.broker->ops->close(second.broker);
	second.broker = open_with(second.loop, "sign-ups", &changed, 1);
	assert_done(party_depths(&second, "work"), &second.err);
	assert_int_equal(second.depths.visible.value, 1);
	assert_int_equal(
	        fixture_int(db, "SELECT max_receive_count FROM broker_queue WHERE name = 'work'"), 7);
	assert_int_equal(fixture_int(db, "SELECT retention_ms FROM broker_queue WHERE name = 'work'"), 5000);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM broker_queue"), 3);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM broker_subscription"), 2);
	party_close(&second);
}

static void a_topic_without_subscribers_swallows_nothing(void **state)
{
	(void)state;
	struct broker_outgoing m = { .body = "x", .body_len = 1 };
	struct party lonely;
	party_open(&lonely, &embedded);
	lonely.broker->ops->close(lonely.broker);
	lonely.broker = open_with(lonely.loop, "nobody-listens", NULL, 0);
	assert_code(party_publish(&lonely, &m, 1), USHER_ENOTFOUND, &lonely.err);
	assert_non_null(strstr(lonely.err.message, "nobody-listens"));
	party_close(&lonely);
}

/* -- Trouble --------------------------------------------------------------------------------- */

static void a_database_that_goes_away_and_comes_back(void **state)
{
	(void)state;
	struct broker_outgoing m = { .body = "y", .body_len = 1 };
	send_text("kept");
	assert_done(party_receive(&party, "work", 1, 0, LONG_MS), &party.err);
	OWNED char *receipt = mem_string(party.messages[0]->receipt);
	const char *receipts[] = { receipt };

	fixture_kill();
	assert_code(party_receive(&party, "work", 1, DEADLINE_MS, LONG_MS), USHER_EUNAVAILABLE, &party.err);
	assert_true(strlen(party.err.message) > 0);
	assert_code(party_publish(&party, &m, 1), USHER_EUNAVAILABLE, &party.err);
	assert_code(party_delete(&party, "work", receipts, 1), USHER_EUNAVAILABLE, &party.err);
	assert_code(party_depths(&party, "work"), USHER_EUNAVAILABLE, &party.err);
	fixture_restart();

	assert_done(party_publish(&party, &m, 1), &party.err);
	assert_done(party_receive(&party, "work", 1, DEADLINE_MS, LONG_MS), &party.err);
	assert_int_equal(party.n, 1);
	assert_string_equal(party.messages[0]->body, "y");
	assert_done(party_delete(&party, "work", receipts, 1), &party.err);
	assert_int_equal(party.results[0].code, 0);
}

static void the_first_operation_waits_for_no_start(void **state)
{
	(void)state;
	struct broker_outgoing m = { .body = "z", .body_len = 1 };
	fixture_kill();
	struct party early;
	party_open(&early, &embedded); /* needs no database */
	assert_code(party_publish(&early, &m, 1), USHER_EUNAVAILABLE, &early.err);
	fixture_restart();
	assert_done(party_publish(&early, &m, 1), &early.err);
	party_close(&early);
}

int main(void)
{
	int failed = 0;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_batch_costs_few_statements),
		T(an_idle_poll_costs_one_statement_an_interval),
		T(several_idle_receives_cost_as_much_as_one),
		T(a_deep_queue_is_received_as_fast_as_a_flat_one),
		T(a_long_queue_is_seen_in_turns),
		T(turns_end_where_the_queue_ends),
		T(old_messages_expire),
		T(the_dlq_keeps_the_time_it_was_sent),
		T(without_a_dlq_nothing_is_moved),
		T(settings_follow_the_configuration),
		T(a_topic_without_subscribers_swallows_nothing),
		T(a_database_that_goes_away_and_comes_back),
		T(the_first_operation_waits_for_no_start),
	};
#undef T
	group_setup(NULL);
	failed += broker_suite_run("broker contract: embedded", &embedded);
	failed += cmocka_run_group_tests_name("embedded broker", tests, NULL, NULL);
	group_teardown(NULL);
	return failed;
}
