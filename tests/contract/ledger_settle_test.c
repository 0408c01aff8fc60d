/* Settling in the ledger: every outcome is stored once, whatever is lost, repeated, killed or odd; and those
 * that died outside usher's hands are adopted. On a real MariaDB. */
#include "ledger_rows.h"

#include "model/event.h"

/* -- Settling ------------------------------------------------------------------------------------------ */

static void a_batch_of_successes_costs_four_statements(void **state)
{
	struct ledger_claim claims[100] = { 0 };
	struct ledger_settle settles[100];
	char ids[100][16];
	struct usher_error err;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(ids[i], sizeof ids[i], "e%d", i);
		claims[i].event_id = ids[i];
	}
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 100, &err), &err);
	for (int i = 0; i < 100; i++)
		settles[i] = settle_of(&claims[i], DELIVERY_DELIVERED);
	statements = 0;
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 100, &err), &err);
	assert_int_equal(statements, 4); /* BEGIN, UPDATE, INSERT of the attempts, COMMIT */
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE state = 'delivered' AND version = 2 AND "
	                        "delivered_at IS NOT NULL AND lease_until IS NULL"),
	        100);
	assert_int_equal(
	        fixture_int(db,
	                "SELECT COUNT(DISTINCT delivery_id) FROM delivery_attempt WHERE number = 1 AND "
	                "class = '' AND code = 250 AND reply = '2.0.0 queued' AND effect = '<m@x>' AND "
	                "latency_ms = 12"),
	        100);
}

static void outcomes_are_stored_as_given(void **state)
{
	struct ledger_claim claims[3] = { { .event_id = "ok" }, { .event_id = "retry" },
		{ .event_id = "dead", .user_id = "u-9" } };
	struct ledger_settle settles[3];
	struct usher_error err;

	(void)state;
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 3, &err), &err);
	settles[0] = settle_of(&claims[0], DELIVERY_DELIVERED);
	settles[1] = settle_of(&claims[1], DELIVERY_RETRYING);
	settles[1].attempts = 2;
	settles[1].throttled = 7;
	settles[2] = settle_of(&claims[2], DELIVERY_DEAD);
	settles[2].attempts = 3;
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 3, &err), &err);
	assert_row("ok", "delivered 2 1 0 0");
	assert_row("retry", "retrying 2 2 7 0");
	assert_row("dead", "dead 2 3 0 0");
	OWNED char *reply = fixture_text(db, "SELECT last_reply FROM delivery WHERE event_id = 'retry'");

	assert_non_null(strstr(reply, "451"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE event_id = 'retry' AND "
	                                 "last_class = 'service_down' "
	                                 "AND due_at BETWEEN UTC_TIMESTAMP(3) + INTERVAL 290 SECOND AND "
	                                 "UTC_TIMESTAMP(3) + INTERVAL 300 SECOND"),
	        1);
	assert_int_equal(
	        fixture_int(db,
	                "SELECT COUNT(*) FROM failed_notification WHERE event_id = 'dead' AND status = "
	                "'dead' "
	                "AND attempts = 3 AND user_id = 'u-9' AND recipient IS NULL AND name = '김민수' "
	                "AND source_queue = 'welcome-email' AND message_id = 'm-1' AND attributes = '{}'"),
	        1);
}

static void the_dead_body_is_kept_byte_for_byte(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_DEAD);
	struct failed_row *row = NULL;
	struct usher_error err;
	char id[100];

	(void)state;
	snprintf(id, sizeof id, "SELECT id FROM failed_notification WHERE delivery_id = %lld",
	        (long long)claim.delivery_id);
	assert_done(failed_get(db, fixture_int(db, id), &row, &err), &err);
	assert_int_equal(row->payload_len, sizeof body);
	assert_memory_equal(row->payload, body, sizeof body);
	failed_rows_free(row, 1);
}

static void large_bodies_go_in_several_statements(void **state)
{
	struct ledger_claim claims[30] = { 0 };
	struct ledger_settle settles[30];
	struct message large = { .id = (char *)"m", .body_len = EVENT_BODY_MAX };
	char ids[30][16];
	struct usher_error err;

	(void)state;
	large.body = mem_alloc(large.body_len + 1); /* NUL bytes: escaped to twice the size */
	for (int i = 0; i < 30; i++) {
		snprintf(ids[i], sizeof ids[i], "e%d", i);
		claims[i].event_id = ids[i];
	}
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 30, &err), &err);
	for (int i = 0; i < 30; i++) {
		settles[i] = settle_of(&claims[i], DELIVERY_DEAD);
		settles[i].dead.message = &large;
	}
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 30, &err), &err);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE LENGTH(payload) = 1048576"),
	        30);
	free(large.body);
}

