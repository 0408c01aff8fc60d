/* See scripted.h. One mutex guards the script and the queues; the loops' threads and the test's take it
 * briefly. */
#include "scripted.h"

#include "base/error.h"
#include "base/mem.h"
#include "channel/channel.h"
#include "engine/engine.h"
#include "engine/settings.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define QUEUE_MAX 4096
#define SENDS_MAX 4096
#define POLL_MS 5

struct stored {
	char *body;
	struct message_attributes attributes;
	int receives;
	mono_time visible_at;
	bool gone;
};

static struct {
	pthread_mutex_t lock;
	struct stored queue[QUEUE_MAX];
	int queued;
	char *dlq[QUEUE_MAX];
	int dead;
	char *published[QUEUE_MAX];
	int published_n;
	int refuse_nth;
	int limit;
	int fail[OP_COUNT], calls[OP_COUNT];
	int batch_max;
	struct scripted_reply reply;
	char *sends[SENDS_MAX];
	int sent, sending;
	bool has_probe;
	struct scripted_reply probe;
	int probes;
	int waiting; /* receives that are not answered */
} script = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&script.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&script.lock);
}

void scripted_reset(void)
{
	lock();
	for (int i = 0; i < script.queued; i++) {
		free(script.queue[i].body);
		message_attributes_free(&script.queue[i].attributes);
	}
	for (int i = 0; i < script.dead; i++)
		free(script.dlq[i]);
	for (int i = 0; i < script.published_n; i++)
		free(script.published[i]);
	for (int i = 0; i < script.sent; i++)
		free(script.sends[i]);
	script.queued = script.dead = script.published_n = script.refuse_nth = script.batch_max =
	        script.limit = 0;
	script.sent = script.sending = script.waiting = 0;
	memset(script.queue, 0, sizeof script.queue);
	memset(script.fail, 0, sizeof script.fail);
	memset(script.calls, 0, sizeof script.calls);
	script.reply = (struct scripted_reply){ .code = 250 };
	script.has_probe = false;
	script.probes = 0;
	unlock();
}

/* -- Broker ---------------------------------------------------------------------------------- */

struct scripted_broker {
	struct broker base;
	struct loop *loop;
	struct loop_timer *timer;
	struct receive *receives; /* waiting, several at once */
};

struct receive {
	struct receive *next;
	struct scripted_broker *broker;
	struct broker_receive_options options;
	bool woken;
	broker_receive_done *done;
	void *arg;
};

struct answer {
	broker_batch_done *done;
	void *arg;
	size_t n;
	struct usher_error err;
	struct broker_entry_result results[MESSAGE_BATCH_MAX];
};

static bool takes_failure(enum scripted_op op)
{
	script.calls[op]++;
	if (script.fail[op] == 0)
		return false;
	script.fail[op]--;
	return true;
}

static void answer_now(void *arg)
{
	struct answer *a = arg;

	a->done(a->arg, a->err.code ? NULL : a->results, a->err.code ? 0 : a->n, &a->err);
	free(a);
}

static struct answer *answer_new(enum scripted_op op, size_t n, broker_batch_done *done, void *arg)
{
	struct answer *a = mem_alloc(sizeof *a);

	a->done = done;
	a->arg = arg;
	a->n = n;
	if ((int)n > script.batch_max)
		script.batch_max = (int)n;
	if (takes_failure(op))
		error_set(&a->err, USHER_EUNAVAILABLE, "scripted failure");
	return a;
}

static void script_publish(
        struct broker *b, const struct broker_outgoing *batch, size_t n, broker_batch_done *done, void *arg)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;
	struct answer *a;

	lock();
	a = answer_new(OP_PUBLISH, n, done, arg);
	for (size_t i = 0; i < n && !a->err.code; i++) {
		if (script.refuse_nth > 0 && --script.refuse_nth == 0) {
			a->results[i].code = USHER_ETOOBIG;
			snprintf(a->results[i].message, sizeof a->results[i].message, "refused alone");
			continue;
		}
		script.published[script.published_n++] = mem_stringn(batch[i].body, batch[i].body_len);
	}
	unlock();
	loop_defer(broker->loop, answer_now, a);
}

static size_t size_of(const struct broker_outgoing *m)
{
	size_t size = m->body_len;

	for (size_t i = 0; m->attributes && i < m->attributes->count; i++)
		size += strlen(m->attributes->list[i].name) + strlen(m->attributes->list[i].value);
	return size;
}

