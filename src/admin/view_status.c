/* GET /v1/status: what the daemon knows of itself. Made from the counters and the watcher's newest
 * snapshot alone: no statement, no lock held, whoever polls it. Admin thread. */
#include "admin/cost.h"
#include "admin/route.h"

#include "admin/view.h"
#include "channel/channel.h"
#include "policy/breaker.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* The watcher's snapshot may be missing (the first seconds) or old (the watcher waits for a database). */
struct picture {
	const struct config *config;
	struct counters *counters;
	const struct status *status; /* NULL: none yet */
	wall_time now;
	bool stale;  /* ledger and outbox figures */
	int minutes; /* of history, as asked for; 0: none */
};

static struct figure exactly(int64_t value)
{
	return (struct figure){ .value = value, .exactness = EXACT };
}

static wall_time at_ms(long long ms)
{
	return (wall_time){ .ms = ms };
}

static void add_note(cJSON *json, const char *key, struct note *note)
{
	char text[NOTE_SIZE];
	note_read(note, text);
	view_add_words(json, key, *text ? text : NULL);
}

static void add_breaker(cJSON *json, struct channel_counters *c, struct figure waiting, bool stale)
{
	enum breaker_state state = (enum breaker_state)atomic_load(&c->breaker);
	cJSON *breaker = json_add_object(json, "breaker");
	json_add_string(breaker, "state", breaker_state_name(state));
	view_add_time(breaker, "since", at_ms(atomic_load(&c->breaker_since_ms)));
	view_add_time(breaker, "trial_at", at_ms(atomic_load(&c->breaker_trial_at_ms)));
	if (state == BREAKER_CLOSED)
		cJSON_AddNullToObject(breaker, "cause");
	else
		add_note(breaker, "cause", &c->breaker_cause);
	view_add_figure(breaker, "waiting", waiting, stale);
}

/* A word's yes or no; null where it is not known. */
static void add_known(cJSON *json, const char *key, bool known, bool value)
{
	if (known)
		json_add_bool(json, key, value);
	else
		cJSON_AddNullToObject(json, key);
}

static void add_probe(cJSON *json, struct channel_counters *c)
{
	int state = atomic_load(&c->probe), stock = atomic_load(&c->stock);
	cJSON *probe = json_add_object(json, "probe");
	add_known(probe, "ok", state != PROBE_UNKNOWN, state == PROBE_WELL);
	view_add_time(probe, "at", at_ms(atomic_load(&c->probe_at_ms)));
	view_add_time(probe, "next_at", at_ms(atomic_load(&c->probe_next_ms)));
	add_note(probe, "error", &c->probe_error);
	add_known(probe, "in_stock", stock != STOCK_UNKNOWN, stock == STOCK_IN);
}

static void add_limit(cJSON *json, struct channel_counters *c)
{
	enum rate_by by = (enum rate_by)atomic_load(&c->rate_by);
	long long milli = atomic_load(&c->rate_limit_milli);
	cJSON *limit = json_add_object(json, "limit");
	if (milli > 0)
		view_add_rate(limit, "per_s", (double)milli / 1000);
	else
		cJSON_AddNullToObject(limit, "per_s");
	json_add_string(limit, "by", rate_by_name(by));
	view_add_time(limit, "since", at_ms(atomic_load(&c->rate_since_ms)));
	if (by == RATE_BY_SERVICE)
		add_note(limit, "words", &c->rate_words);
	else
		cJSON_AddNullToObject(limit, "words");
}

static void add_counter(cJSON *json, const char *key, counter *c)
{
	json_add_int(json, key, (int64_t)counter_get(c));
}

static void add_totals(cJSON *json, struct channel_counters *c)
{
	cJSON *totals = json_add_object(json, "totals");
	add_counter(totals, "received", &c->received);
	add_counter(totals, "delivered", &c->delivered);
	add_counter(totals, "retried", &c->retried);
	add_counter(totals, "dead", &c->dead);
	add_counter(totals, "failed", &c->failed);
	add_counter(totals, "repeated", &c->repeated);
	add_counter(totals, "handed_back", &c->handed_back);
	add_counter(totals, "lost", &c->lost);
}

/* null stands for what was not measured. */
static void add_series(cJSON *json, const struct history_point *points, int n, enum channel_id id)
{
	for (int series = 0; series < SERIES_COUNT; series++) {
		cJSON *list = json_add_array(json, series_name((enum series)series));
		for (int i = 0; i < n; i++) {
			uint32_t value = points[i].value[id][series];
			cJSON_AddItemToArray(
			        list, value == HISTORY_GAP ? cJSON_CreateNull() : cJSON_CreateNumber(value));
		}
	}
}

