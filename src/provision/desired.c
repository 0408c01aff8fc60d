/* The table of what should be: see desired.h. May call base only; pure. */
#include "provision/desired.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define VALUE_MAX 8192 /* bytes of an attribute's value */
#define FIFO_SUFFIX ".fifo"

/* -- States ------------------------------------------------------------------------------------- */

const char *thing_kind_word(enum thing_kind kind)
{
	static const char *const words[] = {
		[THING_TOPIC] = N_("topic"),
		[THING_QUEUE] = N_("queue"),
		[THING_SUBSCRIPTION] = N_("subscription"),
		[THING_ALARM] = N_("alarm"),
	};

	return words[kind];
}

struct thing *state_add(struct state *state, enum thing_kind kind, const char *name, const char *arn)
{
	if (state->n == THINGS_MAX)
		abort(); /* the table below has grown beyond its limit */
	struct thing *thing = &state->things[state->n++];

	*thing = (struct thing){ .kind = kind, .name = mem_string(name), .arn = mem_string(arn) };
	return thing;
}

struct attribute *thing_put(
        struct thing *thing, const char *name, enum attribute_form form, const char *value)
{
	struct attribute *attribute = NULL;

	for (size_t i = 0; i < thing->attribute_count && !attribute; i++)
		if (strcmp(thing->attributes[i].name, name) == 0)
			attribute = &thing->attributes[i];
	if (!attribute && thing->attribute_count == ATTRIBUTES_MAX)
		return NULL;
	if (!attribute) {
		attribute = &thing->attributes[thing->attribute_count++];
		*attribute = (struct attribute){ .name = mem_string(name) };
	}
	free(attribute->value);
	attribute->value = mem_string(value);
	attribute->form = form;
	return attribute;
}

const struct attribute *thing_get(const struct thing *thing, const char *name)
{
	for (size_t i = 0; i < thing->attribute_count; i++)
		if (strcmp(thing->attributes[i].name, name) == 0)
			return &thing->attributes[i];
	return NULL;
}

