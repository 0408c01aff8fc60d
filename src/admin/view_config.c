/* The configuration: what is in force and what waits for a restart, its versions, what two of them differ in,
 * and reading it again. What is in force comes from the board; only the history asks the database. Admin
 * thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/config_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- Pieces -----------------------------------------------------------------------------------------------
 */

static void add_changes(cJSON *json, const struct setting_changes *changes)
{
	cJSON *list = json_add_array(json, "changes");

	for (size_t i = 0; i < changes->count; i++) {
		const struct setting_change *c = &changes->items[i];
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "key", c->key);
		json_add_string(item, "old", c->old_value);
		json_add_string(item, "new", c->new_value);
		json_add_string(item, "origin", c->origin);
		json_add_string(item, "effect", setting_effect_name(c->effect));
		cJSON_AddItemToArray(list, item);
	}
}

static void add_version(cJSON *json, const char *key, int64_t version)
{
	if (version)
		json_add_int(json, key, version);
	else
		cJSON_AddNullToObject(json, key); /* the database has been away since */
}

static cJSON *outcome_json(const struct reload_outcome *o)
{
	cJSON *json = cJSON_CreateObject();

	json_add_int(json, "ticket", (int64_t)o->ticket);
	view_add_time(json, "at", o->at);
	json_add_string(json, "who", *o->who ? o->who : NULL);
	json_add_string(json, "source", o->source);
	json_add_string(json, "outcome", reload_result_name(o->result));
	cJSON *reasons = json_add_array(json, "reasons");
	for (size_t i = 0; i < o->error_count; i++)
		cJSON_AddItemToArray(reasons, cJSON_CreateString(o->errors[i]));
	add_changes(json, &o->changes);
	return json;
}

static void add_outcome(cJSON *json, const char *key, const struct reload_outcome *o)
{
	if (o)
		cJSON_AddItemToObject(json, key, outcome_json(o));
	else
		cJSON_AddNullToObject(json, key);
}

/* -- In force ---------------------------------------------------------------------------------------------
 */

static void add_pending(cJSON *item, const struct setting_change *change)
{
	if (!change) {
		cJSON_AddNullToObject(item, "pending");
		return;
	}
	cJSON *json = json_add_object(item, "pending");
	json_add_string(json, "value", change->new_value);
	json_add_string(json, "origin", change->origin);
}

static bool has(const cJSON *item, const char *key, const char *text)
{
	const char *value = json_string(item, key);

	return value && strcasestr(value, text);
}

static bool is_meant(const cJSON *item, const char *text)
{
	return !text || has(item, "id", text) || has(item, "value", text) || has(item, "origin", text);
}

static void add_items(cJSON *json, const struct settings *settings, const char *text)
{
	cJSON *all = cJSON_CreateArray(), *list = json_add_array(json, "items"), *item;

	config_values_json(settings->config, all);
	while ((item = cJSON_DetachItemFromArray(all, 0))) {
		char id[160];
		snprintf(id, sizeof id, "%s.%s", json_string(item, "section"), json_string(item, "key"));
		json_add_string(item, "id", id);
		add_pending(item, setting_changes_find(&settings->pending, id));
		if (is_meant(item, text))
			cJSON_AddItemToArray(list, item);
		else
			cJSON_Delete(item);
	}
	cJSON_Delete(all);
}

int config_get(struct call *call, struct usher_error *err)
{
	const struct settings *s = call->settings;
	const struct config_answer *answer = s->config->answer;
	const struct config_request *source = call->ctx->engine->source;
	cJSON *json = call_answer(call);

	(void)err;
	json_add_string(json, "path", source ? source->path : NULL);
	json_add_string(json, "profile", s->config->daemon.profile);
	json_add_string(json, "host", call->ctx->host);
	add_version(json, "version", s->version);
	view_add_time(json, "since", s->since);
	json_add_int(json, "pending", (int64_t)s->pending.count);
	cJSON *server = answer ? json_add_object(json, "config_server") : NULL;
	if (server) {
		json_add_string(server, "url", answer->url);
		json_add_string(server, "label", answer->label);
		json_add_string(server, "version", answer->version);
		view_add_time(server, "kept", answer->kept_at);
	} else {
		cJSON_AddNullToObject(json, "config_server");
	}
	cJSON *notes = json_add_array(json, "notes");
	for (size_t i = 0; i < s->config->note_count; i++)
		cJSON_AddItemToArray(notes, cJSON_CreateString(s->config->notes[i]));
	add_outcome(json, "latest", s->latest);
	add_items(json, s, call->query.text);
	return 0;
}

