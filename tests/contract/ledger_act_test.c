/* What operators do with single deliveries: with one that waits for its retry (sent now, postponed, given
 * up), and with a dead one whose payload is wrong (edited). */
#include "ledger_rows.h"

#include "store/failed_edit.h"
#include "store/ledger_act.h"
#include "store/retry_message.h"

static const struct act lee = { .operator= "lee", .role = "operator" };

/* -- Shorthands ----------------------------------------------------------------------------------- */

static int64_t number(const char *sql)
{
	return fixture_int(db, sql);
}

static void assert_text(const char *sql, const char *want)
{
	OWNED char *text = fixture_text(db, sql);

	assert_string_equal(text, want);
}

#define LAST_AUDIT "SELECT CONCAT_WS(' ', operator, act, outcome) FROM audit ORDER BY id DESC LIMIT 1"

static struct ledger_claim claim_with_edits(const char *event_id, int edits)
{
	struct ledger_claim claim = { .event_id = event_id, .edits = edits };
	struct usher_error err;

	assert_done(ledger_claim(db, CHANNEL_EMAIL, A, LEASE_MS, &claim, 1, &err), &err);
	return claim;
}

static struct intent *take_one(void)
{
	struct intent *intents;
	struct usher_error err;
	size_t n;

	assert_done(intents_take(db, 10, 1000, &intents, &n, &err), &err);
	assert_int_equal(n, 1);
	return intents;
}

/* -- A delivery that waits -------------------------------------------------------------------------- */

static void the_message_is_kept_while_it_waits(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct retry_message *kept;
	struct usher_error err;

	(void)state;
	assert_done(retry_message_get(db, claim.delivery_id, &kept, &err), &err);
	assert_non_null(kept);
	assert_int_equal(kept->message->body_len, sizeof body);
	assert_memory_equal(kept->message->body, body, sizeof body);
	assert_string_equal(kept->source_queue, "welcome-email");
	assert_string_equal(kept->name, "김민수");
	retry_message_free(kept);

	fixture_exec(db, "UPDATE delivery SET due_at = UTC_TIMESTAMP(3)");
	claim = claim_as(A, "e1");
	settle_as(A, &claim, DELIVERY_DELIVERED);
	assert_int_equal(number("SELECT COUNT(*) FROM retry_message"), 0);
}

static void now_is_due_at_once_and_a_copy_is_sent(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct usher_error err;
	struct intent *intents;

	(void)state;
	assert_int_equal(claim_as(B, "e1").verdict, CLAIM_NOT_DUE);
	assert_done(retrying_now(db, claim.delivery_id, 2, &kim, &err), &err);
	assert_row("e1", "retrying 3 1 0 0");
	assert_text(LAST_AUDIT, "kim now done");
	intents = take_one();
	assert_int_equal(intents->failed_id, 0);
	assert_int_equal(intents->channel, CHANNEL_EMAIL);
	assert_string_equal(intents->event_id, "e1");
	assert_string_equal(intents->source_queue, "welcome-email");
	assert_memory_equal(intents->payload, body, sizeof body);
	assert_done(intents_done(db, &intents->id, 1, &err), &err);
	intents_free(intents, 1);

	claim = claim_as(B, "e1"); /* the copy */
	assert_int_equal(claim.verdict, CLAIM_SEND);
	settle_as(B, &claim, DELIVERY_DELIVERED);
	assert_int_equal(claim_as(A, "e1").verdict, CLAIM_DELIVERED); /* the hidden one, in the end */
}

static void now_twice_is_a_conflict_that_names_the_first(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct usher_error err;

	(void)state;
	assert_done(retrying_now(db, claim.delivery_id, -1, &kim, &err), &err);
	assert_code(retrying_now(db, claim.delivery_id, -1, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "due already"));
	assert_non_null(strstr(err.message, "sent now by kim"));
	assert_code(retrying_now(db, claim.delivery_id, 2, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "version 2 then, 3 now): sent now by kim"));
	assert_text(LAST_AUDIT, "lee now conflict");
	assert_int_equal(number("SELECT COUNT(*) FROM redrive_intent"), 1);
}

static void an_intent_goes_with_its_delivery(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct usher_error err;

	(void)state;
	assert_done(retrying_now(db, claim.delivery_id, -1, &kim, &err), &err);
	claim = claim_as(A, "e1"); /* the message came by itself */
	settle_as(A, &claim, DELIVERY_DELIVERED);
	assert_int_equal(number("SELECT COUNT(*) FROM redrive_intent"), 0);
}