static void a_lost_lease_stores_nothing(void **state)
{
	struct ledger_claim one = make("e1", DELIVERY_CLAIMED), two = make("e2", DELIVERY_CLAIMED);
	struct ledger_settle settles[2];
	struct usher_error err;

	(void)state;
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE "
	                 "event_id = 'e1'");
	struct ledger_claim taken = claim_as(B, "e1");

	settles[0] = settle_of(&one, DELIVERY_DEAD);
	settles[1] = settle_of(&two, DELIVERY_DELIVERED);
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 2, &err), &err);
	assert_true(settles[0].lost);
	assert_false(settles[1].lost);
	assert_row("e1", "claimed 2 0 0 0");
	assert_row("e2", "delivered 2 1 0 0");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), 1);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM failed_notification"), 0);
	/* and the one that holds it now is not disturbed */
	settle_as(B, &taken, DELIVERY_DELIVERED);
}

/* The same daemon claimed it again after a stall: what the first claim says counts no more. */
static void a_claim_of_ones_own_that_is_outdated_stores_nothing(void **state)
{
	struct ledger_claim first = make("e1", DELIVERY_CLAIMED);
	struct ledger_settle settle = settle_of(&first, DELIVERY_DEAD);
	struct usher_error err;

	(void)state;
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND");
	struct ledger_claim second = claim_as(A, "e1");
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, &settle, 1, &err), &err);
	assert_true(settle.lost);
	assert_row("e1", "claimed 2 0 0 0");
	settle_as(A, &second, DELIVERY_DELIVERED);
	assert_row("e1", "delivered 3 1 0 0");
}

static void a_settle_done_twice_counts_once(void **state)
{
	struct ledger_claim claims[3] = { { .event_id = "ok" }, { .event_id = "retry" },
		{ .event_id = "dead" } };
	static const enum delivery_state to[] = { DELIVERY_DELIVERED, DELIVERY_RETRYING, DELIVERY_DEAD };
	struct ledger_settle settles[3];
	struct usher_error err;

	(void)state;
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 3, &err), &err);
	for (int i = 0; i < 3; i++)
		settles[i] = settle_of(&claims[i], to[i]);
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 3, &err), &err);
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 3, &err),
	        &err); /* its COMMIT was not answered */
	for (int i = 0; i < 3; i++)
		assert_false(settles[i].lost);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), 3);
	assert_int_equal(fixture_int(db, "SELECT version FROM failed_notification"), 1);
	assert_row("retry", "retrying 2 1 0 0");
	/* another worker's word about the same row is not taken for ours */
	assert_done(ledger_settle(db, CHANNEL_EMAIL, B, settles, 3, &err), &err);
	for (int i = 0; i < 3; i++)
		assert_true(settles[i].lost);
}

static void the_same_delivery_twice_in_a_batch_is_lost_once(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_CLAIMED);
	struct ledger_settle settles[2] = { settle_of(&claim, DELIVERY_DELIVERED),
		settle_of(&claim, DELIVERY_DELIVERED) };
	struct usher_error err;

	(void)state;
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 2, &err), &err);
	assert_false(settles[0].lost);
	assert_true(settles[1].lost);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), 1);
}

static void odd_words_of_a_peer_never_stop_a_batch(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_CLAIMED);
	struct ledger_settle settle = settle_of(&claim, DELIVERY_DEAD);
	struct reply odd = { .code = 99999, .latency_ms = -5 };
	struct message message = dead_message;
	char long_name[2000];
	struct usher_error err;

	(void)state;
	memset(odd.text, 0xff, sizeof odd.text - 1);
	memset(odd.effect, 0xc3, sizeof odd.effect - 1);
	memset(long_name, 'n', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	message.id = long_name;
	settle.reply = &odd;
	settle.reason = long_name;
	settle.dead.name = settle.dead.source_queue = long_name;
	settle.dead.message = &message;
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, &settle, 1, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT CHAR_LENGTH(reason) FROM failed_notification"), 512);
	assert_int_equal(fixture_int(db, "SELECT code FROM delivery_attempt"), 65535);
}

static void a_malformed_message_has_no_attempt(void **state)
{
	struct ledger_claim claim = make("m-1", DELIVERY_CLAIMED);
	struct ledger_settle settle = settle_of(&claim, DELIVERY_DEAD);
	struct usher_error err;

	(void)state;
	settle.reply = NULL;
	settle.class = FAILURE_MALFORMED;
	settle.reason = "the body is not JSON";
	settle.attempts = 0;
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, &settle, 1, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), 0);
	struct ledger_claim again = claim_as(B, "m-1");

	assert_int_equal(again.last_class, FAILURE_MALFORMED);
	assert_string_equal(again.last_reply, "the body is not JSON");
}

