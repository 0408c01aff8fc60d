/* The ledger: one delivery is one worker's at a time, every move is counted once, and nothing that was stored
 * is stored again. On a real MariaDB, with workers in threads. */
#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"
#include "store/ledger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define A "host:1:a"
#define B "host:2:b"
#define LEASE_MS 60000

static struct db *db;
static atomic_uint_least64_t statements;

static int set_up(void **state)
{
	struct db_settings settings = *fixture_settings();

	(void)state;
	fixture_clear();
	statements = 0;
	settings.statements = &statements;
	db = db_new(&settings);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

/* -- Shorthands ----------------------------------------------------------------------------------- */

static struct ledger_claim claim_as(const char *owner, const char *event_id)
{
	struct ledger_claim claim = {
		.event_id = event_id, .user_id = "u-1", .recipient = "kim@example.com"
	};
	struct usher_error err;

	assert_done(ledger_claim(db, CHANNEL_EMAIL, owner, LEASE_MS, &claim, 1, &err), &err);
	return claim;
}

static const struct reply accepted = {
	.protocol = REPLY_SMTP, .code = 250, .text = "2.0.0 queued", .effect = "<m@x>", .latency_ms = 12
};
static const struct reply deferred = { .protocol = REPLY_SMTP, .code = 451, .text = "4.3.0 try later" };
static char body[] = "{\"eventId\":\"e1\"}\0\xff\xfe";
static struct message dead_message = { .id = (char *)"m-1", .body = body, .body_len = sizeof body };

static struct ledger_settle settle_of(const struct ledger_claim *claim, enum delivery_state to)
{
	struct ledger_settle settle = { .delivery_id = claim->delivery_id,
		.version = claim->version,
		.to = to,
		.reply = to == DELIVERY_DELIVERED ? &accepted : &deferred,
		.class = to == DELIVERY_DELIVERED ? FAILURE_NONE : FAILURE_SERVICE_DOWN,
		.at = wall_now(),
		.attempts = claim->attempts + 1,
		.throttled = claim->throttled,
		.redrives = claim->redrives,
		.delay_ms = 300000,
		.reason = to == DELIVERY_DEAD ? "451 4.3.0 try later, three times" : NULL,
		.event_id = claim->event_id,
		.user_id = claim->user_id,
		.recipient = claim->recipient,
		.dead = { .name = "김민수", .message = &dead_message, .source_queue = "welcome-email" } };

	return settle;
}

static void settle_as(const char *owner, const struct ledger_claim *claim, enum delivery_state to)
{
	struct ledger_settle settle = settle_of(claim, to);
	struct usher_error err;

	assert_done(ledger_settle(db, CHANNEL_EMAIL, owner, &settle, 1, &err), &err);
	assert_false(settle.lost);
}

/* An event in the given state, whoever holds it. */
static struct ledger_claim make(const char *event_id, enum delivery_state state)
{
	struct ledger_claim claim = claim_as(A, event_id);

	assert_int_equal(claim.verdict, CLAIM_SEND);
	if (state != DELIVERY_CLAIMED)
		settle_as(A, &claim, state);
	return claim;
}

static void assert_row(const char *event_id, const char *want)
{
	char query[300];

	snprintf(query, sizeof query,
	        "SELECT CONCAT_WS(' ', state, version, attempts, throttled, redrives) FROM delivery WHERE "
	        "event_id = '%s'",
	        event_id);
	OWNED char *row = fixture_text(db, query);

	assert_string_equal(row, want);
}

/* -- Claiming -------------------------------------------------------------------------------------- */

static void a_new_batch_costs_one_statement(void **state)
{
	struct ledger_claim claims[100] = { 0 };
	char ids[100][16];
	struct usher_error err;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(ids[i], sizeof ids[i], "e%d", (i * 37) % 100);
		claims[i].event_id = ids[i];
	}
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 100, &err), &err);
	assert_int_equal(statements, 1);
	for (int i = 0; i < 100; i++) {
		char query[128];

		assert_int_equal(claims[i].verdict, CLAIM_SEND);
		assert_int_equal(claims[i].version, 1);
		snprintf(query, sizeof query, "SELECT id FROM delivery WHERE event_id = '%.15s'", ids[i]);
		assert_int_equal(claims[i].delivery_id, fixture_int(db, query));
	}
}