static void postpone_puts_it_off(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	wall_time hour = { wall_now().ms + 3600 * 1000 };
	struct usher_error err;

	(void)state;
	assert_done(retrying_postpone(db, claim.delivery_id, 2, hour, &kim, &err), &err);
	assert_in_range(
	        number("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), due_at) FROM delivery"), 3590, 3600);
	assert_int_equal(claim_as(A, "e1").verdict, CLAIM_NOT_DUE);
	assert_text(LAST_AUDIT, "kim postpone done");

	assert_code(retrying_postpone(db, claim.delivery_id, -1, (wall_time){ hour.ms - 60000 }, &kim, &err),
	        USHER_EINVAL, &err);
	assert_non_null(strstr(err.message, "not after the next attempt"));
	assert_code(retrying_postpone(
	                    db, claim.delivery_id, -1, (wall_time){ hour.ms + 12 * 3600 * 1000 }, &kim, &err),
	        USHER_EINVAL, &err);
	assert_non_null(strstr(err.message, "12 hours"));
	assert_text(LAST_AUDIT, "kim postpone refused");
}

static void postpone_takes_now_back(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	wall_time hour = { wall_now().ms + 3600 * 1000 };
	struct usher_error err;

	(void)state;
	assert_done(retrying_now(db, claim.delivery_id, -1, &kim, &err), &err);
	assert_done(retrying_postpone(db, claim.delivery_id, -1, hour, &lee, &err), &err);
	assert_int_equal(number("SELECT COUNT(*) FROM redrive_intent"), 0);
}

static void cancel_leaves_a_row_that_can_be_restored(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct usher_error err;
	int64_t id;

	(void)state;
	assert_code(retrying_cancel(db, claim.delivery_id, 2, &lee, &err), USHER_EINVAL, &err);
	assert_non_null(strstr(err.message, "reason"));
	assert_done(retrying_cancel(db, claim.delivery_id, 2, &kim, &err), &err);
	assert_row("e1", "cancelled 3 1 0 0");
	assert_int_equal(claim_as(A, "e1").verdict, CLAIM_CANCELLED);
	assert_text("SELECT CONCAT_WS(' ', status, class, attempts, settled_by, settled_reason) FROM "
	            "failed_notification",
	        "cancelled service_down 1 kim the service is back");
	assert_int_equal(number("SELECT COUNT(*) FROM retry_message"), 0);

	id = failed_id("e1");
	assert_code(retrying_cancel(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "it is cancelled"));
	assert_non_null(strstr(err.message, "cancelled by kim"));
	assert_done(failed_restore(db, id, -1, &lee, &err), &err);
	assert_done(failed_redrive(db, id, -1, &lee, &err), &err);
	struct intent *intents = take_one();
	assert_memory_equal(intents->payload, body, sizeof body);
	intents_free(intents, 1);
}

static void dead_gives_up_with_all_that_a_death_has(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	struct usher_error err;

	(void)state;
	assert_done(retrying_dead(db, claim.delivery_id, 2, &lee, &err), &err);
	assert_row("e1", "dead 3 1 0 0");
	assert_text(
	        "SELECT CONCAT_WS(' ', status, class, reason, name, source_queue) FROM failed_notification",
	        "dead service_down SMTP 451 at connect: 4.3.0 try later 김민수 welcome-email");
	claim = claim_as(A, "e1"); /* its message, when it comes, goes on to the DLQ */
	assert_int_equal(claim.verdict, CLAIM_DEAD);
	assert_int_equal(claim.last_class, FAILURE_SERVICE_DOWN);
	assert_text(LAST_AUDIT, "lee dead done");
}

