/* The pipeline's way in: receive from the queue, decode, claim in the ledger. Runs on the
 * pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what came before its time: SQS hides a message for 12 hours at most, counted from its receipt. */
#define HIDE_MAX_MS (11LL * 60 * 60 * 1000)

/* -- Receive --------------------------------------------------------------------------------- */

/* A message without an event id of its own is known by what the relay or a redrive wrote on it, and
 * else by the broker's id. */
static const char *fallback_id(const struct message *message)
{
	const char *id = message_attribute_get(&message->attributes, ATTRIBUTE_EVENT_ID);

	return id && *id && strlen(id) <= EVENT_ID_MAX ? id : message->id;
}

static void job_decode(struct job *job)
{
	struct message *m = job->message;
	struct event_source source = {
		.body = m->body,
		.body_len = m->body_len,
		.content_encoding = message_attribute_get(&m->attributes, ATTRIBUTE_ENCODING),
		.message_id = fallback_id(m),
	};
	struct usher_error err = { 0 };

	if (event_decode(&source, &job->event, NULL, &err) == 0) {
		snprintf(job->event_id, sizeof job->event_id, "%s", job->event->event_id);
		return;
	}
	/* Not by the event id that its body may claim: a damaged copy of a delivered event must not be
	 * taken for that event, and be lost. */
	snprintf(job->event_id, sizeof job->event_id, "%s", source.message_id);
	snprintf(job->reason, sizeof job->reason, "%s", err.message);
}

static void receives_want(struct pipeline *p, int n)
{
	n = n < p->config->receivers ? n : p->config->receivers;
	p->receives_wanted = n > 1 ? n : 1;
}

/* A burst far away takes as many round trips as it takes to see that it is one: quickly up, slowly down. */
static void receives_adapt(struct pipeline *p, bool full)
{
	receives_want(p, p->receives_wanted + (full ? RECEIVES_STEP_UP : -1));
}

/* Fewer than a receive can bring are no burst: they are gathered as they come. */
void intake_expect(struct pipeline *p, unsigned messages)
{
	int batches = (int)(messages / p->broker->ops->receive_max);

	if (batches == 0)
		return;
	if (batches > p->receives_wanted)
		receives_want(p, batches);
	p->receive_at = (mono_time){ 0 };
}

static void on_received(void *arg, struct message **messages, size_t n, const struct usher_error *err)
{
	struct pipeline *p = arg;
	mono_time lease_until = mono_add_ms(mono_now(), p->config->visibility_timeout_ms);

	p->receives--;
	if (err->code) {
		p->receives_wanted = 1;
		pipeline_peer_failed(p, &p->broker_in, err);
	} else {
		pipeline_peer_answered(p, &p->broker_in);
	}
	for (size_t i = 0; i < n; i++) {
		struct job *job = job_new(p, messages[i]);

		job->lease_until = lease_until;
		job_decode(job);
	}
	counter_add(&p->counters->received, n);
	/* At a trickle a request for each message would cost more than the message. A receive that waits
	 * already is answered at once; only the one after it lingers. */
	if (n > 0 && n < p->broker->ops->receive_max)
		p->receive_at = mono_add_ms(mono_now(), p->config->receive_linger_ms);
	if (n == 0 && mono_since_ms(p->receive_begun, mono_now()) < EMPTY_EARLY_MS)
		p->receive_at = mono_add_ms(mono_now(), EMPTY_PAUSE_MS);
	receives_adapt(p, n >= p->broker->ops->receive_max);
	pipeline_wake(p);
}

/* How many messages may be held: the in-flight bound, and no more than breaker and rate will let through
 * soon, since what is held here is kept from other daemons. */
static int bound_of(struct pipeline *p, mono_time now)
{
	double second = rate_effective(&p->rate);
	int bound = p->config->in_flight, allowed = service_allows(p, now);

	if (allowed < bound - (int)p->phase[JOB_SENDING].n)
		bound = allowed + (int)p->phase[JOB_SENDING].n;
	if (second > 0 && second < bound)
		bound = second < 1 ? 1 : (int)second;
	return rate_paused(&p->rate, now) ? 0 : bound;
}

static int held(const struct pipeline *p)
{
	return (int)(p->jobs - dismissal_leaving(p)) + p->receives * (int)p->broker->ops->receive_max;
}

void intake_receive(struct pipeline *p, mono_time now)
{
	int batch = (int)p->broker->ops->receive_max;
	int bound = bound_of(p, now);
	int most = p->config->in_flight / 4 < bound / 2 ? p->config->in_flight / 4 : bound / 2;
	/* Single free places are gathered, so that a receive is not paid for each message. */
	int worthwhile = most < batch ? most : batch;
	bool wanted = !pipeline_held(p) && bound > 0 && pipeline_peer_well(&p->database);

	if (!wanted)
		pipeline_peer_unasked(&p->broker_in, now);
	while (wanted && p->receive_at.ns <= now.ns && p->receives < p->receives_wanted &&
	        pipeline_peer_ready(&p->broker_in, now)) {
		int free_places = bound - held(p);
		struct broker_receive_options options = {
			.max = free_places < batch ? free_places : batch,
			.wait_ms = pipeline_peer_well(&p->broker_in) ? RECEIVE_WAIT_MS : RECEIVE_TRIAL_MS,
			.visibility_ms = p->config->visibility_timeout_ms,
		};

		if (free_places < 1 || (free_places < worthwhile && p->jobs > 0))
			break;
		p->receives++;
		p->receive_begun = mono_now();
		p->broker->ops->receive(p->broker, p->queue, &options, on_received, p);
	}
}

