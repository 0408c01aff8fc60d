/* What operators do: redrive, cancel and restore a failed delivery, and register a sign-up. The store
 * does each in one transaction and writes the audit in it; the thread that carries it out is woken
 * here. Admin thread. */
#include "admin/route.h"

#include "admin/body.h"
#include "admin/view.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/signup.h"

#include <stdio.h>

/* -- Redrive, cancel, restore ---------------------------------------------------------------------- */

typedef int store_act(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err);

/* Acts, and answers with the row as it stands now. */
static int row_act(struct call *call, store_act *run, bool reason_required, struct usher_error *err)
{
	struct act act = { .operator= call->operator, .role = role_name(call->role) };
	int version;
	if (read_reason(call->body, reason_required, &act.reason, err) < 0 ||
	        read_version(call->body, &version, err) < 0)
		return USHER_EINVAL;
	int rc = run(call->ctx->db, call->id, version, &act, err);
	if (rc < 0)
		return rc;
	counter_add(&call->ctx->engine->counters.acts, 1);
	log_info("admin", "%s of failed/%lld by %s", call->route->act, (long long)call->id, call->operator);
	struct failed_row *row = NULL;
	rc = failed_get(call->ctx->db, call->id, &row, err);
	if (rc < 0)
		return error_prefix(err, rc,
		        "the %s is done, but the row could not be read back: look before you repeat it",
		        call->route->act);
	call->json = view_failed(row);
	failed_rows_free(row, 1);
	return 0;
}

int redrive_post(struct call *call, struct usher_error *err)
{
	int rc = row_act(call, failed_redrive, false, err);
	/* Kicked after a failure too: the transaction may have been committed before the connection went. */
	if (rc == 0 || rc == USHER_EUNAVAILABLE)
		engine_kick_watcher(call->ctx->engine);
	return rc;
}

int cancel_post(struct call *call, struct usher_error *err)
{
	return row_act(call, failed_cancel, true, err);
}

int restore_post(struct call *call, struct usher_error *err)
{
	return row_act(call, failed_restore, false, err);
}

/* -- Sign-ups ---------------------------------------------------------------------------------------- */

/* The sign-up stands already when this is called: a failure here is logged and no more. */
static void signup_audit(const struct call *call, const char *target, const char *outcome, const char *detail)
{
	struct audit_entry entry = { .operator= call->operator,
		.role = role_name(call->role),
		.act = call->route->act,
		.target = target,
		.outcome = outcome,
		.detail = detail };
	struct usher_error err = { 0 };
	if (audit_add(call->ctx->db, &entry, &err) < 0)
		log_warn("admin", "the sign-up of %s by %s is not in the audit: %s", target, call->operator,
		        err.message);
}

static int read_signup(const cJSON *body, struct usher_signup *ret, struct usher_error *err)
{
	if (!json_get(body, "email") || !json_get(body, "name"))
		return error_set(err, USHER_EINVAL,
		        "email and name: both are required; user_id and locale are optional");
	*ret = (struct usher_signup){ 0 };
	if (member_text(body, "email", &ret->email, err) < 0 ||
	        member_text(body, "name", &ret->name, err) < 0 ||
	        member_text(body, "user_id", &ret->user_id, err) < 0 ||
	        member_text(body, "locale", &ret->locale, err) < 0)
		return USHER_EINVAL;
	return 0;
}

int signup_post(struct call *call, struct usher_error *err)
{
	struct engine *engine = call->ctx->engine;
	struct usher_signup signup;
	struct usher_signup_result result;
	if (read_signup(call->body, &signup, err) < 0)
		return USHER_EINVAL;
	int rc = signup_register(call->ctx->db, &signup, &result, err);
	if (rc == USHER_ECONFLICT)
		signup_audit(call, "signups", "conflict", err->message);
	if (rc < 0)
		return rc;
	counter_add(&engine->counters.signups, 1);
	counter_add(&engine->counters.acts, 1);
	engine_kick_relay(engine);
	char target[AUDIT_TARGET_SIZE];
	snprintf(target, sizeof target, "signups/%s", result.event_id);
	signup_audit(call, target, "done", NULL);
	call->status = 201;
	cJSON *json = call_answer(call);
	json_add_string(json, "user_id", result.user_id);
	json_add_string(json, "event_id", result.event_id);
	return 0;
}
