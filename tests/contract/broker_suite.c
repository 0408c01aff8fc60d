/* The broker contract (broker/broker.h), as any user of a driver sees it. */
#include "broker_suite.h"

#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 20000
#define LONG_MS (60 * 1000) /* a visibility timeout that does not run out in a test */

static const struct broker_suite *suite;
static struct party party; /* of the test's own thread */

static int setup(void **state)
{
	(void)state;
	suite->reset();
	party_open(&party, suite);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	party_close(&party);
	return 0;
}

/* -- Short words ----------------------------------------------------------------------------- */

static struct broker_outgoing text(const char *body)
{
	return (struct broker_outgoing){ .body = body, .body_len = strlen(body) };
}

static void send_text(const char *body)
{
	struct broker_outgoing m = text(body);
	assert_int_equal(party_send(&party, suite->queue, &m, 1), 0);
	assert_int_equal(party.result_count, 1);
	assert_int_equal(party.results[0].code, 0);
}

static void send_many(int n)
{
	char bodies[MESSAGE_BATCH_MAX][16];
	struct broker_outgoing batch[MESSAGE_BATCH_MAX];
	int size = (int)party.broker->ops->batch_max, done = 0;
	while (done < n) {
		int k = n - done < size ? n - done : size;
		for (int i = 0; i < k; i++) {
			snprintf(bodies[i], sizeof bodies[i], "%d", done + i);
			batch[i] = text(bodies[i]);
		}
		assert_int_equal(party_send(&party, suite->queue, batch, (size_t)k), 0);
		done += k;
	}
}

/* Receives exactly one message, or fails the test. */
static struct message *receive_one(const char *queue, int64_t wait_ms, int64_t visibility_ms)
{
	assert_int_equal(party_receive(&party, queue, 1, wait_ms, visibility_ms), 0);
	assert_int_equal(party.n, 1);
	return party.messages[0];
}

static void assert_nothing_visible(const char *queue)
{
	assert_int_equal(party_receive(&party, queue, 1, 0, LONG_MS), 0);
	assert_int_equal(party.n, 0);
}

static int delete_one(const char *queue, const char *receipt)
{
	assert_int_equal(party_delete(&party, queue, &receipt, 1), 0);
	assert_int_equal(party.result_count, 1);
	return party.results[0].code;
}

static int hide_one(const char *queue, const char *receipt, int64_t visibility_ms)
{
	struct broker_visibility v = { receipt, visibility_ms };
	assert_int_equal(party_hide(&party, queue, &v, 1), 0);
	assert_int_equal(party.result_count, 1);
	return party.results[0].code;
}

/* A settle that came late changes nothing; drivers that can, say so. */
static void assert_late(int code)
{
	if (party.broker->ops->settles_silently && code == 0)
		return;
	assert_int_equal(code, USHER_ESTALE);
}

/* -- Sending --------------------------------------------------------------------------------- */

static void publish_reaches_every_queue(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	message_attribute_set(&a, "content-encoding", "gzip");
	message_attribute_set(&a, "greeting", "어서 오세요 \"quoted\" \\ 🎉");
	struct broker_outgoing m = { .body = "{\"eventId\":\"e-1\"}", .body_len = 17, .attributes = &a };
	assert_int_equal(party_publish(&party, &m, 1), 0);
	assert_int_equal(party.result_count, 1);
	assert_int_equal(party.results[0].code, 0);
	message_attributes_free(&a);

	const char *queues[] = { suite->queue, suite->other_queue };
	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		struct message *got = receive_one(queues[i], DEADLINE_MS, LONG_MS);
		assert_int_equal(got->body_len, 17);
		assert_string_equal(got->body, "{\"eventId\":\"e-1\"}");
		assert_int_equal(got->attributes.count, 2);
		assert_string_equal(message_attribute_get(&got->attributes, "content-encoding"), "gzip");
		assert_string_equal(
		        message_attribute_get(&got->attributes, "greeting"), "어서 오세요 \"quoted\" \\ 🎉");
		assert_int_equal(got->receive_count, 1);
		assert_true(strlen(got->id) > 0);
		assert_true(wall_now().ms - got->sent_at.ms < DEADLINE_MS);
		assert_true(wall_now().ms - got->sent_at.ms > -DEADLINE_MS);
	}
}