static void the_verdict_follows_the_state(void **state)
{
	struct ledger_claim again;

	(void)state;
	make("done", DELIVERY_DELIVERED);
	again = claim_as(B, "done");
	assert_int_equal(again.verdict, CLAIM_DELIVERED);

	make("dead", DELIVERY_DEAD);
	again = claim_as(B, "dead");
	assert_int_equal(again.verdict, CLAIM_DEAD);
	assert_int_equal(again.last_class, FAILURE_SERVICE_DOWN);
	assert_string_equal(again.last_reply, "451 4.3.0 try later, three times");

	make("held", DELIVERY_CLAIMED);
	again = claim_as(B, "held");
	assert_int_equal(again.verdict, CLAIM_LEASED);
	assert_in_range(again.wait_ms, LEASE_MS - 10000, LEASE_MS);
	again = claim_as(A, "held"); /* a second copy of the message, in the same daemon */
	assert_int_equal(again.verdict, CLAIM_LEASED);

	make("later", DELIVERY_RETRYING);
	again = claim_as(B, "later");
	assert_int_equal(again.verdict, CLAIM_NOT_DUE);
	assert_in_range(again.wait_ms, 290000, 300000);
	assert_int_equal(again.attempts, 1);

	fixture_exec(db, "UPDATE delivery SET state = 'cancelled' WHERE event_id = 'dead'");
	assert_int_equal(claim_as(B, "dead").verdict, CLAIM_CANCELLED);
	/* the same event on the other channel is another delivery */
	struct ledger_claim other = { .event_id = "done" };
	struct usher_error err;

	assert_done(ledger_claim(db, CHANNEL_COUPON, B, LEASE_MS, &other, 1, &err), &err);
	assert_int_equal(other.verdict, CLAIM_SEND);
}

static void what_is_free_is_taken_over(void **state)
{
	struct ledger_claim claim, first;

	(void)state;
	first = make("expired", DELIVERY_CLAIMED);
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND");
	claim = claim_as(B, "expired");
	assert_int_equal(claim.verdict, CLAIM_SEND);
	assert_int_equal(claim.delivery_id, first.delivery_id);
	assert_int_equal(claim.version, 2);

	make("due", DELIVERY_RETRYING);
	fixture_exec(db,
	        "UPDATE delivery SET due_at = UTC_TIMESTAMP(3) + INTERVAL 20000 MICROSECOND, throttled = 4 "
	        "WHERE event_id = 'due'");
	claim = claim_as(B, "due"); /* within the slack */
	assert_int_equal(claim.verdict, CLAIM_SEND);
	assert_int_equal(claim.version, 3);
	assert_int_equal(claim.attempts, 1);
	assert_int_equal(claim.throttled, 4);
	assert_row("due", "claimed 3 1 4 0");

	make("queued", DELIVERY_DEAD);
	fixture_exec(db, "UPDATE delivery SET state = 'queued', version = 3, attempts = 0, redrives = 1 "
	                 "WHERE event_id = 'queued'");
	claim = claim_as(B, "queued");
	assert_int_equal(claim.verdict, CLAIM_SEND);
	assert_int_equal(claim.redrives, 1);
	assert_row("queued", "claimed 4 0 0 1");
}

static void one_batch_with_all_kinds(void **state)
{
	struct ledger_claim claims[] = { { .event_id = "new-1" }, { .event_id = "done" },
		{ .event_id = "due" }, { .event_id = "new-1" }, { .event_id = "new-2" },
		{ .event_id = "held" } };
	struct usher_error err;

	(void)state;
	make("done", DELIVERY_DELIVERED);
	make("due", DELIVERY_RETRYING);
	make("held", DELIVERY_CLAIMED);
	fixture_exec(db, "UPDATE delivery SET due_at = UTC_TIMESTAMP(3) WHERE event_id = 'due'");
	statements = 0;
	assert_done(ledger_claim(db, CHANNEL_EMAIL, B, LEASE_MS, claims, ARRAY_LEN(claims), &err), &err);
	assert_int_equal(claims[0].verdict, CLAIM_SEND);
	assert_int_equal(claims[1].verdict, CLAIM_DELIVERED);
	assert_int_equal(claims[2].verdict, CLAIM_SEND);
	assert_int_equal(claims[3].verdict, CLAIM_LEASED); /* the same event twice: the first is claimed */
	assert_int_equal(claims[4].verdict, CLAIM_SEND);
	assert_int_equal(claims[5].verdict, CLAIM_LEASED);
	assert_int_equal(statements, 3);
}

