/* Automatic redrive: when what killed deliveries is over, usher sends them again by itself, as a redrive job
 * like an operator's: one canary, a modest rate, a stop when they fail again, and longer and longer rests
 * after stops. A row is redriven so only auto_redrive_max times. The fleet's leader does it, a job a channel
 * at a time. Watcher's thread. */
#include "engine/watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "channel/channel.h"
#include "model/failure.h"
#include "policy/redrive.h"
#include "store/ledger.h"
#include "store/redrive_job.h"

#include <stdio.h>
#include <time.h>

#define AUTO_EVERY_MS 2000
#define AUTO_CANARY 1
#define AUTO_STOP_ON 3
#define AUTO_LOST_PER_S 1.0 /* what a worker died of may kill the next one: few at a time */

struct auto_redrive {
	struct watch *watch;
	mono_time due;
	wall_time delivered[CHANNEL_COUNT]; /* the latest in the ledger, whichever daemon did it */
	struct complaint complaint;
};

struct auto_redrive *auto_redrive_new(struct watch *w)
{
	struct auto_redrive *a = mem_alloc(sizeof *a);

	a->watch = w;
	return a;
}

void auto_redrive_free(struct auto_redrive *a)
{
	free(a);
}

static wall_time later(wall_time a, wall_time b)
{
	return a.ms > b.ms ? a : b;
}

/* When the service was last known to be well: it took a delivery, from whichever daemon, or a probe said so.
 */
static wall_time well_at(const struct auto_redrive *a, enum channel_id channel)
{
	struct channel_counters *c = &a->watch->engine->counters.channel[channel];
	wall_time sent = { atomic_load(&c->last_delivered_ms) }, probed = { atomic_load(&c->probe_at_ms) };

	if (atomic_load(&c->probe) != PROBE_WELL)
		probed = (wall_time){ 0 };
	return later(later(sent, probed), a->delivered[channel]);
}

/* Is what killed deliveries of the class over? *ret_when: rows that died before then may go. The one place
 * that knows what counts as evidence: the service takes deliveries again, and was well after the death. */
static bool cause_is_gone(
        const struct auto_redrive *a, enum channel_id channel, enum failure_class class, wall_time *ret_when)
{
	struct channel_counters *c = &a->watch->engine->counters.channel[channel];

	if (controls_of(a->watch->controls, channel)->paused || atomic_load(&c->breaker) != BREAKER_CLOSED)
		return false;
	if (class ==
	        FAILURE_OUT_OF_STOCK) { /* an operator's, unless the service itself says that it has more */
		*ret_when = (wall_time){ atomic_load(&c->probe_at_ms) };
		return atomic_load(&c->stock) == STOCK_IN && ret_when->ms != 0;
	}
	if (failure_disposition(class, channel) != DISPOSITION_AUTO)
		return false;
	*ret_when = class == FAILURE_WORKER_LOST ? wall_now() /* the service had no part in it */
	                                         : well_at(a, channel);
	return ret_when->ms != 0;
}

static bool rests(const struct redrive_history *history, enum failure_class class)
{
	int64_t ago_ms = history->class[class].ended_ms_ago;

	return ago_ms >= 0 && ago_ms < redrive_rest_ms(history->class[class].stops);
}

/* "service_down is over since 03:12 UTC" */
static const char *reason_of(const struct auto_redrive *a, enum channel_id channel, enum failure_class class,
        wall_time when, char *text, size_t size)
{
	long long closed_ms = atomic_load(&a->watch->engine->counters.channel[channel].breaker_since_ms);
	time_t since = (time_t)((closed_ms && closed_ms < when.ms ? closed_ms : when.ms) / 1000);
	struct tm tm;

	if (class == FAILURE_WORKER_LOST) {
		snprintf(text, size, "a worker was lost with them: tried again, carefully");
		return text;
	}
	gmtime_r(&since, &tm);
	snprintf(text, size, "%s is over since %02d:%02d UTC", failure_info(class)->name, tm.tm_hour,
	        tm.tm_min);
	return text;
}

static int create(struct auto_redrive *a, enum channel_id channel, enum failure_class class, wall_time when,
        bool *ret_created, struct usher_error *err)
{
	const struct config_channel *config = &a->watch->config->channel[channel];
	char reason[128];
	struct redrive_order order = { .selection = { .channel = (int)channel,
		                               .class = (int)class,
		                               .seen_until = when,
		                               .auto_max = config->auto_redrive_max },
		.rate = config->auto_redrive_rate,
		.canary = AUTO_CANARY,
		.stop_on = AUTO_STOP_ON,
		.act = redrive_usher };
	int64_t id = 0;
	int rc = redrive_job_wanted(a->watch->db, &order.selection, ret_created, err);

	if (rc || !*ret_created)
		return rc;
	if (class == FAILURE_WORKER_LOST && order.rate > AUTO_LOST_PER_S)
		order.rate = AUTO_LOST_PER_S;
	order.act.reason = reason_of(a, channel, class, when, reason, sizeof reason);
	rc = redrive_job_create(a->watch->db, &order, &id, err);
	if (rc == 0)
		log_info("redrive", "job %lld redrives %s by itself: %s", (long long)id,
		        channel_name(channel), reason);
	*ret_created = rc == 0;
	return rc == USHER_ENOTFOUND || rc == USHER_ECONFLICT ? 0
	                                                      : rc; /* somebody was quicker; no room now */
}

static int look_at(struct auto_redrive *a, enum channel_id channel, struct usher_error *err)
{
	struct redrive_history history;
	bool created = false;
	int rc = redrive_job_history(a->watch->db, channel, &history, err);

	if (rc || history.open)
		return rc;
	for (enum failure_class class = FAILURE_NONE + 1; class < FAILURE_COUNT && !rc && !created;
	        class ++) {
		wall_time when;

		if (!rests(&history, class) && cause_is_gone(a, channel, class, &when))
			rc = create(a, channel, class, when, &created, err);
	}
	return rc;
}

void auto_redrive_turn(struct auto_redrive *a)
{
	struct watch *w = a->watch;
	const struct config_channel *channels = w->config->channel;
	struct usher_error err = { 0 };
	int rc;

	if (a->due.ns > mono_now().ns || !peer_ready(&w->database))
		return;
	a->due = mono_add_ms(mono_now(), AUTO_EVERY_MS);
	rc = ledger_last_delivered(w->db, a->delivered, &err);
	for (int id = 0; id < CHANNEL_COUNT && !rc; id++)
		if (channels[id].enabled && channels[id].auto_redrive && channels[id].auto_redrive_max > 0)
			rc = look_at(a, (enum channel_id)id, &err);
	if (!rc)
		complaint_end(&a->complaint);
	else if (!watch_database_away(w, &err))
		complaint_say(&a->complaint, "dead deliveries cannot be redriven automatically", &err);
}
