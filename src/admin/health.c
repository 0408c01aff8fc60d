/* Health as Spring Boot's actuator shows it, so that monitors made for it keep working: components, groups,
 * the order of the states, and the status codes. From the counters and the watcher's newest snapshot: a probe
 * costs no statement. Admin thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Worst first, as Spring orders them: the whole is as its worst part. */
enum health { HEALTH_DOWN, HEALTH_OUT_OF_SERVICE, HEALTH_UP, HEALTH_UNKNOWN };

static const char *const health_words[] = {
	[HEALTH_DOWN] = "DOWN",
	[HEALTH_OUT_OF_SERVICE] = "OUT_OF_SERVICE",
	[HEALTH_UP] = "UP",
	[HEALTH_UNKNOWN] = "UNKNOWN",
};

struct condition {
	const struct config *config;
	struct counters *counters;
	const struct status *status; /* NULL: none yet */
	bool stale;                  /* the watcher has not spoken for too long: nothing is known */
	bool details;                /* not for the TCP listener: any local user can read that */
};

static const char no_figures[] = "no figures from the watcher for too long";

static bool known(const struct condition *c)
{
	return c->status && !c->stale;
}

static enum health up_or_down(bool up)
{
	return up ? HEALTH_UP : HEALTH_DOWN;
}

static void add_error(cJSON *details, const char *error)
{
	if (details && *error)
		json_add_string(details, "error", error);
}

/* -- Components: each says how it is, and fills its details unless they are NULL ------------------------- */

static enum health db_health(const struct condition *c, cJSON *details)
{
	if (details)
		json_add_string(details, "database", "MariaDB");
	add_error(details, known(c) ? c->status->database.error : no_figures);
	return up_or_down(known(c) && c->status->database.up);
}

static enum health broker_health(const struct condition *c, cJSON *details)
{
	if (details)
		json_add_string(details, "driver", c->config->broker.driver);
	add_error(details, known(c) ? c->status->broker.error : no_figures);
	return up_or_down(known(c) && c->status->broker.up);
}

/* The service behind a channel, as its breaker has it: what the last sends met. It stays DOWN while it is
 * being tried: a service that hangs would be UP for as long as each trial lasts. */
static enum health service_health(
        const struct condition *c, enum channel_id id, const char *location, cJSON *details)
{
	struct channel_counters *counters = &c->counters->channel[id];
	enum breaker_state breaker = (enum breaker_state)atomic_load(&counters->breaker);
	wall_time since = { .ms = atomic_load(&counters->breaker_since_ms) };

	if (details) {
		json_add_string(details, "location", location);
		json_add_string(details, "breaker", breaker_state_name(breaker));
	}
	if (breaker == BREAKER_CLOSED && atomic_load(&counters->probe) == PROBE_UNWELL) {
		char words[NOTE_SIZE];
		note_read(&counters->probe_error, words);
		if (details)
			view_add_words(details, "error", words);
		return HEALTH_DOWN;
	}
	if (breaker == BREAKER_CLOSED)
		return HEALTH_UP;
	if (details) {
		char at[WALL_TEXT_SIZE], error[100];
		snprintf(error, sizeof error, "the service failed; %s since %s",
		        breaker == BREAKER_OPEN ? "nothing is sent" : "it is being tried",
		        wall_format(since, at));
		add_error(details, error);
	}
	return HEALTH_DOWN;
}

static enum health mail_health(const struct condition *c, cJSON *details)
{
	return service_health(c, CHANNEL_EMAIL, c->config->email.smtp_url, details);
}

static enum health coupon_health(const struct condition *c, cJSON *details)
{
	return service_health(c, CHANNEL_COUPON, c->config->coupon.url, details);
}

static enum health disk_health(const struct condition *c, cJSON *details)
{
	const struct status *s = known(c) ? c->status : NULL;
	int64_t threshold = c->config->daemon.disk_threshold;
	const char *trouble = "";

	if (details) {
		if (s && s->disk_exists) {
			json_add_int(details, "total", s->disk_total);
			json_add_int(details, "free", s->disk_free);
		}
		json_add_int(details, "threshold", threshold);
		json_add_string(details, "path", c->config->daemon.state_dir);
		json_add_bool(details, "exists", s && s->disk_exists);
	}
	if (!s) {
		add_error(details, no_figures);
		return HEALTH_UNKNOWN;
	}
	if (!s->disk_exists)
		trouble = "the directory is not there, or its disk does not answer: see it, and usherd's log";
	else if (s->disk_free < threshold)
		trouble = "less is free than daemon.disk_threshold: make room";
	add_error(details, trouble);
	return up_or_down(!*trouble);
}

/* This answer is the proof. */
static enum health ping_health(const struct condition *c, cJSON *details)
{
	(void)c, (void)details;
	return HEALTH_UP;
}

/* An operator has stopped this channel. */
static bool channel_is_paused(const struct condition *c, enum channel_id id)
{
	return known(c) && c->status->channel[id].control.paused;
}

