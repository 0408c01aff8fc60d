/* The embedded broker: every operation but receive (embedded_poll.c). An operation is kept until the loop's
 * next round, runs its one storage call there, and answers. Storage calls block; they are short. Runs on the
 * broker's loop; calls the storage it was given and the hub. */
#include "broker/embedded.h"

#include "base/error.h"
#include "base/mem.h"
#include "broker/embedded_poll.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum op_kind { OP_PUBLISH, OP_SEND, OP_DELETE, OP_HIDE, OP_BROWSE, OP_DEPTHS };

struct op {
	struct embedded *broker;
	enum op_kind kind;
	const char *queue;
	union {
		const struct broker_outgoing *outgoing;
		const char *const *receipts;
		const struct broker_visibility *visibility;
	};
	size_t n; /* entries, or for browse the most to list */
	union {
		broker_batch_done *batch_done;
		broker_browse_done *browse_done;
		broker_depths_done *depths_done;
	};
	void *arg;
};

int embedded_ensure(struct embedded *b, struct usher_error *err)
{
	if (b->ensured)
		return 0;
	int rc = b->storage.ensure(b->storage.ctx, b->topic, b->queues, b->queue_count, err);
	b->ensured = rc == 0;
	return rc;
}

/* -- Entries --------------------------------------------------------------------------------- */

static void entry_refuse(struct broker_entry_result *result, int code, const char *why)
{
	result->code = code;
	snprintf(result->message, sizeof result->message, "%s", why);
}

static size_t outgoing_size(const struct broker_outgoing *m)
{
	size_t size = m->body_len;
	for (size_t i = 0; m->attributes && i < m->attributes->count; i++)
		size += strlen(m->attributes->list[i].name) + strlen(m->attributes->list[i].value);
	return size;
}

static void outgoing_check(const struct broker_outgoing *m, bool sent, struct broker_entry_result *result)
{
	if (outgoing_size(m) > (sent ? BROKER_SEND_MAX : BROKER_PUBLISH_MAX))
		entry_refuse(result, USHER_ETOOBIG,
		        sent ? "the body with its attributes is over 1024 KiB"
		             : "the body with its attributes is over 256 KiB");
	else if (m->delay_ms != 0 && !sent)
		entry_refuse(result, USHER_EINVAL, "what is published to a topic cannot be delayed");
	else if (m->delay_ms < 0 || m->delay_ms > EMBEDDED_DELAY_MAX_MS)
		entry_refuse(result, USHER_EINVAL, "a delay is 0 to 15 minutes");
}

/* -- Operations ------------------------------------------------------------------------------ */

/* Other brokers look at once at what comes due before they would look anyway. */
static void ring_for(struct embedded *b, const char *queue, int64_t due_ms)
{
	if (due_ms < EMBEDDED_POLL_MS)
		hub_ring(b->hub, queue);
}

static int put(struct op *op, const char *const *queues, size_t queue_count,
        struct broker_entry_result *results, struct usher_error *err)
{
	struct embedded *b = op->broker;
	struct broker_outgoing good[MESSAGE_BATCH_MAX];
	size_t n = 0;
	int64_t soonest_ms = EMBEDDED_DELAY_MAX_MS;

	for (size_t i = 0; i < op->n; i++) {
		outgoing_check(&op->outgoing[i], op->kind == OP_SEND, &results[i]);
		if (results[i].code)
			continue;
		good[n++] = op->outgoing[i];
		if (op->outgoing[i].delay_ms < soonest_ms)
			soonest_ms = op->outgoing[i].delay_ms;
	}
	if (n == 0)
		return 0;
	int rc = b->storage.put(b->storage.ctx, queues, queue_count, good, n, err);
	for (size_t i = 0; !rc && i < queue_count; i++)
		ring_for(b, queues[i], soonest_ms);
	return rc;
}

static int publish(struct op *op, struct broker_entry_result *results, struct usher_error *err)
{
	struct embedded *b = op->broker;
	const char *const *queues = NULL;
	size_t n = 0;
	int rc = b->storage.subscribers(b->storage.ctx, b->topic, &queues, &n, err);
	if (rc)
		return rc;
	/* A topic without subscribers would swallow the events. */
	if (n == 0)
		return error_set(err, USHER_ENOTFOUND,
		        "no queue is subscribed to topic %s: enable a channel in the configuration",
		        b->topic);
	return put(op, queues, n, results, err);
}