static void script_send(struct broker *b, const char *queue, const struct broker_outgoing *batch, size_t n,
        broker_batch_done *done, void *arg)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;
	struct answer *a;

	(void)queue;
	lock();
	a = answer_new(OP_SEND, n, done, arg);
	for (size_t i = 0; i < n && !a->err.code; i++) {
		if (script.limit && size_of(&batch[i]) > (size_t)script.limit)
			a->results[i].code = USHER_ETOOBIG;
		else
			script.dlq[script.dead++] = mem_stringn(batch[i].body, batch[i].body_len);
	}
	unlock();
	loop_defer(broker->loop, answer_now, a);
}

static struct message *take_one(int i, int64_t visibility_ms, mono_time now)
{
	struct stored *s = &script.queue[i];
	struct message *m = mem_alloc(sizeof *m);
	char text[48];

	s->receives++;
	s->visible_at = mono_add_ms(now, visibility_ms);
	snprintf(text, sizeof text, "scripted-%d", i);
	m->id = mem_string(text);
	snprintf(text, sizeof text, "%d.%d", i, s->receives);
	m->receipt = mem_string(text);
	m->body = mem_string(s->body);
	m->body_len = strlen(s->body);
	m->receive_count = s->receives;
	message_attributes_copy(&m->attributes, &s->attributes);
	return m;
}

static void receive_step(void *arg);

/* Answers one receive if there is something to answer with; false leaves it waiting. */
static bool receive_try(struct receive *r)
{
	struct message *messages[MESSAGE_BATCH_MAX];
	struct usher_error err = { 0 };
	mono_time now = mono_now();
	size_t n = 0;

	lock();
	for (int i = 0; i < script.queued && n < (size_t)r->options.max; i++)
		if (!script.queue[i].gone && script.queue[i].visible_at.ns <= now.ns)
			messages[n++] = take_one(i, r->options.visibility_ms, now);
	unlock();
	if (n == 0 && !r->woken)
		return false;
	lock();
	script.waiting--;
	unlock();
	r->done(r->arg, messages, n, &err);
	free(r);
	return true;
}

static void receive_step(void *arg)
{
	struct scripted_broker *broker = arg;
	struct receive *waiting = broker->receives;

	broker->receives = NULL;
	while (waiting) {
		struct receive *r = waiting;

		waiting = r->next;
		if (receive_try(r))
			continue;
		r->next = broker->receives;
		broker->receives = r;
	}
	if (broker->receives)
		loop_timer_start(broker->timer, POLL_MS);
}

static void receive_failed(void *arg)
{
	struct receive *r = arg;
	struct usher_error err;

	error_set(&err, USHER_EUNAVAILABLE, "scripted failure");
	r->done(r->arg, NULL, 0, &err);
	free(r);
}

static void script_receive(struct broker *b, const char *queue, const struct broker_receive_options *options,
        broker_receive_done *done, void *arg)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;
	struct receive *r = mem_alloc(sizeof *r);
	bool fails;

	(void)queue;
	*r = (struct receive){
		.next = broker->receives, .broker = broker, .options = *options, .done = done, .arg = arg
	};
	lock();
	fails = takes_failure(OP_RECEIVE);
	script.waiting += !fails;
	unlock();
	if (fails) {
		loop_defer(broker->loop, receive_failed, r);
		return;
	}
	broker->receives = r;
	loop_defer(broker->loop, receive_step, broker);
}

static struct stored *by_receipt(const char *receipt, int *ret_code)
{
	int i = -1, receives = -1;

	sscanf(receipt, "%d.%d", &i, &receives);
	*ret_code = 0;
	if (i < 0 || script.queue[i].gone)
		return NULL;
	if (script.queue[i].receives != receives) {
		*ret_code = USHER_ESTALE;
		return NULL;
	}
	return &script.queue[i];
}

static void script_delete(struct broker *b, const char *queue, const char *const *receipts, size_t n,
        broker_batch_done *done, void *arg)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;
	struct answer *a;

	(void)queue;
	lock();
	a = answer_new(OP_DELETE, n, done, arg);
	for (size_t i = 0; i < n && !a->err.code; i++) {
		struct stored *s = by_receipt(receipts[i], &a->results[i].code);

		if (s)
			s->gone = true;
	}
	unlock();
	loop_defer(broker->loop, answer_now, a);
}