/* -- Claim ----------------------------------------------------------------------------------- */

/* The job of this pipeline that already holds the delivery, other than `job`. */
static struct job *held_already(struct pipeline *p, const struct job *job)
{
	static const enum job_phase phases[] = { JOB_READY, JOB_SENDING, JOB_SETTLING };

	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		for (struct job *other = p->phase[phases[i]].head; other; other = other->next)
			if (other != job && other->delivery_id == job->delivery_id)
				return other;
	return NULL;
}

/* The message came back while it is still being worked on here (its lease ran out during a stall). The
 * job at work goes on under the newer right; it is not begun twice. */
static void pass_right_on(struct job *newer, struct job *holder)
{
	struct message *message = holder->message;

	holder->message = newer->message;
	newer->message = message;
	holder->version = newer->version;
	holder->lease_until = newer->lease_until;
	job_free(newer);
}

/* The DLQ's copy, in the queue: SQS's own redrive, or somebody's hand. The ledger knows of none, and it goes
 * back; who did that looks at a DLQ that does not empty. */
static void note_moved_back(const struct job *job)
{
	struct pipeline *p = job->pipeline;
	mono_time now = mono_now();

	if (!message_attribute_get(&job->message->attributes, ATTRIBUTE_CLASS) ||
	        (p->moved_back_at.ns && mono_since_ms(p->moved_back_at, now) < MOVED_BACK_MS))
		return;
	p->moved_back_at = now;
	log_warn(p->area,
	        "messages were moved from the DLQ to %s past usher, such as %s: they are dead and go back; "
	        "redrive them with usher redrive",
	        p->queue, job->event_id);
}

static void claimed(struct job *job, const struct ledger_claim *claim)
{
	struct pipeline *p = job->pipeline;
	struct job *holder;

	job->delivery_id = claim->delivery_id;
	job->version = claim->version;
	job->attempts = claim->attempts;
	job->throttled = claim->throttled;
	job->redrives = claim->redrives;
	job->hide_ms = claim->wait_ms < HIDE_MAX_MS ? claim->wait_ms : HIDE_MAX_MS;
	if (claim->verdict != CLAIM_SEND)
		counter_add(&p->counters->repeated, 1);
	switch (claim->verdict) {
	case CLAIM_SEND:
		job->lease_until = mono_add_ms(mono_now(), p->config->visibility_timeout_ms);
		holder = claim->version > 1 ? held_already(p, job) : NULL;
		if (holder) {
			pass_right_on(job, holder);
		} else if (job->event) {
			job_move(job, JOB_READY);
		} else {
			job->class = FAILURE_MALFORMED;
			job->outcome = DELIVERY_DEAD;
			settling_add(job);
		}
		break;
	case CLAIM_DELIVERED:
	case CLAIM_CANCELLED:
	case CLAIM_OUTDATED:
		job_move(job, JOB_TO_DELETE);
		break;
	case CLAIM_DEAD:
		note_moved_back(job);
		job->class = claim->last_class;
		snprintf(job->reason, sizeof job->reason, "%s", claim->last_reply);
		job_move(job, JOB_TO_DLQ);
		break;
	case CLAIM_LEASED:
	case CLAIM_NOT_DUE:
		job_move(job, JOB_TO_HIDE);
		break;
	}
}

/* Of what is in the message; none where nobody edited it. */
static int edits_of(const struct message *message)
{
	const char *edits = message_attribute_get(&message->attributes, ATTRIBUTE_EDITS);

	return edits ? (int)strtol(edits, NULL, 10) : 0;
}

static int claim_batch(struct pipeline *p)
{
	struct ledger_claim *claims = mem_array(PIPELINE_BATCH, sizeof *claims);
	struct job *jobs[PIPELINE_BATCH];
	struct usher_error err = { 0 };
	size_t n = 0;
	int rc;

	for (struct job *job = p->phase[JOB_RECEIVED].head; job && n < PIPELINE_BATCH; job = job->next) {
		jobs[n] = job;
		claims[n++] = (struct ledger_claim){
			.event_id = job->event_id,
			.user_id = job->event ? job->event->user_id : NULL,
			.recipient = job->event ? job->event->email : NULL,
			.edits = edits_of(job->message),
		};
	}
	rc = ledger_claim(
	        p->db, p->channel_id, p->engine->owner, p->config->visibility_timeout_ms, claims, n, &err);
	if (rc < 0)
		pipeline_peer_failed(p, &p->database, &err);
	else
		pipeline_peer_answered(p, &p->database);
	for (size_t i = 0; rc == 0 && i < n; i++)
		claimed(jobs[i], &claims[i]);
	free(claims);
	return rc;
}

void intake_claim(struct pipeline *p, mono_time now)
{
	while (p->phase[JOB_RECEIVED].n && pipeline_peer_ready(&p->database, now))
		if (claim_batch(p) < 0)
			break;
}
