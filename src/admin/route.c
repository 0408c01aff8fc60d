/* The table of routes, and what every request passes on its way to a handler: path, method, role,
 * parameters, body. May call the handlers, store/audit and base/; admin thread (route_find: any). */
#include "admin/route.h"

#include "base/error.h"
#include "base/language.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/audit.h"

#include <string.h>

static const char *const act_members[] = { "version", "reason", NULL };
static const char *const word_members[] = { "reason", NULL };
static const char *const breaker_members[] = { "state", "reason", NULL };
static const char *const redrive_members[] = { "ids", "filter", "rate", "canary", "stop_on_failures",
	"reason", "dry_run", "seen_until", "act", "of_job", NULL };
static const char *const postpone_members[] = { "until", "version", "reason", NULL };
static const char *const edit_members[] = { "payload", "set", "version", "reason", "redrive", NULL };
static const char *const reveal_members[] = { "reason", NULL };
static const char *const no_members[] = { NULL };
static const char *const signup_members[] = { "email", "name", "user_id", "locale", NULL };

#define LOOK(path, takes, fn)                                                                                \
	{                                                                                                    \
		.method = "GET", .pattern = path, .access = ACCESS_LOOK, .query = takes, .run = fn           \
	}
#define PROBE(path, fn)                                                                                      \
	{                                                                                                    \
		.method = "GET", .pattern = path, .access = ACCESS_PROBE, .run = fn                          \
	}
#define ACT(path, name, takes, fn)                                                                           \
	{                                                                                                    \
		.method = "POST", .pattern = path, .access = ACCESS_ACT, .act = name, .members = takes,      \
		.run = fn                                                                                    \
	}

/* A literal segment stands before a {placeholder} at the same place: the first match is taken. */
const struct route routes[] = {
	LOOK("/v1/status", QUERY_MINUTES, status_get),
	LOOK("/v1/failed", QUERY_FAILED | QUERY_SORT | QUERY_PAGE, failed_list_get),
	LOOK("/v1/failed/groups", QUERY_FAILED | QUERY_LIMIT, failed_groups_get),
	LOOK("/v1/failed/{id}", 0, failed_one_get),
	ACT("/v1/failed/{id}/redrive", "redrive", act_members, redrive_post),
	ACT("/v1/failed/{id}/cancel", "cancel", act_members, cancel_post),
	ACT("/v1/failed/{id}/restore", "restore", act_members, restore_post),
	LOOK("/v1/redrives", QUERY_PAGE, redrives_get),
	ACT("/v1/redrives", "redrive_start", redrive_members, redrives_post),
	LOOK("/v1/redrives/{id}", 0, redrives_one_get),
	ACT("/v1/redrives/{id}/pause", "redrive_pause", act_members, redrives_pause_post),
	ACT("/v1/redrives/{id}/resume", "redrive_resume", act_members, redrives_resume_post),
	ACT("/v1/redrives/{id}/stop", "redrive_stop", act_members, redrives_stop_post),
	ACT("/v1/channels/{channel}/pause", "pause", word_members, pause_post),
	ACT("/v1/channels/{channel}/resume", "resume", word_members, resume_post),
	ACT("/v1/channels/{channel}/breaker", "breaker", breaker_members, breaker_post),
	LOOK("/v1/filter/keys", 0, filter_keys_get),
	ACT("/v1/failed/{id}/edit", "edit", edit_members, edit_post),
	ACT("/v1/failed/{id}/reveal", "reveal", reveal_members, reveal_post),
	LOOK("/v1/dlq/{channel}", QUERY_FILTER | QUERY_SORT | QUERY_PAGE, dlq_get),
	LOOK("/v1/retrying", QUERY_CHANNEL | QUERY_PAGE, retrying_get),
	ACT("/v1/retrying/{id}/now", "now", act_members, retrying_now_post),
	ACT("/v1/retrying/{id}/postpone", "postpone", postpone_members, retrying_postpone_post),
	ACT("/v1/retrying/{id}/cancel", "cancel", act_members, retrying_cancel_post),
	ACT("/v1/retrying/{id}/dead", "dead", act_members, retrying_dead_post),
	LOOK("/v1/deliveries/{id}", 0, delivery_get_one),
	LOOK("/v1/outbox", QUERY_WAITING | QUERY_PAGE, outbox_get),
	ACT("/v1/signups", "signup", signup_members, signup_post),
	LOOK("/v1/audit", QUERY_TARGET | QUERY_PAGE, audit_get),
	LOOK("/v1/alarms", QUERY_PAGE, alarms_get),
	ACT("/v1/alarms/{id}/ack", "ack", word_members, alarm_ack_post),
	LOOK("/v1/config", QUERY_TEXT, config_get),
	LOOK("/v1/config/history", QUERY_KEY | QUERY_PAGE, config_history_get_list),
	LOOK("/v1/config/diff", QUERY_VERSIONS, config_diff_get),
	LOOK("/v1/config/reload", 0, config_reload_get),
	ACT("/v1/config/reload", "config_reload", no_members, config_reload_post),
	PROBE("/actuator/health", health_get),
	PROBE("/actuator/health/{component}", health_component_get),
	PROBE("/metrics", metrics_get),
};
const size_t route_count = ARRAY_LEN(routes);

