/* What alarms watch: figures out of the watcher's status, and a few that are asked of the database. Watcher's
 * thread. */
#include "engine/alarm.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static struct alarm_value unknown(void)
{
	return (struct alarm_value){ 0 };
}

static struct alarm_value known(double value)
{
	return (struct alarm_value){ .known = true, .value = value };
}

static double seconds_since(mono_time then, mono_time now)
{
	return then.ns ? (double)(now.ns - then.ns) / 1e9 : 0;
}

/* -- The broker's figures ---------------------------------------------------------------------------- */

static bool is_fresh(const struct channel_status *c, struct figure figure)
{
	return c->enabled && c->depth_at.ms && figure.exactness != STALE && figure.value >= 0;
}

static struct alarm_value backlog(const struct channel_status *c)
{
	return is_fresh(c, c->depth.visible) ? known((double)c->depth.visible.value) : unknown();
}

static struct alarm_value dlq(const struct channel_status *c)
{
	const struct queue_depths *d = &c->dlq_depth;

	if (!is_fresh(c, d->visible))
		return unknown();
	return known((double)queue_standing(d).value);
}

/* An empty queue has no oldest message. Of one that is not empty the broker may not know it: then what has
 * waited since anything was last taken is at least so old. As long as this daemon has not seen anything
 * taken, that can raise an alarm and not end one. */
static struct alarm_value oldest(const struct alarm_figures *f, const struct alarm *a)
{
	const struct alarm_channel_figures *kept = &f->channel[a->channel];
	const struct channel_status *c = &f->status->channel[a->channel];
	double least = seconds_since(kept->still_since, f->now);

	if (!backlog(c).known)
		return unknown();
	if (c->depth.oldest_age_ms >= 0)
		return known((double)c->depth.oldest_age_ms / 1000);
	if (!f->watch->database.up || (!kept->moved && least <= a->rule->raise_at))
		return unknown();
	return known(least);
}

/* As long as nobody has paused it. */
static struct alarm_value idle(const struct alarm_figures *f, int channel)
{
	const struct alarm_channel_figures *c = &f->channel[channel];
	mono_time since = c->still_since.ns > c->paused_at.ns ? c->still_since : c->paused_at;

	if (!backlog(&f->status->channel[channel]).known || !f->watch->database.up)
		return unknown();
	return known(seconds_since(since, f->now));
}

/* -- What is kept from turn to turn ------------------------------------------------------------------- */

/* Something of this moves whenever a daemon, this one or another, takes or settles a message. */
static void take_motion(struct alarm_figures *f, enum channel_id id)
{
	struct alarm_channel_figures *c = &f->channel[id];
	const struct channel_status *s = &f->status->channel[id];
	const uint64_t seen[] = { counter_get(&f->watch->engine->counters.channel[id].received),
		(uint64_t)s->claimed, (uint64_t)s->retrying, (uint64_t)s->dead, (uint64_t)s->queued,
		(uint64_t)s->cancelled };
	struct alarm_value waiting = backlog(s);
	bool first = c->still_since.ns == 0, empty = waiting.known && waiting.value == 0,
	     moved = memcmp(seen, c->seen, sizeof seen) != 0;

	if (first || empty || moved || !f->watch->database.up)
		c->still_since = f->now;
	c->moved = c->moved || empty || (moved && !first);
	if (s->control.paused)
		c->paused_at = f->now;
	memcpy(c->seen, seen, sizeof seen);
}

static void take_breaker(struct alarm_figures *f, enum channel_id id)
{
	struct alarm_channel_figures *c = &f->channel[id];

	if (atomic_load(&f->watch->engine->counters.channel[id].breaker) == BREAKER_CLOSED)
		c->open_since = (mono_time){ 0 };
	else if (c->open_since.ns == 0)
		c->open_since = f->now;
}

void alarm_figures_take(struct alarm_figures *f, const struct status *status, mono_time now)
{
	f->status = status;
	f->now = now;
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++) {
		take_motion(f, id);
		take_breaker(f, id);
	}
}

/* -- Over a window -------------------------------------------------------------------------------------- */

static void read_attempts(
        const struct alarm_figures *f, int channel, double *ret_failed, double *ret_delivered)
{
	struct channel_counters *c = &f->watch->engine->counters.channel[channel];

	*ret_failed = (double)counter_get(&c->failed);
	*ret_delivered = (double)counter_get(&c->delivered);
}

void alarm_figures_sample(const struct alarm_figures *f, struct alarm *a)
{
	double failed, delivered;
	struct alarm_value level;

	if (a->rule->watches == METRIC_FAILURE_SHARE) {
		read_attempts(f, a->channel, &failed, &delivered);
		alarm_ring_add(&a->ring, a->rule->window_ms, failed, delivered, f->now);
	} else if (a->rule->watches == METRIC_BACKLOG_GROWTH) {
		level = backlog(&f->status->channel[a->channel]);
		if (level.known)
			alarm_ring_add(&a->ring, a->rule->window_ms, level.value, 0, f->now);
	}
}

static struct alarm_value failure_share(const struct alarm_figures *f, const struct alarm *a)
{
	double failed, delivered;

