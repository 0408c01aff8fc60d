/* Looking at what is there: see actual.h. Every answer is read by one small walker. */
#include "provision/actual.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/xml.h"
#include "provision/caution.h"

#include <stdio.h>
#include <string.h>

#define SUBSCRIPTION_PAGES_MAX 1000 /* of 100 each: more than a topic that is only usher's will have */
#define FIELD_MAX 2048

struct reading {
	struct services *services;
	struct state *desired, *actual;
	struct buf body, answer;
	struct usher_error *err;
};

/* <Attributes><entry><key/><value/></entry>...: of topics and subscriptions. */
struct entries {
	const struct thing *should;
	struct thing *thing;
	char key[FIELD_MAX];
};

/* What a plan is made of, what may keep sign-ups back, and what an alarm keeps. Services answer more and more
 * besides: there would never be room for all of that, and nobody asks for it. */
static bool wanted(const struct thing *should, const char *name)
{
	for (size_t i = 0; i < should->attribute_count; i++) {
		const struct attribute *attribute = &should->attributes[i];
		if (strcmp(attribute->name, name) == 0 ||
		        (attribute->moot_with && strcmp(attribute->moot_with, name) == 0))
			return true;
	}
	for (size_t i = 0; caution_attribute(should->kind, i); i++)
		if (strcmp(caution_attribute(should->kind, i), name) == 0)
			return true;
	return should->kind == THING_ALARM && alarm_keeps(name);
}

static bool ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len >= n && strcmp(path + len - n, end) == 0;
}

static void on_entry(void *arg, const char *path, const char *text)
{
	struct entries *entries = arg;

	if (ends_with(path, "/Attributes/entry/key"))
		snprintf(entries->key, sizeof entries->key, "%s", text);
	else if (ends_with(path, "/Attributes/entry/value") && wanted(entries->should, entries->key))
		thing_put(entries->thing, entries->key, FORM_TEXT, text);
}

static int read_entries(struct reading *r, const struct thing *should, struct thing *thing)
{
	struct entries entries = { .should = should, .thing = thing };

	thing->exists = true;
	return xml_walk(buf_str(&r->answer), r->answer.len, on_entry, &entries, r->err);
}

/* -- Topic -------------------------------------------------------------------------------------- */

static int read_topic(struct reading *r, const struct thing *should, struct thing *thing)
{
	query_begin(&r->body, SERVICE_SNS, "GetTopicAttributes");
	query_add(&r->body, thing->arn, "TopicArn");
	int rc = services_call(r->services, SERVICE_SNS, "GetTopicAttributes", &r->body, &r->answer, r->err);
	if (rc == USHER_ENOTFOUND)
		return 0;
	return rc ? rc : read_entries(r, should, thing);
}

/* -- Queues ------------------------------------------------------------------------------------- */

/* Sends `request` to SQS and takes it over. */
static int sqs_call(struct reading *r, const char *action, cJSON *request, cJSON **ret_json)
{
	OWNED char *text = json_print(request);

	cJSON_Delete(request);
	buf_clear(&r->body);
	buf_puts(&r->body, text);
	int rc = services_call(r->services, SERVICE_SQS, action, &r->body, &r->answer, r->err);
	if (rc)
		return rc;
	rc = json_parse(buf_str(&r->answer), r->answer.len, ret_json, r->err);
	return rc ? error_prefix(r->err, USHER_EPROTOCOL, "sqs %s", action) : 0;
}

/* By name, because an attribute of FIFO queues is an error on others. */
static cJSON *attributes_request(const char *url, const struct thing *should)
{
	cJSON *request = cJSON_CreateObject(), *names;

	if (!request)
		mem_exhausted(sizeof *request);
	json_add_string(request, "QueueUrl", url);
	names = json_add_array(request, "AttributeNames");
	for (size_t i = 0; i < should->attribute_count; i++) {
		const struct attribute *attribute = &should->attributes[i];
		if (!attribute->at_birth)
			cJSON_AddItemToArray(names, cJSON_CreateString(attribute->name));
		if (attribute->moot_with)
			cJSON_AddItemToArray(names, cJSON_CreateString(attribute->moot_with));
	}
	for (size_t i = 0; caution_attribute(THING_QUEUE, i); i++)
		cJSON_AddItemToArray(names, cJSON_CreateString(caution_attribute(THING_QUEUE, i)));
	return request;
}