/* -- Finding ------------------------------------------------------------------------------------ */

static bool pattern_matches(const char *pattern, const struct target *target)
{
	for (size_t i = 0; i < target->segments; i++) {
		if (*pattern++ != '/')
			return false;
		size_t len = strcspn(pattern, "/");
		const char *segment = target->segment[i];
		if (*pattern != '{' && (strlen(segment) != len || memcmp(pattern, segment, len) != 0))
			return false;
		if (*pattern == '{' && !*segment)
			return false;
		pattern += len;
	}
	return *pattern == '\0';
}

const struct route *route_find(const char *method, const struct target *target, char ret_allow[ALLOW_SIZE])
{
	struct buf allow = BUF(ALLOW_SIZE);
	const struct route *found = NULL;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < route_count && !found; i++) {
		if (!pattern_matches(routes[i].pattern, target))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			found = &routes[i];
		else if (!strstr(buf_str(&allow), routes[i].method))
			buf_printf(&allow, "%s%s", allow.len ? ", " : "",
			        strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method);
	}
	utf8_copy(ret_allow, ALLOW_SIZE, buf_str(&allow), found ? 0 : allow.len);
	buf_free(&allow);
	return found;
}

void route_audit_target(const struct target *target, char ret_target[AUDIT_TARGET_SIZE])
{
	struct buf name = BUF(2 * TARGET_MAX);
	for (size_t i = 1; i < target->segments && i < 3; i++)
		buf_printf(&name, "%s%s", name.len ? "/" : "", target->segment[i]);
	utf8_copy(ret_target, AUDIT_TARGET_SIZE, buf_str(&name), name.len);
	buf_free(&name);
}

/* -- Checking ------------------------------------------------------------------------------------ */

/* The values of {placeholders}. */
static int path_read(struct call *call, const struct target *target, struct usher_error *err)
{
	const char *pattern = call->route->pattern;
	for (size_t i = 0; i < target->segments; i++, pattern += strcspn(pattern, "/")) {
		pattern++;
		if (strncmp(pattern, "{id}", 4) == 0) {
			if (id_parse(target->segment[i], &call->id, err) < 0)
				return USHER_EINVAL;
		} else if (strncmp(pattern, "{channel}", 9) == 0) {
			if (!channel_by_name(target->segment[i], &call->channel))
				return error_set(err, USHER_ENOTFOUND,
				        "there is no channel \"%.40s\": email and coupon are known",
				        target->segment[i]);
		} else if (strncmp(pattern, "{component}", 11) == 0) {
			call->component = target->segment[i];
		}
	}
	return 0;
}

/* A refusal is told to the audit as well; that it cannot be told must not turn the answer. */
static int act_refuse(
        struct call *call, const struct target *target, const char *method, struct usher_error *err)
{
	char thing[AUDIT_TARGET_SIZE];
	route_audit_target(target, thing);
	counter_add(&call->ctx->engine->counters.refused_acts, 1);
	log_warn("admin", "refused: %s of %s by %s on the read-only socket", call->route->act, thing,
	        call->operator);
	struct audit_entry entry = { .operator= call->operator,
		.role = role_name(call->role),
		.act = call->route->act,
		.target = thing,
		.outcome = "refused",
		.detail = "the read-only socket takes no acts" };
	struct usher_error audit_err = { 0 };
	if (audit_add(call->ctx->db, &entry, &audit_err) < 0)
		log_warn("admin", "this refusal is not in the audit: %s", audit_err.message);
	return error_set(err, USHER_EFORBIDDEN,
	        "this is the read-only socket: it takes no %s. Use the act socket (%s), if you belong to its "
	        "group",
	        method, call->ctx->engine->started_with->daemon.socket);
}

/* "application/json", with or without parameters. */
static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof json - 1;
	return type && strncasecmp(type, json, len) == 0 && strchr("; \t", type[len]);
}

