/* An engine on the scripted broker and channel and a real MariaDB. For the tests of pipeline and relay. */
#ifndef CONTRACT_ENGINE_GROUND_H
#define CONTRACT_ENGINE_GROUND_H

#include "fixture.h"
#include "scripted.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/signup.h"
#include "model/event.h"
#include "store/control.h"
#include "store/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct config config;
static struct engine *engine;
static struct db *db;

/* -- The ground ------------------------------------------------------------------------------ */

static inline void default_config(void)
{
	struct db_settings s = *fixture_settings();

	memset(&config, 0, sizeof config);
	config.daemon.drain_timeout_ms = 5000;
	config.database.socket = (char *)s.socket;
	config.database.user = (char *)s.user;
	config.database.password = (char *)s.password;
	config.database.name = (char *)s.name;
	config.database.connect_timeout_ms = 1000;
	config.database.read_timeout_ms = 5000;
	config.channel[CHANNEL_EMAIL] = (struct config_channel){
		.enabled = true,
		.queue = (char *)"q",
		.dlq = (char *)"q-dlq",
		.visibility_timeout_ms = 60000,
		.receivers = 4,
		.receive_linger_ms = 40,
		.delete_linger_ms = 200,
		.in_flight = 50,
		.max_attempts = 3,
		.base_ms = 20,
		.factor = 1,
		.max_delay_ms = 1000,
	};
	config.email.connections = 1;
	config.relay.batch = 10;
	config.relay.gzip_above = 1024;
	config.relay.interval_ms = 20;
	config.relay.max_backoff_ms = 100;
}

static inline int set_up(void **state)
{
	(void)state;
	scripted_reset();
	default_config();
	engine = engine_new(&config);
	db = engine_db(engine);
	fixture_clear();
	return 0;
}

static inline void stop_pipeline(void)
{
	if (!engine->pipeline[CHANNEL_EMAIL])
		return;
	pipeline_stop(engine->pipeline[CHANNEL_EMAIL]);
	pipeline_join(engine->pipeline[CHANNEL_EMAIL]);
	engine->pipeline[CHANNEL_EMAIL] = NULL;
}

static inline int tear_down(void **state)
{
	(void)state;
	stop_pipeline();
	if (engine->relay) {
		relay_stop(engine->relay);
		relay_join(engine->relay);
		engine->relay = NULL;
	}
	db_free(db);
	engine_free(engine);
	return 0;
}

static inline void start_pipeline(void)
{
	struct usher_error err;

	assert_int_equal(pipeline_start(engine, CHANNEL_EMAIL, &engine->pipeline[CHANNEL_EMAIL], &err), 0);
}

static inline void put_events(int from, int count)
{
	for (int i = from; i < from + count; i++) {
		char body[256];

		snprintf(body, sizeof body,
		        "{\"eventId\":\"e%d\",\"type\":\"user-signup\",\"userId\":\"u%d\",\"email\":\"u%d@"
		        "example.com\","
		        "\"name\":\"김철수\"}",
		        i, i, i);
		scripted_put(body);
	}
}

/* While the server is away nothing can be counted: -1. */
static inline int64_t count(const char *query)
{
	return fixture_int(db, query);
}

static inline int64_t delivered(void)
{
	return count("SELECT COUNT(*) FROM delivery WHERE state = 'delivered'");
}

/* Is nothing asked of broker and channel any more? True once that has been so for as long. */
static inline bool pipeline_idle_for(int64_t ms)
{
	static int seen = -1;
	static mono_time since;
	int calls = scripted_sends();

	for (int op = 0; op < OP_COUNT; op++)
		calls += scripted_calls((enum scripted_op)op);
	if (calls != seen) {
		seen = calls;
		since = mono_now();
	}
	if (mono_since_ms(since, mono_now()) < ms)
		return false;
	seen = -1;
	return true;
}

static inline void each_sent_once(int events)
{
	assert_int_equal(scripted_sends(), events);
	for (int i = 0; i < events; i++) {
		char id[16];

		snprintf(id, sizeof id, "e%d", i);
		assert_int_equal(scripted_sends_of(id), 1);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