static void script_hide(struct broker *b, const char *queue, const struct broker_visibility *batch, size_t n,
        broker_batch_done *done, void *arg)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;
	struct answer *a;

	(void)queue;
	lock();
	a = answer_new(OP_HIDE, n, done, arg);
	for (size_t i = 0; i < n && !a->err.code; i++) {
		struct stored *s = by_receipt(batch[i].receipt, &a->results[i].code);

		if (s)
			s->visible_at = mono_add_ms(mono_now(), batch[i].visibility_ms);
	}
	unlock();
	loop_defer(broker->loop, answer_now, a);
}

static void script_wake(struct broker *b)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;

	for (struct receive *r = broker->receives; r; r = r->next)
		r->woken = true;
	loop_defer(broker->loop, receive_step, broker);
}

static void script_close(struct broker *b)
{
	struct scripted_broker *broker = (struct scripted_broker *)b;

	loop_timer_free(broker->timer);
	while (broker->receives) {
		struct receive *r = broker->receives;

		broker->receives = r->next;
		free(r);
	}
	free(broker);
}

static const struct broker_ops script_ops = {
	.name = "scripted",
	.batch_max = 10,
	.receive_max = 10,
	.publish = script_publish,
	.send = script_send,
	.receive = script_receive,
	.delete_batch = script_delete,
	.hide_batch = script_hide,
	.wake = script_wake,
	.close = script_close,
};

struct broker *engine_broker(struct engine *engine, struct loop *loop)
{
	struct scripted_broker *broker = mem_alloc(sizeof *broker);

	(void)engine;
	broker->base.ops = &script_ops;
	broker->loop = loop;
	broker->timer = loop_timer_new(loop, receive_step, broker);
	return &broker->base;
}

/* -- Channel --------------------------------------------------------------------------------- */

struct scripted_channel {
	struct channel base;
	struct loop *loop;
	struct sending *sending; /* those whose answer is under way, for close */
	struct loop_timer *probing;
	channel_probed *probed;
	void *probed_arg;
};

struct sending {
	struct sending *next;
	struct scripted_channel *channel;
	channel_done *done;
	void *arg;
	struct reply reply;
	struct loop_timer *timer;
};

static void sending_free(struct sending *s)
{
	struct sending **link = &s->channel->sending;

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	loop_timer_free(s->timer);
	free(s);
	lock();
	script.sending--;
	unlock();
}

static void reply_now(void *arg)
{
	struct sending *s = arg;
	channel_done *done = s->done;
	void *done_arg = s->arg;
	struct reply reply = s->reply;

	sending_free(s);
	done(done_arg, &reply);
}

static struct reply reply_of(const struct scripted_reply *as)
{
	struct reply reply = { .protocol = REPLY_SMTP,
		.stage = SMTP_DOT,
		.fault = as->fault,
		.code = as->code,
		.retry_after_ms = as->retry_after_ms };

	snprintf(reply.enhanced, sizeof reply.enhanced, "%s", as->enhanced ? as->enhanced : "");
	snprintf(reply.text, sizeof reply.text, "as scripted");
	return reply;
}

static void script_channel_send(struct channel *c, const struct event *event, channel_done *done, void *arg)
{
	struct scripted_channel *channel = (struct scripted_channel *)c;
	struct sending *s = mem_alloc(sizeof *s);
	struct scripted_reply as;

	lock();
	as = script.reply;
	script.sends[script.sent++] = mem_string(event->event_id);
	script.sending++;
	unlock();
	*s = (struct sending){ .next = channel->sending, .channel = channel, .done = done, .arg = arg };
	s->reply = reply_of(&as);
	s->timer = loop_timer_new(channel->loop, reply_now, s);
	channel->sending = s;
	if (!as.silent)
		loop_timer_start(s->timer, as.delay_ms);
}

static void probe_now(void *arg)
{
	struct scripted_channel *channel = arg;
	struct reply reply;

	lock();
	reply = reply_of(&script.probe);
	script.probes++;
	unlock();
	channel->probed(channel->probed_arg, &reply, STOCK_UNKNOWN);
}

