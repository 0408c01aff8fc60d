/* The pipeline against a broker and a channel that fail on request, on a real MariaDB: what must hold
 * whatever fails in the middle. */
#include "engine_ground.h"

/* -- Pipeline -------------------------------------------------------------------------------- */

static void every_message_is_sent_once_and_deleted(void **state)
{
	(void)state;
	put_events(0, 250);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(250);
	assert_int_equal(delivered(), 250);
	assert_int_equal(count("SELECT COUNT(*) FROM delivery_attempt WHERE class = ''"), 250);
}

static void a_broker_that_refuses_to_delete_costs_no_second_send(void **state)
{
	(void)state;
	scripted_fail(OP_DELETE, 4);
	scripted_fail(OP_RECEIVE, 2);
	put_events(0, 60);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(60);
	assert_true(scripted_calls(OP_DELETE) > 6);
}

static void a_redelivered_message_is_answered_by_the_ledger(void **state)
{
	(void)state;
	put_events(0, 5);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	put_events(0, 5); /* the same events again */
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(5);
	assert_int_equal(counter_get(&engine->counters.channel[CHANNEL_EMAIL].repeated), 5);
}

static void a_dead_message_stands_in_the_dlq_before_it_leaves_the_queue(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].max_attempts = 1;
	scripted_answer((struct scripted_reply){ .code = 550 });
	scripted_fail(OP_SEND, 2);
	put_events(0, 3);
	start_pipeline();
	WAIT_FOR(count("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 3);
	assert_true(scripted_in_queue() == 3 || scripted_in_dlq() > 0);
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(scripted_in_dlq(), 3);
	assert_int_equal(count("SELECT COUNT(*) FROM failed_notification WHERE payload LIKE '%eventId%'"), 3);
}

static void a_copy_of_a_dead_delivery_is_moved_to_the_dlq(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].max_attempts = 1;
	scripted_answer((struct scripted_reply){ .code = 554 });
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	put_events(0, 1); /* as if the daemon had died before the move */
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(scripted_in_dlq(), 2);
	assert_int_equal(scripted_sends(), 1);
}

static void a_malformed_message_is_dead_at_once_byte_for_byte(void **state)
{
	(void)state;
	scripted_put("this is <not> an event \x01 '; DROP TABLE users; --");
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(scripted_sends(), 0);
	assert_true(scripted_dlq_holds("this is <not> an event \x01 '; DROP TABLE users; --"));
	assert_int_equal(count("SELECT COUNT(*) FROM failed_notification WHERE class = 'malformed' AND "
	                       "payload = _binary'this is <not> an event \x01 \\'; DROP TABLE users; --'"),
	        1);
	assert_int_equal(count("SELECT COUNT(*) FROM delivery_attempt"), 0);
}

static void a_damaged_copy_is_not_taken_for_the_delivered_event(void **state)
{
	(void)state;
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	scripted_put("{\"eventId\":\"e0\",\"type\":\"user-signup\"}");
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 1);
	assert_int_equal(scripted_in_dlq(), 1);
}

static void a_message_too_long_for_the_dlq_is_not_stuck(void **state)
{
	(void)state;
	scripted_limit(100);
	scripted_put("short, but not with usher's marks");
	scripted_put("long: 0123456789012345678901234567890123456789012345678901234567890123456789"
	             "012345678901234567890123456789");
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(scripted_in_dlq(), 1);
	assert_true(scripted_dlq_holds("short, but not with usher's marks"));
	assert_int_equal(count("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'"), 2);
}

static void failures_are_retried_on_schedule_and_then_die(void **state)
{
	(void)state;
	scripted_answer((struct scripted_reply){ .fault = FAULT_CONNECT });
	put_events(0, 2);
	start_pipeline();
	WAIT_FOR(count("SELECT COUNT(*) FROM failed_notification WHERE attempts = 3 AND class = "
	               "'service_down'") == 2);
	assert_int_equal(scripted_sends(), 6);
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(scripted_in_dlq(), 2);
}

