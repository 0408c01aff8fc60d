/* What the aws broker writes and reads (broker/aws_parts.h): partial failures, sums, hostile answers. */
#include "broker/aws_parts.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct aws_queue queue = { .name = (char *)"q", .url = (char *)"http://sqs/1/q" };

static struct aws_answer answer_of(const char *body)
{
	return (struct aws_answer){ .body = body, .body_len = strlen(body) };
}

static struct batch batch_of(enum aws_action action, size_t n)
{
	struct batch batch = { .op.queue = &queue, .action = action, .n = n, .to = n };
	for (size_t i = 0; i < n; i++)
		batch.results[i].code = ENTRY_WAITS;
	return batch;
}

static const struct broker_outgoing hello[] = { { .body = "hello", .body_len = 5 },
	{ .body = "hello", .body_len = 5 }, { .body = "hello", .body_len = 5 },
	{ .body = "hello", .body_len = 5 } };
#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"

static void each_entry_has_its_own_result(void **state)
{
	(void)state;
	struct batch batch = batch_of(AWS_SEND, 4);
	struct usher_error err = { 0 };
	batch.outgoing = hello;
	struct aws_answer answer = answer_of(
	        "{\"Successful\":[{\"Id\":\"2\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"},"
	        "{\"Id\":\"1\",\"MD5OfMessageBody\":\"00000000000000000000000000000000\"}],"
	        "\"Failed\":[{\"Id\":\"0\",\"Code\":\"InternalError\",\"Message\":\"oops\",\"SenderFault\":"
	        "false},"
	        "{\"Id\":\"77\",\"Code\":\"x\"},{\"Id\":\"two\"},7]}");
	assert_int_equal(read_results(&answer, &batch, &err), 0);
	assert_int_equal(batch.results[0].code, USHER_EUNAVAILABLE);
	assert_string_equal(batch.results[0].message, "InternalError: oops");
	assert_int_equal(batch.results[1].code, USHER_EPROTOCOL);
	assert_non_null(strstr(batch.results[1].message, "MD5"));
	assert_int_equal(batch.results[2].code, 0);
	assert_int_equal(batch.results[3].code, USHER_EPROTOCOL); /* of which nothing was said */
}

static void late_settles_are_stale(void **state)
{
	(void)state;
	static const char *const codes[] = { "ReceiptHandleIsInvalid", "InvalidParameterValue",
		"AWS.SimpleQueueService.MessageNotInflight" };
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct batch batch = batch_of(AWS_HIDE, 1);
		struct usher_error err = { 0 };
		char body[256];
		snprintf(body, sizeof body,
		        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"%s\",\"Message\":\"m\",\"SenderFault\":true}]"
		        "}",
		        codes[i]);
		struct aws_answer answer = answer_of(body);
		assert_int_equal(read_results(&answer, &batch, &err), 0);
		assert_int_equal(batch.results[0].code, USHER_ESTALE);
	}
}

static void published_entries_have_their_own_results_too(void **state)
{
	(void)state;
	struct batch batch = batch_of(AWS_PUBLISH, 3);
	struct usher_error err = { 0 };
	struct aws_answer answer =
	        answer_of("<PublishBatchResponse "
	                  "xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>"
	                  "<Failed><member><Code>InternalError</Code><Message>a &amp; b</Message><Id>1</Id>"
	                  "<SenderFault>false</SenderFault></member></Failed>"
	                  "<Successful><member><MessageId>m</MessageId><Id>0</Id></member></Successful>"
	                  "</PublishBatchResult></PublishBatchResponse>");
	assert_int_equal(read_publish_results(&answer, &batch, &err), 0);
	assert_int_equal(batch.results[0].code, 0);
	assert_int_equal(batch.results[1].code, USHER_EUNAVAILABLE);
	assert_string_equal(batch.results[1].message, "InternalError: a & b");
	assert_int_equal(batch.results[2].code, USHER_EPROTOCOL);
}

static void an_answer_that_makes_no_sense_fails_the_whole(void **state)
{
	(void)state;
	static const char *const bodies[] = { "", "{", "<html/>", "{\"Failed\":", "\xFF", "null {}" };
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct batch batch = batch_of(AWS_DELETE, 1);
		struct usher_error err = { 0 };
		struct message *messages[10];
		size_t n = 0;
		struct aws_answer answer = answer_of(bodies[i]);
		assert_int_equal(read_results(&answer, &batch, &err), USHER_EPROTOCOL);
		assert_int_equal(err.code, USHER_EPROTOCOL);
		assert_int_equal(read_publish_results(&answer, &batch, &err), USHER_EPROTOCOL);
		assert_int_equal(read_messages(&answer, "q", messages, 10, &n, &err), USHER_EPROTOCOL);
	}
}