int members_check(const cJSON *body, const char *const *known, struct usher_error *err)
{
	for (const cJSON *member = body->child; member; member = member->next) {
		size_t i = 0;
		while (known[i] && strcmp(known[i], member->string) != 0)
			i++;
		if (known[i])
			continue;
		struct buf words = BUF(USHER_ERROR_MESSAGE_MAX);
		for (i = 0; known[i]; i++)
			buf_printf(&words, "%s%s", i ? ", " : "", known[i]);
		error_set(err, USHER_EINVAL, "the body has an unknown member \"%.40s\"; known: %s",
		        member->string, buf_str(&words));
		buf_free(&words);
		return USHER_EINVAL;
	}
	return 0;
}

static int body_read(
        const struct route *route, const struct incoming *in, cJSON **ret_body, struct usher_error *err)
{
	cJSON *body = NULL;
	if (in->body_len == 0)
		return error_set(err, USHER_EINVAL, "the body is empty: send a JSON object, at least {}");
	if (json_parse(in->body, in->body_len, &body, err) < 0)
		return error_prefix(err, USHER_EINVAL, "the body is not JSON as it must be");
	int rc = cJSON_IsObject(body)
	                 ? members_check(body, route->members, err)
	                 : error_set(err, USHER_EINVAL, "the body is not a JSON object: send at least {}");
	if (rc < 0) {
		cJSON_Delete(body);
		return rc;
	}
	*ret_body = body;
	return 0;
}

/* -- Dispatch ------------------------------------------------------------------------------------ */

static void problem_answer(struct call *call, int status, const struct usher_error *err)
{
	call_clear(call);
	call->status = status;
	call->type = "application/problem+json";
	call->json = problem_json(status, err);
}

/* Runs a found route. 0, or the HTTP status of the problem. */
static int route_run(
        struct call *call, const struct incoming *in, const struct target *target, struct usher_error *err)
{
	const struct route *route = call->route;
	cJSON *body = NULL;
	if (in->role == ROLE_PROBE && route->access != ACCESS_PROBE)
		return problem_status(error_set(err, USHER_ENOTFOUND,
		        "only /actuator/health and /metrics are served here: use the unix socket (%s)",
		        call->ctx->engine->started_with->daemon.socket));
	if (route->access == ACCESS_ACT && in->role != ROLE_OPERATOR)
		return problem_status(act_refuse(call, target, in->method, err));
	if (in->body_too_large)
		return problem_status(error_set(err, USHER_ETOOBIG,
		        "the body is larger than %d bytes, the most that is read", BODY_MAX));
	if (path_read(call, target, err) < 0 || query_parse(target, route->query, &call->query, err) < 0)
		return problem_status(err->code);
	if (route->access == ACCESS_ACT) {
		if (!is_json_type(in->content_type)) {
			error_set(
			        err, USHER_EINVAL, "an act wants the header Content-Type: application/json");
			return 415;
		}
		if (body_read(route, in, &body, err) < 0)
			return problem_status(err->code);
	}
	call->body = body;
	int rc = route->run(call, err);
	call->body = NULL;
	cJSON_Delete(body);
	if (problem_status(rc) == 500 && rc < 0)
		log_error("admin", "%s %s: %s", route->method, route->pattern, err->message);
	return rc < 0 ? problem_status(rc) : 0;
}

void route_dispatch(const struct admin_context *ctx, const struct incoming *in, struct call *ret_call,
        char ret_allow[ALLOW_SIZE])
{
	struct usher_error err = { 0 };
	struct target target = { 0 };
	struct call call = { .ctx = ctx, .role = in->role, .operator= in->operator, .status = 200 };
	int problem;
	ret_allow[0] = '\0';
	language_begin(language_wanted(in->languages));
	struct settings *settings = settings_board_get(ctx->engine->settings);
	int rc = target_parse(in->uri, &target, &err);
	call.settings = settings;
	if (rc < 0) {
		problem = rc == USHER_ETOOBIG ? 414 : problem_status(rc);
	} else if ((call.route = route_find(in->method, &target, ret_allow))) {
		problem = route_run(&call, in, &target, &err);
	} else if (*ret_allow) {
		problem = 405;
		error_set(&err, USHER_EINVAL, "this path takes %s", ret_allow);
	} else {
		problem = problem_status(
		        error_set(&err, USHER_ENOTFOUND, "there is no such route; usher-api(7) lists them"));
	}
	if (problem)
		problem_answer(&call, problem, &err);
	language_end();
	target_free(&target);
	call.query = (struct query){ 0 }; /* it pointed into the target */
	call.component = NULL;
	call.settings = NULL;
	settings_release(settings);
	*ret_call = call;
}