static void an_open_breaker_hands_back_and_burns_nothing(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 300;
	config.breaker.probes = 1;
	config.channel[CHANNEL_EMAIL].rate = 20; /* so that some are held and not started */
	scripted_answer((struct scripted_reply){ .fault = FAULT_CONNECT });
	put_events(0, 40);
	start_pipeline();
	WAIT_FOR(atomic_load(&c->breaker) == BREAKER_OPEN);
	WAIT_FOR(scripted_sending() == 0 && atomic_load(&c->holding) == 0);
	assert_int_equal(scripted_in_queue(), 40);
	assert_int_equal(count("SELECT COUNT(*) FROM delivery WHERE lease_until > UTC_TIMESTAMP(3) AND state "
	                       "= 'claimed'"),
	        0);
	scripted_answer((struct scripted_reply){ .code = 250 });
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 40);
	assert_int_equal(scripted_in_dlq(), 0);
}

static void a_wrong_login_opens_the_breaker_at_the_first_reply(void **state)
{
	(void)state;
	config.breaker.failures = 100;
	config.breaker.cooldown_ms = 60000;
	config.channel[CHANNEL_EMAIL].rate = 5;
	scripted_answer((struct scripted_reply){ .fault = FAULT_LOGIN, .code = 535 });
	put_events(0, 20);
	start_pipeline();
	WAIT_FOR(atomic_load(&engine->counters.channel[CHANNEL_EMAIL].breaker) == BREAKER_OPEN);
	WAIT_FOR(scripted_visible() + scripted_in_dlq() == 20);
	assert_true(scripted_in_dlq() <= 5);
}

/* As many as open it and were in flight then; nothing after that, however often it is tried. */
static void an_outage_kills_nothing_however_long(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 20;
	config.breaker.probes = 2;
	config.channel[CHANNEL_EMAIL].in_flight = 5;
	scripted_answer((struct scripted_reply){ .fault = FAULT_CONNECT });
	put_events(0, 20);
	start_pipeline();
	WAIT_FOR(counter_get(&c->failed) >= 20); /* far more trials than it would take to kill some */
	assert_int_equal(count("SELECT COUNT(*) FROM delivery WHERE state = 'dead'"), 0);
	assert_true(count("SELECT SUM(attempts) FROM delivery") <= 3 + 5);
	scripted_answer((struct scripted_reply){ .code = 250 });
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 20);
	assert_int_equal(atomic_load(&c->breaker), BREAKER_CLOSED);
}

static void a_probe_closes_the_breaker_and_it_ramps_up(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];
	char text[NOTE_SIZE];

	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 600000;
	config.breaker.probes = 1;
	config.watch.probe_interval_ms = 30;
	scripted_probe((struct scripted_reply){ .code = 421 });
	scripted_answer((struct scripted_reply){ .fault = FAULT_CONNECT });
	put_events(0, 40);
	start_pipeline();
	WAIT_FOR(atomic_load(&c->breaker) == BREAKER_OPEN);
	WAIT_FOR(scripted_sending() == 0 && atomic_load(&c->holding) == 0);
	note_read(&c->breaker_cause, text);
	assert_string_equal(text, "service_down: SMTP no connection at final dot: as scripted");
	int failed = scripted_sends();
	WAIT_FOR(counter_get(&c->probes_failed) >= 5);
	assert_int_equal(atomic_load(&c->probe), PROBE_UNWELL);
	note_read(&c->probe_error, text);
	assert_string_equal(text, "service_down: SMTP 421 at final dot: as scripted");
	assert_int_equal(scripted_sends(), failed); /* no message was spent */
	assert_true(atomic_load(&c->probe_next_ms) > 0);
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 30 });
	scripted_probe((struct scripted_reply){ .code = 250 });
	WAIT_FOR(scripted_sends() > failed);
	assert_true(scripted_sending() <= 2); /* one, and then one more for each that succeeds */
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 40);
	assert_int_equal(atomic_load(&c->probe), PROBE_WELL);
	note_read(&c->probe_error, text);
	assert_string_equal(text, "");
}