static int delete_batch(struct op *op, struct broker_entry_result *results, struct usher_error *err)
{
	struct embedded *b = op->broker;
	int codes[MESSAGE_BATCH_MAX];
	int rc = b->storage.remove(b->storage.ctx, op->queue, op->receipts, op->n, codes, err);
	for (size_t i = 0; !rc && i < op->n; i++)
		if (codes[i])
			entry_refuse(&results[i], codes[i],
			        codes[i] == USHER_ESTALE ? "received again by another worker since"
			                                 : "not a receipt of this broker");
	return rc;
}

static int hide_batch(struct op *op, struct broker_entry_result *results, struct usher_error *err)
{
	struct embedded *b = op->broker;
	struct broker_visibility good[MESSAGE_BATCH_MAX];
	size_t at[MESSAGE_BATCH_MAX], n = 0;
	int codes[MESSAGE_BATCH_MAX];
	int64_t soonest_ms = EMBEDDED_VISIBILITY_MAX_MS;

	for (size_t i = 0; i < op->n; i++) {
		int64_t ms = op->visibility[i].visibility_ms;
		if (ms < 0 || ms > EMBEDDED_VISIBILITY_MAX_MS) {
			entry_refuse(&results[i], USHER_EINVAL, "a message is hidden for 0 to 12 hours");
			continue;
		}
		at[n] = i;
		good[n++] = op->visibility[i];
		if (ms < soonest_ms)
			soonest_ms = ms;
	}
	if (n == 0)
		return 0;
	int rc = b->storage.hide(b->storage.ctx, op->queue, good, n, codes, err);
	if (rc)
		return rc;
	for (size_t k = 0; k < n; k++)
		if (codes[k])
			entry_refuse(&results[at[k]], codes[k],
			        codes[k] == USHER_ESTALE ? "received again by another worker since, or gone"
			                                 : "not a receipt of this broker");
	ring_for(b, op->queue, soonest_ms);
	return 0;
}

static void run_batch(struct op *op)
{
	struct embedded *b = op->broker;
	struct broker_entry_result *results = mem_array(op->n + 1, sizeof *results);
	struct usher_error err = { 0 };
	int rc = 0;

	if (op->n < 1 || op->n > MESSAGE_BATCH_MAX)
		rc = error_set(&err, USHER_EINVAL, "a batch has 1 to %d entries, this one %zu",
		        MESSAGE_BATCH_MAX, op->n);
	if (!rc)
		rc = embedded_ensure(b, &err);
	if (!rc && op->kind == OP_PUBLISH)
		rc = publish(op, results, &err);
	else if (!rc && op->kind == OP_SEND)
		rc = put(op, &op->queue, 1, results, &err);
	else if (!rc && op->kind == OP_DELETE)
		rc = delete_batch(op, results, &err);
	else if (!rc)
		rc = hide_batch(op, results, &err);
	op->batch_done(op->arg, rc ? NULL : results, rc ? 0 : op->n, &err);
	free(results);
}

static void run_browse(struct op *op)
{
	struct embedded *b = op->broker;
	struct message **messages = mem_array(op->n + 1, sizeof(struct message *));
	struct broker_listing listing = { .messages = messages };
	struct usher_error err = { 0 };
	int rc = embedded_ensure(b, &err);
	if (!rc)
		rc = b->storage.list(
		        b->storage.ctx, op->queue, op->n, messages, &listing.n, &listing.exact, &err);
	op->browse_done(op->arg, rc ? NULL : &listing, &err);
	free(messages);
}

static void run_depths(struct op *op)
{
	struct embedded *b = op->broker;
	struct queue_depths depths = { 0 };
	struct usher_error err = { 0 };
	int rc = embedded_ensure(b, &err);
	if (!rc)
		rc = b->storage.count(b->storage.ctx, op->queue, &depths, &err);
	op->depths_done(op->arg, rc ? NULL : &depths, &err);
}

