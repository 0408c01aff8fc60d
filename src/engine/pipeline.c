/* The pipeline of one channel: takes messages off its queue, has the channel send them, settles
 * them. This file is its thread, its lists and its turns; see pipeline.h for the way of a job.
 *
 * Everything runs on the pipeline's own loop; the database calls in it block, batched. */
#include "engine/pipeline.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/settings.h"

#include <stdio.h>
#include <sys/random.h>

/* -- Jobs and their lists -------------------------------------------------------------------- */

static void list_append(struct job_list *list, struct job *job)
{
	job->next = NULL;
	job->prev = list->tail;
	if (list->tail)
		list->tail->next = job;
	else
		list->head = job;
	list->tail = job;
	list->n++;
}

static void list_remove(struct job_list *list, struct job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		list->head = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		list->tail = job->prev;
	job->prev = job->next = NULL;
	list->n--;
}

struct job *job_new(struct pipeline *p, struct message *message)
{
	struct job *job = mem_alloc(sizeof *job);

	job->pipeline = p;
	job->message = message;
	job->phase = JOB_RECEIVED;
	list_append(&p->phase[JOB_RECEIVED], job);
	p->jobs++;
	return job;
}

void job_move(struct job *job, enum job_phase phase)
{
	struct pipeline *p = job->pipeline;

	if (phase == JOB_TO_DELETE && p->phase[phase].n == 0)
		p->delete_by = mono_add_ms(mono_now(), p->config->delete_linger_ms);
	list_remove(&p->phase[job->phase], job);
	job->phase = phase;
	list_append(&p->phase[phase], job);
}

static void job_discard(struct job *job)
{
	message_free(job->message);
	event_free(job->event);
	free(job);
}

void job_free(struct job *job)
{
	struct pipeline *p = job->pipeline;

	list_remove(&p->phase[job->phase], job);
	p->jobs--;
	job_discard(job);
}

/* -- Parts of a turn ---------------------------------------------------------------------------- */

bool pipeline_held(const struct pipeline *p)
{
	return p->stopping || !p->control_known || p->paused;
}

/* What was received and not started goes back: when stopping or paused, or while the service is down. */
static void hand_back_unstarted(struct pipeline *p)
{
	while (p->phase[JOB_READY].head)
		job_move(p->phase[JOB_READY].head, JOB_RELEASING);
	while (pipeline_held(p) && p->phase[JOB_RECEIVED].head) {
		struct job *job = p->phase[JOB_RECEIVED].head;

		job->hide_ms = 0;
		counter_add(&p->counters->handed_back, 1);
		job_move(job, JOB_TO_HIDE);
	}
}

static void sooner(mono_time *deadline, mono_time candidate)
{
	if (candidate.ns && candidate.ns < deadline->ns)
		*deadline = candidate;
}

static bool past(mono_time deadline, mono_time now)
{
	return deadline.ns <= now.ns;
}

/* All else is sent, and in the ledger. What the broker is not told comes back by itself and costs nothing
 * then. */
static bool only_broker_waits(const struct pipeline *p)
{
	return p->jobs == p->phase[JOB_TO_DELETE].n + p->phase[JOB_TO_HIDE].n + p->phase[JOB_TO_DLQ].n +
	                          p->phase[JOB_AT_BROKER].n;
}

/* Stopped: nothing held and nothing under way, or the grace is over too, which begins when the drain time is
 * over or there is nothing to drain any more. */
static bool finished(struct pipeline *p, mono_time now)
{
	if (only_broker_waits(p))
		sooner(&p->drain_until, now);
	if (p->phase[JOB_SENDING].n && past(p->drain_until, now))
		sending_abandon(p);
	if (p->jobs == 0 && p->receives == 0 && p->broker_calls == 0)
		return true;
	return past(mono_add_ms(p->drain_until, STOP_GRACE_MS), now) && p->receives == 0 &&
	       p->broker_calls == 0;
}

static mono_time next_deadline(struct pipeline *p, mono_time now)
{
	mono_time deadline = mono_add_ms(now, p->config->visibility_timeout_ms / 4);

	if (p->phase[JOB_SETTLING].n)
		sooner(&deadline, p->settle_by);
	if (p->receive_at.ns > now.ns)
		sooner(&deadline, p->receive_at);
	if (p->database.breaker.state == BREAKER_OPEN)
		sooner(&deadline, p->database.breaker.until);
	if (p->broker_in.breaker.state == BREAKER_OPEN)
		sooner(&deadline, p->broker_in.breaker.until);
	sooner(&deadline, dismissal_deadline(p));
	sooner(&deadline, service_deadline(p, now));
	if (p->stopping)
		sooner(&deadline, past(p->drain_until, now) ? mono_add_ms(p->drain_until, STOP_GRACE_MS)
		                                            : p->drain_until);
	return deadline;
}