static void probes_alone_open_the_breaker(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 600000;
	config.watch.probe_interval_ms = 30;
	scripted_probe((struct scripted_reply){ .fault = FAULT_CONNECT });
	start_pipeline();
	WAIT_FOR(atomic_load(&c->breaker) == BREAKER_OPEN);
	put_events(0, 5);
	int probes = scripted_probes();
	WAIT_FOR(scripted_probes() > probes + 3);
	assert_int_equal(scripted_sends(), 0);
	scripted_probe((struct scripted_reply){ .code = 250 });
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(5);
}

static void a_probe_whose_login_is_refused_opens_at_once(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 600000;
	config.watch.probe_interval_ms = 600000;
	scripted_probe((struct scripted_reply){ .fault = FAULT_LOGIN, .code = 535 });
	start_pipeline();
	WAIT_FOR(atomic_load(&c->breaker) == BREAKER_OPEN);
	assert_int_equal(scripted_probes(), 1);
}

static void deliveries_stand_in_for_probes(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.watch.probe_interval_ms = 60000;
	put_events(0, 10);
	scripted_probe((struct scripted_reply){ .code = 250 });
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0 && scripted_probes() == 1);
	stop_pipeline();
	config.watch.probe_interval_ms = 200;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 20 });
	config.channel[CHANNEL_EMAIL].in_flight = 1;
	put_events(10, 60);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0); /* over a second of it */
	assert_true(scripted_probes() <= 3);
	assert_int_equal(atomic_load(&c->probe), PROBE_WELL);
}

static void a_service_that_says_too_much_is_sent_less(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];
	char text[NOTE_SIZE];

	(void)state;
	config.channel[CHANNEL_EMAIL].base_ms = 20;
	scripted_answer((struct scripted_reply){ .code = 452, .enhanced = "4.7.1" });
	put_events(0, 30);
	start_pipeline();
	WAIT_FOR(atomic_load(&c->rate_by) == RATE_BY_SERVICE);
	WAIT_FOR(scripted_sending() == 0);
	assert_true(atomic_load(&c->rate_limit_milli) >= 200 && atomic_load(&c->rate_limit_milli) <= 1100);
	assert_true(atomic_load(&c->rate_since_ms) > 0);
	note_read(&c->rate_words, text);
	assert_string_equal(text, "rate_limited: SMTP 452 4.7.1 at final dot: as scripted");
	assert_true(scripted_sends() <= 31);
	assert_int_equal(atomic_load(&c->breaker), BREAKER_CLOSED);
	assert_int_equal(count("SELECT COALESCE(SUM(attempts), 0) FROM delivery"), 0);
}

static void retry_after_silences_the_channel(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.channel[CHANNEL_EMAIL].max_delay_ms = 10;
	scripted_answer((struct scripted_reply){ .code = 452, .enhanced = "4.7.1", .retry_after_ms = 1500 });
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(scripted_sends() == 1);
	mono_time refused = mono_now();
	scripted_answer((struct scripted_reply){ .code = 250 });
	put_events(1, 5);
	WAIT_FOR(atomic_load(&c->rate_by) == RATE_BY_SERVICE);
	WAIT_FOR(scripted_sends() > 1);
	assert_true(mono_since_ms(refused, mono_now()) > 1300);
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 6);
}

static void a_long_send_keeps_its_lease(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].visibility_timeout_ms = 400;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 1500 });
	put_events(0, 12);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(12);
	assert_int_equal(counter_get(&engine->counters.channel[CHANNEL_EMAIL].lost), 0);
}

static void a_stop_finishes_what_is_sent_and_hands_back_the_rest(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].rate = 10;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 100 });
	put_events(0, 30);
	start_pipeline();
	WAIT_FOR(scripted_sends() >= 5);
	stop_pipeline();
	assert_int_equal(delivered(), scripted_sends());
	assert_int_equal(scripted_in_queue(), 30 - scripted_sends());
	assert_int_equal(scripted_visible(), scripted_in_queue());
}

