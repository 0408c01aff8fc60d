/* Answers to the aws broker as they are read: see aws_parts.h. Pure but for the log line of a message that
 * arrives damaged. */
#include "broker/aws_parts.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/xml.h"

#include <stdio.h>
#include <string.h>

/* -- Reading messages ------------------------------------------------------------------------- */

/* Texts only: what usher and SNS put on a message is text, and a binary attribute means nothing to usher. */
static void read_attributes(const cJSON *json, struct message *message)
{
	const cJSON *attribute;

	cJSON_ArrayForEach(attribute, json)
	{
		const char *value = json_string(attribute, "StringValue");
		if (value)
			message_attribute_set(&message->attributes, attribute->string, value);
	}
}

static int64_t number_text(const cJSON *object, const char *name, int64_t fallback)
{
	const char *text = object ? json_string(object, name) : NULL;
	char *end = NULL;
	long long value = text ? strtoll(text, &end, 10) : 0;

	return text && *text && !*end ? (int64_t)value : fallback;
}

static struct message *read_message(const cJSON *json, const char *queue)
{
	const char *id = json_string(json, "MessageId"), *receipt = json_string(json, "ReceiptHandle");
	const char *body = json_string(json, "Body");
	const cJSON *system = json_get(json, "Attributes");

	if (!id || !receipt || !body) {
		log_warn("aws", "queue %s: a message without %s is left to come again", queue,
		        !id        ? "an id"
		        : !receipt ? "a receipt"
		                   : "a body");
		return NULL;
	}
	size_t len = strlen(body);
	if (!md5_matches(json_string(json, "MD5OfBody"), body, len)) {
		log_warn("aws",
		        "queue %s: the body of message %s arrived damaged (MD5); it is left to come again",
		        queue, id);
		return NULL;
	}
	struct message *message = mem_alloc(sizeof *message);
	message->id = mem_string(id);
	message->receipt = mem_string(receipt);
	message->body = mem_stringn(body, len);
	message->body_len = len;
	message->receive_count = (int)number_text(system, "ApproximateReceiveCount", 1);
	message->sent_at.ms = number_text(system, "SentTimestamp", 0);
	read_attributes(json_get(json, "MessageAttributes"), message);
	return message;
}

int read_messages(const struct aws_answer *answer, const char *queue, struct message **messages, size_t max,
        size_t *ret_n, struct usher_error *err)
{
	cJSON *json = NULL;
	const cJSON *item;
	size_t n = 0;
	int rc = json_parse(answer->body, answer->body_len, &json, err);

	if (rc) {
		error_prefix(err, rc, "sqs ReceiveMessage: the answer is no JSON");
		return err->code = USHER_EPROTOCOL;
	}
	cJSON_ArrayForEach(item, json_get(json, "Messages"))
	{
		struct message *message = n < max ? read_message(item, queue) : NULL;
		if (message)
			messages[n++] = message;
	}
	cJSON_Delete(json);
	*ret_n = n;
	return 0;
}

/* -- Reading results -------------------------------------------------------------------------- */

/* An entry of this call by its id; NULL when the answer speaks of something else. */
static struct broker_entry_result *entry_of(struct batch *batch, const char *id, size_t *ret_i)
{
	char *end = NULL;
	unsigned long i = id && *id ? strtoul(id, &end, 10) : 0;

	if (!end || *end || i < batch->from || i >= batch->to || batch->results[i].code != ENTRY_WAITS)
		return NULL;
	*ret_i = i;
	return &batch->results[i];
}

/* A message that is gone counts as deleted; a receipt that is good no more may have been followed by another.
 */
static void entry_failed(const struct batch *batch, struct broker_entry_result *result, const char *type,
        const char *words, bool senders_fault)
{
	const char *last = strrchr(type, '.');
	const char *name = last && strncmp(type, "KMS.", 4) != 0 ? last + 1 : type;
	bool settles = batch->action == AWS_DELETE || batch->action == AWS_HIDE;
	struct aws_fault fault = aws_fault_of(senders_fault ? 400 : 500, name);

	if (settles &&
	        (strcmp(name, "ReceiptHandleIsInvalid") == 0 || strcmp(name, "InvalidParameterValue") == 0 ||
	                strcmp(name, "MessageNotInflight") == 0))
		fault.code = USHER_ESTALE;
	entry_refuse(result, fault.code, "%.40s: %.110s", name, words);
}