bool alarm_keeps(const char *name)
{
	static const char *const names[] = { "AlarmDescription", "ActionsEnabled", "EvaluationPeriods",
		"DatapointsToAlarm", "Threshold", "Unit", "OKActions.", "AlarmActions.",
		"InsufficientDataActions." };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i]);
		if (names[i][len - 1] == '.' ? strncmp(name, names[i], len) == 0
		                             : strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

void state_free(struct state *state)
{
	for (size_t i = 0; i < state->n; i++) {
		struct thing *thing = &state->things[i];
		for (size_t j = 0; j < thing->attribute_count; j++) {
			free(thing->attributes[j].name);
			free(thing->attributes[j].value);
		}
		free(thing->name);
		free(thing->arn);
		free(thing->address);
	}
	state->n = 0;
}

/* -- Pieces of the table ------------------------------------------------------------------------ */

__attribute__((format(printf, 4, 5))) static struct attribute *put(
        struct thing *thing, const char *name, enum attribute_form form, const char *fmt, ...)
{
	struct buf value = BUF(VALUE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	struct attribute *attribute = thing_put(thing, name, form, buf_str(&value));
	buf_free(&value);
	if (!attribute)
		abort(); /* ATTRIBUTES_MAX is more than any thing here has */
	return attribute;
}

static bool is_fifo(const char *name)
{
	size_t len = strlen(name), suffix = strlen(FIFO_SUFFIX);

	return len > suffix && strcmp(name + len - suffix, FIFO_SUFFIX) == 0;
}

static void arn_make(struct buf *out, const struct provision_settings *settings,
        const struct provision_identity *who, const char *service, const char *name)
{
	buf_clear(out);
	buf_printf(out, "arn:%s:%s:%s:%s:%s", who->partition, service, settings->region, who->account, name);
}

/* Of "arn:aws:sns:REGION:ACCOUNT:NAME", or of NAME. */
static const char *topic_name(const struct provision_settings *settings)
{
	const char *colon = strrchr(settings->topic, ':');

	return colon ? colon + 1 : settings->topic;
}

static void add_topic(struct state *state, const struct provision_settings *settings, const char *arn)
{
	struct thing *topic = state_add(state, THING_TOPIC, topic_name(settings), arn);

	if (is_fifo(topic->name)) {
		put(topic, "FifoTopic", FORM_TEXT, "true")->at_birth = true;
		put(topic, "ContentBasedDeduplication", FORM_TEXT, "false");
	}
	if (settings->kms_key_id)
		put(topic, "KmsMasterKeyId", FORM_TEXT, "%s", settings->kms_key_id);
}

/* What queues and dead-letter queues have in common. Without a key of ours, a queue that somebody has given a
 * KMS key keeps it: taking it away would be a step back. */
static struct thing *add_queue(struct state *state, const struct provision_settings *settings,
        const struct provision_channel *channel, const char *name, const char *arn)
{
	struct thing *queue = state_add(state, THING_QUEUE, name, arn);

	if (is_fifo(name)) {
		put(queue, "FifoQueue", FORM_TEXT, "true")->at_birth = true;
		put(queue, "ContentBasedDeduplication", FORM_TEXT, "false");
	}
	put(queue, "MessageRetentionPeriod", FORM_NUMBER, "%" PRId64, channel->retention_ms / 1000);
	put(queue, "VisibilityTimeout", FORM_NUMBER, "%" PRId64, (channel->visibility_ms + 999) / 1000);
	put(queue, "ReceiveMessageWaitTimeSeconds", FORM_NUMBER, "%d", PROVISION_WAIT_S);
	if (settings->kms_key_id) {
		put(queue, "KmsMasterKeyId", FORM_TEXT, "%s", settings->kms_key_id);
		put(queue, "KmsDataKeyReusePeriodSeconds", FORM_NUMBER, "%d", PROVISION_KMS_REUSE_S);
	} else {
		put(queue, "SqsManagedSseEnabled", FORM_TEXT, "true")->moot_with = "KmsMasterKeyId";
	}
	return queue;
}

#define POLICY_TLS_ONLY                                                                                      \
	"{\"Sid\":\"TlsOnly\",\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"sqs:*\","                 \
	"\"Resource\":\"%s\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}"
#define POLICY_TOPIC_SENDS                                                                                   \
	"{\"Sid\":\"OnlyTheTopicSends\",\"Effect\":\"Allow\","                                               \
	"\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\","                  \
	"\"Resource\":\"%s\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"%s\"}}}"
#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"

/* Nobody outside the account's own roles sends to a dead-letter queue: the worker does, by its role. */
static void add_dlq(struct state *state, const struct provision_settings *settings,
        const struct provision_channel *channel, const char *dlq_arn, const char *queue_arn)
{
	struct thing *dlq = add_queue(state, settings, channel, channel->dlq, dlq_arn);

	put(dlq, "RedriveAllowPolicy", FORM_JSON,
	        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"%s\"]}", queue_arn);
	put(dlq, "Policy", FORM_JSON, POLICY(POLICY_TLS_ONLY), dlq_arn);
}

static void add_source(struct state *state, const struct provision_settings *settings,
        const struct provision_channel *channel, const char *queue_arn, const char *dlq_arn)
{
	struct thing *queue = add_queue(state, settings, channel, channel->queue, queue_arn);

	put(queue, "RedrivePolicy", FORM_JSON, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}",
	        dlq_arn, channel->max_receives);
	put(queue, "Policy", FORM_JSON, POLICY(POLICY_TOPIC_SENDS "," POLICY_TLS_ONLY), queue_arn,
	        state->things[0].arn, queue_arn);
}

static void add_subscription(struct state *state, const char *topic, const char *queue, const char *queue_arn)
{
	struct buf name = BUF(VALUE_MAX);

	buf_printf(&name, "%s -> %s", topic, queue);
	struct thing *subscription = state_add(state, THING_SUBSCRIPTION, buf_str(&name), queue_arn);
	buf_free(&name);
	put(subscription, "RawMessageDelivery", FORM_TEXT, "true");
}

/* What is watched: CloudWatch's name of who tells, of its things, and how a minute's figures become one. */
struct metrics {
	const char *namespace, *dimension, *statistic;
};
static const struct metrics of_queues = { "AWS/SQS", "QueueName", "Maximum" };
static const struct metrics of_topics = { "AWS/SNS", "TopicName", "Sum" };

/* Returns its threshold. */
static struct attribute *add_alarm(struct state *state, const struct metrics *metrics, const char *watched,
        const char *what, const char *metric, int64_t threshold, int datapoints, const char *description)
{
	struct buf name = BUF(VALUE_MAX);

	buf_printf(&name, "usher-%s-%s", watched, what);
	struct thing *alarm = state_add(state, THING_ALARM, buf_str(&name), NULL);
	buf_free(&name);
	put(alarm, "AlarmDescription", FORM_TEXT, "%s", description)->at_birth = true;
	put(alarm, "Namespace", FORM_TEXT, "%s", metrics->namespace);
	put(alarm, "MetricName", FORM_TEXT, "%s", metric);
	put(alarm, metrics->dimension, FORM_TEXT, "%s", watched)->dimension = true;
	put(alarm, "Statistic", FORM_TEXT, "%s", metrics->statistic);
	put(alarm, "Period", FORM_NUMBER, "%d", PROVISION_ALARM_PERIOD_S);
	put(alarm, "EvaluationPeriods", FORM_NUMBER, "%d", PROVISION_ALARM_PERIODS)->at_birth = true;
	put(alarm, "DatapointsToAlarm", FORM_NUMBER, "%d", datapoints)->at_birth = true;
	put(alarm, "ComparisonOperator", FORM_TEXT, "GreaterThanThreshold");
	put(alarm, "TreatMissingData", FORM_TEXT, "notBreaching"); /* what nobody uses reports nothing */
	return put(alarm, "Threshold", FORM_NUMBER, "%" PRId64, threshold);
}

static void add_queue_alarms(struct state *state, const struct provision_channel *channel)
{
	add_alarm(state, &of_queues, channel->dlq, "arrival", "ApproximateNumberOfMessagesVisible", 0, 1,
	        "Deliveries stand in the dead-letter queue: usher failed shows why.");
	add_alarm(state, &of_queues, channel->queue, "backlog", "ApproximateNumberOfMessagesVisible",
	        PROVISION_BACKLOG_MESSAGES, PROVISION_ALARM_PERIODS,
	        "Messages come in faster than they are delivered: usher status shows the channel.")
	        ->at_birth = true; /* what is many is its owner's to say */
	add_alarm(state, &of_queues, channel->queue, "oldest", "ApproximateAgeOfOldestMessage",
	        channel->oldest_s, PROVISION_ALARM_PERIODS,
	        "A message is older than all its retries take: is a usherd running and the channel not "
	        "paused?");
}

/* A message that a queue refuses is not tried again by SNS, and marked as published in the outbox: nothing
 * else tells of it. */
static void add_topic_alarm(struct state *state, const char *topic)
{
	add_alarm(state, &of_topics, topic, "undelivered", "NumberOfNotificationsFailed", 0, 1,
	        "SNS has dropped sign-ups that it could not deliver to a queue: usher-aws(7) tells how to "
	        "mend that and to publish them again.");
}

/* -- The table ---------------------------------------------------------------------------------- */

static int check(const struct provision_settings *settings, struct usher_error *err)
{
	const char *key = settings->kms_key_id;

	if (key && strncmp(key, PROVISION_MANAGED_KEYS, strlen(PROVISION_MANAGED_KEYS)) == 0)
		return error_set(err, USHER_ECONFIG,
		        "[aws] kms_key_id: SNS may not use %s, a key that AWS manages, to send to a queue; "
		        "name a key of "
		        "your own, or none",
		        key);
	for (size_t i = 0; i < settings->channel_count; i++) {
		const struct provision_channel *c = &settings->channels[i];
		for (size_t j = 0; j <= i; j++) {
			const struct provision_channel *d = &settings->channels[j];
			bool twice =
			        strcmp(c->queue, d->dlq) == 0 ||
			        strcmp(c->dlq, j < i ? d->dlq : c->queue) == 0 ||
			        (j < i && (strcmp(c->queue, d->queue) == 0 || strcmp(c->dlq, d->queue) == 0));
			if (twice)
				return error_set(err, USHER_ECONFIG,
				        "two queues of %s, %s, %s and %s have one name; each needs its own",
				        d->queue, d->dlq, c->queue, c->dlq);
		}
		if (is_fifo(c->queue) != is_fifo(c->dlq))
			return error_set(err, USHER_ECONFIG,
			        "%s and its dead-letter queue %s: both names end in .fifo, or none", c->queue,
			        c->dlq);
		if (is_fifo(c->queue) && !is_fifo(settings->topic))
			return error_set(err, USHER_ECONFIG,
			        "topic %s cannot send to the FIFO queue %s: end the topic's name in .fifo "
			        "too",
			        settings->topic, c->queue);
	}
	return 0;
}

int desired_make(const struct provision_settings *settings, const struct provision_identity *who,
        struct state *ret, struct usher_error *err)
{
	struct buf topic = BUF(VALUE_MAX), queue = BUF(VALUE_MAX), dlq = BUF(VALUE_MAX);
	enum { DLQS, QUEUES, SUBSCRIPTIONS, ALARMS, ROUNDS };
	int rc = check(settings, err);

	ret->n = 0;
	if (rc)
		return rc;
	arn_make(&topic, settings, who, "sns", topic_name(settings));
	if (strchr(settings->topic, ':') && strcmp(settings->topic, buf_str(&topic)) != 0)
		rc = error_set(err, USHER_ECONFIG,
		        "[aws] topic is %s; with these credentials, in this region, it can only be made as "
		        "%s",
		        settings->topic, buf_str(&topic));
	else
		add_topic(ret, settings, buf_str(&topic));
	for (int round = 0; rc == 0 && round < ROUNDS; round++) {
		for (size_t i = 0; i < settings->channel_count; i++) {
			const struct provision_channel *channel = &settings->channels[i];
			arn_make(&queue, settings, who, "sqs", channel->queue);
			arn_make(&dlq, settings, who, "sqs", channel->dlq);
			if (round == DLQS)
				add_dlq(ret, settings, channel, buf_str(&dlq), buf_str(&queue));
			else if (round == QUEUES)
				add_source(ret, settings, channel, buf_str(&queue), buf_str(&dlq));
			else if (round == SUBSCRIPTIONS)
				add_subscription(ret, topic_name(settings), channel->queue, buf_str(&queue));
			else
				add_queue_alarms(ret, channel);
		}
	}
	if (rc == 0)
		add_topic_alarm(ret, topic_name(settings));
	buf_free(&topic);
	buf_free(&queue);
	buf_free(&dlq);
	return rc;
}