static void send_reaches_one_queue(void **state)
{
	(void)state;
	send_text("only here");
	assert_nothing_visible(suite->other_queue);
	assert_string_equal(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->body, "only here");
}

static void bodies_come_byte_for_byte(void **state)
{
	(void)state;
	char body[512];
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = suite->binary_bodies ? (char)i : (char)(' ' + i % 90);
	struct broker_outgoing m = { .body = body, .body_len = sizeof body };
	assert_int_equal(party_send(&party, suite->queue, &m, 1), 0);
	struct message *got = receive_one(suite->queue, DEADLINE_MS, LONG_MS);
	assert_int_equal(got->body_len, sizeof body);
	assert_memory_equal(got->body, body, sizeof body);
	assert_int_equal(got->body[got->body_len], 0);
}

static void one_bad_entry_fails_alone(void **state)
{
	(void)state;
	size_t size = BROKER_SEND_MAX + 1;
	OWNED char *big = mem_alloc(size);
	memset(big, 'x', size);
	struct broker_outgoing batch[] = { text("first"), { .body = big, .body_len = size }, text("last") };
	assert_int_equal(party_send(&party, suite->queue, batch, 3), 0);
	assert_int_equal(party.result_count, 3);
	assert_int_equal(party.results[0].code, 0);
	assert_int_equal(party.results[1].code, USHER_ETOOBIG);
	assert_true(strlen(party.results[1].message) > 0);
	assert_int_equal(party.results[2].code, 0);

	int seen = 0;
	while (seen < 2) {
		struct message *got = receive_one(suite->queue, DEADLINE_MS, LONG_MS);
		assert_true(strcmp(got->body, "first") == 0 || strcmp(got->body, "last") == 0);
		seen++;
	}
	assert_nothing_visible(suite->queue);

	batch[1].body_len = BROKER_PUBLISH_MAX + 1;
	assert_int_equal(party_publish(&party, batch, 2), 0);
	assert_int_equal(party.results[0].code, 0);
	assert_int_equal(party.results[1].code, USHER_ETOOBIG);
}

/* Each byte is the worst for who must quote it in SQL, in JSON, in a form. */
static void the_largest_body_passes(void **state)
{
	(void)state;
	static const char worst[] = "'\"\\\t\r\n";
	size_t size = BROKER_SEND_MAX;
	OWNED char *big = mem_alloc(size);
	for (size_t i = 0; i < size; i++)
		big[i] = worst[i % strlen(worst)];
	struct broker_outgoing m = { .body = big, .body_len = size };
	assert_int_equal(party_send(&party, suite->queue, &m, 1), 0);
	assert_string_equal(party.results[0].message, "");
	assert_int_equal(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->body_len, size);
	assert_memory_equal(party.messages[0]->body, big, size);

	m.body_len = BROKER_PUBLISH_MAX;
	assert_int_equal(party_publish(&party, &m, 1), 0);
	assert_string_equal(party.results[0].message, "");
	assert_int_equal(receive_one(suite->other_queue, DEADLINE_MS, LONG_MS)->body_len, BROKER_PUBLISH_MAX);
	assert_memory_equal(party.messages[0]->body, big, BROKER_PUBLISH_MAX);
}

static void too_many_entries_are_refused(void **state)
{
	(void)state;
	struct broker_outgoing batch[MESSAGE_BATCH_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(batch); i++)
		batch[i] = text("x");
	assert_int_equal(
	        party_send(&party, suite->queue, batch, party.broker->ops->batch_max + 1), USHER_EINVAL);
	assert_int_equal(party_send(&party, suite->queue, batch, 0), USHER_EINVAL);
	assert_int_equal(
	        party_receive(&party, suite->queue, (int)party.broker->ops->receive_max + 1, 0, LONG_MS),
	        USHER_EINVAL);
	assert_nothing_visible(suite->queue);
}