static void a_damaged_message_is_left_to_come_again(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	struct message *messages[10];
	size_t n = 0;
	struct aws_answer answer = answer_of(
	        "{\"Messages\":[{\"MessageId\":\"1\",\"ReceiptHandle\":\"r1\",\"Body\":\"hullo\","
	        "\"MD5OfBody\":\"" HELLO_MD5 "\"},{\"MessageId\":\"2\",\"ReceiptHandle\":\"r2\",\"Body\":"
	        "\"hello\",\"MD5OfBody\":\"" HELLO_MD5
	        "\",\"Attributes\":{\"ApproximateReceiveCount\":\"3\",\"SentTimestamp\":\"1700000000123\"},"
	        "\"MessageAttributes\":{\"a\":{\"DataType\":\"String\",\"StringValue\":\"b\"},"
	        "\"n\":{\"DataType\":\"Number\",\"StringValue\":\"7\"},"
	        "\"x\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AA==\"}}},"
	        "{\"MessageId\":\"3\",\"Body\":\"no receipt\"},null]}");
	assert_int_equal(read_messages(&answer, "q", messages, 10, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(messages[0]->id, "2");
	assert_int_equal(messages[0]->receive_count, 3);
	assert_int_equal(messages[0]->sent_at.ms, 1700000000123);
	assert_int_equal(messages[0]->attributes.count, 2);
	assert_string_equal(message_attribute_get(&messages[0]->attributes, "n"), "7");
	message_free(messages[0]);
	answer = answer_of("{}");
	assert_int_equal(read_messages(&answer, "q", messages, 10, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void what_is_written_is_json(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	struct broker_outgoing m = {
		.body = "q\"\\\n\x1F", .body_len = 5, .attributes = &a, .delay_ms = 1001
	};
	struct batch batch = batch_of(AWS_SEND, 1);
	struct buf out = BUF(4096);
	struct usher_error err;
	cJSON *json = NULL;
	message_attribute_set(&a, "one", "\"1\"");
	message_attribute_set(&a, "empty", "");
	message_attribute_set(&a, "two", "2");
	batch.outgoing = &m;
	write_entries(&out, &batch);
	assert_int_equal(json_parse(buf_str(&out), out.len, &json, &err), 0);
	const cJSON *entry = cJSON_GetArrayItem(json_get(json, "Entries"), 0);
	assert_string_equal(json_string(json, "QueueUrl"), queue.url);
	assert_string_equal(json_string(entry, "MessageBody"), m.body);
	assert_int_equal(json_int(entry, "DelaySeconds", -1), 2);
	assert_int_equal(cJSON_GetArraySize(json_get(entry, "MessageAttributes")), 2);
	assert_string_equal(
	        json_string(json_get(json_get(entry, "MessageAttributes"), "one"), "StringValue"), "\"1\"");
	cJSON_Delete(json);
	buf_free(&out);
	message_attributes_free(&a);
}

/* The sum was made by another implementation of the same rule. */
static void sums_of_attributes_are_those_of_sqs(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	message_attribute_set(&a, "b", "2");
	message_attribute_set(&a, "a", "1");
	assert_true(attributes_match("fb921ed26b602b1dbe2a595741287c4a", &a));
	assert_false(attributes_match("00000000000000000000000000000000", &a));
	assert_true(attributes_match(NULL, &a));
	message_attributes_free(&a);
	assert_true(attributes_match("anything", &a)); /* none were sent */
}

static void fifo_ids_are_plain(void **state)
{
	(void)state;
	struct message_attributes a = { 0 };
	struct broker_outgoing m = { .body = "x", .body_len = 1, .attributes = &a };
	char id[FIFO_ID_MAX + 1];
	fifo_id_published(&m, id);
	assert_int_equal(strlen(id), 64); /* of the body */
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, "e-1");
	fifo_id_published(&m, id);
	assert_string_equal(id, "e-1");
	message_attribute_set(&a, ATTRIBUTE_EVENT_ID, "event 1");
	fifo_id_published(&m, id);
	assert_int_equal(strlen(id), 64); /* no spaces */
	message_attributes_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_has_its_own_result),
		cmocka_unit_test(late_settles_are_stale),
		cmocka_unit_test(published_entries_have_their_own_results_too),
		cmocka_unit_test(an_answer_that_makes_no_sense_fails_the_whole),
		cmocka_unit_test(a_damaged_message_is_left_to_come_again),
		cmocka_unit_test(what_is_written_is_json),
		cmocka_unit_test(sums_of_attributes_are_those_of_sqs),
		cmocka_unit_test(fifo_ids_are_plain),
	};
	return cmocka_run_group_tests_name("aws codec", tests, NULL, NULL);
}
