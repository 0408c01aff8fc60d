/* What operators say of a channel, as its pipeline obeys it; and the relay, when the broker fails. */
#include "engine_ground.h"

#include "engine/pipeline.h"

#include <sys/resource.h>

/* -- What operators say ------------------------------------------------------------------------ */

static void say(bool paused, enum control_breaker breaker)
{
	struct control control = { .paused = paused, .breaker = breaker };

	pipeline_control(engine->pipeline[CHANNEL_EMAIL], &control);
}

static void a_pause_hands_back_what_is_held_and_finishes_what_is_sent(void **state)
{
	struct channel_counters *c = &engine->counters.channel[CHANNEL_EMAIL];

	(void)state;
	config.channel[CHANNEL_EMAIL].rate = 20;
	scripted_answer((struct scripted_reply){ .code = 250, .delay_ms = 100 });
	put_events(0, 60);
	start_pipeline();
	WAIT_FOR(scripted_sends() >= 5);
	say(true, CONTROL_AUTO);
	WAIT_FOR(scripted_sending() == 0 && atomic_load(&c->holding) == 0 && delivered() == scripted_sends());
	assert_true(delivered() < 60);
	WAIT_FOR(scripted_visible() == 60 - delivered());
	assert_int_equal(
	        count("SELECT COUNT(*) FROM delivery WHERE attempts > 0 AND state <> 'delivered'"), 0);
	int receives = scripted_calls(OP_RECEIVE), sends = scripted_sends();
	put_events(60, 10);
	WAIT_FOR(pipeline_idle_for(300));
	assert_int_equal(scripted_calls(OP_RECEIVE), receives);
	assert_int_equal(scripted_sends(), sends);
	config.channel[CHANNEL_EMAIL].rate = 0;
	say(false, CONTROL_AUTO);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(70);
	assert_int_equal(scripted_in_dlq(), 0);
}

/* The long poll that waits when the word comes must not bring what arrives after it. */
static void a_pause_ends_the_receive_that_waits(void **state)
{
	(void)state;
	start_pipeline();
	WAIT_FOR(scripted_calls(OP_RECEIVE) == 1);
	say(true, CONTROL_AUTO);
	WAIT_FOR(scripted_waiting() == 0);
	put_events(0, 3);
	WAIT_FOR(pipeline_idle_for(300));
	assert_int_equal(scripted_sends(), 0);
	assert_int_equal(scripted_visible(), 3);
	say(false, CONTROL_AUTO);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(3);
}

/* How often the threads beside this one have gone to sleep. */
static long sleeps(void)
{
	struct rusage all, own;

	getrusage(RUSAGE_SELF, &all);
	getrusage(RUSAGE_THREAD, &own);
	return all.ru_nvcsw - own.ru_nvcsw;
}

/* The broker's trial is due and nobody wants to receive: that is nothing to turn for. */
static void a_paused_pipeline_whose_broker_failed_sleeps(void **state)
{
	(void)state;
	scripted_fail(OP_RECEIVE, 1);
	start_pipeline();
	WAIT_FOR(scripted_calls(OP_RECEIVE) == 1);
	say(true, CONTROL_AUTO);
	WAIT_FOR(pipeline_idle_for(2LL * RETRY_PEER_MS));
	long before = sleeps();
	WAIT_FOR(pipeline_idle_for(1000));
	assert_in_range(sleeps() - before, 0, 100);
}

static void a_pipeline_that_starts_while_paused_receives_nothing(void **state)
{
	struct act act = { .operator= "kim", .role = "operator", .reason = "night" };
	struct usher_error err;

	(void)state;
	assert_done(control_pause(db, CHANNEL_EMAIL, &act, &err), &err);
	put_events(0, 5);
	start_pipeline();
	WAIT_FOR(pipeline_idle_for(300));
	assert_int_equal(scripted_calls(OP_RECEIVE), 0);
	assert_int_equal(scripted_visible(), 5);
	say(false, CONTROL_AUTO);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(5);
}

