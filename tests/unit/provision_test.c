/* What should be in AWS, and how a plan is made of it and of what is: tables, no network. */
#include "provision/desired.h"
#include "provision/differ.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TOPIC_ARN "arn:aws:sns:ap-northeast-2:123456789012:user-signup"
#define QUEUE_ARN "arn:aws:sqs:ap-northeast-2:123456789012:mail"
#define DLQ_ARN "arn:aws:sqs:ap-northeast-2:123456789012:mail-dlq"

static const struct provision_identity who = { "aws", "123456789012", "arn:aws:iam::123456789012:user/op" };

static const struct provision_settings shipped = {
	.region = "ap-northeast-2",
	.topic = "user-signup",
	.channels = { { "mail", "mail-dlq", 60000, 1209600000, 33, 1260 },
	        { "gift", "gift-dlq", 1500, 1209600000, 35, 1260 } },
	.channel_count = 2,
};

static void make(struct state *state, const struct provision_settings *settings)
{
	struct usher_error err;

	if (desired_make(settings, &who, state, &err))
		fail_msg("%s", err.message);
}

static struct thing *find(struct state *state, const char *name)
{
	for (size_t i = 0; i < state->n; i++)
		if (strcmp(state->things[i].name, name) == 0)
			return &state->things[i];
	fail_msg("there is no %s", name);
	return NULL;
}

static const char *value(struct state *state, const char *name, const char *attribute)
{
	const struct attribute *found = thing_get(find(state, name), attribute);

	return found ? found->value : "(none)";
}

/* Everything there, and as it should be. */
static void all_there(struct state *state)
{
	for (size_t i = 0; i < state->n; i++)
		state->things[i].exists = true;
}