static int read_queue_attributes(struct reading *r, const struct thing *should, struct thing *thing)
{
	cJSON *json = NULL;
	const cJSON *item;
	int rc = sqs_call(r, "GetQueueAttributes", attributes_request(thing->address, should), &json);

	if (rc)
		return rc;
	cJSON_ArrayForEach(item, json_get(json, "Attributes"))
	{
		if (cJSON_IsString(item) && wanted(should, item->string))
			thing_put(thing, item->string, FORM_TEXT, item->valuestring);
	}
	thing->exists = true;
	cJSON_Delete(json);
	return 0;
}

static int read_queue(struct reading *r, const struct thing *should, struct thing *thing)
{
	cJSON *json = NULL, *request = cJSON_CreateObject();

	if (!request)
		mem_exhausted(sizeof *request);
	json_add_string(request, "QueueName", thing->name);
	int rc = sqs_call(r, "GetQueueUrl", request, &json);
	if (rc)
		return rc == USHER_ENOTFOUND ? 0 : rc;
	thing->address = mem_string(json_string(json, "QueueUrl"));
	cJSON_Delete(json);
	if (!thing->address)
		return error_set(r->err, USHER_EPROTOCOL,
		        "sqs GetQueueUrl: the answer for %s has no QueueUrl", thing->name);
	return read_queue_attributes(r, should, thing);
}

/* -- Subscriptions ------------------------------------------------------------------------------ */

#define MEMBER "ListSubscriptionsByTopicResponse/ListSubscriptionsByTopicResult/Subscriptions/member"
#define NEXT_TOKEN "ListSubscriptionsByTopicResponse/ListSubscriptionsByTopicResult/NextToken"

struct subscriptions {
	struct state *actual;
	char arn[FIELD_MAX], protocol[FIELD_MAX], endpoint[FIELD_MAX], next[FIELD_MAX];
};

/* One that waits for its confirmation has no ARN yet, and is as good as none. */
static void subscription_found(struct subscriptions *s)
{
	for (size_t i = 0; i < s->actual->n; i++) {
		struct thing *thing = &s->actual->things[i];
		if (thing->kind == THING_SUBSCRIPTION && strcmp(s->protocol, "sqs") == 0 &&
		        strcmp(thing->arn, s->endpoint) == 0 && strncmp(s->arn, "arn:", 4) == 0 &&
		        !thing->address)
			thing->address = mem_string(s->arn);
	}
	s->arn[0] = s->protocol[0] = s->endpoint[0] = '\0';
}

static void on_subscription(void *arg, const char *path, const char *text)
{
	struct subscriptions *s = arg;

	if (strcmp(path, MEMBER) == 0)
		subscription_found(s);
	else if (strcmp(path, MEMBER "/SubscriptionArn") == 0)
		snprintf(s->arn, sizeof s->arn, "%s", text);
	else if (strcmp(path, MEMBER "/Protocol") == 0)
		snprintf(s->protocol, sizeof s->protocol, "%s", text);
	else if (strcmp(path, MEMBER "/Endpoint") == 0)
		snprintf(s->endpoint, sizeof s->endpoint, "%s", text);
	else if (strcmp(path, NEXT_TOKEN) == 0)
		snprintf(s->next, sizeof s->next, "%s", text);
}

