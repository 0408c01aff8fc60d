/* The broker contract on the aws driver, against a private SNS and SQS server; and what is this driver's own:
 * FIFO, batches too large for one call, what requests are spent on, what was looked at and goes back. */
#include "aws_fixture.h"
#include "broker_suite.h"

#include "base/mem.h"
#include "net/aws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LONG_MS (60 * 1000)
#define DEADLINE_MS 20000
#define MAX_RECEIVES 3

static struct aws_counters counters;
static struct party party;

static const struct broker_queue_settings queues[] = { { .name = "work" }, { .name = "other" } };

static struct aws_broker_settings settings_for(const char *topic)
{
	return (struct aws_broker_settings){
		.region = AWS_FIXTURE_REGION,
		.endpoint_url = aws_fixture_endpoint(),
		.topic = topic,
		.queues = queues,
		.queue_count = ARRAY_LEN(queues),
		.counters = &counters,
		.environment = aws_fixture_environment,
	};
}

static struct broker *open_aws(struct loop *loop)
{
	struct aws_broker_settings settings = settings_for("sign-ups");
	return aws_open(&settings, loop);
}

/* New queues, so that no long poll of an earlier test waits there still. */
static void reset(void)
{
	static const char *const names[] = { "work", "other", "work-dlq", "work.fifo" };
	static bool there;
	for (size_t i = 0; there && i < ARRAY_LEN(names); i++)
		aws_fixture_drop(names[i]);
	there = true;
	aws_fixture_queue("work-dlq", NULL, 0);
	aws_fixture_queue("work", "work-dlq", MAX_RECEIVES);
	aws_fixture_queue("other", NULL, 0);
	aws_fixture_queue("work.fifo", NULL, 0);
}

static const struct broker_suite aws = {
	.open = open_aws,
	.reset = reset,
	.queue = "work",
	.other_queue = "other",
	.dlq = "work-dlq",
	.max_receive_count = MAX_RECEIVES,
	.unit_ms = 1000,
	.wake_ms = 1000,
	.binary_bodies = false,
};

static int setup(void **state)
{
	(void)state;
	reset();
	party_open(&party, &aws);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	party_close(&party);
	return 0;
}

static void reopen(const char *topic)
{
	struct aws_broker_settings settings = settings_for(topic);
	party.broker->ops->close(party.broker);
	party.broker = aws_open(&settings, party.loop);
}

static struct broker_outgoing text(const char *body)
{
	return (struct broker_outgoing){ .body = body, .body_len = strlen(body) };
}

static int64_t requests(enum aws_action action)
{
	return (int64_t)atomic_load(&counters.requests[action]);
}

static int64_t all_requests(void)
{
	int64_t n = 0;
	for (int i = 0; i < AWS_ACTION_COUNT; i++)
		n += requests(i);
	return n;
}

static void on_long_poll(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	int *ended = arg;

	(void)messages, (void)n, (void)err;
	(*ended)++;
}

