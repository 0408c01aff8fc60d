/* Receiving and counting on SQS. A wait longer than a long poll's limit is several long polls. Runs on the
 * broker's loop. */
#include "broker/aws_parts.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* -- Receive ---------------------------------------------------------------------------------- */

struct receive {
	struct op op;
	struct broker_receive_options options;
	broker_receive_done *done;
	void *arg;
	mono_time until, asked;
	struct loop_timer *grace; /* see AWS_WAKE_GRACE_MS; NULL: nobody woke it */
	bool woken;               /* its wait is over: no further poll */
};

static void receive_fail(struct op *op, const struct usher_error *err)
{
	struct receive *r = (struct receive *)op;

	r->done(r->arg, NULL, 0, err);
}

static void receive_free(struct op *op)
{
	loop_timer_free(((struct receive *)op)->grace);
}

static void answer_with(struct receive *r, struct message **messages, size_t n)
{
	struct usher_error ok = { 0 };

	if (n == 0)
		atomic_fetch_add_explicit(&r->op.broker->counters->empty_receives, 1, memory_order_relaxed);
	r->done(r->arg, messages, n, &ok);
	op_end(&r->op);
}

static void receive_begin(struct op *op);

static void on_received(void *arg, const struct aws_answer *answer)
{
	struct receive *r = arg;
	struct message *messages[AWS_BATCH_MAX];
	struct usher_error err = { 0 };
	size_t n = 0;

	r->op.call = NULL;
	if (answer->code) {
		op_failed(&r->op, answer);
		return;
	}
	if (read_messages(answer, r->op.queue->name, messages, AWS_BATCH_MAX, &n, &err)) {
		op_nonsense(&r->op, &err);
		return;
	}
	/* A poll that ends without a message at once did not wait: asking again and again would be a busy
	 * loop, billed. The caller is told that there is nothing, and asks in its own time. */
	bool waited = mono_since_ms(r->asked, mono_now()) >= AWS_POLL_MIN_MS;
	if (n == 0 && !r->woken && waited && mono_since_ms(mono_now(), r->until) > 0)
		receive_begin(&r->op);
	else
		answer_with(r, messages, n);
}

static void receive_begin(struct op *op)
{
	struct receive *r = (struct receive *)op;
	int64_t left_ms = mono_since_ms(mono_now(), r->until);
	int64_t wait_s = left_ms > 0 ? seconds_up(left_ms) : 0;

	if (wait_s > AWS_WAIT_MAX_S)
		wait_s = AWS_WAIT_MAX_S;
	r->asked = mono_now();
	buf_clear(&op->body);
	write_receive(
	        &op->body, op->queue->url, r->options.max, seconds_up(r->options.visibility_ms), wait_s);
	op_call(op, AWS_RECEIVE, wait_s * 1000, AWS_ANSWER_MAX, on_received);
}

void aws_receive(struct broker *broker, const char *queue, const struct broker_receive_options *options,
        broker_receive_done *done, void *arg)
{
	struct receive *r = op_new((struct aws_broker *)broker, sizeof *r, queue);

	r->op.begin = receive_begin;
	r->op.fail = receive_fail;
	r->op.free = receive_free;
	r->op.is_receive = true;
	r->options = *options;
	r->done = done;
	r->arg = arg;
	r->until = mono_add_ms(mono_now(), options->wait_ms);
	if (options->max < 1 || options->max > AWS_BATCH_MAX)
		op_refuse(&r->op, USHER_EINVAL, "a receive asks for 1 to %d messages, this one for %d",
		        AWS_BATCH_MAX, options->max);
	else if (options->visibility_ms < 0 || options->visibility_ms > AWS_VISIBILITY_MAX_MS)
		op_refuse(&r->op, USHER_EINVAL, "a message is hidden for 0 to 12 hours");
	else
		op_start(&r->op);
}

/* -- Waking ----------------------------------------------------------------------------------- */

/* By a timer. Messages that SQS had given to the cancelled call come back when their visibility timeout ends;
 * the grace makes that rare, and the receive counted is one of those that the redrive policy leaves room for.
 */
static void end_poll(void *arg)
{
	struct receive *r = arg;

	if (r->op.call)
		aws_cancel(r->op.call);
	else
		op_unwait(&r->op);
	r->op.call = NULL;
	answer_with(r, NULL, 0);
}