static void run(void *arg)
{
	struct op *op = arg;
	struct embedded *b = op->broker;
	if (op->kind == OP_BROWSE)
		run_browse(op);
	else if (op->kind == OP_DEPTHS)
		run_depths(op);
	else
		run_batch(op);
	b->under_way--;
	free(op);
}

static void begin(struct broker *broker, const struct op *template)
{
	struct op *op = mem_alloc(sizeof *op);
	*op = *template;
	op->broker = (struct embedded *)broker;
	op->broker->under_way++;
	loop_defer(op->broker->loop, run, op);
}

/* -- The driver ------------------------------------------------------------------------------ */

static void embedded_publish(
        struct broker *b, const struct broker_outgoing *batch, size_t n, broker_batch_done *done, void *arg)
{
	begin(b, &(struct op){
	                 .kind = OP_PUBLISH, .outgoing = batch, .n = n, .batch_done = done, .arg = arg });
}

static void embedded_send(struct broker *b, const char *queue, const struct broker_outgoing *batch, size_t n,
        broker_batch_done *done, void *arg)
{
	begin(b, &(struct op){ .kind = OP_SEND,
	                 .queue = queue,
	                 .outgoing = batch,
	                 .n = n,
	                 .batch_done = done,
	                 .arg = arg });
}

static void embedded_delete(struct broker *b, const char *queue, const char *const *receipts, size_t n,
        broker_batch_done *done, void *arg)
{
	begin(b, &(struct op){ .kind = OP_DELETE,
	                 .queue = queue,
	                 .receipts = receipts,
	                 .n = n,
	                 .batch_done = done,
	                 .arg = arg });
}

static void embedded_hide(struct broker *b, const char *queue, const struct broker_visibility *batch,
        size_t n, broker_batch_done *done, void *arg)
{
	begin(b, &(struct op){ .kind = OP_HIDE,
	                 .queue = queue,
	                 .visibility = batch,
	                 .n = n,
	                 .batch_done = done,
	                 .arg = arg });
}

static void embedded_browse(
        struct broker *b, const char *queue, size_t max, broker_browse_done *done, void *arg)
{
	begin(b,
	        &(struct op){ .kind = OP_BROWSE, .queue = queue, .n = max, .browse_done = done, .arg = arg });
}

static void embedded_depths(struct broker *b, const char *queue, broker_depths_done *done, void *arg)
{
	begin(b, &(struct op){ .kind = OP_DEPTHS, .queue = queue, .depths_done = done, .arg = arg });
}

static void queue_settings_copy(struct broker_queue_settings *to, const struct broker_queue_settings *from)
{
	*to = *from;
	to->name = mem_string(from->name);
	to->dlq = mem_string(from->dlq);
}

static void embedded_close(struct broker *broker)
{
	struct embedded *b = (struct embedded *)broker;
	assert(b->under_way == 0);
	poll_close(b);
	b->storage.free(b->storage.ctx);
	for (size_t i = 0; i < b->queue_count; i++) {
		free((char *)b->queues[i].name);
		free((char *)b->queues[i].dlq);
	}
	free(b->queues);
	free(b->topic);
	free(b);
}

static const struct broker_ops embedded_ops = {
	.name = "embedded",
	.batch_max = MESSAGE_BATCH_MAX,
	.receive_max = MESSAGE_BATCH_MAX,
	.publish = embedded_publish,
	.send = embedded_send,
	.receive = poll_receive,
	.delete_batch = embedded_delete,
	.hide_batch = embedded_hide,
	.browse = embedded_browse,
	.depths = embedded_depths,
	.wake = poll_wake,
	.close = embedded_close,
};

struct broker *embedded_open(const struct embedded_settings *settings, struct loop *loop)
{
	struct embedded *b = mem_alloc(sizeof *b);
	b->broker.ops = &embedded_ops;
	b->loop = loop;
	b->storage = settings->storage;
	b->hub = settings->hub;
	b->topic = mem_string(settings->topic);
	b->queue_count = settings->queue_count;
	b->queues = mem_array(b->queue_count + 1, sizeof *b->queues);
	for (size_t i = 0; i < b->queue_count; i++)
		queue_settings_copy(&b->queues[i], &settings->queues[i]);
	return &b->broker;
}