static void a_delayed_message_comes_later(void **state)
{
	(void)state;
	struct broker_outgoing m = text("later");
	m.delay_ms = 3 * suite->unit_ms;
	mono_time sent = mono_now();
	assert_int_equal(party_send(&party, suite->queue, &m, 1), 0);
	assert_nothing_visible(suite->queue);
	assert_int_equal(party_depths(&party, suite->queue), 0);
	assert_int_equal(party.depths.delayed.value, 1);
	assert_int_equal(party.depths.in_flight.value, 0);
	assert_string_equal(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->body, "later");
	assert_true(mono_since_ms(sent, mono_now()) >= m.delay_ms - suite->unit_ms);
	assert_int_equal(party.messages[0]->receive_count, 1);
}

/* -- Receiving and settling ------------------------------------------------------------------ */

static void what_is_received_is_hidden_and_comes_back(void **state)
{
	(void)state;
	send_text("again");
	struct message *got = receive_one(suite->queue, DEADLINE_MS, 3 * suite->unit_ms);
	OWNED char *id = mem_string(got->id);
	OWNED char *receipt = mem_string(got->receipt);
	assert_nothing_visible(suite->queue);
	got = receive_one(suite->queue, DEADLINE_MS, LONG_MS);
	assert_string_equal(got->id, id);
	assert_string_equal(got->body, "again");
	assert_int_equal(got->receive_count, 2);
	assert_string_not_equal(got->receipt, receipt);
}

static void a_deleted_message_is_gone(void **state)
{
	(void)state;
	send_text("done");
	OWNED char *receipt = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);
	assert_int_equal(delete_one(suite->queue, receipt), 0);
	assert_int_equal(delete_one(suite->queue, receipt), 0); /* gone already: as good */
	assert_int_equal(party_depths(&party, suite->queue), 0);
	assert_int_equal(party.depths.visible.value + party.depths.in_flight.value, 0);
}

static void a_late_settle_changes_nothing(void **state)
{
	(void)state;
	send_text("contended");
	OWNED char *late = mem_string(receive_one(suite->queue, DEADLINE_MS, suite->unit_ms)->receipt);
	OWNED char *good = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);
	assert_late(delete_one(suite->queue, late));
	assert_true(party.results[0].code == 0 || strlen(party.results[0].message) > 0);
	assert_late(hide_one(suite->queue, late, 0));
	assert_nothing_visible(suite->queue);
	assert_int_equal(delete_one(suite->queue, good), 0);
	assert_int_equal(party_browse(&party, suite->queue, 10), 0);
	assert_int_equal(party.n, 0);
}

static void a_batch_of_settles_is_judged_one_by_one(void **state)
{
	(void)state;
	send_text("a");
	OWNED char *late = mem_string(receive_one(suite->queue, DEADLINE_MS, suite->unit_ms)->receipt);
	OWNED char *again = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);
	send_text("b");
	OWNED char *b = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);
	send_text("c");
	OWNED char *c = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);

	struct broker_visibility hides[] = { { late, 0 }, { b, 0 }, { c, LONG_MS } };
	assert_int_equal(party_hide(&party, suite->queue, hides, 3), 0);
	assert_late(party.results[0].code);
	assert_int_equal(party.results[1].code, 0);
	assert_int_equal(party.results[2].code, 0);
	assert_string_equal(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->body, "b");
	OWNED char *b2 = mem_string(party.messages[0]->receipt);

	const char *receipts[] = { b2, late, c };
	assert_int_equal(party_delete(&party, suite->queue, receipts, 3), 0);
	assert_int_equal(party.results[0].code, 0);
	assert_late(party.results[1].code);
	assert_int_equal(party.results[2].code, 0);
	assert_int_equal(delete_one(suite->queue, again), 0);
	assert_int_equal(party_depths(&party, suite->queue), 0);
	assert_int_equal(party.depths.in_flight.value, 0);
}