static void a_redriven_delivery_closes_its_row(void **state)
{
	struct ledger_claim claim;
	struct usher_error err;

	(void)state;
	make("good", DELIVERY_DEAD);
	make("bad", DELIVERY_DEAD);
	assert_done(failed_redrive(db, failed_id("good"), -1, &kim, &err), &err);
	assert_done(failed_redrive(db, failed_id("bad"), -1, &kim, &err), &err);
	claim = claim_as(B, "good");
	assert_int_equal(claim.verdict, CLAIM_SEND);
	assert_int_equal(claim.attempts, 0);
	assert_int_equal(claim.redrives, 1);
	settle_as(B, &claim, DELIVERY_DELIVERED);
	claim = claim_as(B, "bad");
	settle_as(B, &claim, DELIVERY_DEAD);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 0);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE event_id = 'good' AND "
	                        "status = 'delivered' AND version = 3 AND settled_by = 'kim'"),
	        1);
	assert_int_equal(
	        fixture_int(db,
	                "SELECT COUNT(*) FROM failed_notification WHERE event_id = 'bad' AND status = 'dead' "
	                "AND version = 3 AND redrives = 1 AND first_at <= dead_at"),
	        1);
	/* the timeline tells the lives apart */
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt WHERE redrive = 1 AND number = 1"), 2);
}

static void a_killed_server_loses_no_claim(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_CLAIMED);
	struct ledger_settle settle = settle_of(&claim, DELIVERY_DELIVERED);
	struct usher_error err;

	(void)state;
	fixture_kill();
	assert_code(ledger_settle(db, CHANNEL_EMAIL, A, &settle, 1, &err), USHER_EUNAVAILABLE, &err);
	assert_code(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &(struct ledger_claim){ .event_id = "e2" },
	                    1, &err),
	        USHER_EUNAVAILABLE, &err);
	fixture_restart();
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, &settle, 1, &err), &err);
	assert_false(settle.lost);
	assert_row("e1", "delivered 2 1 0 0");
}

/* -- Adopting -------------------------------------------------------------------------------------------- */

static void adopt(const char *event_id, struct message *message)
{
	struct ledger_dead dead = { .name = NULL, .message = message, .source_queue = "welcome-email" };
	struct usher_error err;

	assert_done(ledger_adopt(db, CHANNEL_EMAIL, event_id, NULL, NULL, &dead, FAILURE_WORKER_LOST,
	                    "received 10 times", &err),
	        &err);
}

static void the_lost_are_adopted_once(void **state)
{
	(void)state;
	adopt("stranger", &dead_message);
	adopt("stranger", &dead_message);
	assert_row("stranger", "dead 1 0 0 0");
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE event_id = 'stranger' AND "
	                        "class = 'worker_lost' AND version = 1 AND reason = 'received 10 times'"),
	        1);
	/* what stands in the ledger and goes nowhere any more */
	make("stuck", DELIVERY_CLAIMED);
	adopt("stuck", &dead_message);
	assert_row("stuck", "claimed 1 0 0 0"); /* a worker may be at it */
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE "
	                 "event_id = 'stuck'");
	adopt("stuck", &dead_message);
	assert_row("stuck", "dead 2 0 0 0");
	assert_true(failed_id("stuck") > 0);
	make("waiting", DELIVERY_RETRYING);
	adopt("waiting", &dead_message);
	assert_row("waiting", "dead 4 1 0 0"); /* through claimed: two moves */
	make("done", DELIVERY_DELIVERED);
	adopt("done", &dead_message);
	assert_row("done", "delivered 2 1 0 0");
	assert_int_equal(failed_id("done"), -1);
}

static void a_redriven_copy_that_comes_back_dies_again(void **state)
{
	struct message old = dead_message, fresh = dead_message, ours;
	struct usher_error err;

	(void)state;
	make("e1", DELIVERY_DEAD);
	assert_done(failed_redrive(db, failed_id("e1"), -1, &kim, &err), &err);
	old.sent_at.ms = wall_now().ms - 3600000;
	fresh.sent_at.ms = wall_now().ms + 1000;
	ours = fresh;
	message_attribute_set(&ours.attributes, ATTRIBUTE_CLASS, "service_down");
	adopt("e1", &old);
	assert_row("e1", "queued 3 0 0 1");
	adopt("e1", &ours); /* moved by usher when it died: it does not carry the redrive */
	assert_row("e1", "queued 3 0 0 1");
	message_attributes_free(&ours.attributes);
	adopt("e1", &fresh);
	assert_row("e1", "dead 5 0 0 1");
	assert_int_equal(
	        fixture_int(db,
	                "SELECT COUNT(*) FROM failed_notification WHERE status = 'dead' AND redrives = 1 AND "
	                "class = 'worker_lost'"),
	        1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_of_successes_costs_four_statements),
		TEST(outcomes_are_stored_as_given),
		TEST(the_dead_body_is_kept_byte_for_byte),
		TEST(large_bodies_go_in_several_statements),
		TEST(a_lost_lease_stores_nothing),
		TEST(a_claim_of_ones_own_that_is_outdated_stores_nothing),
		TEST(a_settle_done_twice_counts_once),
		TEST(the_same_delivery_twice_in_a_batch_is_lost_once),
		TEST(odd_words_of_a_peer_never_stop_a_batch),
		TEST(a_malformed_message_has_no_attempt),
		TEST(a_redriven_delivery_closes_its_row),
		TEST(a_killed_server_loses_no_claim),
		TEST(the_lost_are_adopted_once),
		TEST(a_redriven_copy_that_comes_back_dies_again),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