static void wake_one(struct receive *r)
{
	int64_t age_ms = r->op.call ? mono_since_ms(r->asked, mono_now()) : AWS_WAKE_GRACE_MS;

	if (r->woken || r->op.err.code) /* one that was refused is about to answer */
		return;
	r->woken = true;
	r->grace = loop_timer_new(r->op.broker->loop, end_poll, r);
	loop_timer_start(r->grace, age_ms < AWS_WAKE_GRACE_MS ? AWS_WAKE_GRACE_MS - age_ms : 0);
}

void aws_wake(struct broker *broker)
{
	struct aws_broker *b = (struct aws_broker *)broker;

	for (struct op *op = b->ops; op; op = op->next)
		if (op->is_receive && ((struct receive *)op)->options.wait_ms > 0)
			wake_one((struct receive *)op);
}

/* -- Depths ----------------------------------------------------------------------------------- */

struct depths {
	struct op op;
	broker_depths_done *done;
	void *arg;
};

#define FIGURES 3
/* The figures first; what is behind them is asked in the same request, and a queue may not have it. */
static const char *const depth_names[] = { "ApproximateNumberOfMessages",
	"ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
	"MessageRetentionPeriod", "RedrivePolicy" };

/* {"maxReceiveCount":33} or "33", as whoever wrote it. 0: none. */
static int max_receives(const char *policy)
{
	cJSON *json = NULL;
	const char *text;
	long n = 0;

	if (policy && json_parse(policy, strlen(policy), &json, NULL) == 0) {
		text = json_string(json, "maxReceiveCount");
		n = text ? strtol(text, NULL, 10) : (long)json_int(json, "maxReceiveCount", 0);
	}
	cJSON_Delete(json);
	return n > 0 && n <= INT_MAX ? (int)n : 0;
}

static void read_settings(const cJSON *attributes, struct queue_depths *depths)
{
	const char *retention = json_string(attributes, "MessageRetentionPeriod");

	depths->retention_ms = retention ? strtoll(retention, NULL, 10) * 1000 : 0;
	depths->max_receives = max_receives(json_string(attributes, "RedrivePolicy"));
}

static void depths_fail(struct op *op, const struct usher_error *err)
{
	struct depths *d = (struct depths *)op;

	d->done(d->arg, NULL, err);
}

static void on_depths(void *arg, const struct aws_answer *answer)
{
	struct depths *d = arg;
	struct queue_depths depths = { .oldest_age_ms = -1 }; /* only CloudWatch knows it */
	struct figure *figures[] = { &depths.visible, &depths.in_flight, &depths.delayed };
	struct usher_error err = { 0 };
	cJSON *json = NULL;

	d->op.call = NULL;
	if (answer->code) {
		op_failed(&d->op, answer);
		return;
	}
	int rc = json_parse(answer->body, answer->body_len, &json, &err);
	const cJSON *attributes = rc ? NULL : json_get(json, "Attributes");
	for (size_t i = 0; !rc && i < FIGURES; i++) {
		const char *text = attributes ? json_string(attributes, depth_names[i]) : NULL;
		if (!text)
			rc = error_set(&err, USHER_EPROTOCOL, "queue %s: the answer does not say %s",
			        d->op.queue->name, depth_names[i]);
		else
			*figures[i] = (struct figure){ strtoll(text, NULL, 10), APPROXIMATE };
	}
	if (!rc)
		read_settings(attributes, &depths);
	cJSON_Delete(json);
	if (rc) {
		err.code = USHER_EPROTOCOL;
		op_nonsense(&d->op, &err);
		return;
	}
	d->done(d->arg, &depths, &err);
	op_end(&d->op);
}

static void depths_begin(struct op *op)
{
	write_attributes_wanted(&op->body, op->queue->url, depth_names, ARRAY_LEN(depth_names));
	op_call(op, AWS_ATTRIBUTES, 0, 0, on_depths);
}

void aws_depths(struct broker *b, const char *queue, broker_depths_done *done, void *arg)
{
	struct depths *d = op_new((struct aws_broker *)b, sizeof *d, queue);

	d->op.begin = depths_begin;
	d->op.fail = depths_fail;
	d->done = done;
	d->arg = arg;
	op_start(&d->op);
}