static void handed_back_is_visible_at_once(void **state)
{
	(void)state;
	send_text("not now");
	OWNED char *receipt = mem_string(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->receipt);
	assert_int_equal(hide_one(suite->queue, receipt, 0), 0);
	assert_int_equal(party_receive(&party, suite->queue, 1, 0, LONG_MS), 0);
	assert_int_equal(party.n, 1);
	assert_int_equal(party.messages[0]->receive_count, 2);
}

static void hiding_longer_keeps_it_hidden(void **state)
{
	(void)state;
	send_text("still at it");
	OWNED char *receipt = mem_string(receive_one(suite->queue, DEADLINE_MS, suite->unit_ms)->receipt);
	assert_int_equal(hide_one(suite->queue, receipt, LONG_MS), 0);
	assert_int_equal(party_receive(&party, suite->queue, 1, 4 * suite->unit_ms, LONG_MS), 0);
	assert_int_equal(party.n, 0);
	assert_int_equal(delete_one(suite->queue, receipt), 0);
}

static void received_too_often_goes_to_the_dlq(void **state)
{
	(void)state;
	send_text("poison");
	OWNED char *id = NULL;
	for (int i = 1; i <= suite->max_receive_count; i++) {
		struct message *got = receive_one(suite->queue, DEADLINE_MS, LONG_MS);
		assert_int_equal(got->receive_count, i);
		free(id);
		id = mem_string(got->id);
		OWNED char *receipt = mem_string(got->receipt);
		assert_int_equal(hide_one(suite->queue, receipt, 0), 0);
	}
	assert_int_equal(party_receive(&party, suite->queue, 1, 2 * suite->unit_ms, LONG_MS), 0);
	assert_int_equal(party.n, 0);
	struct message *dead = receive_one(suite->dlq, DEADLINE_MS, LONG_MS);
	assert_string_equal(dead->body, "poison");
	assert_string_equal(dead->id, id);
	assert_int_equal(
	        dead->receive_count, party.broker->ops->dlq_counts_on ? suite->max_receive_count + 2 : 1);
}

/* -- Long polls ------------------------------------------------------------------------------ */

static void a_long_poll_ends_after_its_wait(void **state)
{
	(void)state;
	mono_time begin = mono_now();
	assert_int_equal(party_receive(&party, suite->queue, 1, 2 * suite->unit_ms, LONG_MS), 0);
	assert_int_equal(party.n, 0);
	assert_true(mono_since_ms(begin, mono_now()) >= 2 * suite->unit_ms - 1);
}

struct sender {
	struct loop *waiting; /* the loop of whoever waits */
	mono_time sent;
	int rc;
};

static void *send_from_elsewhere(void *arg)
{
	struct sender *s = arg;
	struct party p;
	struct broker_outgoing m = text("news");
	party_open(&p, suite);
	s->sent = mono_now();
	s->rc = party_publish(&p, &m, 1);
	party_close(&p);
	return NULL;
}

static pthread_t sender_thread;

static void start_sender(void *arg)
{
	assert_int_equal(pthread_create(&sender_thread, NULL, send_from_elsewhere, arg), 0);
}

/* The sender starts once the receive has been waiting for a while. */
static void a_long_poll_wakes_on_a_publish_of_another_thread(void **state)
{
	(void)state;
	struct sender sender = { .waiting = party.loop };
	assert_nothing_visible(suite->queue); /* everything is connected */
	struct loop_timer *timer = loop_timer_new(party.loop, start_sender, &sender);
	loop_timer_start(timer, 2 * suite->unit_ms);
	struct message *got = receive_one(suite->queue, DEADLINE_MS, LONG_MS);
	mono_time woken = mono_now();
	loop_timer_free(timer);
	pthread_join(sender_thread, NULL);
	assert_int_equal(sender.rc, 0);
	assert_string_equal(got->body, "news");
	assert_true(mono_since_ms(sender.sent, woken) <= suite->wake_ms);
}