/* It cannot know whether it is paused: the last word is in the database. */
static void a_pipeline_that_starts_without_a_database_waits_for_the_word(void **state)
{
	struct act act = { .operator= "kim", .role = "operator", .reason = "night" };
	struct usher_error err;

	(void)state;
	assert_done(control_pause(db, CHANNEL_EMAIL, &act, &err), &err);
	put_events(0, 5);
	fixture_kill();
	start_pipeline();
	WAIT_FOR(pipeline_idle_for(300));
	assert_int_equal(scripted_calls(OP_RECEIVE), 0);
	fixture_restart();
	WAIT_FOR(pipeline_idle_for(1000));
	assert_int_equal(scripted_calls(OP_RECEIVE), 0);
	say(false, CONTROL_AUTO);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(5);
}

static void a_breaker_forced_open_holds_the_channel(void **state)
{
	(void)state;
	start_pipeline();
	WAIT_FOR(scripted_calls(OP_RECEIVE) == 1);
	say(false, CONTROL_OPEN);
	WAIT_FOR(scripted_waiting() == 0);
	put_events(0, 3);
	WAIT_FOR(pipeline_idle_for(300));
	assert_int_equal(scripted_sends(), 0);
	say(false, CONTROL_AUTO);
	WAIT_FOR(scripted_in_queue() == 0);
	each_sent_once(3);
}

static void a_breaker_forced_closed_is_not_asked(void **state)
{
	(void)state;
	config.breaker.failures = 3;
	config.breaker.cooldown_ms = 3600000;
	config.breaker.probes = 1;
	config.channel[CHANNEL_EMAIL].max_attempts = 100;
	scripted_answer((struct scripted_reply){ .fault = FAULT_CONNECT });
	put_events(0, 10);
	start_pipeline();
	WAIT_FOR(atomic_load(&engine->counters.channel[CHANNEL_EMAIL].breaker) == BREAKER_OPEN);
	say(false, CONTROL_CLOSED);
	int before = scripted_sends();
	WAIT_FOR(scripted_sends() > before + 20); /* it goes on failing, and is tried all the same */
	scripted_answer((struct scripted_reply){ .code = 250 });
	WAIT_FOR(scripted_in_queue() == 0);
	assert_int_equal(delivered(), 10);
}

/* -- Relay ----------------------------------------------------------------------------------- */

static void start_relay(void)
{
	struct usher_error err;

	assert_int_equal(relay_start(engine, &engine->relay, &err), 0);
}

static void sign_up(int i)
{
	char user[32], email[64];
	struct usher_signup_result result;
	struct usher_error err;

	snprintf(user, sizeof user, "user-%03d", i);
	snprintf(email, sizeof email, "user-%03d@example.com", i);
	assert_int_equal(
	        signup_register(db, &(struct usher_signup){ user, email, "김영희", NULL }, &result, &err), 0);
}

static void a_sign_up_succeeds_while_the_broker_is_down(void **state)
{
	(void)state;
	scripted_fail(OP_PUBLISH, 1000000);
	start_relay();
	for (int i = 0; i < 25; i++)
		sign_up(i);
	relay_kick(engine->relay);
	WAIT_FOR(atomic_load(&engine->counters.relay.failing) == 1);
	assert_int_equal(count("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL"), 25);
	assert_int_equal(scripted_published(), 0);
	scripted_fail(OP_PUBLISH, 0);
	WAIT_FOR(count("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL") == 0);
	assert_int_equal(scripted_published(), 25);
	WAIT_FOR(atomic_load(&engine->counters.relay.failing) == 0);
	assert_true(scripted_batch_max_seen() <= 10);
	for (int i = 0; i < 25; i++) { /* oldest first */
		char user[32];

		snprintf(user, sizeof user, "user-%03d", i);
		assert_non_null(strstr(scripted_published_body(i), user));
	}
}

