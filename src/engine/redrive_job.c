/* The runner of redrive jobs: on the fleet's leader, a few times a second, every open job goes on as far as
 * policy/redrive lets it: the canary, then the rest, faster and faster. It waits while its channel is held,
 * stops when what it sent fails again, and ends when all outcomes are known. Everything that must outlive a
 * daemon is in the database; a new leader goes on from there, slowly at first. The copies themselves are sent
 * by redrive.c. Watcher's thread. */
#include "engine/watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "policy/redrive.h"
#include "store/redrive_job.h"

#include <stdio.h>
#include <string.h>

#define RUNNER_BUSY_MS 250                 /* between turns while a job runs */
#define RUNNER_IDLE_MS 1000                /* and while none does */
#define RUNNER_JOBS (2 * REDRIVE_OPEN_MAX) /* at a time: those open, and some that only wait for outcomes */
#define COUNT_EVERY_MS 1000
#define COUNT_SHARE 20 /* counting takes at most one in so many parts of the time */
#define WHY_SIZE 400

struct running { /* what is kept of a job between turns */
	int64_t id;
	struct redrive_pace pace;
	bool exhausted;
	mono_time count_at; /* not before */
};

struct runner {
	struct watch *watch;
	struct loop_timer *timer;
	struct running running[RUNNER_JOBS];
	size_t n;
	bool sent; /* something, in this turn */
	struct complaint complaint;
};

/* Why the channel takes nothing now; false when it does. */
static bool channel_held(struct watch *w, enum channel_id channel, char why[REDRIVE_WAITS_SIZE])
{
	struct channel_counters *c = &w->engine->counters.channel[channel];

	if (!w->engine->started_with->channel[channel].enabled)
		return false;
	if (controls_of(w->controls, channel)->paused) {
		snprintf(why, REDRIVE_WAITS_SIZE, "%s is paused", channel_name(channel));
		return true;
	}
	if (atomic_load(&c->breaker) != BREAKER_OPEN)
		return false;
	snprintf(why, REDRIVE_WAITS_SIZE, "%s breaker is open", channel_name(channel));
	return true;
}

/* A job over several channels waits for all of them: its rows go in their order. */
static bool job_held(struct watch *w, const struct redrive_job *job, char why[REDRIVE_WAITS_SIZE])
{
	for (int id = 0; id < CHANNEL_COUNT; id++)
		if ((job->channel < 0 || job->channel == id) && channel_held(w, (enum channel_id)id, why))
			return true;
	return false;
}

static int say_waits(
        struct watch *w, const struct redrive_job *job, const char *what, struct usher_error *err)
{
	if (what == job->waits || (what && job->waits && strcmp(what, job->waits) == 0))
		return 0;
	return redrive_job_wait(w->db, job->id, what, err);
}

static int end(struct watch *w, const struct redrive_job *job, enum redrive_job_state state, const char *why,
        struct usher_error *err)
{
	bool ended = false;
	int rc = redrive_job_end(w->db, job, state, why, &ended, err);

	if (rc || !ended)
		return rc;
	if (job->move != FAILED_REDRIVE)
		log_info("redrive", "job %lld is done: %lld %s, %lld left alone", (long long)job->id,
		        (long long)job->sent, job->move == FAILED_CANCEL ? "cancelled" : "restored",
		        (long long)redrive_job_left_alone(job));
	else if (state == REDRIVE_DONE)
		log_info("redrive", "job %lld is done: %lld sent, %lld delivered, %lld failed again",
		        (long long)job->id, (long long)job->sent, (long long)redrive_job_delivered(job),
		        (long long)job->failed);
	else
		log_warn("redrive", "job %lld stopped by itself: %lld of %lld sent failed again",
		        (long long)job->id, (long long)job->failed, (long long)job->sent);
	return 0;
}

/* It says why: in the words of one of those that failed. */
static int stop(struct watch *w, const struct redrive_job *job, const struct redrive_plan *plan,
        struct usher_error *err)
{
	char words[WHY_SIZE], why[WHY_SIZE + 64];
	int rc = redrive_job_failure(w->db, job->id, words, sizeof words, err);

	if (rc)
		return rc;
	if (job->sent <= plan->canary)
		snprintf(why, sizeof why, "the canary failed again: %s", words);
	else
		snprintf(why, sizeof why, "%lld failed again, such as: %s", (long long)job->failed, words);
	return end(w, job, REDRIVE_STOPPED, why, err);
}

static int send(struct runner *r, const struct redrive_job *job, const struct redrive_plan *plan,
        const struct redrive_outcome *outcome, struct running *m, struct usher_error *err)
{
	struct redrive_step step = { 0 };
	int64_t n = m->exhausted ? 0 : redrive_allows(plan, outcome, &m->pace, mono_now());
	int rc = n > 0 ? redrive_job_step(r->watch->db, job->id, n, &step, err) : 0;

	if (rc || n == 0)
		return rc;
	redrive_sent(&m->pace, step.sent);
	m->exhausted = step.exhausted;
	r->sent = r->sent || step.sent > 0;
	return 0;
}

/* Nothing is sent: there is no outcome to wait for, and no service to spare. */
static int settle_rows(
        struct watch *w, const struct redrive_job *job, struct running *m, struct usher_error *err)
{
	struct redrive_step step = { 0 };
	int rc;

