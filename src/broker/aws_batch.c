/* Batches of the aws broker: send, delete, hide and publish. What a service would refuse together with its
 * neighbours is refused here, alone; what is too large for one call goes in several, one after the other.
 * Runs on the broker's loop. */
#include "broker/aws_parts.h"

#include "base/error.h"

#include <string.h>

static void batch_fail(struct op *op, const struct usher_error *err)
{
	struct batch *batch = (struct batch *)op;

	batch->done(batch->arg, NULL, 0, err);
}

static void batch_end(struct batch *batch)
{
	struct usher_error ok = { 0 };

	batch->done(batch->arg, batch->results, batch->n, &ok);
	op_end(&batch->op);
}

static void batch_end_deferred(void *arg)
{
	batch_end(arg);
}

static size_t entry_size(const struct batch *batch, size_t i)
{
	return batch->action == AWS_SEND || batch->action == AWS_PUBLISH ? outgoing_size(&batch->outgoing[i])
	                                                                 : 0;
}

/* The next entries that fit into one call; false when none is left. */
static bool next_call(struct batch *batch)
{
	size_t size = 0, waiting = 0;

	batch->from = batch->to;
	for (; batch->to < batch->n; batch->to++) {
		if (batch->results[batch->to].code != ENTRY_WAITS)
			continue;
		size += entry_size(batch, batch->to);
		if (waiting > 0 && (batch->one_by_one || size > batch->size_max))
			break;
		waiting++;
	}
	return waiting > 0;
}

/* What waits from the call under way up to `to`. */
static void refuse_waiting(struct batch *batch, size_t to, const struct usher_error *err)
{
	for (size_t i = batch->from; i < to; i++)
		if (batch->results[i].code == ENTRY_WAITS)
			entry_refuse(&batch->results[i], err->code, "%s", err->message);
}

static void batch_begin(struct op *op);

/* The service's limit on a call is lower than the driver knows: the entries go one by one, so that only what
 * is too large by itself is refused. */
static void too_large(struct batch *batch, const struct usher_error *err)
{
	if (batch->one_by_one) {
		refuse_waiting(batch, batch->to, err);
		batch->answered = true;
	} else {
		batch->one_by_one = true;
		batch->to = batch->from;
	}
	batch_begin(&batch->op);
}

static void on_answer(void *arg, const struct aws_answer *answer)
{
	struct batch *batch = arg;
	struct op *op = &batch->op;
	struct usher_error err = { 0 };

	op->call = NULL;
	if (answer->code)
		aws_error(&err, op, answer);
	else if (batch->action == AWS_PUBLISH)
		(void)read_publish_results(answer, batch, &err);
	else
		(void)read_results(answer, batch, &err);
	if (err.code == USHER_ETOOBIG) {
		too_large(batch, &err);
	} else if (err.code && batch->answered) {
		/* The batch as a whole has not failed: its rest has. */
		refuse_waiting(batch, batch->n, &err);
		batch_end(batch);
	} else if (err.code) {
		op_nonsense(op, &err);
	} else {
		batch->answered = true;
		batch_begin(op);
	}
}

static void batch_begin(struct op *op)
{
	struct batch *batch = (struct batch *)op;

	if (!next_call(batch)) {
		batch_end(batch);
		return;
	}
	buf_clear(&op->body);
	if (batch->action == AWS_PUBLISH)
		write_publish(&op->body, batch, op->broker->topic_arn);
	else
		write_entries(&op->body, batch);
	op_call(op, batch->action, 0, 0, on_answer);
}

/* -- The four operations ---------------------------------------------------------------------- */

static struct batch *batch_new(struct broker *broker, enum aws_action action, const char *queue, size_t n,
        broker_batch_done *done, void *arg)
{
	struct batch *batch = op_new((struct aws_broker *)broker, sizeof *batch, queue);

	batch->op.begin = batch_begin;
	batch->op.fail = batch_fail;
	batch->action = action;
	batch->n = n;
	batch->size_max = action == AWS_PUBLISH ? AWS_SNS_BODY_MAX : AWS_SQS_BODY_MAX;
	batch->done = done;
	batch->arg = arg;
	for (size_t i = 0; i < n && i < AWS_BATCH_MAX; i++)
		batch->results[i].code = ENTRY_WAITS;
	return batch;
}

static void check_entry(struct batch *batch, size_t i)
{
	struct broker_entry_result checked = { 0 };

	if (batch->action == AWS_SEND || batch->action == AWS_PUBLISH)
		outgoing_check(&batch->outgoing[i], batch->size_max,
		        batch->action == AWS_SEND && !batch->op.queue->fifo, &checked);
	else if (batch->action == AWS_DELETE ? !*batch->receipts[i] : !*batch->visibility[i].receipt)
		entry_refuse(&checked, USHER_EINVAL, "not a receipt: it is empty");
	else if (batch->action == AWS_HIDE &&
	         (batch->visibility[i].visibility_ms < 0 ||
	                 batch->visibility[i].visibility_ms > AWS_VISIBILITY_MAX_MS))
		entry_refuse(&checked, USHER_EINVAL, "a message is hidden for 0 to 12 hours");
	if (checked.code)
		batch->results[i] = checked;
}

static void batch_start(struct batch *batch)
{
	bool any = false;

	if (batch->n < 1 || batch->n > AWS_BATCH_MAX) {
		op_refuse(&batch->op, USHER_EINVAL, "a batch has 1 to %d entries, this one %zu",
		        AWS_BATCH_MAX, batch->n);
		return;
	}
	for (size_t i = 0; i < batch->n; i++) {
		check_entry(batch, i);
		any = any || batch->results[i].code == ENTRY_WAITS;
	}
	if (!any)
		loop_defer(batch->op.broker->loop, batch_end_deferred, batch);
	else if (batch->action == AWS_PUBLISH)
		topic_start(&batch->op);
	else
		op_start(&batch->op);
}

void aws_send(struct broker *b, const char *queue, const struct broker_outgoing *outgoing, size_t n,
        broker_batch_done *done, void *arg)
{
	struct batch *batch = batch_new(b, AWS_SEND, queue, n, done, arg);

	batch->outgoing = outgoing;
	batch_start(batch);
}

void aws_publish(struct broker *b, const struct broker_outgoing *outgoing, size_t n, broker_batch_done *done,
        void *arg)
{
	struct batch *batch = batch_new(b, AWS_PUBLISH, NULL, n, done, arg);

	batch->outgoing = outgoing;
	batch_start(batch);
}

void aws_delete(struct broker *b, const char *queue, const char *const *receipts, size_t n,
        broker_batch_done *done, void *arg)
{
	struct batch *batch = batch_new(b, AWS_DELETE, queue, n, done, arg);

	batch->receipts = receipts;
	if (n <= AWS_BATCH_MAX)
		loan_settled(batch->op.queue, receipts, n);
	batch_start(batch);
}

void aws_hide(struct broker *b, const char *queue, const struct broker_visibility *visibility, size_t n,
        broker_batch_done *done, void *arg)
{
	struct batch *batch = batch_new(b, AWS_HIDE, queue, n, done, arg);

	batch->visibility = visibility;
	batch_start(batch);
}
