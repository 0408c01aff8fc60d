/* The pipeline's view of its outside service: is it well, and how much does it take? Each outcome and each
 * probe goes through here to breaker and rate; here stands what the status and the log say of them. Runs on
 * the pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "base/mask.h"
#include "policy/classify.h"

#include <string.h>

/* -- What is said of it -------------------------------------------------------------------------- */

/* "service_down: SMTP 421 at RCPT: closing". It outlives the event that it was said to, so that whom it names
 * is hidden here, while that is known. */
static void words_write(
        struct note *note, enum failure_class class, const struct reply *reply, const struct event *event)
{
	struct mask_person person = { 0 };
	char text[REPLY_TEXT_MAX + 64];
	struct buf line = BUF((sizeof text + NOTE_SIZE) * MASK_WORDS_GROWTH);

	if (event)
		person = (struct mask_person){ event->email, event->name, event->user_id };
	buf_printf(&line, "%s: ", failure_info(class)->name);
	reply_describe(reply, text, sizeof text);
	mask_words(text, strlen(text), &person, &line);
	note_write(note, buf_str(&line));
	buf_free(&line);
}

/* For the log: without a service's own words, which may hold a member's address. */
static const char *words_for_log(const struct reply *reply, char *text, unsigned size)
{
	struct reply bare = *reply;

	if (reply->fault == FAULT_NONE)
		bare.text[0] = '\0';
	return reply_describe(&bare, text, size);
}

static void breaker_moved(struct pipeline *p, enum breaker_state before, enum failure_class class,
        const struct reply *reply, const struct event *event, mono_time now)
{
	char text[REPLY_TEXT_MAX + 64];

	if (p->breaker.state == before)
		return;
	if (p->breaker.state != BREAKER_OPEN) {
		log_info(p->area, "breaker %s", breaker_state_name(p->breaker.state));
		return;
	}
	words_write(&p->counters->breaker_cause, class, reply, event);
	log_warn(p->area, "breaker open (%s: %s): receives nothing, tries again in %lld s",
	        failure_info(class)->name, words_for_log(reply, text, sizeof text),
	        (long long)(breaker_wait_ms(&p->breaker, now) + 999) / 1000);
	p->broker->ops->wake(p->broker); /* what would come in now would only go back */
}

/* -- Sends ---------------------------------------------------------------------------------------- */

int service_allows(struct pipeline *p, mono_time now)
{
	return breaker_allows(&p->breaker, &p->breaker_settings, now, wall_now());
}

static void too_much(struct pipeline *p, const struct job *job, mono_time now)
{
	enum rate_by before = rate_limited_by(&p->rate, now);

	rate_refused(&p->rate, job->reply.retry_after_ms, now);
	words_write(&p->counters->rate_words, FAILURE_RATE_LIMITED, &job->reply, job->event);
	if (before != RATE_BY_SERVICE && rate_limited_by(&p->rate, now) == RATE_BY_SERVICE)
		log_warn(p->area, "the service says that it is too much: slows down");
}

/* A refusal of this one message shows a service that works; "too much for now" shows neither. A wrong login
 * fails every message alike: the first one opens the breaker. */
bool service_feed(struct pipeline *p, const struct job *job)
{
	enum breaker_state before = p->breaker.state;
	const struct breaker_settings *s = &p->breaker_settings;
	mono_time now = mono_now();

	if (job->outlet != p->outlet) { /* what it says is of the service as it was configured before */
		breaker_released(&p->breaker, job->ticket);
		return before != BREAKER_CLOSED;
	}
	if (job->class == FAILURE_RATE_LIMITED) {
		breaker_released(&p->breaker, job->ticket);
		too_much(p, job, now);
	} else if (job->class == FAILURE_MISCONFIGURED) {
		breaker_tripped(&p->breaker, s, job->ticket, now, wall_now());
	} else if (job->class != FAILURE_NONE && failure_info(job->class)->feeds_breaker) {
		breaker_failed(&p->breaker, s, job->ticket, now, wall_now());
	} else {
		breaker_succeeded(&p->breaker, s, job->ticket, now, wall_now());
		rate_accepted(&p->rate, now);
	}
	if (job->class == FAILURE_NONE)
		p->proved_at = now;
	breaker_moved(p, before, job->class, &job->reply, job->event, now);
	return before != BREAKER_CLOSED;
}

/* -- Probes --------------------------------------------------------------------------------------- */

/* What a probe or a delivery shows; what changes is logged once. */
static void found_well(struct pipeline *p)
{
	atomic_store(&p->counters->probe_at_ms, wall_now().ms);
	if (atomic_exchange(&p->counters->probe, PROBE_WELL) != PROBE_UNWELL)
		return;
	note_write(&p->counters->probe_error, "");
	log_info(p->area, "the service is well again");
}

