/* Making and changing: see apply.h. */
#include "provision/apply.h"

#include "base/json.h"
#include "base/mem.h"

#include <string.h>

/* The steps of one thing. */
struct work {
	struct services *services;
	const struct thing *topic, *should, *is;
	const struct step *steps;
	size_t n;
	struct buf body;
	struct usher_error *err;
};

static int call(struct work *w, enum service service, const char *action)
{
	return services_call(w->services, service, action, &w->body, NULL, w->err);
}

static void add_entries(struct work *w)
{
	for (size_t i = 0; i < w->should->attribute_count; i++) {
		query_add(&w->body, w->should->attributes[i].name, "Attributes.entry.%zu.key", i + 1);
		query_add(&w->body, w->should->attributes[i].value, "Attributes.entry.%zu.value", i + 1);
	}
}

/* -- Topic and subscriptions -------------------------------------------------------------------- */

static int make_topic(struct work *w)
{
	query_begin(&w->body, SERVICE_SNS, "CreateTopic");
	query_add(&w->body, w->should->name, "Name");
	add_entries(w);
	return call(w, SERVICE_SNS, "CreateTopic");
}

static int make_subscription(struct work *w)
{
	query_begin(&w->body, SERVICE_SNS, "Subscribe");
	query_add(&w->body, w->topic->arn, "TopicArn");
	query_add(&w->body, "sqs", "Protocol");
	query_add(&w->body, w->should->arn, "Endpoint");
	query_add(&w->body, "true", "ReturnSubscriptionArn");
	add_entries(w);
	return call(w, SERVICE_SNS, "Subscribe");
}

/* SNS takes one attribute a call. */
static int change_sns(struct work *w, const char *action, const char *what, const char *arn)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->n; i++) {
		query_begin(&w->body, SERVICE_SNS, action);
		query_add(&w->body, arn, "%s", what);
		query_add(&w->body, w->steps[i].should->name, "AttributeName");
		query_add(&w->body, w->steps[i].should->value, "AttributeValue");
		rc = call(w, SERVICE_SNS, action);
	}
	return rc;
}

/* -- Queues ------------------------------------------------------------------------------------- */

static int queue_call(struct work *w, const char *action, cJSON *request)
{
	OWNED char *text = json_print(request);

	cJSON_Delete(request);
	buf_clear(&w->body);
	buf_puts(&w->body, text);
	return call(w, SERVICE_SQS, action);
}

static cJSON *queue_request(const char *key, const char *value)
{
	cJSON *request = cJSON_CreateObject();

	if (!request)
		mem_exhausted(sizeof *request);
	json_add_string(request, key, value);
	return request;
}

static int make_queue(struct work *w)
{
	cJSON *request = queue_request("QueueName", w->should->name);
	cJSON *attributes = json_add_object(request, "Attributes");

	for (size_t i = 0; i < w->should->attribute_count; i++)
		json_add_string(attributes, w->should->attributes[i].name, w->should->attributes[i].value);
	return queue_call(w, "CreateQueue", request);
}

/* Attributes that are not named stay as they are. */
static int change_queue(struct work *w)
{
	cJSON *request = queue_request("QueueUrl", w->is->address);
	cJSON *attributes = json_add_object(request, "Attributes");

	for (size_t i = 0; i < w->n; i++)
		json_add_string(attributes, w->steps[i].should->name, w->steps[i].should->value);
	return queue_call(w, "SetQueueAttributes", request);
}

/* -- Alarms ------------------------------------------------------------------------------------- */

static int put_alarm(struct work *w)
{
	query_begin(&w->body, SERVICE_CLOUDWATCH, "PutMetricAlarm");
	query_add(&w->body, w->should->name, "AlarmName");
	for (size_t i = 0; i < w->should->attribute_count; i++) {
		const struct attribute *attribute = &w->should->attributes[i];
		if (attribute->dimension) {
			query_add(&w->body, attribute->name, "Dimensions.member.1.Name");
			query_add(&w->body, attribute->value, "Dimensions.member.1.Value");
		} else if (!w->is->exists || !attribute->at_birth) {
			query_add(&w->body, attribute->value, "%s", attribute->name);
		}
	}
	for (size_t i = 0; i < w->is->attribute_count; i++) {
		const struct attribute *there = &w->is->attributes[i],
		                       *given = thing_get(w->should, there->name);
		if (alarm_keeps(there->name) && (!given || given->at_birth))
			query_add(&w->body, there->value, "%s", there->name);
	}
	return call(w, SERVICE_CLOUDWATCH, "PutMetricAlarm");
}

/* -- The plan ----------------------------------------------------------------------------------- */

static int do_work(struct work *w)
{
	bool make = w->steps[0].kind == STEP_CREATE;

	switch (w->should->kind) {
	case THING_TOPIC:
		return make ? make_topic(w) : change_sns(w, "SetTopicAttributes", "TopicArn", w->should->arn);
	case THING_QUEUE:
		return make ? make_queue(w) : change_queue(w);
	case THING_SUBSCRIPTION:
		return make ? make_subscription(w)
		            : change_sns(w, "SetSubscriptionAttributes", "SubscriptionArn", w->is->address);
	default:
		return put_alarm(w);
	}
}

int apply_plan(struct services *services, const struct plan *plan, const struct state *desired,
        const struct state *actual, FILE *out, struct usher_error *err)
{
	struct work w = {
		.services = services, .topic = &desired->things[0], .body = BUF(CALL_BODY_MAX), .err = err
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n; i += w.n) {
		w.steps = &plan->steps[i];
		w.should = &desired->things[w.steps->thing];
		w.is = &actual->things[w.steps->thing];
		w.n = 1;
		while (i + w.n < plan->n && plan->steps[i + w.n].thing == w.steps->thing)
			w.n++;
		rc = do_work(&w);
		for (size_t j = 0; rc == 0 && j < w.n; j++)
			step_print(&w.steps[j], desired, true, out);
	}
	if (rc == 0 && plan->n == 0)
		nothing_print(desired, out);
	buf_free(&w.body);
	return rc;
}
