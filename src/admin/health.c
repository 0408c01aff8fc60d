/* Health as Spring Boot's actuator shows it, so that monitors made for it keep working. From the
 * watcher's newest snapshot: a probe costs no statement. Admin thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/error.h"
#include "base/mem.h"

#include <string.h>

struct condition {
	const struct config *config;
	const struct status *status; /* NULL: none yet */
	bool stale;                  /* the watcher has not spoken for too long: nothing is known */
	bool details;                /* not for the TCP listener: any local user can read that */
};

static bool is_up(const struct condition *c, bool up)
{
	return c->status && !c->stale && up;
}

static cJSON *component(bool up)
{
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "status", up ? "UP" : "DOWN");
	return json;
}

static void add_details(
        cJSON *json, const struct condition *c, const char *name, const char *value, const char *error)
{
	if (!c->details)
		return;
	cJSON *details = json_add_object(json, "details");
	json_add_string(details, name, value);
	if (!c->status || c->stale)
		json_add_string(details, "error", "no figures from the watcher for too long");
	else if (*error)
		json_add_string(details, "error", error);
}

static cJSON *db_health(const struct condition *c)
{
	cJSON *json = component(is_up(c, c->status && c->status->database_up));
	add_details(json, c, "database", "MariaDB", c->status ? c->status->database_error : "");
	return json;
}

static cJSON *broker_health(const struct condition *c)
{
	cJSON *json = component(is_up(c, c->status && c->status->broker_up));
	add_details(json, c, "driver", c->config->broker.driver, c->status ? c->status->broker_error : "");
	return json;
}

/* This answer is the proof. */
static cJSON *ping_health(const struct condition *c)
{
	(void)c;
	return component(true);
}

/* Ready: what usher does, it can do now. Without the broker sign-ups are still taken, so that one is no part
 * of it. */
static cJSON *readiness(const struct condition *c)
{
	return component(is_up(c, c->status && c->status->database_up));
}

static const struct {
	const char *name;
	cJSON *(*make)(const struct condition *c);
	bool group; /* a group of its own, not a component of the whole */
} parts[] = {
	{ "db", db_health, false },
	{ "broker", broker_health, false },
	{ "ping", ping_health, false },
	{ "liveness", ping_health, true },
	{ "readiness", readiness, true },
};

static bool says_up(const cJSON *json)
{
	return strcmp(json_string(json, "status"), "UP") == 0;
}

static cJSON *whole(const struct condition *c)
{
	cJSON *json = cJSON_CreateObject(), *components = cJSON_CreateObject(), *groups = cJSON_CreateArray();
	bool up = true;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].group) {
			cJSON_AddItemToArray(groups, cJSON_CreateString(parts[i].name));
			continue;
		}
		cJSON *part = parts[i].make(c);
		up = up && says_up(part);
		cJSON_AddItemToObject(components, parts[i].name, part);
	}
	json_add_string(json, "status", up ? "UP" : "DOWN");
	cJSON_AddItemToObject(json, "components", components);
	cJSON_AddItemToObject(json, "groups", groups);
	return json;
}

static void health_answer(struct call *call, cJSON *(*make)(const struct condition *))
{
	struct engine *engine = call->ctx->engine;
	struct status *status = status_board_get(engine->board);
	struct condition c = {
		.config = engine->config, .status = status, .details = call->role != ROLE_PROBE
	};
	c.stale = !status || view_is_stale(engine->config, status->at, wall_now());
	call->json = make(&c);
	call->status = says_up(call->json) ? 200 : 503;
	if (status)
		status_release(status);
}

int health_get(struct call *call, struct usher_error *err)
{
	(void)err;
	health_answer(call, whole);
	return 0;
}

int health_component_get(struct call *call, struct usher_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcmp(parts[i].name, call->component) == 0) {
			health_answer(call, parts[i].make);
			return 0;
		}
	return error_set(err, USHER_ENOTFOUND,
	        "there is no health component \"%.40s\"; known: db, broker, ping, liveness, readiness",
	        call->component);
}
