/* The aws broker: what its operations have in common, from the call to the callback: queues known by name,
 * the one question for a queue's url that all operations on it wait for, calls and failures. The operations
 * are in aws_sqs.c, aws_batch.c, aws_sns.c and aws_browse.c. Runs on the broker's loop. */
#include "broker/aws_parts.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SETTLES_MAX 32 /* calls at once beside the receives: no long poll keeps a delete waiting */
#define CONNECTIONS_MAX (AWS_RECEIVES_MAX + SETTLES_MAX) /* of one broker */
#define QUESTION_MAX 4096                                /* bytes of a GetQueueUrl */
/* Bytes of any call: a batch and its frame. Quoted for JSON a byte is at most two, in a form three. */
#define FRAME_MAX (256 * 1024)
#define BODY_MAX (2 * AWS_SQS_BODY_MAX + FRAME_MAX)
static_assert(BODY_MAX >= 3 * AWS_SNS_BODY_MAX + FRAME_MAX, "a batch for SNS has no room");
static_assert(BODY_MAX <= HTTP_REQUEST_MAX, "http takes no such request");

static const struct {
	const char *name, *target;
} actions[] = {
#define AWS_ACTION_ROW(action, text) [action] = { text, "AmazonSQS." text },
	AWS_ACTIONS(AWS_ACTION_ROW)
#undef AWS_ACTION_ROW
};

const char *aws_action_name(enum aws_action action)
{
	return actions[action].name;
}

/* -- Operations ------------------------------------------------------------------------------- */

static bool ends_in_fifo(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".fifo") == 0;
}

static struct aws_queue *queue_of(struct aws_broker *b, const char *name)
{
	for (struct aws_queue *queue = b->queues; queue; queue = queue->next)
		if (strcmp(queue->name, name) == 0)
			return queue;
	struct aws_queue *queue = mem_alloc(sizeof *queue);
	queue->broker = b;
	queue->name = mem_string(name);
	queue->fifo = ends_in_fifo(name);
	queue->question = BUF(QUESTION_MAX);
	queue->next = b->queues;
	b->queues = queue;
	return queue;
}

void *op_new(struct aws_broker *b, size_t size, const char *queue)
{
	struct op *op = mem_alloc(size);

	op->broker = b;
	op->queue = queue ? queue_of(b, queue) : NULL;
	op->body = BUF(BODY_MAX);
	op->next = b->ops;
	if (b->ops)
		b->ops->previous = op;
	b->ops = op;
	return op;
}

void op_end(struct op *op)
{
	if (op->previous)
		op->previous->next = op->next;
	else
		op->broker->ops = op->next;
	if (op->next)
		op->next->previous = op->previous;
	if (op->free)
		op->free(op);
	buf_free(&op->body);
	free(op);
}

static void refuse_now(void *arg)
{
	struct op *op = arg;

	op->fail(op, &op->err);
	op_end(op);
}

void op_refuse(struct op *op, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(op->err.message, sizeof op->err.message, fmt, ap);
	va_end(ap);
	op->err.code = code;
	loop_defer(op->broker->loop, refuse_now, op);
}

void aws_error(struct usher_error *err, const struct op *op, const struct aws_answer *answer)
{
	if (answer->code == USHER_ENOTFOUND && op->queue)
		error_set(err, USHER_ENOTFOUND,
		        "there is no queue %s in region %s for these credentials: make it, or "
		        "correct its name (%s)",
		        op->queue->name, aws_client_region(op->broker->sqs), answer->error_message);
	else if (answer->code == USHER_ENOTFOUND)
		error_set(err, USHER_ENOTFOUND, "there is no topic %s: make it, or correct [aws] topic (%s)",
		        op->broker->topic, answer->error_message);
	else if (op->queue)
		error_set(err, answer->code, "queue %s: %s", op->queue->name, answer->error_message);
	else
		error_set(err, answer->code, "topic %s: %s", op->broker->topic, answer->error_message);
	if (*answer->request_id)
		error_set(err, err->code, "%s [request %s]", err->message, answer->request_id);
}

void op_failed(struct op *op, const struct aws_answer *answer)
{
	aws_error(&op->err, op, answer);
	refuse_now(op);
}

void op_nonsense(struct op *op, const struct usher_error *err)
{
	op->err = *err;
	refuse_now(op);
}

void op_call(struct op *op, enum aws_action action, int64_t extra_ms, size_t answer_max, aws_done *done)
{
	struct aws_broker *b = op->broker;

	op->call = aws_call(action == AWS_PUBLISH ? b->sns : b->sqs,
	        &(struct aws_request){
	                .action = actions[action].name,
	                .target = action == AWS_PUBLISH ? NULL : actions[action].target,
	                .body = buf_str(&op->body),
	                .body_len = op->body.len,
	                .timeout_ms = AWS_CALL_TIMEOUT_MS + extra_ms,
	                .answer_max = answer_max,
	                .counter = &b->counters->requests[action],
	        },
	        done, op);
}

/* -- Urls of queues --------------------------------------------------------------------------- */

/* Each one waiting is taken off first: what it begins may start others on the same queue. */
static void answer_waiting(struct aws_queue *queue, const struct aws_answer *answer)
{
	struct op *waiting = queue->waiting, *in_order = NULL;

	queue->waiting = NULL;
	while (waiting) {
		struct op *op = waiting;
		waiting = op->waiting_next;
		op->waiting_next = in_order;
		in_order = op;
	}
	while (in_order) {
		struct op *op = in_order;
		in_order = op->waiting_next;
		op->waiting_next = NULL;
		if (answer)
			op_failed(op, answer);
		else
			op->begin(op);
	}
}

