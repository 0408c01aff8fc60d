/* The pipeline's way out: what the ledger has settled is deleted from the queue, hidden until it is due, or
 * moved to the DLQ, in batches. Nothing here decides anything: a call that fails is made again, and if
 * the daemon dies instead, the message comes back and the ledger answers for it. Pipeline's thread. */
#include "engine/pipeline.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

struct dismissal {
	struct pipeline *pipeline;
	enum dismissal_kind kind;
	size_t n;
	struct job *jobs[MESSAGE_BATCH_MAX];
	struct message_attributes *marked; /* DISMISS_DLQ: one set a job */
	union {
		const char *receipts[MESSAGE_BATCH_MAX];
		struct broker_visibility visibility[MESSAGE_BATCH_MAX];
		struct broker_outgoing outgoing[MESSAGE_BATCH_MAX];
	};
};

static const struct {
	enum job_phase waiting;
	const char *lost, *back; /* for the log */
} kinds[DISMISSAL_KINDS] = {
	[DISMISS_DELETE] = { JOB_TO_DELETE, "the broker does not take what is settled, trying again",
	        "the broker takes what is settled again" },
	[DISMISS_HIDE] = { JOB_TO_HIDE,
	        "the broker does not take what waits or is handed back, it comes back by itself",
	        "the broker takes what waits or is handed back again" },
	[DISMISS_DLQ] = { JOB_TO_DLQ,
	        "the DLQ does not take what is dead, which stays in its queue and has its failed row, trying "
	        "again",
	        "the DLQ takes what is dead again" },
};

void dismissal_begin(struct pipeline *p)
{
	for (int kind = 0; kind < DISMISSAL_KINDS; kind++) {
		p->broker_out[kind].lost = kinds[kind].lost;
		p->broker_out[kind].back = kinds[kind].back;
		p->broker_out[kind].error = &p->counters->dismissal_error[kind];
	}
}

/* -- What the broker says ------------------------------------------------------------------------- */

/* It is too long, or the queue's own MaximumMessageSize says so, which SQS calls an invalid parameter, or SQS
 * does not carry what it is made of: none of this passes. First it goes with the fewest attributes; what is
 * refused all the same stays in the failed row alone, which has it byte for byte. Without its event id it
 * would be a stranger in the DLQ, and get a second row. */
static void dlq_refused(struct job *job, const char *why)
{
	if (!job->dlq_brief) {
		job->dlq_brief = true;
		job_move(job, JOB_TO_DLQ);
		return;
	}
	log_warn(job->pipeline->area,
	        "the DLQ does not take %s, which stands in failed_notification alone: %s", job->event_id,
	        why);
	job_move(job, JOB_TO_DELETE);
}

/* The copy stands in the DLQ: the message may go. Otherwise the job is done, or its receipt is stale and
 * whoever received the message since answers for it. False: it must be asked for again. */
static bool entry_done(struct dismissal *d, struct job *job, const struct broker_entry_result *result)
{
	bool dlq = d->kind == DISMISS_DLQ;

	if (dlq && (result->code == USHER_ETOOBIG || result->code == USHER_EINVAL))
		dlq_refused(job, result->message);
	else if (result->code != 0 && result->code != USHER_ESTALE)
		return false;
	else if (dlq)
		job_move(job, JOB_TO_DELETE);
	else
		job_free(job);
	return true;
}

/* It would go on refusing while places here are held. What is not deleted comes back by itself when its
 * visibility timeout is over, and the ledger answers for it; a delete alone is insisted on. */
static bool let_go(struct dismissal *d, struct job *job, int code)
{
	bool refused = code == USHER_EFORBIDDEN || code == USHER_ENOTFOUND;

	if (d->kind == DISMISS_DELETE || !refused)
		return false;
	job_free(job);
	return true;
}

static void on_dismissed(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	static const struct broker_entry_result unanswered = { USHER_EPROTOCOL, "no result" };
	struct dismissal *d = arg;
	struct pipeline *p = d->pipeline;
	struct pipeline_peer *peer = &p->broker_out[d->kind];
	struct usher_error entry_err = { 0 };

	p->broker_calls--;
	for (size_t i = 0; i < d->n; i++) {
		const struct broker_entry_result *result = i < n ? &results[i] : &unanswered;

		if (!err->code && entry_done(d, d->jobs[i], result))
			continue;
		if (!err->code)
			error_set(&entry_err, result->code, "%s", result->message);
		if (!let_go(d, d->jobs[i], err->code ? err->code : result->code))
			job_move(d->jobs[i], kinds[d->kind].waiting);
	}
	if (err->code || entry_err.code)
		pipeline_peer_failed(p, peer, err->code ? err : &entry_err);
	else
		pipeline_peer_answered(p, peer);
	for (size_t i = 0; d->marked && i < d->n; i++)
		message_attributes_free(&d->marked[i]);
	free(d->marked);
	free(d);
	pipeline_wake(p);
}

/* -- Asking it ------------------------------------------------------------------------------------ */

/* What an operator of the bare queue reads on a dead message; the failed row says the same, and more. First
 * what the mirror knows it by and what it is read with, last what others wrote on it, as much as fits. */
