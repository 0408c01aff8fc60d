/* The relay: publishes what waits in the outbox, oldest first, in batches. A row is taken under a lease, so
 * that several daemons may relay at once; it is marked only after the broker has it, so that a crash in
 * between publishes it twice and the ledger sends it once. One thread, with its own loop, broker and db. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "broker/broker.h"
#include "net/loop.h"
#include "store/outbox.h"

#include <pthread.h>
#include <stdio.h>

#define RELAY_TAKE MESSAGE_BATCH_MAX /* rows under one lease; published relay.batch at a time */
#define RELAY_LEASE_MS 15000         /* a relay that died holds rows back this long */
#define RELAY_FIRST_PAUSE_MS 200     /* after the first refusal; doubled up to relay.max_backoff */

struct relay;

struct publication { /* one batch at the broker */
	struct relay *relay;
	size_t from, n; /* rows */
};

struct relay {
	struct engine *engine;
	const struct config *config; /* in force here */
	struct config_post posted;   /* the next */
	pthread_t thread;
	struct loop *loop;
	struct loop_timer *timer;
	struct broker *broker;
	struct db *db;

	struct outbox_row *rows; /* taken; what follows goes by the same index, borrowed by the broker until
	                            it answers */
	size_t n;
	struct broker_outgoing outgoing[RELAY_TAKE];
	struct message_attributes attributes[RELAY_TAKE];
	struct buf packed[RELAY_TAKE]; /* gzip+base64 bodies */
	struct publication publications[RELAY_TAKE];
	size_t under_way;              /* of them */
	int64_t published[RELAY_TAKE]; /* ids to be marked */
	size_t published_n;
	struct usher_error refusal; /* of a whole batch of this take; code 0: none */
	int failures;               /* takes in a row that met one */
	bool busy, stopping;
};

static void rest(struct relay *r, int64_t delay_ms)
{
	if (r->stopping)
		loop_stop(r->loop);
	else
		loop_timer_start(r->timer, delay_ms);
}

/* The broker or the database refuses: wait longer each time, say so once. */
static int64_t pause_after_failure(struct relay *r, const struct usher_error *err)
{
	int64_t max = r->config->relay.max_backoff_ms;
	int64_t pause = RELAY_FIRST_PAUSE_MS;

	if (r->failures++ == 0)
		log_warn("relay", "cannot publish, events wait in the outbox: %s", err->message);
	for (int i = 1; i < r->failures && pause < max; i++)
		pause *= 2;
	pause = pause < max ? pause : max;
	atomic_store(&r->engine->counters.relay.failing, 1);
	atomic_store(&r->engine->counters.relay.retry_at_ms, wall_now().ms + pause);
	return pause;
}

static void went_well(struct relay *r)
{
	if (r->failures > 0)
		log_info("relay", "publishes again");
	r->failures = 0;
	atomic_store(&r->engine->counters.relay.failing, 0);
	atomic_store(&r->engine->counters.relay.retry_at_ms, 0);
}

/* All that was taken is published or put back: mark it, and look for more. */
static void finish_take(struct relay *r)
{
	int64_t pause_ms = r->refusal.code ? pause_after_failure(r, &r->refusal) : 0;
	struct usher_error err = { 0 };
	bool full = r->n == RELAY_TAKE;

	if (r->published_n)
		engine_expect(r->engine, (unsigned)r->published_n);
	if (r->published_n && outbox_published(r->db, r->published, r->published_n, &err) < 0) {
		/* They will be published again when the lease is over, and answered by the ledger. */
		pause_ms = pause_after_failure(r, &err);
	} else if (r->published_n) {
		counter_add(&r->engine->counters.relay.published, r->published_n);
		if (pause_ms == 0)
			went_well(r);
	}
	outbox_rows_free(r->rows, r->n);
	r->rows = NULL;
	r->n = r->published_n = 0;
	r->busy = false;
	/* Where some came, more come: they are gathered, and not until the interval is over. */
	if (pause_ms == 0 && !full)
		pause_ms = r->config->relay.linger_ms;
	rest(r, pause_ms);
}

static void put_back(struct relay *r, const int64_t *ids, size_t n, int64_t delay_ms, const char *why)
{
	struct usher_error err = { 0 };

	if (n && outbox_failed(r->db, ids, n, delay_ms, why, &err) < 0)
		log_warn("relay", "%zu events come back when their lease ends: %s", n, err.message);
}

/* A whole batch was refused: it waits in the outbox, due at once, and the relay pauses after this take. */
static void batch_refused(struct relay *r, const struct publication *p, const struct usher_error *err)
{
	int64_t ids[RELAY_TAKE];

	counter_add(&r->engine->counters.relay.refused, p->n);
	for (size_t i = 0; i < p->n; i++)
		ids[i] = r->rows[p->from + i].id;
	put_back(r, ids, p->n, 0, err->message);
	r->refusal = *err;
	if (r->refusal.code == 0)
		error_set(&r->refusal, USHER_EPROTOCOL, "the broker answered for another number of events");
}

static void batch_answered(
        struct relay *r, const struct publication *p, const struct broker_entry_result *results)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct outbox_row *row = &r->rows[p->from + i];

		if (results[i].code == 0) {
			r->published[r->published_n++] = row->id;
			continue;
		}
		counter_add(&r->engine->counters.relay.refused, 1);
		log_warn("relay", "event %s was refused: %s", row->event_id, results[i].message);
		put_back(r, &row->id, 1, r->config->relay.max_backoff_ms, results[i].message);
	}
}