static void ids_differ_by_any_byte(void **state)
{
	static const char *const ids[] = { "e1", "e1 ", "E1", " e1", "e1\t", "é1",
		"e\xcc\x81"
		"1",
		"'; --", "e\\1" };
	struct ledger_claim claims[ARRAY_LEN(ids)] = { 0 };
	struct usher_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		claims[i].event_id = ids[i];
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, ARRAY_LEN(ids), &err), &err);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_int_equal(claims[i].verdict, CLAIM_SEND);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery"), ARRAY_LEN(ids));
	assert_int_equal(claim_as(B, "e1 ").delivery_id, claims[1].delivery_id);
}

static void what_does_not_fit_is_refused_not_cut(void **state)
{
	char long_id[200];
	struct ledger_claim claim = { .event_id = long_id };
	struct usher_error err;

	(void)state;
	memset(long_id, 'x', 129);
	long_id[129] = '\0';
	assert_code(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &claim, 1, &err), USHER_EINVAL, &err);
	claim.event_id = "";
	assert_code(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &claim, 1, &err), USHER_EINVAL, &err);
	claim.event_id = "bad\xff";
	assert_code(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &claim, 1, &err), USHER_EINVAL, &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery"), 0);
	long_id[128] = '\0';
	claim.event_id = long_id;
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &claim, 1, &err), &err);
}

/* -- Leases ------------------------------------------------------------------------------------------ */

static void a_lease_is_renewed_only_while_ours(void **state)
{
	struct ledger_claim one = make("e1", DELIVERY_CLAIMED), two = make("e2", DELIVERY_CLAIMED);
	int64_t ids[] = { one.delivery_id, two.delivery_id };
	bool held[2] = { false, false };
	struct usher_error err;

	(void)state;
	assert_done(ledger_renew(db, A, 5 * LEASE_MS, ids, held, 2, &err), &err);
	assert_true(held[0] && held[1]);
	assert_in_range(claim_as(B, "e1").wait_ms, 4 * LEASE_MS, 5 * LEASE_MS);
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE "
	                 "event_id = 'e2'");
	assert_int_equal(claim_as(B, "e2").verdict, CLAIM_SEND);
	assert_done(ledger_renew(db, A, LEASE_MS, ids, held, 2, &err), &err);
	assert_true(held[0]);
	assert_false(held[1]);
}

static void what_is_released_is_free_at_once(void **state)
{
	struct ledger_claim one = make("e1", DELIVERY_CLAIMED);
	struct usher_error err;

	(void)state;
	assert_done(ledger_release(db, B, &one.delivery_id, 1, &err), &err); /* not theirs to give */
	assert_int_equal(claim_as(B, "e1").verdict, CLAIM_LEASED);
	assert_done(ledger_release(db, A, &one.delivery_id, 1, &err), &err);
	assert_int_equal(claim_as(B, "e1").verdict, CLAIM_SEND);
}

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
	struct ledger_claim claims[100] = { 0 };
	struct ledger_settle settles[100];
	struct message large = { .id = (char *)"m", .body_len = 256 * 1024 };
	char ids[100][16];
	struct usher_error err;

	(void)state;
	large.body = mem_alloc(large.body_len + 1); /* NUL bytes: escaped to twice the size */
	for (int i = 0; i < 100; i++) {
		snprintf(ids[i], sizeof ids[i], "e%d", i);
		claims[i].event_id = ids[i];
	}
	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, claims, 100, &err), &err);
	for (int i = 0; i < 100; i++) {
		settles[i] = settle_of(&claims[i], DELIVERY_DEAD);
		settles[i].dead.message = &large;
	}
	assert_done(ledger_settle(db, CHANNEL_EMAIL, A, settles, 100, &err), &err);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE LENGTH(payload) = 262144"),
	        100);
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

static int64_t failed_id(const char *event_id)
{
	char query[200];

	snprintf(query, sizeof query, "SELECT id FROM failed_notification WHERE event_id = '%s'", event_id);
	return fixture_int(db, query);
}

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "the service is back" };

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

