/* The pipeline's way out: what the ledger has settled is deleted from the queue, hidden until it is due, or
 * moved to the DLQ, in batches. Nothing here decides anything: a call that fails is made again, and if
 * the daemon dies instead, the message comes back and the ledger answers for it. Pipeline's thread. */
#include "engine/pipeline.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

enum dismissal_kind { DISMISS_DELETE, DISMISS_HIDE, DISMISS_DLQ };

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

static const enum job_phase waiting_phase[] = {
	[DISMISS_DELETE] = JOB_TO_DELETE,
	[DISMISS_HIDE] = JOB_TO_HIDE,
	[DISMISS_DLQ] = JOB_TO_DLQ,
};

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

static void on_dismissed(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	static const struct broker_entry_result unanswered = { USHER_EPROTOCOL, "no result" };
	struct dismissal *d = arg;
	struct pipeline *p = d->pipeline;
	struct usher_error entry_err = { 0 };

	p->broker_calls--;
	for (size_t i = 0; i < d->n; i++) {
		const struct broker_entry_result *result = i < n ? &results[i] : &unanswered;

		if (!err->code && entry_done(d, d->jobs[i], result))
			continue;
		job_move(d->jobs[i], waiting_phase[d->kind]);
		error_set(&entry_err, result->code, "%s", result->message);
	}
	if (err->code || entry_err.code)
		pipeline_peer_failed(p, &p->broker_out, err->code ? err : &entry_err);
	else
		pipeline_peer_answered(p, &p->broker_out);
	for (size_t i = 0; d->marked && i < d->n; i++)
		message_attributes_free(&d->marked[i]);
	free(d->marked);
	free(d);
	pipeline_wake(p);
}

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
	struct job_list *waiting = &p->phase[waiting_phase[kind]];
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
	size_t waiting = p->phase[waiting_phase[kind]].n;

	if (waiting == 0 || !pipeline_peer_ready(&p->broker_out, now))
		return false;
	return kind != DISMISS_DELETE || waiting >= p->broker->ops->batch_max || p->stopping ||
	       p->delete_by.ns <= now.ns;
}

void dismissal_flush(struct pipeline *p, mono_time now)
{
	for (enum dismissal_kind kind = DISMISS_DELETE; kind <= DISMISS_DLQ; kind++)
		while (dismissal_due(p, kind, now))
			dismissal_start(p, kind);
}
