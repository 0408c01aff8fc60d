/* One user of a broker, for tests: starts an operation and turns the loop until it has answered. Each party
 * belongs to one thread. */
#include "broker_suite.h"

#include <string.h>

void party_open(struct party *p, const struct broker_suite *suite)
{
	memset(p, 0, sizeof *p);
	p->loop = loop_new();
	p->broker = suite->open(p->loop);
}

void party_messages_free(struct party *p)
{
	for (size_t i = 0; i < p->n; i++)
		message_free(p->messages[i]);
	p->n = 0;
}

void party_close(struct party *p)
{
	party_messages_free(p);
	p->broker->ops->close(p->broker);
	loop_free(p->loop);
}

static void begin(struct party *p)
{
	p->answered = false;
	p->result_count = 0;
	p->err = (struct usher_error){ 0 };
}

/* An answer that came before the call returned would leave loop_run waiting for ever: it is taken for what it
 * is. */
static int wait_for(struct party *p)
{
	if (p->answered)
		return USHER_EPROTOCOL;
	loop_run(p->loop);
	return p->err.code;
}

static void answered(struct party *p, const struct usher_error *err)
{
	p->err = *err;
	p->answered = true;
	loop_stop(p->loop);
}

static void on_batch(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct party *p = arg;
	if (results)
		memcpy(p->results, results, n * sizeof *results);
	p->result_count = n;
	answered(p, err);
}

static void on_messages(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	struct party *p = arg;
	party_messages_free(p);
	if (n)
		memcpy(p->messages, messages, n * sizeof *messages);
	p->n = n;
	answered(p, err);
}

static void on_listing(void *arg, const struct broker_listing *listing, const struct usher_error *err)
{
	struct party *p = arg;
	p->exact = listing && listing->exact;
	on_messages(p, listing ? listing->messages : NULL, listing ? listing->n : 0, err);
}

static void on_depths(void *arg, const struct queue_depths *depths, const struct usher_error *err)
{
	struct party *p = arg;
	if (depths)
		p->depths = *depths;
	answered(p, err);
}

int party_publish(struct party *p, const struct broker_outgoing *batch, size_t n)
{
	begin(p);
	p->broker->ops->publish(p->broker, batch, n, on_batch, p);
	return wait_for(p);
}

int party_send(struct party *p, const char *queue, const struct broker_outgoing *batch, size_t n)
{
	begin(p);
	p->broker->ops->send(p->broker, queue, batch, n, on_batch, p);
	return wait_for(p);
}

int party_receive(struct party *p, const char *queue, int max, int64_t wait_ms, int64_t visibility_ms)
{
	struct broker_receive_options options = { max, wait_ms, visibility_ms };
	begin(p);
	p->broker->ops->receive(p->broker, queue, &options, on_messages, p);
	return wait_for(p);
}

int party_delete(struct party *p, const char *queue, const char *const *receipts, size_t n)
{
	begin(p);
	p->broker->ops->delete_batch(p->broker, queue, receipts, n, on_batch, p);
	return wait_for(p);
}

int party_hide(struct party *p, const char *queue, const struct broker_visibility *batch, size_t n)
{
	begin(p);
	p->broker->ops->hide_batch(p->broker, queue, batch, n, on_batch, p);
	return wait_for(p);
}

int party_browse(struct party *p, const char *queue, size_t max)
{
	begin(p);
	p->broker->ops->browse(p->broker, queue, max, on_listing, p);
	return wait_for(p);
}

int party_depths(struct party *p, const char *queue)
{
	begin(p);
	p->broker->ops->depths(p->broker, queue, on_depths, p);
	return wait_for(p);
}