static void found_unwell(struct pipeline *p, enum failure_class class, const struct reply *reply)
{
	char text[REPLY_TEXT_MAX + 64];

	atomic_store(&p->counters->probe_at_ms, wall_now().ms);
	counter_add(&p->counters->probes_failed, 1);
	words_write(&p->counters->probe_error, class, reply, NULL);
	if (atomic_exchange(&p->counters->probe, PROBE_UNWELL) != PROBE_UNWELL)
		log_warn(p->area, "a probe finds the service unwell (%s: %s)", failure_info(class)->name,
		        words_for_log(reply, text, sizeof text));
}

/* 2xx and nothing else: what classify_reply makes of other codes is about grants and mails. */
static enum failure_class class_of(const struct reply *reply)
{
	enum failure_class class;

	if (reply->fault == FAULT_NONE && reply->code / 100 == 2)
		return FAILURE_NONE;
	class = classify_reply(reply);
	return class == FAILURE_MISCONFIGURED || class == FAILURE_TIMEOUT ? class : FAILURE_SERVICE_DOWN;
}

static bool outlet_probes(const struct pipeline *p)
{
	return p->outlet && p->outlet->probing;
}

static void on_probed(void *arg, const struct reply *reply, enum channel_stock stock)
{
	struct outlet *o = arg;
	struct pipeline *p = o->pipeline;
	enum breaker_state before = p->breaker.state;
	enum failure_class class = class_of(reply);
	mono_time now = mono_now();

	o->probing = false;
	if (o != p->outlet) { /* of the service as it was configured before */
		pipeline_wake(p);
		return;
	}
	p->probe_at = mono_add_ms(now, p->settings->watch.probe_interval_ms);
	counter_add(&p->counters->probes, 1);
	if (class == FAILURE_NONE) {
		atomic_store(&p->counters->stock, (int)stock);
		found_well(p);
	} else {
		found_unwell(p, class, reply);
	}
	if (reply->fault == FAULT_LOGIN && class == FAILURE_MISCONFIGURED && before == BREAKER_CLOSED)
		breaker_tripped(&p->breaker, &p->breaker_settings, p->breaker.epoch, now, wall_now());
	else
		breaker_probed(&p->breaker, &p->breaker_settings, class == FAILURE_NONE, now, wall_now());
	breaker_moved(p, before, class, reply, NULL, now);
	pipeline_wake(p);
}

/* Deliveries show more than a probe: only whether there are coupons again must be asked for. */
static bool proved_by_sends(const struct pipeline *p, mono_time now)
{
	return p->proved_at.ns && atomic_load(&p->counters->stock) != STOCK_OUT &&
	       mono_since_ms(p->proved_at, now) < p->settings->watch.probe_interval_ms;
}

void service_probe(struct pipeline *p, mono_time now)
{
	int64_t interval_ms = p->settings->watch.probe_interval_ms;
	struct outlet *o = p->outlet;

	if (p->stopping || outlet_probes(p) || p->probeless || now.ns < p->probe_at.ns)
		return;
	if (proved_by_sends(p, now)) {
		found_well(p);
		p->probe_at = mono_add_ms(p->proved_at, interval_ms);
		return;
	}
	o->probing = o->channel->ops->probe && o->channel->ops->probe(o->channel, on_probed, o);
	p->probeless = !o->probing;
}

/* -- For the turns -------------------------------------------------------------------------------- */

mono_time service_deadline(const struct pipeline *p, mono_time now)
{
	int64_t breaker_ms = breaker_wait_ms(&p->breaker, now), rate_ms = rate_wait_ms(&p->rate, now);
	mono_time deadline = { INT64_MAX };

	if (breaker_ms > 0)
		deadline = mono_add_ms(now, breaker_ms);
	if (rate_ms > 0 && mono_add_ms(now, rate_ms).ns < deadline.ns)
		deadline = mono_add_ms(now, rate_ms);
	if (!p->stopping && !outlet_probes(p) && !p->probeless && p->probe_at.ns < deadline.ns)
		deadline = p->probe_at;
	return deadline;
}

static void rate_gauges(struct pipeline *p, mono_time now)
{
	struct channel_counters *c = p->counters;
	int by = (int)rate_limited_by(&p->rate, now);

	if (atomic_exchange(&c->rate_by, by) != by)
		atomic_store(&c->rate_since_ms, by == RATE_BY_NONE ? 0 : wall_now().ms);
	atomic_store(&c->rate_limit_milli, (long long)(rate_effective(&p->rate) * 1000));
}

void service_gauges(struct pipeline *p, mono_time now)
{
	struct channel_counters *c = p->counters;
	int64_t trial_ms = breaker_wait_ms(&p->breaker, now), probe_ms = mono_since_ms(now, p->probe_at);

	atomic_store(&c->breaker, (int)p->breaker.state);
	atomic_store(&c->breaker_since_ms, p->breaker.since.ms);
	atomic_store(&c->breaker_trial_at_ms, trial_ms > 0 ? wall_now().ms + trial_ms : 0);
	atomic_store(&c->probe_next_ms,
	        p->probeless ? 0 : wall_now().ms + (outlet_probes(p) || probe_ms < 0 ? 0 : probe_ms));
	rate_gauges(p, now);
}