	read_attempts(f, a->channel, &failed, &delivered);
	return alarm_ring_share(&a->ring, a->rule->window_ms, a->rule->at_least, failed, delivered, f->now);
}

static struct alarm_value growth(const struct alarm_figures *f, const struct alarm *a)
{
	struct alarm_value level = backlog(&f->status->channel[a->channel]);

	return level.known ? alarm_ring_growth(&a->ring, a->rule->window_ms, level.value, f->now) : level;
}

/* -- What the database knows ------------------------------------------------------------------------------
 */

static struct alarm_value deaths(const struct alarm_figures *f, const struct alarm *a)
{
	struct usher_error err = { 0 };
	int64_t n = 0;

	if (!f->watch->database.up)
		return unknown();
	if (alarm_deaths(f->watch->db, (enum channel_id)a->channel, a->rule->window_ms, &n, &err)) {
		watch_database_away(f->watch, &err);
		return unknown();
	}
	return known((double)n);
}

static struct alarm_value retention(const struct alarm_figures *f, const struct alarm *a)
{
	struct usher_error err = { 0 };
	int64_t ms = 0;

	if (!f->watch->database.up)
		return unknown();
	if (alarm_retention(f->watch->db, (enum channel_id)a->channel, &ms, &err)) {
		watch_database_away(f->watch, &err);
		return unknown();
	}
	return known(ms < 0 ? INFINITY : (double)ms / 1000);
}

static struct alarm_value outbox(const struct alarm_figures *f, bool age)
{
	if (!f->watch->database.up)
		return unknown();
	if (!age)
		return known((double)f->status->outbox_waiting);
	return known(f->status->outbox_oldest_ms < 0 ? 0 : (double)f->status->outbox_oldest_ms / 1000);
}

/* -- Peers and daemons
 * --------------------------------------------------------------------------------------- */

static struct alarm_value down(const struct peer *peer)
{
	if (!peer->up && !peer->down)
		return unknown();
	return known(peer->up ? 0 : (double)(wall_now().ms - peer->since.ms) / 1000);
}

/* The embedded broker is in the database: one trouble, one alarm. Once the database is back, it has the time
 * that it may take until it is asked again. */
static struct alarm_value broker_down(const struct alarm_figures *f)
{
	const struct peer *database = &f->watch->database, *peer = &f->watch->broker_peer;
	const struct peer_status *broker = &f->status->broker;
	bool embedded = strcmp(f->watch->engine->started_with->broker.driver, "embedded") == 0;

	if (embedded && (!database->up || wall_now().ms - database->since.ms < 2 * PEER_BACKOFF_MAX_MS))
		return peer->up ? known(0) : unknown();
	if (!peer->up && !peer->down)
		return unknown();
	return known(broker->up ? 0 : (double)(wall_now().ms - broker->since.ms) / 1000);
}

/* One that was started on the host of a lost one, after it was last seen, stands in for it. */
static struct alarm_value daemons_lost(const struct alarm_figures *f)
{
	const struct fleet_member *members;
	size_t n = fleet_members(f->watch->fleet, &members);
	bool counted[FLEET_MAX] = { false };
	int lost = 0;

	if (!f->watch->database.up)
		return unknown();
	for (size_t i = 0; i < n; i++) {
		if (members[i].silent_ms < FLEET_LEASE_MS)
			continue;
		lost++;
		for (size_t j = 0; j < n; j++) {
			if (counted[j] || members[j].silent_ms >= FLEET_LEASE_MS ||
			        strcmp(members[i].host, members[j].host) != 0 ||
			        members[j].started_at.ms < members[i].seen_at.ms)
				continue;
			counted[j] = true;
			lost--;
			break;
		}
	}
	return known(lost);
}

struct alarm_value alarm_figure(const struct alarm_figures *f, const struct alarm *a)
{
	const struct channel_status *c = &f->status->channel[a->channel < 0 ? 0 : a->channel];

	switch (a->rule->watches) {
	case METRIC_DLQ:
		return dlq(c);
	case METRIC_DLQ_ARRIVALS:
		return deaths(f, a);
	case METRIC_FAILURE_SHARE:
		return failure_share(f, a);
	case METRIC_BACKLOG:
		return backlog(c);
	case METRIC_BACKLOG_GROWTH:
		return growth(f, a);
	case METRIC_OLDEST_AGE:
		return oldest(f, a);
	case METRIC_BREAKER_OPEN:
		return known(seconds_since(f->channel[a->channel].open_since, f->now));
	case METRIC_OUTBOX_WAITING:
	case METRIC_OUTBOX_AGE:
		return outbox(f, a->rule->watches == METRIC_OUTBOX_AGE);
	case METRIC_DATABASE_DOWN:
		return down(&f->watch->database);
	case METRIC_BROKER_DOWN:
		return broker_down(f);
	case METRIC_RETENTION_LEFT:
		return retention(f, a);
	case METRIC_IDLE_WITH_WORK:
		return idle(f, a->channel);
	case METRIC_DAEMONS_LOST:
		return daemons_lost(f);
	case ALARM_METRIC_COUNT:
		break;
	}
	return unknown();
}