	if (m->exhausted)
		return end(w, job, REDRIVE_DONE, NULL, err);
	rc = redrive_job_step(w->db, job->id, REDRIVE_BATCH_MAX, &step, err);
	m->exhausted = rc == 0 && step.exhausted;
	return rc;
}

static int go_on(struct runner *r, const struct redrive_job *job, struct running *m, struct usher_error *err)
{
	struct watch *w = r->watch;
	struct redrive_plan plan = { .rate = job->rate, .canary = job->canary, .stop_on = job->stop_on };
	struct redrive_outcome outcome = {
		.sent = job->sent, .on_the_way = job->on_the_way, .failed = job->failed
	};
	char why[REDRIVE_WAITS_SIZE];
	int rc;

	if (job->move != FAILED_REDRIVE)
		return settle_rows(w, job, m, err);
	if (redrive_must_stop(&plan, &outcome))
		return stop(w, job, &plan, err);
	if (m->exhausted && job->on_the_way == 0)
		return end(w, job, REDRIVE_DONE, NULL, err);
	if (job->automatic && job->channel >= 0 && !w->config->channel[job->channel].auto_redrive)
		return end(w, job, REDRIVE_STOPPED, "auto_redrive was switched off", err);
	if (job_held(w, job, why)) {
		m->pace = (struct redrive_pace){ 0 };
		return say_waits(w, job, why, err);
	}
	rc = say_waits(w, job, redrive_awaits_canary(&plan, &outcome) ? "the canary's outcome" : NULL, err);
	return rc ? rc : send(r, job, &plan, &outcome, m, err);
}

static int recount(struct watch *w, struct redrive_job *job, struct running *m, struct usher_error *err)
{
	mono_time begun = mono_now();
	int64_t ms;

	if (job->sent == 0 || job->move != FAILED_REDRIVE || m->count_at.ns > begun.ns)
		return 0;
	int rc = redrive_job_count(w->db, job, err);
	ms = COUNT_SHARE * mono_since_ms(begun, mono_now());
	m->count_at = mono_add_ms(begun, ms > COUNT_EVERY_MS ? ms : COUNT_EVERY_MS);
	return rc;
}

static int run_job(struct runner *r, struct redrive_job *job, struct running *m, struct usher_error *err)
{
	bool over = job->state == REDRIVE_STOPPED || job->state == REDRIVE_DONE;
	int rc = recount(r->watch, job, m, err);

	if (rc)
		return rc;
	if (job->state == REDRIVE_RUNNING)
		return go_on(r, job, m, err);
	m->pace = (struct redrive_pace){ 0 };
	return over && job->on_the_way == 0 ? redrive_job_settle(r->watch->db, job->id, err) : 0;
}

/* -- Turns ------------------------------------------------------------------------------------------ */

/* What is kept of the jobs that are still there, in their order. */
static void keep(struct runner *r, const struct redrive_job *jobs, size_t n)
{
	struct running kept[RUNNER_JOBS] = { 0 };

	for (size_t i = 0; i < n; i++) {
		kept[i] = (struct running){ .id = jobs[i].id };
		for (size_t k = 0; k < r->n; k++)
			if (r->running[k].id == jobs[i].id)
				kept[i] = r->running[k];
	}
	memcpy(r->running, kept, n * sizeof *kept);
	r->n = n;
}

static int run_all(struct runner *r, bool *ret_busy, struct usher_error *err)
{
	struct redrive_job *jobs = NULL;
	size_t n = 0;
	int rc = redrive_jobs_open(r->watch->db, RUNNER_JOBS, &jobs, &n, err);

	if (rc)
		return rc;
	keep(r, jobs, n);
	for (size_t i = 0; i < n && !rc; i++) {
		*ret_busy = *ret_busy || jobs[i].state == REDRIVE_RUNNING;
		rc = run_job(r, &jobs[i], &r->running[i], err);
	}
	redrive_jobs_free(jobs, n);
	return rc;
}

void runner_turn(struct runner *r)
{
	struct watch *w = r->watch;
	struct usher_error err = { 0 };
	bool busy = false;

	if (w->stopping)
		return;
	if (!fleet_leads(w->fleet)) {
		r->n = 0; /* who leads now knows better */
	} else if (peer_ready(&w->database)) {
		r->sent = false;
		if (run_all(r, &busy, &err) == 0)
			complaint_end(&r->complaint);
		else if (!watch_database_away(w, &err))
			complaint_say(&r->complaint, "redrive jobs cannot go on", &err);
		auto_redrive_turn(w->auto_redrive);
		if (r->sent)
			redrive_turn(w->redrive);
	}
	loop_timer_start(r->timer, busy ? RUNNER_BUSY_MS : RUNNER_IDLE_MS);
}

static void on_timer(void *arg)
{
	runner_turn(arg);
}

struct runner *runner_new(struct watch *w)
{
	struct runner *r = mem_alloc(sizeof *r);

	r->watch = w;
	r->timer = loop_timer_new(w->loop, on_timer, r);
	loop_timer_start(r->timer, 0);
	return r;
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	free(r);
}
