/* The watcher: one thread with a loop, a db and a broker of its own. Every watch.depth_interval it reads the
 * depths and the ledger's counts and puts a new status on the board; it runs the DLQ mirror, sends redrives
 * and deletes what is old. What cannot be read keeps its last figures, marked stale. As often as it counts it
 * has a pulse, that no slow broker holds up: its place in the fleet, and what operators say of channels. */
#include "engine/watch.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/figures.h"
#include "policy/pace.h"
#include "store/ledger.h"
#include "store/outbox.h"

#include <pthread.h>
#include <string.h>

struct watcher {
	struct watch watch;
	pthread_t thread;
	struct loop_timer *timer, *pulse;
	atomic_bool kicked;
	struct config_post posted; /* the next configuration */
	struct status status;      /* the next snapshot, under construction; its refs are not used */
	struct figures figures;
	struct complaint policy[CHANNEL_COUNT];
	/* the round under way: queues are asked one after the other, dlq after queue */
	bool in_round;
	int asking;
	struct pace pace; /* of counting, where that costs */
	uint64_t movement;
};

#define WATCHED_MS 5000 /* who asked for the status this recently is still looking */

/* -- Depths ---------------------------------------------------------------------------------- */

static void depths_next(struct watcher *w);
static void counted(struct watcher *w);
static void round_end(struct watcher *w);

static void stale(struct channel_status *c, const char *why)
{
	struct queue_depths *both[] = { &c->depth, &c->dlq_depth };
	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		both[i]->visible.exactness = both[i]->in_flight.exactness = both[i]->delayed.exactness =
		        STALE;
	utf8_copy(c->depth_error, sizeof c->depth_error, why, strlen(why));
}

/* A queue that somebody else has made: deliveries would die before their attempts are over. */
static void judge_policy(struct watcher *w, enum channel_id id, int max_receives)
{
	const struct config_channel *c = &w->watch.config->channel[id];
	int needed = queue_receives(c->max_attempts);
	struct usher_error err = { 0 };
	char what[NOTE_SIZE];

	if (max_receives == 0 || max_receives >= needed) {
		complaint_end(&w->policy[id]);
		return;
	}
	error_set(&err, USHER_ECONFIG,
	        "after %d receives, and max_attempts = %d may take %d: set its maxReceiveCount to that, or "
	        "have "
	        "usherd provision --apply do it",
	        max_receives, c->max_attempts, needed);
	snprintf(what, sizeof what, "queue %s has messages moved to the DLQ before their attempts are over",
	        c->queue);
	complaint_say(&w->policy[id], what, &err);
}

static void on_depths(void *arg, const struct queue_depths *depths, const struct usher_error *err)
{
	struct watcher *w = arg;
	enum channel_id id = (enum channel_id)(w->asking / 2);
	bool is_dlq = w->asking % 2;
	struct channel_status *c = &w->status.channel[id];

	/* Any error but a missing queue: a broker that cannot count is of no use. */
	if (err->code && err->code != USHER_ENOTFOUND) {
		peer_failed(&w->watch.broker_peer, err);
		round_end(w);
		return;
	}
	peer_answered(&w->watch.broker_peer);
	if (err->code) {
		stale(c, err->message);
		w->asking += is_dlq ? 1 : 2;
		depths_next(w);
		return;
	}
	*(is_dlq ? &c->dlq_depth : &c->depth) = *depths;
	if (is_dlq) {
		c->depth_at = wall_now();
		c->depth_error[0] = 0;
		mirror_depth(w->watch.mirror, id, depths);
	} else {
		judge_policy(w, id, depths->max_receives);
	}
	w->asking++;
	depths_next(w);
}

static void depths_next(struct watcher *w)
{
	struct broker *b = w->watch.broker;
	const struct config_channel *c = w->watch.engine->started_with->channel;

	while (w->asking < 2 * CHANNEL_COUNT && !c[w->asking / 2].enabled)
		w->asking += 2;
	if (w->asking >= 2 * CHANNEL_COUNT || w->watch.stopping) {
		counted(w);
		round_end(w);
		return;
	}
	c += w->asking / 2;
	b->ops->depths(b, w->asking % 2 ? c->dlq : c->queue, on_depths, w);
}

/* -- The ledger's and the outbox's counts ---------------------------------------------------- */