static void on_published(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	const struct publication *p = arg;
	struct relay *r = p->relay;

	for (size_t i = p->from; i < p->from + p->n; i++) {
		buf_free(&r->packed[i]);
		message_attributes_free(&r->attributes[i]);
	}
	if (err->code || n != p->n)
		batch_refused(r, p, err);
	else
		batch_answered(r, p, results);
	if (--r->under_way == 0)
		finish_take(r);
}

/* Large events travel as gzip+base64, unless nobody would unpack so much: the broker then says what is wrong.
 */
static bool packs(const struct relay *r, const struct outbox_row *row)
{
	return row->payload_len > (size_t)r->config->relay.gzip_above && row->payload_len <= EVENT_BODY_MAX;
}

static void prepare(struct relay *r, size_t i)
{
	const struct outbox_row *row = &r->rows[i];
	struct broker_outgoing *out = &r->outgoing[i];
	struct buf zipped = BUF(EVENT_BODY_MAX);

	r->attributes[i] = (struct message_attributes){ 0 };
	r->packed[i] = BUF(EVENT_BODY_MAX);
	message_attribute_set(&r->attributes[i], ATTRIBUTE_EVENT_ID, row->event_id);
	*out = (struct broker_outgoing){
		.body = row->payload, .body_len = row->payload_len, .attributes = &r->attributes[i]
	};
	if (packs(r, row) && gzip_encode(&zipped, row->payload, row->payload_len) == 0) {
		base64_encode(&r->packed[i], zipped.data, zipped.len);
		if (!r->packed[i].failed && r->packed[i].len < row->payload_len) {
			message_attribute_set(&r->attributes[i], ATTRIBUTE_ENCODING, "gzip");
			out->body = r->packed[i].data;
			out->body_len = r->packed[i].len;
		}
	}
	buf_free(&zipped);
}

/* All batches of the take at once, so that a broker far away is not waited for once a batch. They are told in
 * their order; a broker promises none. */
static void publish(struct relay *r)
{
	size_t max = (size_t)r->config->relay.batch;

	max = max < r->broker->ops->batch_max ? max : r->broker->ops->batch_max;
	r->refusal = (struct usher_error){ 0 };
	for (size_t from = 0; from < r->n; from += max) {
		struct publication *p = &r->publications[r->under_way++];

		*p = (struct publication){ r, from, r->n - from < max ? r->n - from : max };
		for (size_t i = from; i < from + p->n; i++)
			prepare(r, i);
		r->broker->ops->publish(r->broker, &r->outgoing[from], p->n, on_published, p);
	}
}

static void take(void *arg)
{
	struct relay *r = arg;
	struct usher_error err = { 0 };

	if (r->busy)
		return;
	if (r->stopping) {
		loop_stop(r->loop);
		return;
	}
	if (outbox_take(r->db, RELAY_TAKE, RELAY_LEASE_MS, &r->rows, &r->n, &err) < 0) {
		r->rows = NULL;
		r->n = 0;
		rest(r, pause_after_failure(r, &err));
		return;
	}
	if (r->n == 0) {
		outbox_rows_free(r->rows, 0); /* an empty list is memory too */
		r->rows = NULL;
		went_well(r);
		rest(r, r->config->relay.interval_ms);
		return;
	}
	r->busy = true;
	publish(r);
}

/* -- Life ------------------------------------------------------------------------------------ */

static void *relay_main(void *arg)
{
	struct relay *r = arg;

	loop_defer(r->loop, take, r);
	loop_run(r->loop);
	r->broker->ops->close(r->broker);
	db_free(r->db);
	return NULL;
}

static void relay_free(struct relay *r)
{
	loop_timer_free(r->timer);
	loop_free(r->loop);
	config_free(r->config);
	config_free(config_post_take(&r->posted));
	free(r);
}

int relay_start(struct engine *engine, struct relay **ret, struct usher_error *err)
{
	struct relay *r = mem_alloc(sizeof *r);

	r->engine = engine;
	r->config = config_hold(engine->started_with);
	r->loop = loop_new();
	r->timer = loop_timer_new(r->loop, take, r);
	r->broker = engine_broker(engine, r->loop);
	r->db = engine_db(engine);
	if (pthread_create(&r->thread, NULL, relay_main, r) == 0) {
		pthread_setname_np(r->thread, "relay");
		heartbeat_begin(&engine->heartbeats, "relay", r->loop);
		*ret = r;
		return 0;
	}
	r->broker->ops->close(r->broker);
	db_free(r->db);
	relay_free(r);
	return error_set(
	        err, USHER_EIO, "cannot start the relay's thread: the limit on processes is reached");
}

/* A kick does not shorten a pause after a failure. */
static void kicked(void *arg)
{
	struct relay *r = arg;

	if (!r->busy && r->failures == 0)
		take(r);
}

void relay_kick(struct relay *r)
{
	loop_post(r->loop, kicked, r);
}

/* What is under way keeps what it was begun with; the pause that runs is over at the latest by now. */
static void configure_here(void *arg)
{
	struct relay *r = arg;
	const struct config *fresh = config_post_take(&r->posted);

	if (!fresh)
		return;
	config_free(r->config);
	r->config = fresh;
	if (!r->busy && !r->stopping && r->failures == 0)
		take(r);
}

void relay_configure(struct relay *r, const struct config *config)
{
	config_post_put(&r->posted, config);
	loop_post(r->loop, configure_here, r);
}

static void stop_here(void *arg)
{
	struct relay *r = arg;

	r->stopping = true;
	if (!r->busy)
		loop_stop(r->loop);
}

void relay_stop(struct relay *r)
{
	loop_post(r->loop, stop_here, r);
}

void relay_join(struct relay *r)
{
	pthread_join(r->thread, NULL);
	heartbeat_end(&r->engine->heartbeats, r->loop);
	relay_free(r);
}
