/* Looking into an SQS queue, which has no way to look but to receive. What a look received is on loan: its
 * receipts stay good for deleting for a moment (AWS_BROWSE_GRACE_MS, anew with each delete), then the rest is
 * handed back. While it is on loan, the next look of a long queue sees what stands behind it: so a sweep goes
 * page by page and ends with the page that is not full. Runs on the broker's loop. */
#include "broker/aws_parts.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* One that finds nothing asks all of SQS's servers, not a sample of them, if it waits at all. */
#define BROWSE_WAIT_S 1

struct browse {
	struct op op;
	size_t max;
	struct message **messages;
	size_t n;
	int64_t expected; /* that stand there as the queue counts; of a page behind the first: -1 */
	bool all;         /* the queue counts none that are hidden by others or delayed */
	broker_browse_done *done;
	void *arg;
};

/* -- Loans ------------------------------------------------------------------------------------ */

struct giving { /* loans on their way back */
	struct aws_queue *queue;
	char *receipts[AWS_BROWSE_LOANS_MAX];
	size_t n, at;
	struct broker_visibility batch[AWS_BATCH_MAX];
};

static void loan_add(struct aws_queue *queue, const char *receipt)
{
	if (!queue->loans)
		queue->loans = mem_alloc(sizeof *queue->loans);
	if (queue->loans->n < AWS_BROWSE_LOANS_MAX)
		queue->loans->receipts[queue->loans->n++] = mem_string(receipt);
}

static void give_next(struct giving *giving);

static void giving_end(struct giving *giving)
{
	struct aws_queue *queue = giving->queue;
	struct op *after = queue->after_giving;

	for (size_t i = 0; i < giving->n; i++)
		free(giving->receipts[i]);
	free(giving);
	queue->giving = NULL;
	queue->after_giving = NULL;
	while (after) {
		struct op *op = after;
		after = op->waiting_next;
		op->waiting_next = NULL;
		op->begin(op);
	}
}

/* Whatever became of it: what was not handed back comes back by itself. */
static void on_given(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct giving *giving = arg;

	(void)results, (void)n;
	if (err->code)
		giving->at = giving->n;
	give_next(giving);
}

static void give_next(struct giving *giving)
{
	size_t n = 0;

	for (; n < AWS_BATCH_MAX && giving->at < giving->n; n++)
		giving->batch[n] = (struct broker_visibility){ giving->receipts[giving->at++], 0 };
	if (n == 0)
		giving_end(giving);
	else
		aws_hide(&giving->queue->broker->broker, giving->queue->name, giving->batch, n, on_given,
		        giving);
}

static void give_back(struct aws_queue *queue)
{
	struct giving *giving;

	if (queue->give_timer)
		loop_timer_stop(queue->give_timer);
	queue->sweeping = false;
	if (queue->giving || !queue->loans)
		return;
	giving = mem_alloc(sizeof *giving);
	giving->queue = queue;
	giving->n = queue->loans->n;
	memcpy(giving->receipts, queue->loans->receipts, giving->n * sizeof *giving->receipts);
	free(queue->loans);
	queue->loans = NULL;
	queue->giving = giving;
	give_next(giving);
}

static void on_grace_over(void *arg)
{
	give_back(arg);
}

static void grace_begin(struct aws_queue *queue)
{
	if (!queue->give_timer)
		queue->give_timer = loop_timer_new(queue->broker->loop, on_grace_over, queue);
	loop_timer_start(queue->give_timer, AWS_BROWSE_GRACE_MS);
}

void loan_settled(struct aws_queue *queue, const char *const *receipts, size_t n)
{
	struct loans *loans = queue->loans;

	if (!loans)
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < loans->n; k++)
			if (strcmp(loans->receipts[k], receipts[i]) == 0) {
				free(loans->receipts[k]);
				loans->receipts[k] = loans->receipts[--loans->n];
				break;
			}
	grace_begin(queue);
}

void loans_free(struct aws_queue *queue)
{
	for (size_t i = 0; queue->loans && i < queue->loans->n; i++)
		free(queue->loans->receipts[i]);
	free(queue->loans);
	for (size_t i = 0; queue->giving && i < queue->giving->n; i++)
		free(queue->giving->receipts[i]);
	free(queue->giving);
}

