/* The topic's ARN, which publishing needs. Of a topic that is known by name the account (and partition) is
 * read off the ARN of the first queue: that needs no permission but the one that counting needs
 * (sqs:GetQueueAttributes), where listing or making topics would need a wide one. A publisher that may not
 * ask a queue is given the ARN. Runs on the broker's loop. */
#include "broker/aws_parts.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ARN_MAX 512

/* "arn:aws:sqs:REGION:ACCOUNT:QUEUE" -> "arn:aws:sns:REGION:ACCOUNT:TOPIC" */
static char *topic_of(const char *queue_arn, const char *topic)
{
	char partition[32], region[64], account[32], arn[ARN_MAX];

	if (!queue_arn ||
	        sscanf(queue_arn, "arn:%31[^:]:sqs:%63[^:]:%31[^:]:", partition, region, account) != 3)
		return NULL;
	snprintf(arn, sizeof arn, "arn:%s:sns:%s:%s:%s", partition, region, account, topic);
	return mem_string(arn);
}

/* Takes them off one by one, in their order: what they begin may start others. */
static void answer_waiting(struct aws_broker *b, const struct usher_error *err)
{
	struct op *waiting = b->topic_waiting;

	b->topic_waiting = NULL;
	while (waiting) {
		struct op *op = waiting;
		waiting = op->waiting_next;
		op->waiting_next = NULL;
		if (err->code)
			op_nonsense(op, err);
		else
			op->begin(op);
	}
}

static void asking_fail(struct op *op, const struct usher_error *err)
{
	struct aws_broker *b = op->broker;
	struct usher_error why = *err;

	b->topic_asking = NULL;
	error_set(&why, err->code,
	        "topic %s: its account is not known, because %s (or set [aws] topic to the topic's ARN)",
	        b->topic, err->message);
	answer_waiting(b, &why);
}

static void on_arn(void *arg, const struct aws_answer *answer)
{
	struct op *op = arg;
	struct aws_broker *b = op->broker;
	struct usher_error ok = { 0 };
	cJSON *json = NULL;

	op->call = NULL;
	if (answer->code) {
		op_failed(op, answer);
		return;
	}
	if (json_parse(answer->body, answer->body_len, &json, NULL) == 0 && json_get(json, "Attributes"))
		b->topic_arn = topic_of(json_string(json_get(json, "Attributes"), "QueueArn"), b->topic);
	cJSON_Delete(json);
	if (!b->topic_arn) {
		op_nonsense(op, &(struct usher_error){
		                        .code = USHER_EPROTOCOL, .message = "the queue's ARN is none" });
		return;
	}
	b->topic_asking = NULL;
	op_end(op);
	answer_waiting(b, &ok);
}

static void asking_begin(struct op *op)
{
	static const char *const wanted[] = { "QueueArn" };

	write_attributes_wanted(&op->body, op->queue->url, wanted, 1);
	op_call(op, AWS_ATTRIBUTES, 0, 0, on_arn);
}

void topic_start(struct op *op)
{
	struct aws_broker *b = op->broker;
	struct op **last = &b->topic_waiting;

	if (b->topic_arn) {
		op->begin(op);
		return;
	}
	if (!b->account_queue) {
		op_refuse(op, USHER_ENOTFOUND,
		        "the account of topic %s is not known: enable a channel, or set [aws] topic to the "
		        "topic's ARN",
		        b->topic);
		return;
	}
	while (*last)
		last = &(*last)->waiting_next;
	*last = op;
	if (b->topic_asking)
		return;
	b->topic_asking = op_new(b, sizeof *b->topic_asking, b->account_queue);
	b->topic_asking->begin = asking_begin;
	b->topic_asking->fail = asking_fail;
	op_start(b->topic_asking);
}