/* -- Many workers --------------------------------------------------------------------------------------- */

#define RACE_EVENTS 60
#define RACERS 4

struct racer {
	const char *owner;
	pthread_barrier_t *barrier;
	int won, lost, code;
	struct usher_error err;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct db *own = fixture_db();
	struct ledger_claim claims[RACE_EVENTS] = { 0 };
	struct ledger_settle settles[RACE_EVENTS];
	char ids[RACE_EVENTS][16];
	size_t n = 0;

	for (int i = 0; i < RACE_EVENTS; i++) {
		snprintf(ids[i], sizeof ids[i], "e%d", r->owner[0] % 2 ? i : RACE_EVENTS - 1 - i);
		claims[i].event_id = ids[i];
	}
	db_ping(own, NULL);
	pthread_barrier_wait(r->barrier);
	r->code = ledger_claim(own, CHANNEL_EMAIL, r->owner, LEASE_MS, claims, RACE_EVENTS, &r->err);
	for (int i = 0; i < RACE_EVENTS && r->code == 0; i++)
		if (claims[i].verdict == CLAIM_SEND)
			settles[n++] = settle_of(&claims[i], DELIVERY_DELIVERED);
	r->won = (int)n;
	if (r->code == 0)
		r->code = ledger_settle(own, CHANNEL_EMAIL, r->owner, settles, n, &r->err);
	for (size_t i = 0; i < n; i++)
		r->lost += settles[i].lost;
	db_free(own);
	return NULL;
}

/* Runs RACERS workers at the same rows; each row must be won exactly once. */
static void race_once(void)
{
	static const char *const owners[RACERS] = { "a", "b", "c", "d" };
	struct racer racers[RACERS] = { 0 };
	pthread_t threads[RACERS];
	pthread_barrier_t barrier;
	int won = 0;

	pthread_barrier_init(&barrier, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		racers[i].owner = owners[i];
		racers[i].barrier = &barrier;
		pthread_create(&threads[i], NULL, race, &racers[i]);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		assert_done(racers[i].code, &racers[i].err);
		assert_int_equal(racers[i].lost, 0);
		won += racers[i].won;
	}
	pthread_barrier_destroy(&barrier);
	assert_int_equal(won, RACE_EVENTS);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE state = 'delivered'"), RACE_EVENTS);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), RACE_EVENTS);
}

static void new_events_are_won_once(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		fixture_clear();
		race_once();
	}
}

static void known_events_are_won_once(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		fixture_clear();
		for (int i = 0; i < RACE_EVENTS; i++) {
			char id[16];

			snprintf(id, sizeof id, "e%d", i);
			claim_as("gone", id);
		}
		fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND, "
		                 "version = 1 + id % 5");
		fixture_exec(db, "UPDATE delivery SET state = 'queued' WHERE id % 3 = 0");
		race_once();
	}
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

/* -- Lists, counts, retention ------------------------------------------------------------------------------
 */

static void counts_are_exact(void **state)
{
	struct ledger_counts counts;
	struct usher_error err;

	(void)state;
	assert_done(ledger_count(db, CHANNEL_EMAIL, &counts, &err), &err);
	assert_int_equal(counts.next_due_ms, -1);
	make("c1", DELIVERY_CLAIMED);
	make("d1", DELIVERY_DELIVERED);
	make("r1", DELIVERY_RETRYING);
	make("r2", DELIVERY_RETRYING);
	make("x1", DELIVERY_DEAD);
	make("q1", DELIVERY_DEAD);
	assert_done(failed_redrive(db, failed_id("q1"), -1, &kim, &err), &err);
	fixture_exec(db,
	        "UPDATE delivery SET due_at = UTC_TIMESTAMP(3) + INTERVAL 30 SECOND WHERE event_id = 'r2'");
	assert_done(ledger_count(db, CHANNEL_EMAIL, &counts, &err), &err);
	assert_int_equal(counts.claimed, 1);
	assert_int_equal(counts.retrying, 2);
	assert_int_equal(counts.dead, 1);
	assert_int_equal(counts.queued, 1);
	assert_int_equal(counts.cancelled, 0);
	assert_in_range(counts.next_due_ms, 20000, 30000);
	assert_done(ledger_count(db, CHANNEL_COUPON, &counts, &err), &err);
	assert_int_equal(counts.retrying, 0);
}