static void a_stop_notes_a_send_without_an_answer_as_ambiguous(void **state)
{
	(void)state;
	config.daemon.drain_timeout_ms = 200;
	scripted_answer((struct scripted_reply){ .silent = true });
	put_events(0, 4);
	start_pipeline();
	WAIT_FOR(scripted_sending() == 4);
	stop_pipeline();
	assert_int_equal(count("SELECT COUNT(*) FROM delivery WHERE state = 'retrying' AND attempts = 0"), 4);
	assert_int_equal(count("SELECT COUNT(*) FROM delivery_attempt WHERE class = 'ambiguous'"), 4);
	assert_int_equal(scripted_visible(), 4);
}

/* The ledger takes longer than the rate's next token: nobody else would wake the pipeline for it. */
static void a_token_that_comes_during_a_long_turn_is_used(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].rate = 1;
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(delivered() == 1);
	mono_time sent = mono_now();
	fixture_exec(db, "LOCK TABLES delivery WRITE");
	put_events(1, 1);
	WAIT_FOR(mono_since_ms(sent, mono_now()) > 1200);
	assert_int_equal(scripted_sends(), 1);
	fixture_exec(db, "UNLOCK TABLES");
	WAIT_FOR(scripted_sends() == 2);
	assert_true(mono_since_ms(sent, mono_now()) < 5000);
}

/* What was sent stands in the ledger: a broker that is away is not waited for as long as a send would be. */
static void a_stop_does_not_wait_for_a_broker_that_is_away(void **state)
{
	(void)state;
	config.daemon.drain_timeout_ms = 60000;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 500 });
	scripted_fail(OP_DELETE, 1000000);
	scripted_fail(OP_HIDE, 1000000);
	put_events(0, 4);
	start_pipeline();
	WAIT_FOR(scripted_sending() == 4);
	mono_time began = mono_now();
	stop_pipeline();
	assert_int_equal(delivered(), 4);
	assert_int_equal(scripted_in_queue(), 4); /* they come back, and the ledger answers for them */
	int64_t took_ms = mono_since_ms(began, mono_now());
	assert_true(took_ms >= 2000 && took_ms < 10000);
}

static void a_database_that_dies_during_sends_costs_no_second_send(void **state)
{
	(void)state;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 300 });
	put_events(0, 30);
	start_pipeline();
	WAIT_FOR(scripted_sending() == 30);
	fixture_kill();
	WAIT_FOR(scripted_sending() == 0);
	put_events(30, 10);
	assert_int_equal(scripted_sends(), 30); /* without the ledger nothing is received */
	fixture_restart();
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(40);
	assert_int_equal(delivered(), 40);
}

static void another_workers_lease_is_respected(void **state)
{
	struct ledger_claim claim = { .event_id = "e0", .user_id = "u0", .recipient = "u0@example.com" };
	struct usher_error err;

	(void)state;
	assert_int_equal(ledger_claim(db, CHANNEL_EMAIL, "another", 700, &claim, 1, &err), 0);
	assert_int_equal(claim.verdict, CLAIM_SEND);
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(scripted_calls(OP_HIDE) >= 1);
	assert_int_equal(scripted_sends(), 0);
	WAIT_FOR(scripted_in_queue() == 0); /* its lease ran out: taken over */
	each_sent_once(1);
}

/* Its right is renewed in the ledger and at the broker, as often as it takes. */
static void a_send_longer_than_the_visibility_timeout_keeps_its_right(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].visibility_timeout_ms = 500;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 2000 });
	put_events(0, 3);
	start_pipeline();
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(3);
	assert_true(scripted_calls(OP_HIDE) >= 3);
	assert_int_equal(count("SELECT COUNT(*) FROM delivery WHERE state = 'delivered' AND version = 2"), 3);
}

/* A stall longer than the visibility timeout: the message is received again while it is being sent. */
static void a_message_that_comes_back_during_its_send_is_not_sent_twice(void **state)
{
	(void)state;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 700 });
	put_events(0, 1);
	start_pipeline();
	WAIT_FOR(scripted_sending() == 1);
	fixture_exec(db, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND");
	scripted_reappear();
	WAIT_FOR(count("SELECT version FROM delivery") > 1); /* claimed once more, by the same daemon */
	assert_int_equal(scripted_sending(), 1);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(1);
	assert_int_equal(delivered(), 1);
}

