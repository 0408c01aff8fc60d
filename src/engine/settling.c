/* The pipeline at the ledger: outcomes, leases and releases, each in batches. What the ledger has is
 * settled with the broker next (dismissal.c); what it could not take stays here and is tried again before
 * anything new is received. Runs on the pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

void settling_add(struct job *job)
{
	struct pipeline *p = job->pipeline;

	if (p->phase[JOB_SETTLING].n == 0)
		p->settle_by = mono_add_ms(mono_now(), SETTLE_LINGER_MS);
	job_move(job, JOB_SETTLING);
	if (p->phase[JOB_SETTLING].n == 1 || p->phase[JOB_SETTLING].n >= PIPELINE_BATCH ||
	        p->phase[JOB_SENDING].n == 0)
		pipeline_wake(p);
}

static size_t gather(struct pipeline *p, enum job_phase phase, struct job **jobs)
{
	size_t n = 0;

	for (struct job *job = p->phase[phase].head; job && n < PIPELINE_BATCH; job = job->next)
		jobs[n++] = job;
	return n;
}

static struct ledger_settle entry_of(const struct job *job)
{
	return (struct ledger_settle){
		.delivery_id = job->delivery_id,
		.version = job->version,
		.to = job->outcome,
		.class = job->class,
		.reply = job->attempted ? &job->reply : NULL,
		.at = job->sent_at,
		.attempts = job->attempts,
		.throttled = job->throttled,
		.redrives = job->redrives,
		.delay_ms = job->hide_ms,
		.reason = job->outcome == DELIVERY_DEAD ? job->reason : NULL,
		.event_id = job->event_id,
		.user_id = job->event ? job->event->user_id : NULL,
		.recipient = job->event ? job->event->email : NULL,
		.dead = {
			.name = job->event ? job->event->name : NULL,
			.message = job->message,
			.source_queue = job->pipeline->queue,
		},
	};
}

/* The sign-up's own time where the event has one; else when its message came into the queue. */
static wall_time born_at(const struct job *job)
{
	wall_time at = { 0 };

	if (job->event && job->event->signed_up_at && wall_parse(job->event->signed_up_at, &at) == 0)
		return at;
	return job->message->sent_at;
}

static void observe_end(const struct job *job)
{
	struct channel_counters *c = job->pipeline->counters;
	wall_time now = wall_now(), born = born_at(job);

	if (job->message->sent_at.ms)
		histogram_observe(&c->delivery, now.ms - job->message->sent_at.ms);
	if (job->outcome == DELIVERY_DELIVERED && born.ms)
		histogram_observe(&c->age, now.ms - born.ms);
}

/* The ledger has it: now the broker. */
static void settled(struct job *job, const struct ledger_settle *entry)
{
	struct pipeline *p = job->pipeline;

	if (entry->lost) {
		log_warn(p->area,
		        "delivery of %s was taken over by another worker before its outcome was stored",
		        job->event_id);
		counter_add(&p->counters->lost, 1);
		job_free(job);
		return;
	}
	switch (job->outcome) {
	case DELIVERY_DELIVERED:
		counter_add(&p->counters->delivered, 1);
		atomic_store(&p->counters->last_delivered_ms, wall_now().ms);
		observe_end(job);
		job_move(job, JOB_TO_DELETE);
		break;
	case DELIVERY_DEAD:
		counter_add(&p->counters->dead, 1);
		observe_end(job);
		job_move(job, JOB_TO_DLQ);
		break;
	default:
		counter_add(&p->counters->retried, 1);
		job_move(job, JOB_TO_HIDE);
		break;
	}
}

static int settle_batch(struct pipeline *p)
{
	struct ledger_settle entries[PIPELINE_BATCH];
	struct job *jobs[PIPELINE_BATCH];
	struct usher_error err = { 0 };
	size_t n = gather(p, JOB_SETTLING, jobs);
	int rc;

	for (size_t i = 0; i < n; i++)
		entries[i] = entry_of(jobs[i]);
	rc = ledger_settle(p->db, p->channel_id, p->engine->owner, entries, n, &err);
	if (rc < 0) {
		pipeline_peer_failed(p, &p->database, &err);
		return rc;
	}
	pipeline_peer_answered(p, &p->database);
	for (size_t i = 0; i < n; i++)
		settled(jobs[i], &entries[i]);
	return 0;
}

static bool settle_due(const struct pipeline *p, mono_time now)
{
	return p->phase[JOB_SETTLING].n >= PIPELINE_BATCH || p->phase[JOB_SENDING].n == 0 ||
	       p->settle_by.ns <= now.ns;
}