static void mark_dead(const struct job *job, struct message_attributes *a)
{
	const struct message_attributes *own = &job->message->attributes;
	const char *encoding = message_attribute_get(own, ATTRIBUTE_ENCODING);
	char attempts[16];

	snprintf(attempts, sizeof attempts, "%d", job->attempts);
	message_attribute_set(a, ATTRIBUTE_CLASS, failure_info(job->class)->name);
	message_attribute_set(a, ATTRIBUTE_EVENT_ID, job->event_id);
	if (encoding)
		message_attribute_set(a, ATTRIBUTE_ENCODING, encoding);
	if (job->dlq_brief)
		return;
	message_attribute_set(a, ATTRIBUTE_REASON, job->reason);
	message_attribute_set(a, ATTRIBUTE_ATTEMPTS, attempts);
	message_attribute_set(a, ATTRIBUTE_SOURCE_QUEUE, job->pipeline->queue);
	for (size_t i = 0; i < own->count; i++)
		if (!message_attribute_get(a, own->list[i].name))
			message_attribute_set(a, own->list[i].name, own->list[i].value);
}

static void dismissal_add(struct dismissal *d, struct job *job)
{
	struct message *m = job->message;

	switch (d->kind) {
	case DISMISS_DELETE:
		d->receipts[d->n] = m->receipt;
		break;
	case DISMISS_HIDE:
		d->visibility[d->n] = (struct broker_visibility){ m->receipt, job->hide_ms };
		break;
	case DISMISS_DLQ:
		if (!d->marked)
			d->marked = mem_array(MESSAGE_BATCH_MAX, sizeof *d->marked);
		mark_dead(job, &d->marked[d->n]);
		d->outgoing[d->n] = (struct broker_outgoing){
			.body = m->body,
			.body_len = m->body_len,
			.attributes = &d->marked[d->n],
		};
		break;
	}
	d->jobs[d->n++] = job;
	job_move(job, JOB_AT_BROKER);
}

static void dismissal_start(struct pipeline *p, enum dismissal_kind kind)
{
	const struct broker_ops *ops = p->broker->ops;
	struct job_list *waiting = &p->phase[kinds[kind].waiting];
	struct dismissal *d = mem_alloc(sizeof *d);

	d->pipeline = p;
	d->kind = kind;
	while (waiting->head && d->n < ops->batch_max)
		dismissal_add(d, waiting->head);
	p->broker_calls++;
	switch (kind) {
	case DISMISS_DELETE:
		ops->delete_batch(p->broker, p->queue, d->receipts, d->n, on_dismissed, d);
		break;
	case DISMISS_HIDE:
		ops->hide_batch(p->broker, p->queue, d->visibility, d->n, on_dismissed, d);
		break;
	case DISMISS_DLQ:
		ops->send(p->broker, p->dlq, d->outgoing, d->n, on_dismissed, d);
		break;
	}
}

/* Nobody waits for a delete: it may wait for its batch. */
static bool dismissal_due(struct pipeline *p, enum dismissal_kind kind, mono_time now)
{
	size_t waiting = p->phase[kinds[kind].waiting].n;

	if (waiting == 0 || !pipeline_peer_ready(&p->broker_out[kind], now))
		return false;
	return kind != DISMISS_DELETE || waiting >= p->broker->ops->batch_max || p->stopping ||
	       p->delete_by.ns <= now.ns;
}

/* What came back by itself has come by now, if it was still there: whether the broker takes it nobody knows.
 */
static void forget_old_trouble(struct pipeline *p, enum dismissal_kind kind, mono_time now)
{
	struct pipeline_peer *peer = &p->broker_out[kind];

	if (p->phase[kinds[kind].waiting].n == 0 && peer->breaker.state == BREAKER_OPEN &&
	        mono_since_ms(peer->breaker.until, now) > 2 * p->config->visibility_timeout_ms)
		pipeline_peer_unasked(peer, now);
}

void dismissal_flush(struct pipeline *p, mono_time now)
{
	for (enum dismissal_kind kind = 0; kind < DISMISSAL_KINDS; kind++) {
		while (dismissal_due(p, kind, now))
			dismissal_start(p, kind);
		forget_old_trouble(p, kind, now);
	}
}

mono_time dismissal_deadline(const struct pipeline *p)
{
	mono_time deadline = { 0 };

	for (enum dismissal_kind kind = 0; kind < DISMISSAL_KINDS; kind++) {
		const struct breaker *breaker = &p->broker_out[kind].breaker;
		mono_time due = breaker->state == BREAKER_OPEN ? breaker->until
		                : kind == DISMISS_DELETE       ? p->delete_by
		                                               : (mono_time){ 0 };

		if (p->phase[kinds[kind].waiting].n && due.ns && (deadline.ns == 0 || due.ns < deadline.ns))
			deadline = due;
	}
	return deadline;
}

size_t dismissal_leaving(const struct pipeline *p)
{
	bool deletes = pipeline_peer_well(&p->broker_out[DISMISS_DELETE]),
	     hides = pipeline_peer_well(&p->broker_out[DISMISS_HIDE]);

	return (deletes ? p->phase[JOB_TO_DELETE].n : 0) + (hides ? p->phase[JOB_TO_HIDE].n : 0) +
	       (deletes && hides ? p->phase[JOB_AT_BROKER].n : 0);
}