/* One message every few milliseconds: receives and deletes are shared, and no message waits long. */
static void a_trickle_is_gathered(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	start_pipeline();
	for (int i = 0; i < 100; i++) {
		put_events(i, 1);
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(100);
	assert_int_equal(counter_get(&c->delivered), 100);
	assert_true(scripted_calls(OP_RECEIVE) + scripted_calls(OP_DELETE) <= 60);
}

/* What the relay has sent is received at once, by no more receives than are allowed. */
static void a_burst_that_is_expected_is_met(void **state)
{
	(void)state;
	start_pipeline();
	WAIT_FOR(scripted_waiting() == 1);
	pipeline_expect(engine->pipeline[CHANNEL_EMAIL], 9);
	WAIT_FOR(pipeline_idle_for(100));
	assert_int_equal(scripted_waiting(), 1);
	pipeline_expect(engine->pipeline[CHANNEL_EMAIL], 35);
	WAIT_FOR(scripted_waiting() == 3);
	pipeline_expect(engine->pipeline[CHANNEL_EMAIL], 1000);
	WAIT_FOR(scripted_waiting() == config.channel[CHANNEL_EMAIL].receivers);
	put_events(0, 40);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(40);
}

/* All of it is received before the ledger is asked: more than one claim may hold. */
static void more_than_a_claim_holds_is_claimed_in_several(void **state)
{
	(void)state;
	config.channel[CHANNEL_EMAIL].receivers = 40;
	config.channel[CHANNEL_EMAIL].in_flight = 800;
	start_pipeline();
	WAIT_FOR(scripted_waiting() == 1);
	pipeline_expect(engine->pipeline[CHANNEL_EMAIL], 400);
	WAIT_FOR(scripted_waiting() == 40);
	put_events(0, 350);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(350);
	assert_int_equal(delivered(), 350);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_message_is_sent_once_and_deleted),
		T(a_broker_that_refuses_to_delete_costs_no_second_send),
		T(a_redelivered_message_is_answered_by_the_ledger),
		T(a_dead_message_stands_in_the_dlq_before_it_leaves_the_queue),
		T(a_copy_of_a_dead_delivery_is_moved_to_the_dlq),
		T(a_malformed_message_is_dead_at_once_byte_for_byte),
		T(a_damaged_copy_is_not_taken_for_the_delivered_event),
		T(a_message_too_long_for_the_dlq_is_not_stuck),
		T(failures_are_retried_on_schedule_and_then_die),
		T(an_open_breaker_hands_back_and_burns_nothing),
		T(a_wrong_login_opens_the_breaker_at_the_first_reply),
		T(an_outage_kills_nothing_however_long),
		T(a_probe_closes_the_breaker_and_it_ramps_up),
		T(probes_alone_open_the_breaker),
		T(a_probe_whose_login_is_refused_opens_at_once),
		T(deliveries_stand_in_for_probes),
		T(a_service_that_says_too_much_is_sent_less),
		T(retry_after_silences_the_channel),
		T(a_long_send_keeps_its_lease),
		T(a_stop_finishes_what_is_sent_and_hands_back_the_rest),
		T(a_stop_notes_a_send_without_an_answer_as_ambiguous),
		T(a_token_that_comes_during_a_long_turn_is_used),
		T(a_stop_does_not_wait_for_a_broker_that_is_away),
		T(a_database_that_dies_during_sends_costs_no_second_send),
		T(another_workers_lease_is_respected),
		T(a_send_longer_than_the_visibility_timeout_keeps_its_right),
		T(a_message_that_comes_back_during_its_send_is_not_sent_twice),
		T(a_trickle_is_gathered),
		T(a_burst_that_is_expected_is_met),
		T(more_than_a_claim_holds_is_claimed_in_several),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