static void a_long_poll_sees_what_comes_due(void **state)
{
	(void)state;
	send_text("due");
	receive_one(suite->queue, DEADLINE_MS, 3 * suite->unit_ms);
	mono_time begin = mono_now();
	receive_one(suite->queue, DEADLINE_MS, LONG_MS);
	assert_true(mono_since_ms(begin, mono_now()) < 3 * suite->unit_ms + suite->wake_ms);
}

struct count {
	size_t answers, messages, wanted;
	struct loop *loop;
};

static void on_counted(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	struct count *c = arg;
	assert_int_equal(err->code, 0);
	for (size_t i = 0; i < n; i++)
		message_free(messages[i]);
	c->messages += n;
	if (++c->answers == c->wanted)
		loop_stop(c->loop);
}

static void wake_party(void *arg)
{
	struct party *p = arg;
	p->broker->ops->wake(p->broker);
}

static void wake_ends_all_long_polls(void **state)
{
	(void)state;
	struct count c = { .wanted = 3, .loop = party.loop };
	struct broker_receive_options options = { 1, DEADLINE_MS, LONG_MS };
	mono_time begin = mono_now();
	party.broker->ops->receive(party.broker, suite->queue, &options, on_counted, &c);
	party.broker->ops->receive(party.broker, suite->queue, &options, on_counted, &c);
	party.broker->ops->receive(party.broker, suite->other_queue, &options, on_counted, &c);
	assert_int_equal(c.answers, 0);
	struct loop_timer *timer = loop_timer_new(party.loop, wake_party, &party);
	loop_timer_start(timer, suite->unit_ms);
	loop_run(party.loop);
	loop_timer_free(timer);
	assert_int_equal(c.answers, 3);
	assert_int_equal(c.messages, 0);
	assert_true(mono_since_ms(begin, mono_now()) < DEADLINE_MS / 2);
}

static void several_receives_share_the_queue(void **state)
{
	(void)state;
	send_many(4);
	struct count c = { .wanted = 4, .loop = party.loop };
	struct broker_receive_options options = { 1, DEADLINE_MS, LONG_MS };
	for (int i = 0; i < 4; i++)
		party.broker->ops->receive(party.broker, suite->queue, &options, on_counted, &c);
	loop_run(party.loop);
	assert_int_equal(c.messages, 4);
}

static void on_first(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	struct broker_receive_options options = { 1, 0, LONG_MS };
	on_counted(arg, messages, n, err);
	party.broker->ops->receive(party.broker, suite->queue, &options, on_counted, arg);
}

static void a_receive_begun_in_a_callback_looks_too(void **state)
{
	(void)state;
	struct count c = { .wanted = 2, .loop = party.loop };
	struct broker_receive_options options = { 1, DEADLINE_MS, LONG_MS };
	send_many(2);
	party.broker->ops->receive(party.broker, suite->queue, &options, on_first, &c);
	loop_run(party.loop);
	assert_int_equal(c.messages, 2);
}

/* -- Two at once ----------------------------------------------------------------------------- */

#define SHARED 400

struct worker {
	pthread_t thread;
	int taken[SHARED]; /* times this worker got message i */
	int rc;
};

/* Receives and deletes until nothing comes any more. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct party p;
	party_open(&p, suite);
	for (;;) {
		int max = (int)p.broker->ops->receive_max < 20 ? (int)p.broker->ops->receive_max : 20;
		const char *receipts[MESSAGE_BATCH_MAX];
		w->rc = party_receive(&p, suite->queue, max, 5 * suite->unit_ms, LONG_MS);
		if (w->rc || p.n == 0)
			break;
		for (size_t i = 0; i < p.n; i++) {
			w->taken[atoi(p.messages[i]->body) % SHARED]++;
			receipts[i] = p.messages[i]->receipt;
		}
		w->rc = party_delete(&p, suite->queue, receipts, p.n);
		for (size_t i = 0; i < p.result_count && !w->rc; i++)
			w->rc = p.results[i].code;
		if (w->rc)
			break;
	}
	party_close(&p);
	return NULL;
}

static void two_workers_share_without_duplicates(void **state)
{
	(void)state;
	static struct worker workers[2];
	memset(workers, 0, sizeof workers);
	send_many(SHARED);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (size_t i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(workers[0].rc, 0);
	assert_int_equal(workers[1].rc, 0);
	for (int i = 0; i < SHARED; i++)
		assert_int_equal(workers[0].taken[i] + workers[1].taken[i], 1);
}

/* -- Looking --------------------------------------------------------------------------------- */