static int count_channel(struct watcher *w, enum channel_id id, struct usher_error *err)
{
	struct channel_status *c = &w->status.channel[id];
	struct ledger_counts counts = { 0 };
	int rc = ledger_count(w->watch.db, id, &counts, err);
	if (rc)
		return rc;
	c->claimed = counts.claimed;
	c->retrying = counts.retrying;
	c->dead = counts.dead;
	c->queued = counts.queued;
	c->cancelled = counts.cancelled;
	c->next_due_ms = counts.next_due_ms;
	mirror_ledger(w->watch.mirror, id, counts.queued + counts.cancelled);
	return 0;
}

static int count_all(struct watcher *w, struct usher_error *err)
{
	struct outbox_counts outbox = { 0 };
	int rc = db_ping(w->watch.db, err);
	for (int id = 0; id < CHANNEL_COUNT && !rc; id++)
		rc = count_channel(w, id, err);
	if (!rc)
		rc = outbox_count(w->watch.db, &outbox, err);
	if (rc)
		return rc;
	w->status.outbox_waiting = outbox.waiting;
	w->status.outbox_oldest_ms = outbox.oldest_age_ms;
	w->status.counted_at = wall_now();
	return 0;
}

/* Any error counts: without these tables as they should be, usher does not work. */
static bool ask_database(struct watcher *w, int (*ask)(struct watcher *, struct usher_error *))
{
	struct usher_error err = { 0 };
	if (!peer_ready(&w->watch.database))
		return false;
	if (ask(w, &err)) {
		peer_failed(&w->watch.database, &err);
		return false;
	}
	peer_answered(&w->watch.database);
	return true;
}

/* -- The snapshot ---------------------------------------------------------------------------- */

/* The watcher's own asking shows whether a peer is there; `trouble` is what others meet who ask more of it,
 * "" for none. */
static void judge(struct peer_status *s, const struct peer *peer, const char *trouble)
{
	const char *error = peer->up ? trouble : peer->error;
	bool up = peer->up && !*error;

	utf8_copy(s->error, sizeof s->error, error, strlen(error));
	if (up != s->up || s->since.ms == 0)
		s->since = wall_now();
	s->up = up;
}

/* A full disk is found by writing, which the pipelines do. */
static const char *ledger_trouble(const struct watcher *w, char words[NOTE_SIZE])
{
	struct channel_counters *channel = w->watch.engine->counters.channel;

	words[0] = 0;
	for (int id = 0; id < CHANNEL_COUNT && !words[0]; id++)
		note_read(&channel[id].ledger_error, words);
	return words;
}

/* Counting asks for one permission of many, and of one key of many. */
static const char *broker_trouble(const struct watcher *w, char words[NOTE_SIZE])
{
	struct channel_counters *channel = w->watch.engine->counters.channel;
	bool queued = false;

	for (int id = 0; id < CHANNEL_COUNT; id++) {
		const char *mirror = mirror_refusal(w->watch.mirror, (enum channel_id)id);

		note_read(&channel[id].receive_error, words);
		for (int kind = 0; kind < DISMISSAL_KINDS && !words[0]; kind++)
			note_read(&channel[id].dismissal_error[kind], words);
		if (words[0])
			return words;
		if (mirror[0])
			return mirror;
		queued = queued || w->status.channel[id].queued > 0;
	}
	return queued ? redrive_refusal(w->watch.redrive) : "";
}

static void judge_peers(struct watcher *w)
{
	char words[NOTE_SIZE];

	judge(&w->status.database, &w->watch.database, ledger_trouble(w, words));
	judge(&w->status.broker, &w->watch.broker_peer, broker_trouble(w, words));
}

static void put(struct watcher *w)
{
	struct status *s = &w->status;
	const struct fleet_member *members;

	for (int id = 0; id < CHANNEL_COUNT; id++)
		s->channel[id].control = *controls_of(w->watch.controls, (enum channel_id)id);
	s->fleet_len = fleet_members(w->watch.fleet, &members);
	memcpy(s->fleet, members, s->fleet_len * sizeof *members);

	struct status *copy = mem_alloc(sizeof *copy);
	memcpy(copy, s, sizeof *copy);
	status_board_put(w->watch.engine->board, copy);
}

static void publish(struct watcher *w)
{
	struct status *s = &w->status;
	const struct peer *broker = &w->watch.broker_peer;
	struct figures_sample sample = figures_read(&w->watch.engine->counters, mono_now());

	s->at = wall_now();
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		if (broker->down && s->channel[id].enabled)
			stale(&s->channel[id], broker->error);
	}
	figures_add(&w->figures, &sample, s);
	state_dir_turn(w->watch.state_dir, s);
	alarms_board(w->watch.alarms, &s->alarms);
	put(w);
}