/* Does usher take work? Not while an operator holds it. */
static enum health readiness_state(const struct condition *c, cJSON *details)
{
	(void)details;
	for (int id = 0; id < CHANNEL_COUNT; id++)
		if (c->config->channel[id].enabled && channel_is_paused(c, (enum channel_id)id))
			return HEALTH_OUT_OF_SERVICE;
	return HEALTH_UP;
}

/* -- Which belong where ---------------------------------------------------------------------------------- */

/* Ready: what usher does, it can do now. Without the broker sign-ups are still taken, and without mail or
 * coupon service they wait: these are no part of it. */
enum group { WHOLE = 1, LIVENESS = 2, READINESS = 4 };

static const struct part {
	const char *name;
	enum health (*look)(const struct condition *c, cJSON *details);
	unsigned groups;
	bool plain;  /* has no details */
	int channel; /* not there while this channel is disabled; CHANNEL_COUNT: always there */
} parts[] = {
	{ "db", db_health, WHOLE | READINESS, false, CHANNEL_COUNT },
	{ "mail", mail_health, WHOLE, false, CHANNEL_EMAIL },
	{ "coupon", coupon_health, WHOLE, false, CHANNEL_COUPON },
	{ "broker", broker_health, WHOLE, false, CHANNEL_COUNT },
	{ "diskSpace", disk_health, WHOLE, false, CHANNEL_COUNT },
	{ "ping", ping_health, WHOLE, true, CHANNEL_COUNT },
	{ "livenessState", ping_health, LIVENESS, true, CHANNEL_COUNT },
	{ "readinessState", readiness_state, READINESS, true, CHANNEL_COUNT },
};

static const struct {
	const char *name;
	enum group group;
} groups[] = { { "liveness", LIVENESS }, { "readiness", READINESS } };

static bool is_there(const struct part *part, const struct condition *c)
{
	return part->channel == CHANNEL_COUNT || c->config->channel[part->channel].enabled;
}

static cJSON *part_json(const struct part *part, const struct condition *c, enum health *ret_health)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *details = c->details && !part->plain ? cJSON_CreateObject() : NULL;
	*ret_health = part->look(c, details);
	json_add_string(json, "status", health_words[*ret_health]);
	if (details)
		cJSON_AddItemToObject(json, "details", details);
	return json;
}

static cJSON *group_json(enum group group, const struct condition *c, enum health *ret_health)
{
	cJSON *json = cJSON_CreateObject(), *components = cJSON_CreateObject();
	enum health worst = HEALTH_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		enum health health;
		if (!(parts[i].groups & group) || !is_there(&parts[i], c))
			continue;
		cJSON_AddItemToObject(components, parts[i].name, part_json(&parts[i], c, &health));
		worst = health < worst ? health : worst;
	}
	json_add_string(json, "status", health_words[worst]);
	cJSON_AddItemToObject(json, "components", components);
	*ret_health = worst;
	return json;
}

static cJSON *whole_json(const struct condition *c, enum health *ret_health)
{
	cJSON *json = group_json(WHOLE, c, ret_health), *names = json_add_array(json, "groups");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		cJSON_AddItemToArray(names, cJSON_CreateString(groups[i].name));
	return json;
}

/* NULL: there is no such component. */
static cJSON *named_json(const char *name, const struct condition *c, enum health *ret_health)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (strcmp(groups[i].name, name) == 0)
			return group_json(groups[i].group, c, ret_health);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcmp(parts[i].name, name) == 0 && is_there(&parts[i], c))
			return part_json(&parts[i], c, ret_health);
	return NULL;
}

/* -- Answering ------------------------------------------------------------------------------------------- */

/* `component` NULL: the whole. */
static bool health_answer(struct call *call, const char *component)
{
	struct engine *engine = call->ctx->engine;
	struct status *status = status_board_get(engine->board);
	enum health health = HEALTH_DOWN;
	struct condition c = { .config = call->settings->config,
		.counters = &engine->counters,
		.status = status,
		.details = call->role != ROLE_PROBE };
	c.stale = !status || view_is_stale(call->settings->config, status->at, wall_now());
	call->json = component ? named_json(component, &c, &health) : whole_json(&c, &health);
	call->status = health == HEALTH_DOWN || health == HEALTH_OUT_OF_SERVICE ? 503 : 200;
	if (status)
		status_release(status);
	return call->json != NULL;
}

int health_get(struct call *call, struct usher_error *err)
{
	(void)err;
	health_answer(call, NULL);
	return 0;
}

int health_component_get(struct call *call, struct usher_error *err)
{
	if (health_answer(call, call->component))
		return 0;
	return error_set(err, USHER_ENOTFOUND,
	        "there is no health component \"%.40s\"; known: db, mail, coupon (while their channels are "
	        "enabled), broker, diskSpace, ping, liveness, readiness",
	        call->component);
}