static void entry_succeeded(
        const struct batch *batch, struct broker_entry_result *result, size_t i, const cJSON *json)
{
	*result = (struct broker_entry_result){ 0 };
	if (batch->action != AWS_SEND)
		return;
	const struct broker_outgoing *m = &batch->outgoing[i];
	if (!md5_matches(json_string(json, "MD5OfMessageBody"), m->body, m->body_len) ||
	        !attributes_match(json_string(json, "MD5OfMessageAttributes"), m->attributes))
		entry_refuse(
		        result, USHER_EPROTOCOL, "SQS got something else than was sent (MD5): send it again");
}

/* Entries of which the answer said nothing. */
static void entries_close(struct batch *batch)
{
	for (size_t i = batch->from; i < batch->to; i++)
		if (batch->results[i].code == ENTRY_WAITS)
			entry_refuse(&batch->results[i], USHER_EPROTOCOL,
			        "%s answered nothing for this entry", aws_action_name(batch->action));
}

int read_results(const struct aws_answer *answer, struct batch *batch, struct usher_error *err)
{
	cJSON *json = NULL;
	const cJSON *item;
	struct broker_entry_result *result;
	size_t i = 0;
	int rc = json_parse(answer->body, answer->body_len, &json, err);

	if (rc) {
		error_prefix(err, rc, "sqs %s: the answer is no JSON", aws_action_name(batch->action));
		return err->code = USHER_EPROTOCOL;
	}
	cJSON_ArrayForEach(item,
	        json_get(json, "Successful")) if ((result = entry_of(batch, json_string(item, "Id"), &i)))
	        entry_succeeded(batch, result, i, item);
	cJSON_ArrayForEach(item, json_get(json, "Failed"))
	{
		const char *type = json_string(item, "Code"), *words = json_string(item, "Message");
		if ((result = entry_of(batch, json_string(item, "Id"), &i)))
			entry_failed(batch, result, type ? type : "no code",
			        words ? words : "no reason given", json_bool(item, "SenderFault", true));
	}
	cJSON_Delete(json);
	entries_close(batch);
	return 0;
}

/* One <member> at a time: its children end before it does. */
struct member_reading {
	struct batch *batch;
	char id[16], code[AWS_ERROR_TYPE_MAX], words[AWS_ERROR_WORDS_MAX];
	bool senders_fault, result_seen;
};

#define PUBLISHED "PublishBatchResponse/PublishBatchResult"

static void on_element(void *arg, const char *path, const char *text)
{
	struct member_reading *r = arg;
	struct broker_entry_result *result;
	const char *rest = path + strlen(PUBLISHED);
	size_t i;

	if (strncmp(path, PUBLISHED, strlen(PUBLISHED)) != 0)
		return;
	if (!*rest)
		r->result_seen = true;
	else if (strcmp(rest, "/Successful/member/Id") == 0 || strcmp(rest, "/Failed/member/Id") == 0)
		snprintf(r->id, sizeof r->id, "%s", text);
	else if (strcmp(rest, "/Failed/member/Code") == 0)
		snprintf(r->code, sizeof r->code, "%s", text);
	else if (strcmp(rest, "/Failed/member/Message") == 0)
		snprintf(r->words, sizeof r->words, "%s", text);
	else if (strcmp(rest, "/Failed/member/SenderFault") == 0)
		r->senders_fault = strcmp(text, "true") == 0;
	else if (strcmp(rest, "/Successful/member") == 0 && (result = entry_of(r->batch, r->id, &i)))
		*result = (struct broker_entry_result){ 0 };
	else if (strcmp(rest, "/Failed/member") == 0 && (result = entry_of(r->batch, r->id, &i)))
		entry_failed(r->batch, result, r->code, r->words, r->senders_fault);
}

int read_publish_results(const struct aws_answer *answer, struct batch *batch, struct usher_error *err)
{
	struct member_reading reading = { .batch = batch };
	int rc = xml_walk(answer->body, answer->body_len, on_element, &reading, err);

	if (!rc && !reading.result_seen)
		rc = error_set(err, USHER_EPROTOCOL, "it is not the answer to PublishBatch");
	if (rc)
		return error_prefix(err, rc, "sns PublishBatch");
	entries_close(batch);
	return 0;
}