/* Who stores a sign-up through usher tells the relay: it is not found by the next look. */
static void a_kick_publishes_at_once(void **state)
{
	(void)state;
	config.relay.interval_ms = 3600000;
	start_relay();
	sign_up(1);
	WAIT_FOR(scripted_published() == 1 ||
	         (relay_kick(engine->relay), false)); /* the first look may come first */
	sign_up(2);
	relay_kick(engine->relay);
	WAIT_FOR(scripted_published() == 2);
}

static void an_event_that_is_refused_alone_holds_nobody_up(void **state)
{
	(void)state;
	config.relay.max_backoff_ms = 1000; /* the refusal stands in its row for as long */
	for (int i = 0; i < 12; i++)
		sign_up(i);
	scripted_refuse_entry(3);
	start_relay();
	WAIT_FOR(scripted_published() >= 11);
	WAIT_FOR(count("SELECT COUNT(*) FROM signup_outbox WHERE last_error LIKE '%refused alone%'") == 1);
	WAIT_FOR(count("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL") == 0);
	assert_int_equal(scripted_published(), 12);
}

static void store_event(const char *id, int padding)
{
	char sql[512];

	snprintf(sql, sizeof sql,
	        "INSERT INTO signup_outbox (event_id, payload) VALUES ('%s', CONCAT('{\"eventId\":\"%s\","
	        "\"type\":\"user-signup\",\"userId\":\"u\",\"email\":\"a@b.example\",\"name\":\"n\",\"x\":\"'"
	        ", "
	        "REPEAT('x', %d), '\"}'))",
	        id, id, padding);
	fixture_exec(db, sql);
}

static void large_events_are_packed_and_no_others(void **state)
{
	struct event *event;
	struct usher_error err;

	(void)state;
	config.relay.gzip_above = 2000;
	store_event("small", 1800);
	store_event("large", 2000);
	store_event("largest", EVENT_BODY_MAX - 200);
	store_event("beyond", EVENT_BODY_MAX); /* nobody would unpack it: the broker refuses it by its size */
	start_relay();
	WAIT_FOR(scripted_published() == 4);
	assert_int_equal(scripted_published_body(0)[0], '{');
	assert_int_equal(scripted_published_body(3)[0], '{');
	for (int i = 1; i <= 2; i++) {
		const char *body = scripted_published_body(i);

		assert_true(strlen(body) < 4000);
		assert_int_equal(event_decode(&(struct event_source){ body, strlen(body), "gzip", "m" },
		                         &event, NULL, &err),
		        0);
		assert_string_equal(event->event_id, i == 1 ? "large" : "largest");
		event_free(event);
	}
}

static void two_relays_publish_each_event_once(void **state)
{
	struct engine *other = engine_new(&config);
	struct usher_error err;

	(void)state;
	for (int i = 0; i < 300; i++)
		sign_up(i);
	start_relay();
	assert_int_equal(relay_start(other, &other->relay, &err), 0);
	WAIT_FOR(count("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL") == 0);
	relay_stop(other->relay);
	relay_join(other->relay);
	engine_free(other);
	assert_int_equal(scripted_published(), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pause_hands_back_what_is_held_and_finishes_what_is_sent),
		T(a_pause_ends_the_receive_that_waits),
		T(a_paused_pipeline_whose_broker_failed_sleeps),
		T(a_pipeline_that_starts_while_paused_receives_nothing),
		T(a_pipeline_that_starts_without_a_database_waits_for_the_word),
		T(a_breaker_forced_open_holds_the_channel),
		T(a_breaker_forced_closed_is_not_asked),
		T(a_sign_up_succeeds_while_the_broker_is_down),
		T(a_kick_publishes_at_once),
		T(an_event_that_is_refused_alone_holds_nobody_up),
		T(large_events_are_packed_and_no_others),
		T(two_relays_publish_each_event_once),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