static int find_subscriptions(struct reading *r)
{
	struct subscriptions *s = mem_alloc(sizeof *s);
	int rc = 0;

	s->actual = r->actual;
	for (int page = 0; rc == 0 && page < SUBSCRIPTION_PAGES_MAX && (page == 0 || *s->next); page++) {
		query_begin(&r->body, SERVICE_SNS, "ListSubscriptionsByTopic");
		query_add(&r->body, r->actual->things[0].arn, "TopicArn");
		if (*s->next)
			query_add(&r->body, s->next, "NextToken");
		s->next[0] = '\0';
		rc = services_call(
		        r->services, SERVICE_SNS, "ListSubscriptionsByTopic", &r->body, &r->answer, r->err);
		if (rc == 0)
			rc = xml_walk(buf_str(&r->answer), r->answer.len, on_subscription, s, r->err);
	}
	free(s);
	return rc;
}

static int read_subscription(struct reading *r, const struct thing *should, struct thing *thing)
{
	if (!thing->address)
		return 0;
	query_begin(&r->body, SERVICE_SNS, "GetSubscriptionAttributes");
	query_add(&r->body, thing->address, "SubscriptionArn");
	int rc = services_call(
	        r->services, SERVICE_SNS, "GetSubscriptionAttributes", &r->body, &r->answer, r->err);
	return rc ? rc : read_entries(r, should, thing);
}

/* -- Alarms ------------------------------------------------------------------------------------- */

#define ALARM "DescribeAlarmsResponse/DescribeAlarmsResult/MetricAlarms/member"

struct alarms {
	const struct state *desired;
	struct state *actual;
	struct thing found; /* the one that is being read */
	char name[FIELD_MAX], dimension[FIELD_MAX], watched[FIELD_MAX];
	bool full; /* it has more than there is room for */
	struct usher_error *err;
	int rc;
};

static void add_field(struct alarms *alarms, const char *name, const char *value)
{
	bool of_any = false;

	/* Of any of them: the name of the one that is being read may come last. */
	for (size_t i = 0; i < alarms->desired->n && !of_any; i++)
		of_any = alarms->desired->things[i].kind == THING_ALARM &&
		         wanted(&alarms->desired->things[i], name);
	if (of_any && !thing_put(&alarms->found, name, FORM_TEXT, value))
		alarms->full = true;
}

static bool is_list(const char *name)
{
	return strcmp(name, "OKActions/member") == 0 || strcmp(name, "AlarmActions/member") == 0 ||
	       strcmp(name, "InsufficientDataActions/member") == 0;
}

/* Named as PutMetricAlarm wants it, AlarmActions.member.1: each list is numbered from 1, without a gap. */
static void add_action(struct alarms *alarms, const char *list, const char *value)
{
	char numbered[FIELD_MAX];
	int number = 0;

	do
		snprintf(
		        numbered, sizeof numbered, "%.*s.member.%d", (int)strcspn(list, "/"), list, ++number);
	while (thing_get(&alarms->found, numbered));
	add_field(alarms, numbered, value);
}

static void alarm_found(struct alarms *alarms)
{
	struct state one = { .n = 1 };

	for (size_t i = 0; i < alarms->actual->n; i++) {
		struct thing *thing = &alarms->actual->things[i];
		if (thing->kind != THING_ALARM || strcmp(thing->name, alarms->name) != 0)
			continue;
		thing->exists = true;
		for (size_t j = 0; j < alarms->found.attribute_count; j++)
			thing_put(thing, alarms->found.attributes[j].name, FORM_TEXT,
			        alarms->found.attributes[j].value);
	}
	if (alarms->full)
		alarms->rc = error_set(alarms->err, USHER_ETOOBIG,
		        "alarm %s has more than %d actions of a kind, and the rest would be forgotten; take "
		        "some away",
		        alarms->name, ALARM_ACTIONS_MAX);
	one.things[0] = alarms->found;
	state_free(&one);
	memset(&alarms->found, 0, sizeof alarms->found);
	alarms->name[0] = '\0';
	alarms->full = false;
}