static void long_polls_keep_nothing_else_waiting(void **state)
{
	(void)state;
	struct broker_receive_options options = {
		.max = 1, .wait_ms = DEADLINE_MS, .visibility_ms = LONG_MS
	};
	struct broker_outgoing one = text("one");
	int ended = 0;
	for (int i = 0; i < AWS_RECEIVES_MAX; i++)
		party.broker->ops->receive(party.broker, "other", &options, on_long_poll, &ended);
	assert_int_equal(party_send(&party, "work", &one, 1), 0);
	assert_int_equal(party_receive(&party, "work", 1, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 1);
	const char *receipt = party.messages[0]->receipt;
	assert_int_equal(party_delete(&party, "work", &receipt, 1), 0);
	assert_int_equal(ended, 0);
}

/* -- Batches ---------------------------------------------------------------------------------- */

static void a_batch_too_large_for_one_call_goes_in_several(void **state)
{
	(void)state;
	size_t size = BROKER_SEND_MAX / 5 * 2;
	OWNED char *body = mem_alloc(size);
	struct broker_outgoing batch[AWS_BATCH_MAX];
	memset(body, 'x', size);
	for (size_t i = 0; i < AWS_BATCH_MAX; i++)
		batch[i] = (struct broker_outgoing){ .body = body, .body_len = size };
	batch[3].body_len = 0; /* refused here, and no other with it */
	int64_t sends = requests(AWS_SEND), publishes = requests(AWS_PUBLISH);

	assert_int_equal(party_send(&party, "work", batch, AWS_BATCH_MAX), 0);
	for (size_t i = 0; i < AWS_BATCH_MAX; i++)
		assert_int_equal(party.results[i].code, i == 3 ? USHER_EINVAL : 0);
	assert_int_equal(requests(AWS_SEND) - sends, 5); /* two a call */
	for (size_t i = 0; i < AWS_BATCH_MAX; i++)
		batch[i].body_len = i == 3 ? 0 : BROKER_PUBLISH_MAX / 5 * 2;
	assert_int_equal(party_publish(&party, batch, AWS_BATCH_MAX), 0);
	assert_int_equal(requests(AWS_PUBLISH) - publishes, 5);
	assert_int_equal(party_depths(&party, "work"), 0);
	assert_int_equal(party.depths.visible.value, 18);
}

static void what_the_services_do_not_carry_is_refused_alone(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	struct broker_outgoing batch[] = { text("bell: \a"), text("not UTF-8: \xC3"), text("good"),
		text("") };
	batch[2].attributes = &a;
	message_attribute_set(&a, ATTRIBUTE_REASON, "said \x01 and \xFF");
	message_attribute_set(&a, "nothing", "");
	assert_int_equal(party_send(&party, "work", batch, 4), 0);
	message_attributes_free(&a);
	assert_int_equal(party.results[0].code, USHER_EINVAL);
	assert_non_null(strstr(party.results[0].message, "byte 6"));
	assert_int_equal(party.results[1].code, USHER_EINVAL);
	assert_int_equal(party.results[2].code, 0);
	assert_int_equal(party.results[3].code, USHER_EINVAL);
	assert_int_equal(party_receive(&party, "work", 10, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 1);
	assert_string_equal(party.messages[0]->body, "good");
	assert_int_equal(party.messages[0]->attributes.count, 1);
	assert_string_equal(message_attribute_get(&party.messages[0]->attributes, ATTRIBUTE_REASON),
	        "said \xEF\xBF\xBD and \xEF\xBF\xBD");
}

/* Published, the text beyond the basic plane too: this server, unlike SQS, refuses it when it is sent. */
static void text_passes_as_it_is(void **state)
{
	(void)state;
	const char *bodies[] = { "{\"name\":\"김철수\",\"s\":\"\\\\ \\\" \\u0007 <&> '%+=\"}\t\n\r end",
		"김철수 🎉 <&>%+=\n" };
	for (int i = 0; i < 2; i++) {
		struct broker_outgoing m = text(bodies[i]);
		assert_int_equal(i ? party_publish(&party, &m, 1) : party_send(&party, "work", &m, 1), 0);
		assert_int_equal(party.results[0].code, 0);
		assert_int_equal(party_receive(&party, "work", 1, DEADLINE_MS, LONG_MS), 0);
		assert_int_equal(party.n, 1);
		assert_string_equal(party.messages[0]->body, bodies[i]);
	}
}

/* -- Cost ------------------------------------------------------------------------------------- */

static void every_request_is_counted(void **state)
{
	(void)state;
	struct broker_outgoing batch[] = { text("a"), text("b"), text("c") };
	const char *receipts[3];
	int64_t before = all_requests(), urls = requests(AWS_QUEUE_URL);
	assert_int_equal(party_send(&party, "work", batch, 3), 0);
	assert_int_equal(party_receive(&party, "work", 10, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 3);
	for (size_t i = 0; i < 3; i++)
		receipts[i] = party.messages[i]->receipt;
	assert_int_equal(party_delete(&party, "work", receipts, 3), 0);
	assert_int_equal(requests(AWS_QUEUE_URL) - urls, 1); /* asked for once */
	assert_int_equal(all_requests() - before, 4);
	assert_int_equal(atomic_load(&counters.retried), 0);
}

static void a_look_at_an_empty_queue_receives_nothing(void **state)
{
	(void)state;
	int64_t receives = requests(AWS_RECEIVE), counts = requests(AWS_ATTRIBUTES);
	assert_int_equal(party_browse(&party, "work-dlq", 100), 0);
	assert_int_equal(party.n, 0);
	assert_true(party.exact);
	assert_int_equal(requests(AWS_RECEIVE) - receives, 0);
	assert_int_equal(requests(AWS_ATTRIBUTES) - counts, 1);
}

static void what_was_looked_at_goes_back_soon(void **state)
{
	(void)state;
	struct broker_outgoing batch[] = { text("a"), text("b") };
	assert_int_equal(party_send(&party, "work-dlq", batch, 2), 0);
	assert_int_equal(party_browse(&party, "work-dlq", 100), 0);
	assert_int_equal(party.n, 2);
	mono_time begin = mono_now();
	struct party second;
	party_open(&second, &aws);
	int64_t hides = requests(AWS_HIDE);
	/* The first one's loop must turn: it receives on another queue meanwhile. */
	assert_int_equal(party_receive(&party, "other", 1, 2 * AWS_BROWSE_GRACE_MS, LONG_MS), 0);
	assert_int_equal(requests(AWS_HIDE) - hides, 1);
	assert_int_equal(party_receive(&second, "work-dlq", 10, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(second.n, 2);
	assert_true(mono_since_ms(begin, mono_now()) < AWS_BROWSE_VISIBILITY_S * 1000 / 2);
	party_close(&second);
}

static void a_look_sees_that_others_hold_some(void **state)
{
	(void)state;
	struct broker_outgoing batch[] = { text("a"), text("b") };
	assert_int_equal(party_send(&party, "work-dlq", batch, 2), 0);
	assert_int_equal(party_receive(&party, "work-dlq", 1, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party_browse(&party, "work-dlq", 100), 0);
	assert_int_equal(party.n, 1);
	assert_false(party.exact);
}

/* -- FIFO ------------------------------------------------------------------------------------- */

static void send_fifo(const char *body, const char *event)
{
	struct message_attributes a = { 0 };
	struct broker_outgoing m = text(body);
	m.attributes = &a;
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, event);
	assert_int_equal(party_publish(&party, &m, 1), 0);
	assert_int_equal(party.results[0].code, 0);
	message_attributes_free(&a);
}

/* No sign-up waits for another one, nor is one that is published twice delivered twice. */
static void a_fifo_topic_tells_repetitions(void **state)
{
	(void)state;
	reopen("sign-ups.fifo");
	send_fifo("1", "event one with spaces");
	send_fifo("1", "event one with spaces"); /* swallowed */
	send_fifo("2", "e-2");
	bool seen[3] = { false };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(party_receive(&party, "work.fifo", 1, DEADLINE_MS, LONG_MS), 0);
		assert_int_equal(party.n, 1);
		seen[atoi(party.messages[0]->body) % 3] = true;
	}
	assert_true(seen[1] && seen[2]);
	assert_int_equal(party_receive(&party, "work.fifo", 1, 0, LONG_MS), 0);
	assert_int_equal(party.n, 0);
}

/* A redrive soon after the event was published bears the same event id. */
static void what_is_sent_to_a_fifo_queue_is_never_swallowed(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	struct broker_outgoing m = text("again");
	m.attributes = &a;
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, "e-9");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(party_send(&party, "work.fifo", &m, 1), 0);
		assert_int_equal(party.results[0].code, 0);
	}
	m.delay_ms = 5000; /* FIFO queues have one delay for all */
	assert_int_equal(party_send(&party, "work.fifo", &m, 1), 0);
	assert_int_equal(party.results[0].code, USHER_EINVAL);
	message_attributes_free(&a);
	assert_int_equal(party_depths(&party, "work.fifo"), 0);
	assert_int_equal(party.depths.visible.value, 2);
}

/* An attempt that is wanted at once, while the message of the last one is hidden for minutes. */
static void a_copy_on_a_fifo_queue_waits_for_no_hidden_message(void **state)
{
	(void)state;
	reopen("sign-ups.fifo");
	send_fifo("first", "e-1");
	assert_int_equal(party_receive(&party, "work.fifo", 1, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 1);
	struct message_attributes a = { 0 };
	struct broker_outgoing m = text("again");
	m.attributes = &a;
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, "e-1");
	assert_int_equal(party_send(&party, "work.fifo", &m, 1), 0);
	message_attributes_free(&a);
	assert_int_equal(party_receive(&party, "work.fifo", 1, 0, LONG_MS), 0);
	assert_int_equal(party.n, 1);
	assert_string_equal(party.messages[0]->body, "again");
}

/* -- Trouble ---------------------------------------------------------------------------------- */

static void a_topic_may_be_given_by_its_arn(void **state)
{
	(void)state;
	struct broker_outgoing m = text("x");
	int64_t counts = requests(AWS_ATTRIBUTES);
	reopen("arn:aws:sns:" AWS_FIXTURE_REGION ":000000000000:sign-ups");
	assert_int_equal(party_publish(&party, &m, 1), 0);
	assert_int_equal(requests(AWS_ATTRIBUTES) - counts, 0);
	assert_int_equal(party_receive(&party, "other", 1, DEADLINE_MS, LONG_MS), 0);
	assert_int_equal(party.n, 1);
}

static void an_unknown_topic_is_not_found(void **state)
{
	(void)state;
	struct broker_outgoing m = text("x");
	reopen("no-such-topic");
	assert_int_equal(party_publish(&party, &m, 1), USHER_ENOTFOUND);
	assert_non_null(strstr(party.err.message, "no-such-topic"));
}

static void a_server_that_is_not_there_is_told(void **state)
{
	(void)state;
	struct aws_broker_settings settings = settings_for("sign-ups");
	struct broker_outgoing m = text("x");
	settings.endpoint_url = "http://127.0.0.1:1";
	party.broker->ops->close(party.broker);
	party.broker = aws_open(&settings, party.loop);
	int64_t retried = (int64_t)atomic_load(&counters.retried);
	assert_int_equal(party_publish(&party, &m, 1), USHER_EUNAVAILABLE);
	assert_non_null(strstr(party.err.message, "127.0.0.1:1"));
	assert_int_equal(atomic_load(&counters.retried) - (uint64_t)retried, AWS_TRIES_MAX - 1);
	atomic_store(&counters.retried, 0);
}

int main(void)
{
	int failed = 0;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(long_polls_keep_nothing_else_waiting),
		T(a_batch_too_large_for_one_call_goes_in_several),
		T(what_the_services_do_not_carry_is_refused_alone),
		T(text_passes_as_it_is),
		T(every_request_is_counted),
		T(a_look_at_an_empty_queue_receives_nothing),
		T(what_was_looked_at_goes_back_soon),
		T(a_look_sees_that_others_hold_some),
		T(a_fifo_topic_tells_repetitions),
		T(what_is_sent_to_a_fifo_queue_is_never_swallowed),
		T(a_copy_on_a_fifo_queue_waits_for_no_hidden_message),
		T(a_topic_may_be_given_by_its_arn),
		T(an_unknown_topic_is_not_found),
		T(a_server_that_is_not_there_is_told),
	};
#undef T
	aws_fixture_start();
	aws_fixture_topic("sign-ups");
	aws_fixture_topic("sign-ups.fifo");
	reset();
	aws_fixture_subscribe("sign-ups", "work");
	aws_fixture_subscribe("sign-ups", "other");
	aws_fixture_subscribe("sign-ups.fifo", "work.fifo");
	failed += broker_suite_run("broker contract: aws", &aws);
	failed += cmocka_run_group_tests_name("aws broker", tests, NULL, NULL);
	aws_fixture_stop();
	return failed;
}