static bool script_channel_probe(struct channel *c, channel_probed *done, void *arg)
{
	struct scripted_channel *channel = (struct scripted_channel *)c;
	bool has_probe;

	lock();
	has_probe = script.has_probe;
	unlock();
	channel->probed = done;
	channel->probed_arg = arg;
	if (has_probe)
		loop_timer_start(channel->probing, 0);
	return has_probe;
}

static int script_channel_connections(struct channel *c)
{
	(void)c;
	return 0;
}

static void script_channel_close(struct channel *c)
{
	struct scripted_channel *channel = (struct scripted_channel *)c;

	while (channel->sending)
		sending_free(channel->sending);
	loop_timer_free(channel->probing);
	free(channel);
}

static const struct channel_ops script_channel_ops = {
	.name = "scripted",
	.send = script_channel_send,
	.probe = script_channel_probe,
	.connections = script_channel_connections,
	.close = script_channel_close,
};

int settings_open_channel(const struct config *config, enum channel_id id, struct loop *loop,
        struct curl_loop *curl, struct channel **ret_channel, struct usher_error *err)
{
	struct scripted_channel *channel = mem_alloc(sizeof *channel);

	(void)config;
	(void)id;
	(void)curl;
	(void)err;
	channel->base.ops = &script_channel_ops;
	channel->loop = loop;
	channel->probing = loop_timer_new(loop, probe_now, channel);
	*ret_channel = &channel->base;
	return 0;
}

/* -- The script ------------------------------------------------------------------------------ */

#define LOCKED(expression)                                                                                   \
	do {                                                                                                 \
		lock();                                                                                      \
		expression;                                                                                  \
		unlock();                                                                                    \
	} while (0)

#define LOCKED_INT(expression)                                                                               \
	do {                                                                                                 \
		int value_;                                                                                  \
		lock();                                                                                      \
		value_ = expression;                                                                         \
		unlock();                                                                                    \
		return value_;                                                                               \
	} while (0)

void scripted_fail(enum scripted_op op, int times)
{
	LOCKED(script.fail[op] = times);
}

void scripted_limit(int bytes)
{
	LOCKED(script.limit = bytes);
}

void scripted_refuse_entry(int nth)
{
	LOCKED(script.refuse_nth = nth);
}

void scripted_answer(struct scripted_reply reply)
{
	LOCKED(script.reply = reply);
}

void scripted_probe(struct scripted_reply reply)
{
	LOCKED(script.probe = reply; script.has_probe = true);
}

int scripted_probes(void)
{
	LOCKED_INT(script.probes);
}

void scripted_put(const char *body)
{
	lock();
	script.queue[script.queued++].body = mem_string(body);
	unlock();
}

int scripted_waiting(void)
{
	LOCKED_INT(script.waiting);
}

void scripted_reappear(void)
{
	lock();
	for (int i = 0; i < script.queued; i++)
		script.queue[i].visible_at = (mono_time){ 0 };
	unlock();
}

int scripted_calls(enum scripted_op op)
{
	LOCKED_INT(script.calls[op]);
}

static int count_queue(bool visible_only)
{
	int n = 0;
	mono_time now = mono_now();

	lock();
	for (int i = 0; i < script.queued; i++)
		n += !script.queue[i].gone && (!visible_only || script.queue[i].visible_at.ns <= now.ns);
	unlock();
	return n;
}

int scripted_in_queue(void)
{
	return count_queue(false);
}

int scripted_visible(void)
{
	return count_queue(true);
}

int scripted_in_dlq(void)
{
	LOCKED_INT(script.dead);
}

bool scripted_dlq_holds(const char *body)
{
	bool holds = false;

	lock();
	for (int i = 0; i < script.dead; i++)
		holds |= strcmp(script.dlq[i], body) == 0;
	unlock();
	return holds;
}

int scripted_published(void)
{
	LOCKED_INT(script.published_n);
}

const char *scripted_published_body(int i)
{
	const char *body;

	LOCKED(body = script.published[i]);
	return body;
}

int scripted_batch_max_seen(void)
{
	LOCKED_INT(script.batch_max);
}

int scripted_sends(void)
{
	LOCKED_INT(script.sent);
}

int scripted_sends_of(const char *event_id)
{
	int n = 0;

	lock();
	for (int i = 0; i < script.sent; i++)
		n += strcmp(script.sends[i], event_id) == 0;
	unlock();
	return n;
}

int scripted_sending(void)
{
	LOCKED_INT(script.sending);
}