static void on_alarm(void *arg, const char *path, const char *text)
{
	struct alarms *alarms = arg;
	const char *name = path + strlen(ALARM);

	if (strncmp(path, ALARM, strlen(ALARM)) != 0)
		return;
	if (!*name)
		alarm_found(alarms);
	else if (strcmp(name, "/AlarmName") == 0)
		snprintf(alarms->name, sizeof alarms->name, "%s", text);
	else if (strcmp(name, "/Dimensions/member/Name") == 0)
		snprintf(alarms->dimension, sizeof alarms->dimension, "%s", text);
	else if (strcmp(name, "/Dimensions/member/Value") == 0)
		snprintf(alarms->watched, sizeof alarms->watched, "%s", text);
	else if (strcmp(name, "/Dimensions/member") == 0)
		add_field(alarms, alarms->dimension, alarms->watched);
	else if (is_list(name + 1))
		add_action(alarms, name + 1, text);
	else if (!strchr(name + 1, '/'))
		add_field(alarms, name + 1, text);
}

static int read_alarms(struct reading *r)
{
	struct alarms *alarms = mem_alloc(sizeof *alarms);
	int n = 0;

	alarms->desired = r->desired;
	alarms->actual = r->actual;
	alarms->err = r->err;
	query_begin(&r->body, SERVICE_CLOUDWATCH, "DescribeAlarms");
	for (size_t i = 0; i < r->actual->n; i++)
		if (r->actual->things[i].kind == THING_ALARM)
			query_add(&r->body, r->actual->things[i].name, "AlarmNames.member.%d", ++n);
	query_add(&r->body, "100", "MaxRecords");
	int rc = n ? services_call(
	                     r->services, SERVICE_CLOUDWATCH, "DescribeAlarms", &r->body, &r->answer, r->err)
	           : 0;
	if (n && rc == 0)
		rc = xml_walk(buf_str(&r->answer), r->answer.len, on_alarm, alarms, r->err);
	if (rc == 0)
		rc = alarms->rc;
	free(alarms);
	return rc;
}

/* They stand at the end of the table. */
static void drop_alarms(struct state *state)
{
	while (state->n && state->things[state->n - 1].kind == THING_ALARM) {
		struct state last = { .n = 1 };
		last.things[0] = state->things[--state->n];
		state_free(&last);
	}
}

/* -- All of it ---------------------------------------------------------------------------------- */

static int read_thing(struct reading *r, size_t i)
{
	const struct thing *should = &r->desired->things[i];
	struct thing *thing = &r->actual->things[i];

	switch (thing->kind) {
	case THING_TOPIC:
		return read_topic(r, should, thing);
	case THING_QUEUE:
		return read_queue(r, should, thing);
	case THING_SUBSCRIPTION:
		return read_subscription(r, should, thing);
	default:
		return 0; /* all alarms are read at once */
	}
}

int actual_read(struct services *services, struct state *desired, struct state *ret, bool *ret_no_alarms,
        struct usher_error *err)
{
	struct reading r = { services, desired, ret, BUF(CALL_BODY_MAX), BUF(HTTP_ANSWER_MAX), err };
	bool no_alarms = false;
	int rc = 0;

	ret->n = 0;
	for (size_t i = 0; i < desired->n; i++)
		state_add(ret, desired->things[i].kind, desired->things[i].name, desired->things[i].arn);
	for (size_t i = 0; rc == 0 && i < ret->n; i++) {
		rc = read_thing(&r, i);
		if (rc == 0 && i == 0 && ret->things[0].exists)
			rc = find_subscriptions(&r);
	}
	if (rc == 0)
		rc = read_alarms(&r);
	if (rc && services_unknown_action(services)) {
		drop_alarms(desired);
		drop_alarms(ret);
		no_alarms = true;
		rc = 0;
	}
	*ret_no_alarms = no_alarms;
	buf_free(&r.body);
	buf_free(&r.answer);
	return rc;
}