static void retrying_pages_cover_all_once(void **state)
{
	char cursor[CURSOR_SIZE] = "", next[CURSOR_SIZE];
	int64_t last_due = 0, seen = 0;
	struct usher_error err;

	(void)state;
	for (int i = 0; i < 25; i++) {
		char id[16];

		snprintf(id, sizeof id, "e%d", i);
		make(id, DELIVERY_RETRYING);
	}
	/* many due at the same moment, on both channels */
	fixture_exec(db, "UPDATE delivery SET due_at = '2030-01-01' + INTERVAL id % 3 SECOND, channel = "
	                 "IF(id % 2, 'email', 'coupon')");
	do {
		struct retrying_row *rows = NULL;
		size_t n = 0;

		assert_done(retrying_list(db, cursor, 4, -1, &rows, &n, next, &err), &err);
		for (size_t i = 0; i < n; i++) {
			assert_true(rows[i].due_at.ms >= last_due);
			last_due = rows[i].due_at.ms;
			assert_int_equal(rows[i].last_class, FAILURE_SERVICE_DOWN);
		}
		seen += (int64_t)n;
		retrying_rows_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
	} while (cursor[0] != '\0');
	assert_int_equal(seen, 25);
	struct retrying_row *rows = NULL;
	size_t n = 0;

	assert_done(retrying_list(db, "", 100, CHANNEL_COUPON, &rows, &n, next, &err), &err);
	assert_int_equal(n, fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE channel = 'coupon'"));
	retrying_rows_free(rows, n);
	assert_code(retrying_list(db, "rzzz", 10, -1, &rows, &n, next, &err), USHER_EINVAL, &err);
	assert_code(retrying_list(db, "n1.1", 10, -1, &rows, &n, next, &err), USHER_EINVAL, &err);
}

static void old_delivered_rows_go_in_batches(void **state)
{
	struct usher_error err;
	struct ledger_claim claim;
	int n = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char id[16];

		snprintf(id, sizeof id, "e%d", i);
		make(id, DELIVERY_DELIVERED);
	}
	make("dead", DELIVERY_DEAD);
	make("redriven", DELIVERY_DEAD);
	assert_done(failed_redrive(db, failed_id("redriven"), -1, &kim, &err), &err);
	claim = claim_as(A, "redriven");
	settle_as(A, &claim, DELIVERY_DELIVERED);
	fixture_exec(db, "UPDATE delivery SET delivered_at = UTC_TIMESTAMP(3) - INTERVAL 31 DAY WHERE "
	                 "event_id <> 'e0' AND "
	                 "delivered_at IS NOT NULL");
	assert_done(ledger_prune(db, 30ll * 86400000, 3, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_done(ledger_prune(db, 30ll * 86400000, 3, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_done(ledger_prune(db, 30ll * 86400000, 3, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery"), 2);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery_attempt"), 2);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM failed_notification"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_batch_costs_one_statement),
		TEST(the_verdict_follows_the_state),
		TEST(what_is_free_is_taken_over),
		TEST(one_batch_with_all_kinds),
		TEST(ids_differ_by_any_byte),
		TEST(what_does_not_fit_is_refused_not_cut),
		TEST(a_lease_is_renewed_only_while_ours),
		TEST(what_is_released_is_free_at_once),
		TEST(a_batch_of_successes_costs_four_statements),
		TEST(outcomes_are_stored_as_given),
		TEST(the_dead_body_is_kept_byte_for_byte),
		TEST(large_bodies_go_in_several_statements),
		TEST(a_lost_lease_stores_nothing),
		TEST(a_settle_done_twice_counts_once),
		TEST(the_same_delivery_twice_in_a_batch_is_lost_once),
		TEST(odd_words_of_a_peer_never_stop_a_batch),
		TEST(a_malformed_message_has_no_attempt),
		TEST(a_redriven_delivery_closes_its_row),
		TEST(new_events_are_won_once),
		TEST(known_events_are_won_once),
		TEST(a_killed_server_loses_no_claim),
		TEST(the_lost_are_adopted_once),
		TEST(a_redriven_copy_that_comes_back_dies_again),
		TEST(counts_are_exact),
		TEST(retrying_pages_cover_all_once),
		TEST(old_delivered_rows_go_in_batches),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