void settling_flush(struct pipeline *p, mono_time now)
{
	while (p->phase[JOB_SETTLING].n && settle_due(p, now) && pipeline_peer_ready(&p->database, now))
		if (settle_batch(p) < 0)
			return;
}

void settling_release(struct pipeline *p, mono_time now)
{
	while (p->phase[JOB_RELEASING].n && pipeline_peer_ready(&p->database, now)) {
		struct job *jobs[PIPELINE_BATCH];
		int64_t ids[PIPELINE_BATCH];
		struct usher_error err = { 0 };
		size_t n = gather(p, JOB_RELEASING, jobs);

		for (size_t i = 0; i < n; i++)
			ids[i] = jobs[i]->delivery_id;
		if (ledger_release(p->db, p->engine->owner, ids, n, &err) < 0) {
			pipeline_peer_failed(p, &p->database, &err);
			return;
		}
		pipeline_peer_answered(p, &p->database);
		counter_add(&p->counters->handed_back, n);
		for (size_t i = 0; i < n; i++) {
			jobs[i]->hide_ms = 0;
			job_move(jobs[i], JOB_TO_HIDE);
		}
	}
}

/* -- Leases ---------------------------------------------------------------------------------- */

struct renewal {
	struct pipeline *pipeline;
	struct job *jobs[PIPELINE_BATCH];
	struct broker_visibility visibility[PIPELINE_BATCH];
	int64_t ids[PIPELINE_BATCH];
	bool held[PIPELINE_BATCH];
	size_t n;
};

static size_t gather_old(struct pipeline *p, mono_time now, struct renewal *r)
{
	static const enum job_phase phases[] = { JOB_READY, JOB_SENDING, JOB_SETTLING };
	int64_t half = p->config->visibility_timeout_ms / 2;

	r->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		for (struct job *job = p->phase[phases[i]].head; job && r->n < PIPELINE_BATCH;
		        job = job->next)
			if (mono_since_ms(now, job->lease_until) < half) {
				r->jobs[r->n] = job;
				r->ids[r->n++] = job->delivery_id;
			}
	return r->n;
}

/* A message whose hiding could not be renewed is received again; the ledger's lease answers for it. What
 * keeps the broker from hiding keeps it from more, which is told then. */
static void on_hidden(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct renewal *r = arg;
	struct pipeline *p = r->pipeline;

	(void)results;
	(void)n;
	(void)err;
	p->broker_calls--;
	for (size_t i = 0; i < r->n; i++)
		free((char *)r->visibility[i].receipt);
	free(r);
	pipeline_wake(p);
}

/* Jobs whose lease has passed to another are not begun; one at the service already is found out when it is
 * settled. */
static void renewed(struct pipeline *p, struct renewal *r)
{
	size_t kept = 0;
	size_t asked = r->n;

	for (size_t i = 0; i < asked; i++) {
		struct job *job = r->jobs[i];

		if (!r->held[i] && job->phase == JOB_READY) {
			counter_add(&p->counters->lost, 1);
			job_free(job);
			continue;
		}
		job->lease_until = mono_add_ms(mono_now(), p->config->visibility_timeout_ms);
		if (!r->held[i])
			continue;
		r->visibility[kept++] = (struct broker_visibility){
			.receipt = mem_string(job->message->receipt),
			.visibility_ms = p->config->visibility_timeout_ms,
		};
	}
	r->n = kept;
}

static int renew_batch(struct pipeline *p, struct renewal *r)
{
	size_t batch_max = p->broker->ops->batch_max;
	struct usher_error err = { 0 };

	if (ledger_renew(p->db, p->engine->owner, p->config->visibility_timeout_ms, r->ids, r->held, r->n,
	            &err) < 0) {
		pipeline_peer_failed(p, &p->database, &err);
		return err.code;
	}
	pipeline_peer_answered(p, &p->database);
	renewed(p, r);
	for (size_t from = 0; from < r->n; from += batch_max) {
		struct renewal *part = mem_alloc(sizeof *part);

		part->pipeline = p;
		part->n = r->n - from < batch_max ? r->n - from : batch_max;
		memcpy(part->visibility, r->visibility + from, part->n * sizeof *part->visibility);
		p->broker_calls++;
		p->broker->ops->hide_batch(p->broker, p->queue, part->visibility, part->n, on_hidden, part);
	}
	return 0;
}

void settling_renew(struct pipeline *p, mono_time now)
{
	struct renewal r = { .pipeline = p };

	while (pipeline_peer_ready(&p->database, now) && gather_old(p, now, &r))
		if (renew_batch(p, &r) < 0)
			return;
}