static void test_the_table(void **unused)
{
	static const char *const names[] = { "user-signup", "mail-dlq", "gift-dlq", "mail", "gift",
		"user-signup -> mail", "user-signup -> gift", "usher-mail-dlq-arrival", "usher-mail-backlog",
		"usher-mail-oldest", "usher-gift-dlq-arrival", "usher-gift-backlog", "usher-gift-oldest",
		"usher-user-signup-undelivered" };
	struct state state;

	(void)unused;
	make(&state, &shipped);
	assert_int_equal(state.n, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(state.things[i].name, names[i]);
	assert_string_equal(state.things[0].arn, TOPIC_ARN);
	assert_string_equal(value(&state, "mail", "RedrivePolicy"),
	        "{\"deadLetterTargetArn\":\"" DLQ_ARN "\",\"maxReceiveCount\":33}");
	assert_string_equal(value(&state, "mail-dlq", "RedriveAllowPolicy"),
	        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"" QUEUE_ARN "\"]}");
	assert_string_equal(value(&state, "mail", "MessageRetentionPeriod"), "1209600");
	assert_string_equal(value(&state, "mail", "VisibilityTimeout"), "60");
	assert_string_equal(
	        value(&state, "gift", "VisibilityTimeout"), "2"); /* never shorter than asked for */
	assert_string_equal(value(&state, "mail", "ReceiveMessageWaitTimeSeconds"), "20");
	assert_string_equal(value(&state, "mail", "SqsManagedSseEnabled"), "true");
	assert_string_equal(value(&state, "mail", "KmsMasterKeyId"), "(none)");
	assert_string_equal(value(&state, "mail", "FifoQueue"), "(none)");
	assert_string_equal(value(&state, "mail-dlq", "RedrivePolicy"), "(none)");
	assert_string_equal(value(&state, "user-signup -> mail", "RawMessageDelivery"), "true");
	assert_string_equal(value(&state, "usher-mail-dlq-arrival", "Threshold"), "0");
	assert_string_equal(value(&state, "usher-mail-oldest", "Threshold"), "1260");
	assert_string_equal(
	        value(&state, "usher-user-signup-undelivered", "MetricName"), "NumberOfNotificationsFailed");
	assert_string_equal(value(&state, "usher-user-signup-undelivered", "Statistic"), "Sum");
	state_free(&state);
}

static void test_a_topic_by_its_arn(void **unused)
{
	struct provision_settings settings = shipped;
	struct state state;

	(void)unused;
	settings.topic = TOPIC_ARN;
	make(&state, &settings);
	assert_string_equal(state.things[0].name, "user-signup");
	assert_string_equal(state.things[0].arn, TOPIC_ARN);
	find(&state, "user-signup -> mail");
	assert_string_equal(value(&state, "usher-user-signup-undelivered", "TopicName"), "user-signup");
	state_free(&state);
}

static void test_policies_let_the_topic_in_and_nobody_without_tls(void **unused)
{
	struct state state;

	(void)unused;
	make(&state, &shipped);
	assert_true(attribute_same(FORM_JSON, value(&state, "mail", "Policy"),
	        "{\"Version\": \"2012-10-17\", \"Statement\": ["
	        "{\"Sid\": \"TlsOnly\", \"Effect\": \"Deny\", \"Principal\": {\"AWS\": \"*\"}, \"Action\": "
	        "[\"sqs:*\"],"
	        " \"Resource\": \"" QUEUE_ARN
	        "\", \"Condition\": {\"Bool\": {\"aws:SecureTransport\": false}}},"
	        "{\"Effect\": \"Allow\", \"Sid\": \"OnlyTheTopicSends\", \"Principal\": {\"Service\": "
	        "\"sns.amazonaws.com\"}, \"Action\": \"sqs:SendMessage\", \"Resource\": [\"" QUEUE_ARN "\"],"
	        " \"Condition\": {\"ArnEquals\": {\"aws:SourceArn\": \"" TOPIC_ARN "\"}}}]}"));
	assert_null(strstr(value(&state, "mail-dlq", "Policy"), "Allow"));
	assert_non_null(strstr(value(&state, "mail-dlq", "Policy"), "aws:SecureTransport"));
	state_free(&state);
}

static void test_a_key_of_ones_own(void **unused)
{
	struct provision_settings settings = shipped;
	struct state state;

	(void)unused;
	settings.kms_key_id = "alias/usher";
	make(&state, &settings);
	assert_string_equal(value(&state, "user-signup", "KmsMasterKeyId"), "alias/usher");
	assert_string_equal(value(&state, "gift-dlq", "KmsMasterKeyId"), "alias/usher");
	assert_string_equal(value(&state, "gift-dlq", "KmsDataKeyReusePeriodSeconds"), "300");
	assert_string_equal(value(&state, "gift-dlq", "SqsManagedSseEnabled"), "(none)");
	state_free(&state);
}

static void test_fifo(void **unused)
{
	struct provision_settings settings = shipped;
	struct state state;

	(void)unused;
	settings.topic = "user-signup.fifo";
	settings.channels[0].queue = "mail.fifo";
	settings.channels[0].dlq = "mail-dlq.fifo";
	make(&state, &settings);
	assert_string_equal(value(&state, "user-signup.fifo", "FifoTopic"), "true");
	assert_string_equal(value(&state, "mail.fifo", "FifoQueue"), "true");
	assert_string_equal(value(&state, "mail-dlq.fifo", "ContentBasedDeduplication"), "false");
	assert_string_equal(value(&state, "gift", "FifoQueue"), "(none)");
	state_free(&state);
}

static void test_what_cannot_go_together(void **unused)
{
	static const struct {
		const char *topic, *queue, *dlq, *kms, *words;
	} cases[] = {
		{ "t", "mail.fifo", "mail-dlq.fifo", NULL, "cannot send to the FIFO queue" },
		{ "t.fifo", "mail.fifo", "mail-dlq", NULL, "both names end in .fifo, or none" },
		{ "t.fifo", "mail", "mail-dlq.fifo", NULL, "both names end in .fifo, or none" },
		{ "t", "mail", "mail", NULL, "each needs its own" },
		{ "t", "gift", "mail-dlq", NULL, "each needs its own" },
		{ "t", "gift-dlq", "mail-dlq", NULL, "each needs its own" },
		{ "t", "mail", "gift-dlq", NULL, "each needs its own" },
		{ "arn:aws:sns:ap-northeast-2:999999999999:t", "mail", "mail-dlq", NULL,
		        "can only be made as" },
		{ "t", "mail", "mail-dlq", "alias/aws/sqs", "SNS may not use" },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct provision_settings settings = shipped;
		struct state state;
		struct usher_error err = { 0 };
		settings.topic = cases[i].topic;
		settings.channels[0].queue = cases[i].queue;
		settings.channels[0].dlq = cases[i].dlq;
		settings.kms_key_id = cases[i].kms;
		if (desired_make(&settings, &who, &state, &err) != USHER_ECONFIG ||
		        !strstr(err.message, cases[i].words))
			fail_msg("case %zu: %s", i, err.message);
		state_free(&state);
	}
}

static void test_values_that_mean_the_same(void **unused)
{
	static const struct {
		enum attribute_form form;
		const char *a, *b;
		bool same;
	} cases[] = {
		{ FORM_TEXT, "true", "true", true },
		{ FORM_TEXT, "10", "10.0", false },
		{ FORM_NUMBER, "10", "10.0", true },
		{ FORM_NUMBER, "0", "0.0", true },
		{ FORM_NUMBER, "10", "11", false },
		{ FORM_NUMBER, "", "0", false },
		{ FORM_NUMBER, "10x", "10", false },
		{ FORM_JSON, "{\"a\":1,\"b\":[1,2]}", " { \"b\" : [2, 1], \"a\" : \"1\" } ", true },
		{ FORM_JSON, "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ FORM_JSON, "{\"a\":1,\"b\":2}", "{\"a\":1}", false },
		{ FORM_JSON, "{\"a\":1}", "{\"A\":1}", false },
		{ FORM_JSON, "{\"a\":[\"x\"]}", "{\"a\":\"x\"}", true },
		{ FORM_JSON, "{\"a\":[\"x\",\"x\"]}", "{\"a\":[\"x\",\"y\"]}", false },
		{ FORM_JSON, "{\"a\":[\"x\",\"y\"]}", "{\"a\":\"x\"}", false },
		{ FORM_JSON, "{\"a\":false}", "{\"a\":\"false\"}", true },
		{ FORM_JSON, "{\"a\":null}", "{\"a\":{}}", false },
		{ FORM_JSON, "{\"Principal\":\"*\"}", "{\"Principal\":{\"AWS\":\"*\"}}", true },
		{ FORM_JSON, "{\"Principal\":\"*\"}", "{\"Principal\":{\"Service\":\"*\"}}", false },
		{ FORM_JSON, "{\"Principal\":{\"Service\":\"s\"}}", "{\"Principal\":{\"AWS\":\"s\"}}",
		        false },
		{ FORM_JSON, "{\"a\":1}", "{\"a\":1", false },
		{ FORM_JSON, "[]", "[1]", false },
		{ FORM_JSON, "[]", "[]", true },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (attribute_same(cases[i].form, cases[i].a, cases[i].b) != cases[i].same ||
		        attribute_same(cases[i].form, cases[i].b, cases[i].a) != cases[i].same)
			fail_msg("case %zu: %s, %s", i, cases[i].a, cases[i].b);
}

static void test_nothing_there_everything_is_created_in_order(void **unused)
{
	struct state desired, actual;
	struct plan *plan = calloc(1, sizeof *plan);

	(void)unused;
	make(&desired, &shipped);
	make(&actual, &shipped);
	plan_make(&desired, &actual, plan);
	assert_int_equal(plan->n, desired.n);
	for (size_t i = 0; i < plan->n; i++) {
		assert_int_equal(plan->steps[i].kind, STEP_CREATE);
		assert_int_equal(plan->steps[i].thing, i);
	}
	state_free(&desired);
	state_free(&actual);
	free(plan);
}

static void test_all_as_it_should_be_is_an_empty_plan(void **unused)
{
	struct state desired, actual;
	struct plan *plan = calloc(1, sizeof *plan);

	(void)unused;
	make(&desired, &shipped);
	make(&actual, &shipped);
	all_there(&actual);
	thing_put(find(&actual, "mail"), "DelaySeconds", FORM_TEXT, "5"); /* somebody else's: not looked at */
	thing_put(find(&actual, "mail"), "RedrivePolicy", FORM_TEXT,
	        "{\"maxReceiveCount\":\"33\",\"deadLetterTargetArn\":\"" DLQ_ARN "\"}");
	thing_put(find(&actual, "usher-mail-dlq-arrival"), "Threshold", FORM_TEXT, "0.0");
	thing_put(find(&actual, "usher-mail-dlq-arrival"), "AlarmDescription", FORM_TEXT, "call Kim");
	plan_make(&desired, &actual, plan);
	assert_int_equal(plan->n, 0);
	state_free(&desired);
	state_free(&actual);
	free(plan);
}

static void test_changes(void **unused)
{
	static const struct {
		const char *thing, *attribute, *is; /* NULL: not set */
		size_t steps;
	} cases[] = {
		{ "mail", "VisibilityTimeout", "30", 1 },
		{ "mail", "VisibilityTimeout", "60", 0 },
		{ "mail", "RedrivePolicy", "{\"deadLetterTargetArn\":\"" DLQ_ARN "\",\"maxReceiveCount\":10}",
		        1 },
		{ "mail", "RedrivePolicy", NULL, 1 },
		{ "mail", "Policy", "", 1 },
		{ "mail", "SqsManagedSseEnabled", "false", 1 },
		{ "mail", "KmsMasterKeyId", "alias/theirs", 0 },
		{ "user-signup -> mail", "RawMessageDelivery", "false", 1 },
		{ "usher-gift-backlog", "Period", "300", 1 },
		{ "usher-gift-backlog", "Threshold", "5.0", 0 },
		{ "usher-gift-backlog", "EvaluationPeriods", "2", 0 },
		{ "usher-gift-oldest", "Threshold", "5.0", 1 },
		{ "usher-gift-backlog", "QueueName", "mail", 1 },
		{ "usher-gift-backlog", "AlarmDescription", "ours", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state desired, actual;
		struct plan *plan = calloc(1, sizeof *plan);
		make(&desired, &shipped);
		make(&actual, &shipped);
		all_there(&actual);
		struct attribute *a = thing_put(find(&actual, cases[i].thing), cases[i].attribute, FORM_TEXT,
		        cases[i].is ? cases[i].is : "");
		if (!cases[i].is)
			a->name[0] = '-'; /* as if it were not there */
		plan_make(&desired, &actual, plan);
		if (plan->n != cases[i].steps)
			fail_msg("case %zu: %zu steps", i, plan->n);
		if (plan->n) {
			assert_int_equal(plan->steps[0].kind, STEP_CHANGE);
			assert_string_equal(plan->steps[0].should->name, cases[i].attribute);
			assert_string_equal(desired.things[plan->steps[0].thing].name, cases[i].thing);
			if (cases[i].is && *cases[i].is)
				assert_string_equal(plan->steps[0].is, cases[i].is);
			else
				assert_null(plan->steps[0].is);
		}
		state_free(&desired);
		state_free(&actual);
		free(plan);
	}
}

static void test_a_managed_key_is_not_asked_for_where_there_is_a_better_one(void **unused)
{
	struct state desired, actual;
	struct plan *plan = calloc(1, sizeof *plan);

	(void)unused;
	make(&desired, &shipped);
	make(&actual, &shipped);
	all_there(&actual);
	thing_put(find(&actual, "mail"), "SqsManagedSseEnabled", FORM_TEXT, "false");
	thing_put(find(&actual, "mail"), "KmsMasterKeyId", FORM_TEXT, "alias/theirs");
	plan_make(&desired, &actual, plan);
	assert_int_equal(plan->n, 0);
	state_free(&desired);
	state_free(&actual);
	free(plan);
}

static void test_a_plan_for_people(void **unused)
{
	struct state desired, actual;
	struct plan *plan = calloc(1, sizeof *plan);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)unused;
	make(&desired, &shipped);
	make(&actual, &shipped);
	all_there(&actual);
	find(&actual, "user-signup -> gift")->exists = false;
	thing_put(find(&actual, "mail"), "VisibilityTimeout", FORM_TEXT, "30");
	plan_make(&desired, &actual, plan);
	plan_print(plan, &desired, out);
	fclose(out);
	assert_string_equal(text,
	        "~ queue mail: VisibilityTimeout: 30 -> 60\n"
	        "+ subscription user-signup -> gift\n"
	        "    RawMessageDelivery = true\n"
	        "1 to create, 1 to change, nothing to delete. usherd provision --apply does it.\n");
	free(text);
	state_free(&desired);
	state_free(&actual);
	free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table),
		cmocka_unit_test(test_a_topic_by_its_arn),
		cmocka_unit_test(test_policies_let_the_topic_in_and_nobody_without_tls),
		cmocka_unit_test(test_a_key_of_ones_own),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_what_cannot_go_together),
		cmocka_unit_test(test_values_that_mean_the_same),
		cmocka_unit_test(test_nothing_there_everything_is_created_in_order),
		cmocka_unit_test(test_all_as_it_should_be_is_an_empty_plan),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_a_managed_key_is_not_asked_for_where_there_is_a_better_one),
		cmocka_unit_test(test_a_plan_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
