/* The pipeline at the service: start as many sends as breaker, rate and the in-flight bound allow, and
 * judge each reply. Runs on the pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "policy/classify.h"

#include <limits.h>
#include <stdio.h>

/* xorshift64: spreads retries, guards nothing. */
static double chance(struct pipeline *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (double)(p->random >> 11) / (double)(1ULL << 53);
}

/* A refusal of this one message shows a service that works; "too much for now" shows neither. A wrong
 * login fails every message alike: the first one opens the breaker. */
static void breaker_feed(struct pipeline *p, enum failure_class class)
{
	const struct failure_info *info = failure_info(class);
	enum breaker_state before = p->breaker.state;
	mono_time now = mono_now();

	if (class == FAILURE_MISCONFIGURED && p->breaker.failures < p->breaker_settings.failures)
		p->breaker.failures = p->breaker_settings.failures;
	if (class == FAILURE_RATE_LIMITED)
		breaker_released(&p->breaker);
	else if (class != FAILURE_NONE && info->feeds_breaker)
		breaker_failed(&p->breaker, &p->breaker_settings, now, wall_now());
	else
		breaker_succeeded(&p->breaker, &p->breaker_settings, wall_now());
	if (p->breaker.state == before)
		return;
	if (p->breaker.state == BREAKER_OPEN)
		log_warn(p->area, "breaker open (%s): receives nothing, tries again in %lld s", info->name,
		        (long long)(breaker_wait_ms(&p->breaker, now) + 999) / 1000);
	else
		log_info(p->area, "breaker %s", breaker_state_name(p->breaker.state));
}

static void judge(struct job *job)
{
	struct pipeline *p = job->pipeline;
	struct retry_verdict verdict = retry_judge(
	        &p->retry, job->class, job->attempts, job->throttled, job->reply.retry_after_ms, chance(p));

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

	job->reply = *reply;
	job->attempted = true;
	job->class = classify_reply(reply);
	if (reply->protocol != REPLY_LOCAL)
		histogram_observe(&p->counters->attempt, reply->latency_ms);
	if (job->class != FAILURE_NONE && !reply->effect_possible)
		job->reply.effect[0] = '\0'; /* nothing was brought about that could be looked for */
	breaker_feed(p, job->class);
	if (job->class != FAILURE_NONE)
		counter_add(&p->counters->failed, 1);
	judge(job);
	settling_add(job);
}

int sending_room(struct pipeline *p, mono_time now)
{
	int by_breaker = breaker_allows(&p->breaker, &p->breaker_settings, now, wall_now());
	int by_rate = rate_available(&p->rate, now);

	return by_breaker < by_rate ? by_breaker : by_rate;
}

void sending_start(struct pipeline *p, mono_time now)
{
	int allowed = p->phase[JOB_READY].n && !p->stopping ? sending_room(p, now) : 0;

	while (p->phase[JOB_READY].head && allowed-- > 0) {
		struct job *job = p->phase[JOB_READY].head;

		job_move(job, JOB_SENDING);
		job->sent_at = wall_now();
		breaker_started(&p->breaker);
		rate_take(&p->rate, 1);
		p->channel->ops->send(p->channel, job->event, on_reply, job);
	}
}

/* Their effect may have happened or not: the ledger says so, burns no attempt, and the message goes back. The
 * channel is closed first, so that no reply comes for a job that is gone. */
void sending_abandon(struct pipeline *p)
{
	log_warn(p->area, "drain time is over: %zu sends without an answer are noted as ambiguous",
	        p->phase[JOB_SENDING].n);
	p->channel->ops->close(p->channel);
	p->channel = NULL;
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