static void gauges_update(struct pipeline *p, mono_time now)
{
	struct channel_counters *c = p->counters;

	atomic_store(&c->sending, (int)p->phase[JOB_SENDING].n);
	atomic_store(&c->holding, (int)p->jobs);
	atomic_store(&c->connections, outlet_connections(p));
	service_gauges(p, now);
}

/* Nothing is received while the ledger is away, so with nothing held nobody else would find out that it is
 * back. What is held and waits for the ledger is the better trial: a database with a full disk answers a
 * ping. */
static void database_probe(struct pipeline *p, mono_time now)
{
	size_t waiting = p->phase[JOB_RECEIVED].n + p->phase[JOB_SETTLING].n + p->phase[JOB_RELEASING].n;
	struct usher_error err = { 0 };

	if (waiting || pipeline_peer_well(&p->database) || !pipeline_peer_ready(&p->database, now))
		return;
	if (db_ping(p->db, &err) < 0)
		pipeline_peer_failed(p, &p->database, &err);
	else
		pipeline_peer_answered(p, &p->database);
}

/* -- What operators say ------------------------------------------------------------------------ */

/* The one place where a word about the channel takes effect. */
static void pipeline_apply_control(struct pipeline *p, bool paused, enum control_breaker forced)
{
	static const enum breaker_forced words[CONTROL_BREAKER_COUNT] = {
		[CONTROL_AUTO] = FORCED_NONE,
		[CONTROL_OPEN] = FORCED_OPEN,
		[CONTROL_CLOSED] = FORCED_CLOSED,
	};
	bool was_held = pipeline_held(p), was_open = p->breaker.state == BREAKER_OPEN;

	p->control_known = true;
	p->paused = paused;
	breaker_force(&p->breaker, words[forced], wall_now());
	bool is_held = pipeline_held(p), is_open = p->breaker.state == BREAKER_OPEN;
	if (was_held && !is_held)
		p->receive_at = (mono_time){ 0 };
	if ((is_held && !was_held) || (is_open && !was_open))
		p->broker->ops->wake(p->broker); /* no receive that waits must bring anything */
}

static void control_here(void *arg)
{
	struct pipeline *p = arg;
	int word = atomic_load(&p->control_posted);

	if (p->stopping)
		return;
	pipeline_apply_control(p, word & CONTROL_PAUSED, (enum control_breaker)(word & ~CONTROL_PAUSED));
	pipeline_wake(p);
}

void pipeline_control(struct pipeline *p, const struct control *control)
{
	int word = (int)control->breaker | (control->paused ? CONTROL_PAUSED : 0);

	if (atomic_exchange(&p->control_posted, word) != word)
		loop_post(p->loop, control_here, p);
}

static void expect_here(void *arg)
{
	struct pipeline *p = arg;

	intake_expect(p, atomic_exchange(&p->expected, 0));
	pipeline_wake(p);
}

void pipeline_expect(struct pipeline *p, unsigned messages)
{
	if (atomic_fetch_add(&p->expected, messages) == 0)
		loop_post(p->loop, expect_here, p);
}

/* Before the first receive. As without the ledger: nothing is received until it can be read. */
static void control_learn(struct pipeline *p, mono_time now)
{
	struct control controls[CHANNEL_COUNT];
	struct usher_error err = { 0 };

	if (p->control_known || !pipeline_peer_ready(&p->database, now))
		return;
	if (control_read(p->db, controls, &err) < 0) {
		pipeline_peer_failed(p, &p->database, &err);
		return;
	}
	pipeline_peer_answered(p, &p->database);
	pipeline_apply_control(p, controls[p->channel_id].paused, controls[p->channel_id].breaker);
}

/* -- What is configured ------------------------------------------------------------------------ */

/* What is being sent is finished as it was begun; all else goes by the new one from here on. */
static void configure_here(void *arg)
{
	struct pipeline *p = arg;
	const struct config *fresh = config_post_take(&p->posted), *old = p->settings;

	if (!fresh)
		return;
	p->settings = fresh;
	p->config = &fresh->channel[p->channel_id];
	p->retry = settings_retry(fresh, p->channel_id);
	p->breaker_settings = settings_breaker(fresh, p->channel_id);
	rate_configure(&p->rate, p->config->rate, mono_now());
	if (fresh->watch.probe_interval_ms != old->watch.probe_interval_ms)
		p->probe_at = mono_now();
	outlet_renew(p, old);
	config_free(old);
	pipeline_wake(p);
}

void pipeline_configure(struct pipeline *p, const struct config *config)
{
	config_post_put(&p->posted, config);
	loop_post(p->loop, configure_here, p);
}

/* -- Turns ----------------------------------------------------------------------------------- */

/* One turn does all that can be done now, in the order that loses least if the daemon dies in the
 * middle: what is known is stored before anything new is begun. */