static void what_does_not_wait_is_refused(void **state)
{
	static const struct {
		enum delivery_state state;
		const char *words;
	} rows[] = { { DELIVERY_CLAIMED, "is being sent now" }, { DELIVERY_DELIVERED, "is delivered" },
		{ DELIVERY_DEAD, "is dead" } };
	struct usher_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char event_id[8];
		snprintf(event_id, sizeof event_id, "e%zu", i);
		struct ledger_claim claim = make(event_id, rows[i].state);

		assert_code(retrying_now(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
		assert_non_null(strstr(err.message, rows[i].words));
		assert_code(retrying_dead(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
		assert_code(retrying_cancel(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
	}
	assert_code(retrying_now(db, 999, -1, &kim, &err), USHER_ENOTFOUND, &err);
	assert_text(LAST_AUDIT, "kim now refused");
}

static void one_that_waits_since_before_messages_were_kept(void **state)
{
	struct ledger_claim claim = make("e1", DELIVERY_RETRYING);
	wall_time hour = { wall_now().ms + 3600 * 1000 };
	struct usher_error err;

	(void)state;
	fixture_exec(db, "DELETE FROM retry_message");
	assert_code(retrying_now(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "was not kept"));
	assert_code(retrying_cancel(db, claim.delivery_id, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_row("e1", "retrying 2 1 0 0");
	assert_done(retrying_postpone(db, claim.delivery_id, -1, hour, &kim, &err), &err);
}

/* -- A dead one that is edited --------------------------------------------------------------------- */

static const struct failed_change change = { .payload = "{\"eventId\":\"e1\",\"email\":\"b@example.com\"}",
	.payload_len = 40,
	.attributes = "{}",
	.user_id = "u-1",
	.recipient = "b@example.com",
	.name = "김민수",
	.summary = "email: k***@example.com -> b***@example.com" };

static void an_edit_keeps_the_original_and_redrives_the_new(void **state)
{
	OWNED char *original = NULL;
	struct usher_error err;
	struct edit_row *edits;
	size_t len, n;
	int64_t id;

	(void)state;
	make("e1", DELIVERY_DEAD);
	id = failed_id("e1");
	assert_done(failed_edit(db, id, 1, &change, &kim, &err), &err);
	assert_text(
	        "SELECT CONCAT_WS(' ', f.status, f.version, f.recipient, d.recipient, d.edits, f.payload) "
	        "FROM failed_notification f JOIN delivery d ON d.id = f.delivery_id",
	        "dead 2 b@example.com b@example.com 1 {\"eventId\":\"e1\",\"email\":\"b@example.com\"}");
	assert_text(LAST_AUDIT, "kim edit done");
	assert_done(edits_original(db, id, &original, &len, &err), &err);
	assert_int_equal(len, sizeof body);
	assert_memory_equal(original, body, sizeof body);
	assert_done(edits_of(db, id, &edits, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(edits->operator, "kim");
	assert_string_equal(edits->summary, change.summary);
	edits_free(edits, n);

	assert_done(failed_redrive(db, id, 2, &kim, &err), &err);
	struct intent *intents = take_one();
	assert_int_equal(intents->edits, 1);
	assert_memory_equal(intents->payload, change.payload, change.payload_len);
	intents_free(intents, 1);
}

static void a_copy_from_before_an_edit_is_not_delivered(void **state)
{
	struct usher_error err;
	int64_t id;

	(void)state;
	make("e1", DELIVERY_DEAD);
	id = failed_id("e1");
	assert_done(failed_edit(db, id, -1, &change, &kim, &err), &err);
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_DEAD);
	assert_done(failed_redrive(db, id, -1, &kim, &err), &err);
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_OUTDATED);
	struct ledger_claim claim = claim_with_edits("e1", 1);
	assert_int_equal(claim.verdict, CLAIM_SEND);
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_LEASED);
	settle_as(A, &claim, DELIVERY_RETRYING);
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_NOT_DUE);
	fixture_exec(db, "UPDATE delivery SET due_at = UTC_TIMESTAMP(3)");
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_OUTDATED);
	claim = claim_with_edits("e1", 1);
	settle_as(A, &claim, DELIVERY_DELIVERED);
	assert_int_equal(claim_with_edits("e1", 0).verdict, CLAIM_DELIVERED);
}

static void only_a_dead_row_can_be_edited(void **state)
{
	struct usher_error err;
	int64_t id;

	(void)state;
	make("e1", DELIVERY_DEAD);
	id = failed_id("e1");
	assert_code(failed_edit(db, id, 7, &change, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "version 7 then, 1 now"));
	assert_done(failed_cancel(db, id, -1, &kim, &err), &err);
	assert_code(failed_edit(db, id, -1, &change, &lee, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "is cancelled by kim"));
	assert_non_null(strstr(err.message, "restore it first"));
	assert_text(LAST_AUDIT, "lee edit conflict");
	assert_int_equal(number("SELECT COUNT(*) FROM failed_edit"), 0);
	assert_code(failed_edit(db, 999, -1, &change, &lee, &err), USHER_ENOTFOUND, &err);
}

static void edits_go_with_their_row(void **state)
{
	struct usher_error err;
	int deleted;

	(void)state;
	make("e1", DELIVERY_DEAD);
	assert_done(failed_edit(db, failed_id("e1"), -1, &change, &kim, &err), &err);
	fixture_exec(db,
	        "UPDATE delivery SET state = 'delivered', delivered_at = UTC_TIMESTAMP(3) - INTERVAL 1 DAY");
	assert_done(ledger_prune(db, 3600 * 1000, 10, &deleted, &err), &err);
	assert_int_equal(deleted, 1);
	assert_int_equal(number("SELECT COUNT(*) FROM failed_edit"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_message_is_kept_while_it_waits),
		TEST(now_is_due_at_once_and_a_copy_is_sent),
		TEST(now_twice_is_a_conflict_that_names_the_first),
		TEST(an_intent_goes_with_its_delivery),
		TEST(postpone_puts_it_off),
		TEST(postpone_takes_now_back),
		TEST(cancel_leaves_a_row_that_can_be_restored),
		TEST(dead_gives_up_with_all_that_a_death_has),
		TEST(what_does_not_wait_is_refused),
		TEST(one_that_waits_since_before_messages_were_kept),
		TEST(an_edit_keeps_the_original_and_redrives_the_new),
		TEST(a_copy_from_before_an_edit_is_not_delivered),
		TEST(only_a_dead_row_can_be_edited),
		TEST(edits_go_with_their_row),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