/* -- The price of counting --------------------------------------------------------------------- */

/* Changes when anything does that shows in a depth, as far as this daemon knows. */
static uint64_t movement(struct watcher *w)
{
	struct counters *counters = &w->watch.engine->counters;
	uint64_t sum = counter_get(&counters->relay.published) + counter_get(&counters->redriven) +
	               counter_get(&counters->mirror_deleted);

	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_counters *c = &counters->channel[id];
		const struct queue_depths *depths[] = { &w->status.channel[id].depth,
			&w->status.channel[id].dlq_depth };
		sum = sum * 31 + counter_get(&c->received) + counter_get(&c->dead);
		for (size_t i = 0; i < ARRAY_LEN(depths); i++)
			sum = sum * 31 +
			      (uint64_t)(depths[i]->visible.value + 7 * depths[i]->in_flight.value +
			                 31 * depths[i]->delayed.value);
	}
	return sum;
}

static bool counting_is_due(struct watcher *w)
{
	int64_t looked_ms = wall_now().ms - atomic_load(&w->watch.engine->counters.looked_at_ms);
	int64_t quick_ms = w->watch.config->watch.depth_interval_ms;

	/* What moved since the last count is counted at once; and a broker that failed is asked so until it
	 * answers. */
	return !w->watch.broker->ops->counting_costs || w->watch.broker_peer.down ||
	       movement(w) != w->movement ||
	       pace_due(&w->pace, quick_ms, looked_ms >= 0 && looked_ms < WATCHED_MS, mono_now());
}

static void counted(struct watcher *w)
{
	const struct config *config = w->watch.config;
	uint64_t now = movement(w);

	pace_looked(&w->pace, config->watch.depth_interval_ms, config->watch.idle_interval_ms,
	        now != w->movement, mono_now());
	w->movement = now;
	w->status.depths_every_ms = w->watch.broker->ops->counting_costs ? w->pace.interval_ms : 0;
}

/* -- Rounds ---------------------------------------------------------------------------------- */

static void round_begin(void *arg)
{
	struct watcher *w = arg;
	w->in_round = true;
	w->asking = 0;
	if (peer_ready(&w->watch.broker_peer) && counting_is_due(w)) {
		depths_next(w);
		return;
	}
	round_end(w);
}

static void round_end(struct watcher *w)
{
	w->in_round = false;
	if (!w->watch.stopping) {
		ask_database(w, count_all);
		judge_peers(w);
		alarms_turn(w->watch.alarms, &w->status);
		publish(w);
		redrive_turn(w->watch.redrive);
		mirror_turn(w->watch.mirror);
		retention_turn(w->watch.retention);
		loop_timer_start(w->timer, w->watch.config->watch.depth_interval_ms);
	}
	watch_job_ended(&w->watch);
}

void watch_job_ended(struct watch *watch)
{
	struct watcher *w = (struct watcher *)watch;
	if (watch->stopping && !w->in_round && !mirror_busy(watch->mirror) && !redrive_busy(watch->redrive) &&
	        !alarms_busy(watch->alarms) && !state_dir_busy(watch->state_dir))
		loop_stop(watch->loop);
}

/* -- The pulse ------------------------------------------------------------------------------- */

static int feel(struct watcher *w, struct usher_error *err)
{
	int rc = fleet_turn(w->watch.fleet, err);
	return rc ? rc : controls_turn(w->watch.controls, err);
}

static void pulse(void *arg)
{
	struct watcher *w = arg;
	ask_database(w, feel);
	loop_timer_start(w->pulse, w->watch.config->watch.depth_interval_ms);
}

/* -- The thread ------------------------------------------------------------------------------ */

/* What was told to this daemon is seen on its own status at once. */
static void on_kick(void *arg)
{
	struct watcher *w = arg;
	atomic_store(&w->kicked, false);
	if (ask_database(w, feel) && w->status.at.ms)
		put(w);
	mirror_want(w->watch.mirror);
	runner_turn(w->watch.runner);
	redrive_turn(w->watch.redrive);
	mirror_turn(w->watch.mirror);
}

/* A history of another depth interval keeps its minutes only. */
static void take_step(struct watcher *w, int64_t step_ms)
{
	if (w->status.history.step_ms == step_ms)
		return;
	w->status.history.step_ms = step_ms;
	w->status.history.recent_len = 0;
}

