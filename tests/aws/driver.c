/* Every operation of the aws driver once, on a plain queue and topic and on FIFO ones, for
 * tests/system/test_signatures.py to look at what it sends. Whether the server's answers please the driver
 * does not matter here; the contract suite is for that.
 *
 *     driver URL REGION QUEUE TOPIC TEXT
 */
#include "base/mem.h"
#include "broker/aws.h"
#include "net/loop.h"

#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 20000
#define WAIT_MS 1000

struct run {
	struct loop *loop;
	struct broker *broker;
	const char *queue;
	const char *receipts[2];
	struct broker_visibility hidden[2];
	struct broker_outgoing messages[2];
	struct message_attributes attributes;
	int step;
};

static void next_step(void *arg);

static void on_batch(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct run *run = arg;

	(void)results, (void)n, (void)err;
	loop_defer(run->loop, next_step, run);
}

static void on_messages(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	struct run *run = arg;

	(void)err;
	for (size_t i = 0; i < n; i++)
		message_free(messages[i]);
	loop_defer(run->loop, next_step, run);
}

static void on_listing(void *arg, const struct broker_listing *listing, const struct usher_error *err)
{
	on_messages(arg, listing ? listing->messages : NULL, listing ? listing->n : 0, err);
}

static void on_depths(void *arg, const struct queue_depths *depths, const struct usher_error *err)
{
	struct run *run = arg;

	(void)depths, (void)err;
	loop_defer(run->loop, next_step, run);
}

static void next_step(void *arg)
{
	static const struct broker_receive_options options = {
		.max = 10, .wait_ms = WAIT_MS, .visibility_ms = 60000
	};
	struct run *run = arg;
	const struct broker_ops *ops = run->broker->ops;

	switch (run->step++) {
	case 0:
		ops->publish(run->broker, run->messages, 2, on_batch, run);
		break;
	case 1:
		ops->send(run->broker, run->queue, run->messages, 2, on_batch, run);
		break;
	case 2:
		ops->receive(run->broker, run->queue, &options, on_messages, run);
		break;
	case 3:
		ops->hide_batch(run->broker, run->queue, run->hidden, 2, on_batch, run);
		break;
	case 4:
		ops->delete_batch(run->broker, run->queue, run->receipts, 2, on_batch, run);
		break;
	case 5:
		ops->browse(run->broker, run->queue, 10, on_listing, run);
		break;
	case 6:
		ops->depths(run->broker, run->queue, on_depths, run);
		break;
	default:
		loop_stop(run->loop);
	}
}

static void give_up(void *arg)
{
	fprintf(stderr, "step %d does not end\n", ((struct run *)arg)->step);
	exit(1);
}

int main(int argc, char **argv)
{
	static struct aws_counters counters;
	struct broker_queue_settings queue = { .name = argc > 3 ? argv[3] : NULL };

	if (argc != 6) {
		fprintf(stderr, "usage: driver URL REGION QUEUE TOPIC TEXT\n");
		return 2;
	}
	struct run run = { .loop = loop_new(),
		.queue = queue.name,
		.receipts = { "AQEB+/==", argv[5] },
		.hidden = { { "AQEB+/==", 0 }, { argv[5], 300000 } } };
	message_attribute_set(&run.attributes, ATTRIBUTE_REASON, argv[5]);
	message_attribute_set(&run.attributes, ATTRIBUTE_EVENT_ID, "e-1");
	run.messages[0] = (struct broker_outgoing){ argv[5], strlen(argv[5]), &run.attributes, 0 };
	run.messages[1] = (struct broker_outgoing){ "{}", 2, NULL, 0 };
	struct aws_broker_settings settings = { .region = argv[2],
		.endpoint_url = argv[1],
		.topic = argv[4],
		.queues = &queue,
		.queue_count = 1,
		.counters = &counters };
	run.broker = aws_open(&settings, run.loop);
	struct loop_timer *deadline = loop_timer_new(run.loop, give_up, &run);
	loop_timer_start(deadline, DEADLINE_MS);
	loop_defer(run.loop, next_step, &run);
	loop_run(run.loop);
	loop_timer_free(deadline);
	run.broker->ops->close(run.broker);
	message_attributes_free(&run.attributes);
	loop_free(run.loop);
	return 0;
}
