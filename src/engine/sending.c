/* The pipeline at the service: start as many sends as breaker, rate and the in-flight bound allow, and
 * judge each reply. Runs on the pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "policy/classify.h"

#include <stdio.h>

/* xorshift64: spreads retries, guards nothing. */
static double chance(struct pipeline *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (double)(p->random >> 11) / (double)(1ULL << 53);
}

static void judge(struct job *job, bool known_down)
{
	struct pipeline *p = job->pipeline;
	struct retry_attempt attempt = {
		.class = job->class,
		.attempts = job->attempts,
		.throttled = job->throttled,
		.known_down = known_down,
		.idempotent = job->outlet->channel->ops->idempotent,
		.retry_after_ms = job->reply.retry_after_ms,
	};
	struct retry_verdict verdict = retry_judge(&p->retry, &attempt, chance(p));

	job->attempts = verdict.attempts;
	job->throttled = verdict.throttled;
	job->hide_ms = verdict.delay_ms;
	switch (verdict.kind) {
	case VERDICT_DELIVERED:
		job->outcome = DELIVERY_DELIVERED;
		break;
	case VERDICT_RETRY:
		job->outcome = DELIVERY_RETRYING;
		break;
	case VERDICT_DEAD:
		job->outcome = DELIVERY_DEAD;
		reply_describe(&job->reply, job->reason, sizeof job->reason);
		break;
	}
}

static void on_reply(void *arg, const struct reply *reply)
{
	struct job *job = arg;
	struct pipeline *p = job->pipeline;
	bool known_down;

	job->outlet->sends--;
	job->reply = *reply;
	job->attempted = true;
	job->class = classify_reply(reply);
	if (reply->protocol != REPLY_LOCAL)
		histogram_observe(&p->counters->attempt, reply->latency_ms);
	if (job->class != FAILURE_NONE && !reply->effect_possible)
		job->reply.effect[0] = '\0'; /* nothing was brought about that could be looked for */
	known_down = service_feed(p, job);
	if (job->class != FAILURE_NONE)
		counter_add(&p->counters->failed, 1);
	judge(job, known_down);
	settling_add(job);
}

/* How many may start now. */
static int room(struct pipeline *p, mono_time now)
{
	int by_service = service_allows(p, now), by_rate = rate_available(&p->rate, now);

	return by_service < by_rate ? by_service : by_rate;
}

void sending_start(struct pipeline *p, mono_time now)
{
	int allowed = p->phase[JOB_READY].n && !p->stopping ? room(p, now) : 0;

	while (p->phase[JOB_READY].head && allowed-- > 0) {
		struct job *job = p->phase[JOB_READY].head;

		job_move(job, JOB_SENDING);
		job->sent_at = wall_now();
		job->ticket = breaker_started(&p->breaker);
		rate_take(&p->rate, 1);
		job->outlet = p->outlet;
		job->outlet->sends++;
		p->outlet->channel->ops->send(p->outlet->channel, job->event, on_reply, job);
	}
}

/* Their effect may have happened or not: the ledger says so, burns no attempt, and the message goes back. The
 * channels are closed first, so that no reply comes for a job that is gone. */
void sending_abandon(struct pipeline *p)
{
	log_warn(p->area, "drain time is over: %zu sends without an answer are noted as ambiguous",
	        p->phase[JOB_SENDING].n);
	outlet_close_all(p);
	while (p->phase[JOB_SENDING].head) {
		struct job *job = p->phase[JOB_SENDING].head;

		job->reply = (struct reply){
			.protocol = REPLY_LOCAL, .fault = FAULT_TIMEOUT, .effect_possible = true
		};
		snprintf(job->reply.text, sizeof job->reply.text,
		        "usher was stopped before the service answered: the effect may have happened");
		job->attempted = true;
		job->class = FAILURE_AMBIGUOUS;
		job->outcome = DELIVERY_RETRYING;
		job->hide_ms = 0;
		settling_add(job);
	}
}