static void add_depths(
        cJSON *json, const struct picture *p, enum channel_id id, const struct channel_status *s)
{
	bool stale = view_depths_are_stale(p->config, p->status, id, p->now);
	view_add_figure(json, "visible", s->depth.visible, stale);
	view_add_figure(json, "in_flight", s->depth.in_flight, stale);
	view_add_figure(json, "delayed", s->depth.delayed, stale);
	view_add_seconds(json, "oldest_age_s", s->depth.oldest_age_ms);
	view_add_figure(json, "dlq_depth", queue_standing(&s->dlq_depth), stale);
	view_add_figure(json, "retrying", exactly(s->retrying), p->stale);
	view_add_figure(json, "dead", exactly(s->dead), p->stale);
	view_add_figure(json, "queued", exactly(s->queued), p->stale);
	view_add_figure(json, "cancelled", exactly(s->cancelled), p->stale);
	view_add_seconds(json, "next_due_s", s->next_due_ms);
}

/* `minutes`: how many of them, the newest. */
static void add_history(
        cJSON *json, const struct picture *p, const struct channel_status *s, enum channel_id id)
{
	const struct history *h = p->status ? &p->status->history : NULL;
	cJSON *rates = json_add_object(json, "rates");
	view_add_rate(rates, "in_per_s", s->in_per_s);
	view_add_rate(rates, "out_per_s", s->out_per_s);
	view_add_rate(rates, "fail_per_s", s->fail_per_s);
	cJSON *history = json_add_object(json, "history");
	add_series(history, h ? h->recent : NULL, h ? h->recent_len : 0, id);
	if (p->minutes) {
		int n = h && h->minutes_len < p->minutes ? h->minutes_len : p->minutes;
		add_series(json_add_object(history, "minutes"), h ? h->minutes + h->minutes_len - n : NULL,
		        h ? n : 0, id);
	}
	cJSON_AddNumberToObject(json, "history_step_s", (double)p->config->watch.depth_interval_ms / 1000);
	view_add_time(json, "depth_at", s->depth_at);
	view_add_time(json, "counted_at", p->status ? p->status->counted_at : at_ms(0));
	json_add_string(json, "depth_error", s->depth_error);
}

/* Stands in until the first snapshot. */
static const struct channel_status unknown_channel = {
	.depth = QUEUE_DEPTHS_UNKNOWN,
	.dlq_depth = QUEUE_DEPTHS_UNKNOWN,
	.retrying = -1,
	.dead = -1,
	.queued = -1,
	.cancelled = -1,
	.next_due_ms = -1,
};

static cJSON *channel_json(const struct picture *p, enum channel_id id)
{
	struct channel_counters *c = &p->counters->channel[id];
	const struct channel_status *s = p->status ? &p->status->channel[id] : &unknown_channel;
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "name", channel_name(id));
	json_add_bool(json, "enabled", p->config->channel[id].enabled);
	json_add_string(json, "queue", p->config->channel[id].queue);
	json_add_string(json, "dlq", p->config->channel[id].dlq);
	add_depths(json, p, id, s);
	json_add_int(json, "sending", atomic_load(&c->sending));
	json_add_int(json, "holding", atomic_load(&c->holding));
	json_add_int(json, "connections", atomic_load(&c->connections));
	view_add_control(json, &s->control);
	add_breaker(json, c, s->depth.visible, view_depths_are_stale(p->config, p->status, id, p->now));
	add_probe(json, c);
	add_limit(json, c);
	add_totals(json, c);
	add_history(json, p, s, id);
	return json;
}

static void add_peers(cJSON *json, const struct picture *p)
{
	static const char wait[] = "not looked at yet";
	const struct status *s = p->status;
	cJSON *database = json_add_object(json, "database");
	json_add_bool(database, "up", s && s->database.up);
	view_add_time(database, "since", s ? s->database.since : at_ms(0));
	json_add_string(database, "error", s ? s->database.error : wait);
	cJSON *broker = json_add_object(json, "broker");
	json_add_bool(broker, "up", s && s->broker.up);
	view_add_time(broker, "since", s ? s->broker.since : at_ms(0));
	json_add_string(broker, "error", s ? s->broker.error : wait);
}

static void add_fleet(cJSON *json, const struct picture *p, const char *owner)
{
	cJSON *list = json_add_array(json, "fleet");
	for (size_t i = 0; p->status && i < p->status->fleet_len; i++) {
		const struct fleet_member *m = &p->status->fleet[i];
		cJSON *one = cJSON_CreateObject();
		json_add_string(one, "host", m->host);
		json_add_int(one, "pid", m->pid);
		json_add_string(one, "version", m->version);
		view_add_time(one, "started_at", m->started_at);
		view_add_time(one, "seen_at", m->seen_at);
		json_add_int(one, "silent_s", m->silent_ms / 1000);
		json_add_bool(one, "leads", m->leads);
		json_add_bool(one, "self", strcmp(m->owner, owner) == 0);
		json_add_bool(one, "lost", m->silent_ms > FLEET_LOST_MS);
		cJSON_AddItemToArray(list, one);
	}
}

