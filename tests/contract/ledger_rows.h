/* What the ledger's tests share: a clean database with a connection to it, and deliveries in any state. Each
 * test program has its own. */
#ifndef TESTS_CONTRACT_LEDGER_ROWS_H
#define TESTS_CONTRACT_LEDGER_ROWS_H

#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"
#include "store/ledger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define A "host:1:a"
#define B "host:2:b"
#define LEASE_MS 60000

static struct db *db;
static atomic_uint_least64_t statements;

static inline int set_up(void **state)
{
	struct db_settings settings = *fixture_settings();

	(void)state;
	fixture_clear();
	statements = 0;
	settings.statements = &statements;
	db = db_new(&settings);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

/* -- Shorthands ----------------------------------------------------------------------------------- */

static inline struct ledger_claim claim_as(const char *owner, const char *event_id)
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

static inline struct ledger_settle settle_of(const struct ledger_claim *claim, enum delivery_state to)
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

static inline void settle_as(const char *owner, const struct ledger_claim *claim, enum delivery_state to)
{
	struct ledger_settle settle = settle_of(claim, to);
	struct usher_error err;

	assert_done(ledger_settle(db, CHANNEL_EMAIL, owner, &settle, 1, &err), &err);
	assert_false(settle.lost);
}

/* An event in the given state, whoever holds it. */
static inline struct ledger_claim make(const char *event_id, enum delivery_state state)
{
	struct ledger_claim claim = claim_as(A, event_id);

	assert_int_equal(claim.verdict, CLAIM_SEND);
	if (state != DELIVERY_CLAIMED)
		settle_as(A, &claim, state);
	return claim;
}

static inline void assert_row(const char *event_id, const char *want)
{
	char query[300];

	snprintf(query, sizeof query,
	        "SELECT CONCAT_WS(' ', state, version, attempts, throttled, redrives) FROM delivery WHERE "
	        "event_id = '%s'",
	        event_id);
	OWNED char *row = fixture_text(db, query);

	assert_string_equal(row, want);
}

static inline int64_t failed_id(const char *event_id)
{
	char query[200];

	snprintf(query, sizeof query, "SELECT id FROM failed_notification WHERE event_id = '%s'", event_id);
	return fixture_int(db, query);
}

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "the service is back" };

#endif