static void looking_changes_nothing(void **state)
{
	(void)state;
	const char *queue = party.broker->ops->looks_count ? suite->dlq : suite->queue;
	int looks = suite->max_receive_count + 2;
	struct broker_outgoing batch[] = { text("one"), text("two") };
	assert_int_equal(party_send(&party, queue, batch, 2), 0);
	for (int i = 0; i < looks; i++) {
		assert_int_equal(party_browse(&party, queue, 10), 0);
		assert_int_equal(party.n, 2);
		assert_true(party.exact);
	}
	for (int seen = 0; seen < 2; seen++) {
		struct message *got = receive_one(queue, DEADLINE_MS, LONG_MS);
		assert_int_equal(got->receive_count, party.broker->ops->looks_count ? looks + 1 : 1);
	}
	assert_nothing_visible(queue);
}

/* Page by page, each but the last full; each message once. */
static void a_long_queue_is_seen_in_pages(void **state)
{
	(void)state;
	bool seen[25] = { false };
	char bodies[5][16];
	struct broker_outgoing batch[5];
	for (int i = 0; i < 25; i++) {
		snprintf(bodies[i % 5], sizeof bodies[0], "%d", i);
		batch[i % 5] = text(bodies[i % 5]);
		if (i % 5 == 4)
			assert_int_equal(party_send(&party, suite->dlq, batch, 5), 0);
	}
	for (int page = 0; page < 3; page++) {
		assert_int_equal(party_browse(&party, suite->dlq, 10), 0);
		assert_int_equal(party.n, page < 2 ? 10 : 5);
		assert_false(party.exact);
		for (size_t i = 0; i < party.n; i++) {
			int k = atoi(party.messages[i]->body);
			assert_false(seen[k]);
			seen[k] = true;
		}
	}
	assert_int_equal(party_browse(&party, suite->dlq, 100), 0);
	assert_int_equal(party.n, 25);
	assert_true(party.exact);
}

/* Whoever received it died with it: it is seen once its time-out is over, though nobody else receives there.
 */
static void what_nobody_settles_is_seen_again(void **state)
{
	(void)state;
	struct broker_outgoing one = text("left");
	mono_time began = mono_now();
	assert_int_equal(party_send(&party, suite->dlq, &one, 1), 0);
	receive_one(suite->dlq, DEADLINE_MS, suite->unit_ms);
	do
		assert_int_equal(party_browse(&party, suite->dlq, 10), 0);
	while (party.n == 0 && mono_since_ms(began, mono_now()) < DEADLINE_MS);
	assert_int_equal(party.n, 1);
}

static void what_was_seen_can_be_deleted(void **state)
{
	(void)state;
	struct broker_outgoing batch[] = { text("keep"), text("drop") };
	assert_int_equal(party_send(&party, suite->dlq, batch, 2), 0);
	assert_int_equal(party_browse(&party, suite->dlq, 10), 0);
	assert_int_equal(party.n, 2);
	size_t drop = strcmp(party.messages[0]->body, "drop") == 0 ? 0 : 1;
	OWNED char *receipt = mem_string(party.messages[drop]->receipt);
	assert_int_equal(delete_one(suite->dlq, receipt), 0);
	assert_int_equal(party_browse(&party, suite->dlq, 10), 0);
	assert_int_equal(party.n, 1);
	assert_string_equal(party.messages[0]->body, "keep");
}