static void turn(void *arg)
{
	struct pipeline *p = arg;
	mono_time now = mono_now();

	p->turn_pending = false;
	outlet_sweep(p);
	database_probe(p, now);
	control_learn(p, now);
	service_probe(p, now);
	if (pipeline_held(p) || p->breaker.state == BREAKER_OPEN)
		hand_back_unstarted(p);
	settling_flush(p, now);
	settling_renew(p, now);
	intake_claim(p, now);
	sending_start(p, now);
	settling_release(p, now);
	dismissal_flush(p, now);
	intake_receive(p, now);

	mono_time ended = mono_now();
	gauges_update(p, ended);
	if (p->stopping && finished(p, ended)) {
		loop_stop(p->loop);
		return;
	}
	if (!p->turn_pending) {
		/* What came due during the turn was not seen to: it counts from where the turn began. */
		int64_t wait_ms = mono_since_ms(ended, next_deadline(p, now));

		loop_timer_start(p->timer, wait_ms > 0 ? wait_ms + 1 : 1);
	}
}

void pipeline_wake(struct pipeline *p)
{
	if (p->turn_pending)
		return;
	p->turn_pending = true;
	loop_defer(p->loop, turn, p);
}

static void timer_rang(void *arg)
{
	pipeline_wake(arg);
}

/* -- Life ------------------------------------------------------------------------------------ */

static void *pipeline_main(void *arg)
{
	struct pipeline *p = arg;

	log_info(p->area, "receives from %s", p->queue);
	pipeline_wake(p);
	loop_run(p->loop);
	if (p->jobs)
		log_warn(p->area,
		        "stopped with %zu messages not handed back: they become visible by themselves",
		        p->jobs);
	p->broker->ops->close(p->broker);
	p->broker = NULL;
	db_free(p->db);
	p->db = NULL;
	return NULL;
}

static void pipeline_free(struct pipeline *p)
{
	for (int phase = 0; phase < JOB_PHASES; phase++) {
		for (struct job *job = p->phase[phase].head, *next; job; job = next) {
			next = job->next;
			job_discard(job);
		}
	}
	if (p->broker)
		p->broker->ops->close(p->broker);
	outlet_close_all(p);
	db_free(p->db);
	loop_timer_free(p->timer);
	if (p->curl)
		curl_loop_free(p->curl);
	loop_free(p->loop);
	config_free(p->settings);
	config_free(config_post_take(&p->posted));
	free(p);
}

int pipeline_start(
        struct engine *engine, enum channel_id channel, struct pipeline **ret, struct usher_error *err)
{
	struct pipeline *p = mem_alloc(sizeof *p);
	int rc;

	p->engine = engine;
	p->channel_id = channel;
	p->queue = engine->started_with->channel[channel].queue;
	p->dlq = engine->started_with->channel[channel].dlq;
	p->settings = config_hold(engine->started_with);
	p->config = &p->settings->channel[channel];
	p->counters = &engine->counters.channel[channel];
	snprintf(p->area, sizeof p->area, "pipeline %s", channel_name(channel));
	p->retry = settings_retry(p->settings, channel);
	p->breaker_settings = settings_breaker(p->settings, channel);
	p->breaker.since = wall_now();
	p->database.lost = "the ledger cannot be written, nothing is received until it can";
	p->database.back = "the ledger can be written again";
	p->database.error = &p->counters->ledger_error;
	p->broker_in.lost = "the broker refuses, trying again";
	p->broker_in.back = "the broker answers again";
	p->broker_in.error = &p->counters->receive_error;
	dismissal_begin(p);
	atomic_init(&p->control_posted, -1);
	rate_init(&p->rate, p->config->rate, mono_now());
	p->receives_wanted = 1;
	if (getrandom(&p->random, sizeof p->random, 0) != (ssize_t)sizeof p->random || p->random == 0)
		p->random = (uint64_t)wall_now().ms;

	p->loop = loop_new();
	p->timer = loop_timer_new(p->loop, timer_rang, p);
	p->curl = curl_loop_new(p->loop, settings_connections(p->settings, channel));
	p->broker = engine_broker(engine, p->loop);
	p->db = engine_db(engine);
	rc = outlet_open(p, err);
	if (rc < 0)
		goto fail;
	if (pthread_create(&p->thread, NULL, pipeline_main, p) != 0) {
		rc = error_set(err, USHER_EIO,
		        "cannot start a thread for channel %s: the limit on processes is reached",
		        channel_name(channel));
		goto fail;
	}
	pthread_setname_np(p->thread, channel_name(channel));
	heartbeat_begin(&engine->heartbeats, p->area, p->loop);
	*ret = p;
	return 0;
fail:
	pipeline_free(p);
	return rc;
}

static void stop_here(void *arg)
{
	struct pipeline *p = arg;

	p->stopping = true;
	p->drain_until = mono_add_ms(mono_now(), p->settings->daemon.drain_timeout_ms);
	p->broker->ops->wake(p->broker);
	pipeline_wake(p);
}

void pipeline_stop(struct pipeline *p)
{
	loop_post(p->loop, stop_here, p);
}

void pipeline_join(struct pipeline *p)
{
	pthread_join(p->thread, NULL);
	heartbeat_end(&p->engine->heartbeats, p->loop);
	pipeline_free(p);
}