/* For the status: enough to see that something is wrong. */
void view_add_settings(cJSON *object, const struct settings *settings)
{
	cJSON *json = json_add_object(object, "config");
	const struct reload_outcome *latest = settings->latest;

	add_version(json, "version", settings->version);
	view_add_time(json, "since", settings->since);
	cJSON *pending = json_add_array(json, "pending");
	for (size_t i = 0; i < settings->pending.count; i++)
		cJSON_AddItemToArray(pending, cJSON_CreateString(settings->pending.items[i].key));
	if (latest && latest->result == RELOAD_REFUSED)
		view_add_time(json, "refused_at", latest->at);
	else
		cJSON_AddNullToObject(json, "refused_at");
	json_add_string(
	        json, "refused", latest && latest->result == RELOAD_REFUSED ? latest->errors[0] : NULL);
}

/* -- Reading it again -------------------------------------------------------------------------------------
 */

static void reload_audit(const struct call *call, uint64_t ticket)
{
	char detail[64];
	struct audit_entry entry = { .operator= call->operator,
		.role = role_name(call->role),
		.act = call->route->act,
		.target = "config",
		.outcome = "done",
		.detail = detail };
	struct usher_error err = { 0 };

	snprintf(
	        detail, sizeof detail, "asked for, ticket %llu; see the history", (unsigned long long)ticket);
	if (audit_add(call->ctx->db, &entry, &err) < 0)
		log_warn("admin", "the reload asked for by %s is not in the audit: %s", call->operator,
		        err.message);
}

/* A config server may take its time: the answer is fetched with the ticket. */
int config_reload_post(struct call *call, struct usher_error *err)
{
	struct engine *engine = call->ctx->engine;
	uint64_t ticket = engine_ask_reload(engine, call->operator, "api");

	if (!ticket)
		return error_set(err, USHER_EUNAVAILABLE, "usherd is starting or stopping: try again");
	counter_add(&engine->counters.acts, 1);
	reload_audit(call, ticket);
	call->status = 202;
	json_add_int(call_answer(call), "ticket", (int64_t)ticket);
	return 0;
}

int config_reload_get(struct call *call, struct usher_error *err)
{
	const struct settings *s = call->settings;

	(void)err;
	json_add_int(call_answer(call), "answered", s->asked ? (int64_t)s->asked->ticket : 0);
	add_version(call->json, "version", s->version);
	add_outcome(call->json, "result", s->asked);
	return 0;
}

/* -- The history ------------------------------------------------------------------------------------------
 */

static void add_lines(cJSON *json, const char *key, const char *text)
{
	cJSON *list = json_add_array(json, key);

	while (*text) {
		size_t len = strcspn(text, "\n");
		OWNED char *line = mem_stringn(text, len);
		cJSON_AddItemToArray(list, cJSON_CreateString(line));
		text += len + (text[len] == '\n');
	}
}

static cJSON *version_json(const struct config_version *v)
{
	cJSON *json = cJSON_CreateObject();

	view_add_id(json, "id", v->id);
	json_add_int(json, "version", v->id);
	view_add_time(json, "at", v->at);
	json_add_string(json, "host", v->host);
	json_add_string(json, "who", *v->who ? v->who : NULL);
	json_add_string(json, "source", v->source);
	json_add_string(json, "outcome", v->refused ? "refused" : "applied");
	return json;
}

int config_history_get_list(struct call *call, struct usher_error *err)
{
	struct config_version *rows = NULL;
	size_t n = 0;
	char next[CURSOR_SIZE];
	int rc = config_history_list(
	        call->ctx->db, call->query.key, call->query.cursor, call->query.limit, &rows, &n, next, err);

	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = version_json(&rows[i]);
		add_lines(item, "reasons", rows[i].reasons);
		add_changes(item, &rows[i].changes);
		cJSON_AddItemToArray(items, item);
	}
	view_add_next(call->json, next);
	config_versions_free(rows, n);
	return 0;
}

static int version_get(struct call *call, int64_t id, struct config_version *ret, struct usher_error *err)
{
	int rc = config_history_get(call->ctx->db, id, ret, err);

	if (rc == USHER_ENOTFOUND)
		return error_set(err, rc, "there is no version %" PRId64 " of the configuration", id);
	if (rc == 0 && !ret->settings)
		return error_set(
		        err, USHER_ECONFLICT, "version %" PRId64 " was refused and never in force", id);
	return rc;
}

int config_diff_get(struct call *call, struct usher_error *err)
{
	struct config_version from = { 0 }, to = { 0 };
	struct setting_changes changes = { 0 };
	int64_t last = call->query.to ? call->query.to : call->settings->version;
	int rc = 0;

	if (!call->query.from || !last)
		return error_set(err, USHER_EINVAL,
		        "from: the number of a version is needed; to: another, or none for what is in force");
	rc = version_get(call, call->query.from, &from, err);
	if (rc == 0)
		rc = version_get(call, last, &to, err);
	if (rc == 0)
		rc = config_values_diff(from.settings, to.settings, &changes, err);
	if (rc == 0) {
		cJSON *json = call_answer(call);
		cJSON_AddItemToObject(json, "from", version_json(&from));
		cJSON_AddItemToObject(json, "to", version_json(&to));
		add_changes(json, &changes);
	}
	setting_changes_free(&changes);
	config_version_clear(&from);
	config_version_clear(&to);
	return rc;
}