static void a_cut_listing_says_so(void **state)
{
	(void)state;
	send_many(5);
	assert_int_equal(party_browse(&party, suite->queue, 3), 0);
	assert_int_equal(party.n, 3);
	assert_false(party.exact);
}

static void depths_tell_what_stands_where(void **state)
{
	(void)state;
	send_many(5);
	struct broker_outgoing later = text("later");
	later.delay_ms = LONG_MS;
	assert_int_equal(party_send(&party, suite->queue, &later, 1), 0);
	assert_int_equal(party_receive(&party, suite->queue, 2, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 2);
	assert_int_equal(party_depths(&party, suite->queue), 0);
	assert_int_equal(party.depths.visible.value, 3);
	assert_int_equal(party.depths.in_flight.value, 2);
	assert_int_equal(party.depths.delayed.value, 1);
	assert_int_equal(party_depths(&party, suite->other_queue), 0);
	assert_int_equal(party.depths.visible.value, 0);
}

/* -- Trouble --------------------------------------------------------------------------------- */

static void an_unknown_queue_is_not_found(void **state)
{
	(void)state;
	struct broker_outgoing m = text("x");
	const char *receipt = "1.1";
	struct broker_visibility v = { receipt, 0 };
	assert_int_equal(party_send(&party, "no-such-queue", &m, 1), USHER_ENOTFOUND);
	assert_non_null(strstr(party.err.message, "no-such-queue"));
	assert_int_equal(party_receive(&party, "no-such-queue", 1, DEADLINE_MS, LONG_MS), USHER_ENOTFOUND);
	assert_int_equal(party_delete(&party, "no-such-queue", &receipt, 1), USHER_ENOTFOUND);
	assert_int_equal(party_hide(&party, "no-such-queue", &v, 1), USHER_ENOTFOUND);
	assert_int_equal(party_browse(&party, "no-such-queue", 1), USHER_ENOTFOUND);
	assert_int_equal(party_depths(&party, "no-such-queue"), USHER_ENOTFOUND);
}

static void what_is_no_receipt_is_refused(void **state)
{
	(void)state;
	send_text("safe");
	const char *bad[] = { "", "x", "1", "1.", ".1", "1.1x", "-1.1", "99999999999999999999.1",
		"1' OR '1'='1.1" };
	assert_int_equal(party_delete(&party, suite->queue, bad, ARRAY_LEN(bad)), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad) && !party.broker->ops->settles_silently; i++)
		assert_int_not_equal(party.results[i].code, 0);
	assert_string_equal(receive_one(suite->queue, DEADLINE_MS, LONG_MS)->body, "safe");
}

int broker_suite_run(const char *name, const struct broker_suite *driver)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(publish_reaches_every_queue),
		T(send_reaches_one_queue),
		T(bodies_come_byte_for_byte),
		T(one_bad_entry_fails_alone),
		T(the_largest_body_passes),
		T(too_many_entries_are_refused),
		T(a_delayed_message_comes_later),
		T(what_is_received_is_hidden_and_comes_back),
		T(a_deleted_message_is_gone),
		T(a_late_settle_changes_nothing),
		T(a_batch_of_settles_is_judged_one_by_one),
		T(handed_back_is_visible_at_once),
		T(hiding_longer_keeps_it_hidden),
		T(received_too_often_goes_to_the_dlq),
		T(a_long_poll_ends_after_its_wait),
		T(a_long_poll_wakes_on_a_publish_of_another_thread),
		T(a_long_poll_sees_what_comes_due),
		T(wake_ends_all_long_polls),
		T(several_receives_share_the_queue),
		T(a_receive_begun_in_a_callback_looks_too),
		T(two_workers_share_without_duplicates),
		T(looking_changes_nothing),
		T(what_nobody_settles_is_seen_again),
		T(a_long_queue_is_seen_in_pages),
		T(what_was_seen_can_be_deleted),
		T(a_cut_listing_says_so),
		T(depths_tell_what_stands_where),
		T(an_unknown_queue_is_not_found),
		T(what_is_no_receipt_is_refused),
	};
#undef T
	suite = driver;
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