static void add_outbox(cJSON *json, const struct picture *p)
{
	struct relay_counters *relay = &p->counters->relay;
	cJSON *outbox = json_add_object(json, "outbox");
	view_add_figure(outbox, "waiting", exactly(p->status ? p->status->outbox_waiting : -1), p->stale);
	view_add_seconds(outbox, "oldest_age_s", p->status ? p->status->outbox_oldest_ms : -1);
	view_add_time(outbox, "counted_at", p->status ? p->status->counted_at : at_ms(0));
	view_add_rate(outbox, "published_per_s", p->status ? p->status->published_per_s : 0);
	json_add_bool(outbox, "failing", atomic_load(&relay->failing));
	view_add_time(outbox, "retry_at", at_ms(atomic_load(&relay->retry_at_ms)));
	add_counter(outbox, "published_total", &relay->published);
	add_counter(outbox, "refused_total", &relay->refused);
}

static void add_daemon(cJSON *json, const struct call *call, wall_time now)
{
	const struct admin_context *ctx = call->ctx;
	json_add_string(json, "version", usher_version());
	const char *profile = call->settings->config->daemon.profile;
	json_add_string(json, "profile", profile ? profile : "");
	json_add_string(json, "host", ctx->host);
	json_add_int(json, "pid", getpid());
	view_add_time(json, "started_at", ctx->started_at);
	view_add_time(json, "at", now);
	json_add_int(json, "uptime_s", mono_since_ms(ctx->started, mono_now()) / 1000);
	json_add_bool(json, "read_only", call->role != ROLE_OPERATOR);
	json_add_string(json, "operator", call->operator);
	json_add_string(json, "driver", call->settings->config->broker.driver);
}

static void add_number(cJSON *json, const char *key, double value)
{
	if (isnan(value))
		cJSON_AddNullToObject(json, key);
	else
		cJSON_AddNumberToObject(json, key, value);
}

/* Only where requests cost something. */
static void add_aws(cJSON *json, const struct picture *p)
{
	cJSON *aws, *requests;

	if (strcmp(p->config->broker.driver, "aws") != 0)
		return;
	aws = json_add_object(json, "aws");
	requests = json_add_object(aws, "requests");
	for (int action = 0; action < AWS_ACTION_COUNT; action++)
		add_counter(requests, aws_action_name((enum aws_action)action),
		        &p->counters->aws.requests[action]);
	add_counter(aws, "retried", &p->counters->aws.retried);
	add_counter(aws, "empty_receives", &p->counters->aws.empty_receives);
	add_number(aws, "requests_per_delivery", cost_requests_per_delivery(p->counters));
	add_number(aws, "estimated_usd_per_million_deliveries", cost_usd_per_million(p->counters));
}

int status_get(struct call *call, struct usher_error *err)
{
	(void)err; /* it never fails: what is unknown is shown as unknown */
	struct engine *engine = call->ctx->engine;
	struct status *status = status_board_get(engine->board);
	atomic_store(&engine->counters.looked_at_ms, wall_now().ms);
	struct picture p = { .config = call->settings->config,
		.counters = &engine->counters,
		.status = status,
		.now = wall_now(),
		.minutes = call->query.minutes };
	p.stale = !status || !status->database.up || view_is_stale(p.config, status->counted_at, p.now);
	cJSON *json = call_answer(call);
	add_daemon(json, call, p.now);
	add_peers(json, &p);
	add_fleet(json, &p, engine->owner);
	cJSON *channels = json_add_array(json, "channels");
	for (int id = 0; id < CHANNEL_COUNT; id++)
		cJSON_AddItemToArray(channels, channel_json(&p, (enum channel_id)id));
	add_outbox(json, &p);
	view_add_settings(json, call->settings);
	view_add_alarms(json, status ? &status->alarms : NULL);
	add_aws(json, &p);
	cJSON *totals = json_add_object(json, "totals");
	add_counter(totals, "signups", &p.counters->signups);
	add_counter(totals, "acts", &p.counters->acts);
	add_counter(totals, "refused_acts", &p.counters->refused_acts);
	add_counter(totals, "redriven", &p.counters->redriven);
	add_counter(totals, "statements", &p.counters->statements);
	if (status)
		status_release(status);
	return 0;
}