static void on_url(void *arg, const struct aws_answer *answer)
{
	struct aws_queue *queue = arg;
	cJSON *json = NULL;
	const char *url = NULL;
	struct aws_answer bad = { .code = USHER_EPROTOCOL,
		.error_message = "sqs GetQueueUrl: the answer names no url; check the endpoint" };

	queue->asking = NULL;
	if (answer->code) {
		answer_waiting(queue, answer);
		return;
	}
	if (json_parse(answer->body, answer->body_len, &json, NULL) == 0)
		url = json_string(json, "QueueUrl");
	queue->url = mem_string(url);
	cJSON_Delete(json);
	answer_waiting(queue, queue->url ? NULL : &bad);
}

static void ask_for_url(struct aws_queue *queue)
{
	struct aws_broker *b = queue->broker;

	buf_clear(&queue->question);
	buf_puts(&queue->question, "{\"QueueName\":");
	json_quote(&queue->question, queue->name, strlen(queue->name));
	buf_putc(&queue->question, '}');
	queue->asking = aws_call(b->sqs,
	        &(struct aws_request){
	                .action = actions[AWS_QUEUE_URL].name,
	                .target = actions[AWS_QUEUE_URL].target,
	                .body = buf_str(&queue->question),
	                .body_len = queue->question.len,
	                .timeout_ms = AWS_CALL_TIMEOUT_MS,
	                .counter = &b->counters->requests[AWS_QUEUE_URL],
	        },
	        on_url, queue);
}

void op_start(struct op *op)
{
	struct aws_queue *queue = op->queue;

	if (queue->url) {
		op->begin(op);
		return;
	}
	op->waiting_next = queue->waiting;
	queue->waiting = op;
	if (!queue->asking)
		ask_for_url(queue);
}

void op_unwait(struct op *op)
{
	for (struct op **at = &op->queue->waiting; *at; at = &(*at)->waiting_next)
		if (*at == op) {
			*at = op->waiting_next;
			op->waiting_next = NULL;
			return;
		}
}

/* -- The driver ------------------------------------------------------------------------------- */

static void queue_free(struct aws_queue *queue)
{
	loans_free(queue);
	loop_timer_free(queue->give_timer);
	buf_free(&queue->question);
	free(queue->name);
	free(queue->url);
	free(queue);
}

/* What is left of the broker's own operations (looked-at messages that are being handed back) ends with it.
 */
static void aws_close(struct broker *broker)
{
	struct aws_broker *b = (struct aws_broker *)broker;

	aws_provider_free(b->provider);
	aws_client_free(b->sqs);
	aws_client_free(b->sns);
	http_free(b->http);
	curl_loop_free(b->curl);
	for (struct op *op = b->ops, *next; op; op = next) {
		next = op->next;
		op_end(op);
	}
	while (b->queues) {
		struct aws_queue *next = b->queues->next;
		queue_free(b->queues);
		b->queues = next;
	}
	free(b->topic);
	free(b->topic_arn);
	free(b->account_queue);
	free(b);
}

static const struct broker_ops aws_ops = {
	.name = "aws",
	.batch_max = AWS_BATCH_MAX,
	.receive_max = AWS_BATCH_MAX,
	.settles_silently = true,
	.looks_count = true,
	.counting_costs = true,
	.dlq_counts_on = true,
	.publish = aws_publish,
	.send = aws_send,
	.receive = aws_receive,
	.delete_batch = aws_delete,
	.hide_batch = aws_hide,
	.browse = aws_browse,
	.depths = aws_depths,
	.wake = aws_wake,
	.close = aws_close,
};

static void open_clients(struct aws_broker *b, const struct aws_broker_settings *settings)
{
	struct aws_client_settings client = {
		.loop = b->loop,
		.http = b->http,
		.provider = b->provider,
		.region = settings->region,
		.service = "sqs",
		.endpoint = settings->endpoint_url,
		.environment = settings->environment,
		.ca_bundle = settings->ca_bundle,
		.retried = &settings->counters->retried,
		.ending = settings->ending,
	};

	b->sqs = aws_client_new(&client);
	client.service = "sns";
	b->sns = aws_client_new(&client);
}

struct broker *aws_open(const struct aws_broker_settings *settings, struct loop *loop)
{
	struct aws_broker *b = mem_alloc(sizeof *b);

	b->broker.ops = &aws_ops;
	b->loop = loop;
	b->curl = curl_loop_new(loop, CONNECTIONS_MAX);
	b->http = http_new(b->curl);
	b->provider = aws_provider_new(loop, b->http,
	        &(struct aws_provider_settings){
	                .profile = settings->profile,
	                .region = settings->region,
	                .environment = settings->environment,
	                .ca_bundle = settings->ca_bundle,
	        });
	b->counters = settings->counters;
	open_clients(b, settings);
	b->topic = mem_string(settings->topic);
	if (strncmp(settings->topic, "arn:", 4) == 0)
		b->topic_arn = mem_string(settings->topic);
	if (settings->queue_count)
		b->account_queue = mem_string(settings->queues[0].name);
	return &b->broker;
}