/* What is under way is finished as it was begun. */
static void configure_here(void *arg)
{
	struct watcher *w = arg;
	struct watch *watch = &w->watch;
	const struct config *fresh = config_post_take(&w->posted), *old = watch->config;

	if (!fresh)
		return;
	watch->config = fresh;
	alarms_configure(watch->alarms, old);
	take_step(w, fresh->watch.depth_interval_ms);
	config_free(old);
	if (watch->stopping)
		return;
	loop_timer_start(w->pulse, 0);
	if (!w->in_round)
		loop_timer_start(w->timer, 0);
}

void watcher_configure(struct watcher *w, const struct config *config)
{
	config_post_put(&w->posted, config);
	loop_post(w->watch.loop, configure_here, w);
}

static void on_stop(void *arg)
{
	struct watcher *w = arg;
	w->watch.stopping = true;
	loop_timer_stop(w->timer);
	loop_timer_stop(w->pulse);
	watch_job_ended(&w->watch);
}

static void *run(void *arg)
{
	struct watcher *w = arg;
	struct watch *watch = &w->watch;

	watch->db = engine_db(watch->engine);
	watch->broker = engine_broker(watch->engine, watch->loop);
	watch->retention = retention_new(watch);
	watch->fleet = fleet_new(watch);
	watch->state_dir = state_dir_new(watch);
	state_dir_begin(watch->state_dir, &w->status.history);
	watch->controls = controls_new(watch);
	w->pulse = loop_timer_new(watch->loop, pulse, w);
	loop_timer_start(w->pulse, 0);
	watch->alarms = alarms_new(watch);
	watch->auto_redrive = auto_redrive_new(watch);
	watch->runner = runner_new(watch);
	w->timer = loop_timer_new(watch->loop, round_begin, w);
	loop_timer_start(w->timer, 0);
	loop_run(watch->loop);

	fleet_end(watch->fleet);
	state_dir_end(watch->state_dir, &w->status.history);
	loop_timer_free(w->timer);
	loop_timer_free(w->pulse);
	state_dir_free(watch->state_dir);
	controls_free(watch->controls);
	alarms_free(watch->alarms);
	runner_free(watch->runner);
	auto_redrive_free(watch->auto_redrive);
	fleet_free(watch->fleet);
	retention_free(watch->retention);
	watch->broker->ops->close(watch->broker);
	db_free(watch->db);
	return NULL;
}

static void status_prepare(struct watcher *w)
{
	const struct config *config = w->watch.engine->started_with;
	w->status.started_at = wall_now();
	w->status.outbox_oldest_ms = w->status.disk_total = w->status.disk_free = -1;
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_status *c = &w->status.channel[id];
		c->enabled = config->channel[id].enabled;
		c->queue = config->channel[id].queue;
		c->dlq = config->channel[id].dlq;
		c->next_due_ms = -1;
		c->depth = c->dlq_depth = (struct queue_depths)QUEUE_DEPTHS_UNKNOWN;
		stale(c, c->enabled ? "not read yet" : "the channel is not enabled here");
	}
}

static void watcher_free(struct watcher *w)
{
	mirror_free(w->watch.mirror);
	redrive_free(w->watch.redrive);
	loop_free(w->watch.loop);
	config_free(w->watch.config);
	config_free(config_post_take(&w->posted));
	free(w);
}

int watcher_start(struct engine *engine, struct watcher **ret, struct usher_error *err)
{
	struct watcher *w = mem_alloc(sizeof *w);
	w->watch.engine = engine;
	w->watch.config = config_hold(engine->started_with);
	w->watch.loop = loop_new();
	w->watch.database.name = "database";
	w->watch.broker_peer.name = "broker";
	w->watch.database.since = w->watch.broker_peer.since = wall_now();
	w->watch.mirror = mirror_new(&w->watch);
	w->watch.redrive = redrive_new(&w->watch);
	status_prepare(w);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		watcher_free(w);
		return error_set(err, USHER_EIO,
		        "the watcher's thread cannot be started: raise the limit on processes (ulimit -u)");
	}
	pthread_setname_np(w->thread, "watcher");
	heartbeat_begin(&engine->heartbeats, "watcher", w->watch.loop);
	*ret = w;
	return 0;
}

void watcher_kick(struct watcher *w)
{
	if (!atomic_exchange(&w->kicked, true))
		loop_post(w->watch.loop, on_kick, w);
}

void watcher_stop(struct watcher *w)
{
	loop_post(w->watch.loop, on_stop, w);
}

void watcher_join(struct watcher *w)
{
	pthread_join(w->thread, NULL);
	heartbeat_end(&w->watch.engine->heartbeats, w->watch.loop);
	watcher_free(w);
}
