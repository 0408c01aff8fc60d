/* The ledger: who may send a delivery, for how long, and that of many workers exactly one does; what it shows
 * of itself, and what it forgets. On a real MariaDB, with workers in threads. */
#include "ledger_rows.h"

#include <pthread.h>

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
		TEST(new_events_are_won_once),
		TEST(known_events_are_won_once),
		TEST(counts_are_exact),
		TEST(retrying_pages_cover_all_once),
		TEST(old_delivered_rows_go_in_batches),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