/* -- Looking ---------------------------------------------------------------------------------- */

static void browse_fail(struct op *op, const struct usher_error *err)
{
	struct browse *br = (struct browse *)op;

	for (size_t i = 0; i < br->n; i++)
		message_free(br->messages[i]);
	if (br->n)
		grace_begin(op->queue);
	br->done(br->arg, NULL, err);
}

static void browse_free(struct op *op)
{
	free(((struct browse *)op)->messages);
}

static void browse_end(struct browse *br)
{
	struct aws_queue *queue = br->op.queue;
	bool page = br->n >= br->max;
	struct broker_listing listing = { br->messages, br->n,
		br->all && br->expected >= 0 && (int64_t)br->n >= br->expected };
	struct usher_error ok = { 0 };

	queue->sweeping = page;
	if (queue->loans)
		grace_begin(queue);
	br->done(br->arg, &listing, &ok);
	op_end(&br->op);
}

static void look(struct browse *br);

/* SQS may give out a message twice; the second receipt is the good one. */
static void take(struct browse *br, struct message *message)
{
	loan_add(br->op.queue, message->receipt);
	for (size_t i = 0; i < br->n; i++)
		if (strcmp(br->messages[i]->id, message->id) == 0) {
			message_free(br->messages[i]);
			br->messages[i] = message;
			return;
		}
	br->messages[br->n++] = message;
}

static void on_looked(void *arg, const struct aws_answer *answer)
{
	struct browse *br = arg;
	struct message *messages[AWS_BATCH_MAX];
	struct usher_error err = { 0 };
	size_t n = 0;

	br->op.call = NULL;
	if (answer->code) {
		op_failed(&br->op, answer);
		return;
	}
	if (read_messages(answer, br->op.queue->name, messages, AWS_BATCH_MAX, &n, &err)) {
		op_nonsense(&br->op, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		take(br, messages[i]);
	if (n == 0 || br->n >= br->max || (br->expected >= 0 && (int64_t)br->n >= br->expected))
		browse_end(br);
	else
		look(br);
}

static void look(struct browse *br)
{
	size_t left = br->max - br->n;
	struct op *op = &br->op;

	buf_clear(&op->body);
	write_receive(&op->body, op->queue->url, left < AWS_BATCH_MAX ? (int)left : AWS_BATCH_MAX,
	        AWS_BROWSE_VISIBILITY_S, BROWSE_WAIT_S);
	op_call(op, AWS_RECEIVE, BROWSE_WAIT_S * 1000, AWS_ANSWER_MAX, on_looked);
}

/* An empty queue is not received from: a look at it is one request. But a count may be late in telling that
 * what was hidden is back, and some emulators count that only at a receive: while anything is hidden, it is
 * looked for. */
static void on_counted(void *arg, const struct queue_depths *depths, const struct usher_error *err)
{
	struct browse *br = arg;

	if (err->code) {
		op_nonsense(&br->op, err);
		return;
	}
	br->expected = depths->visible.value;
	br->all = depths->in_flight.value == 0 && depths->delayed.value == 0;
	if (br->expected == 0 && !br->all)
		br->expected = -1;
	if (br->expected == 0)
		browse_end(br);
	else
		look(br);
}

static void browse_begin(struct op *op)
{
	struct browse *br = (struct browse *)op;
	struct aws_queue *queue = op->queue;

	if (queue->sweeping && queue->loans && !queue->giving) {
		loop_timer_stop(queue->give_timer);
		br->expected = -1;
		look(br);
		return;
	}
	give_back(queue);
	if (queue->giving) {
		op->waiting_next = queue->after_giving;
		queue->after_giving = op;
		return;
	}
	aws_depths(&op->broker->broker, queue->name, on_counted, br);
}

void aws_browse(struct broker *broker, const char *queue, size_t max, broker_browse_done *done, void *arg)
{
	struct browse *br = op_new((struct aws_broker *)broker, sizeof *br, queue);

	br->op.begin = browse_begin;
	br->op.fail = browse_fail;
	br->op.free = browse_free;
	br->max = max;
	br->messages = mem_array(max + AWS_BATCH_MAX, sizeof(struct message *));
	br->done = done;
	br->arg = arg;
	op_start(&br->op);
}
