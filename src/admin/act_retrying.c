/* What operators do with a delivery that waits for its next attempt: now, postpone, cancel, dead. The store
 * does each in one transaction and writes the audit in it. Admin thread. */
#include "admin/route.h"

#include "admin/body.h"
#include "admin/view.h"
#include "base/error.h"
#include "base/log.h"
#include "store/ledger_act.h"

typedef int store_act(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err);

static int read_act(struct call *call, bool reason_required, struct act *ret_act, int *ret_version,
        struct usher_error *err)
{
	*ret_act = (struct act){ .operator= call->operator, .role = role_name(call->role) };
	if (read_reason(call->body, reason_required, &ret_act->reason, err) < 0 ||
	        read_version(call->body, ret_version, err) < 0)
		return USHER_EINVAL;
	return 0;
}

/* It is done: answers with the delivery as it stands now. */
static int answer(struct call *call, struct usher_error *err)
{
	struct delivery_row *row = NULL;
	counter_add(&call->ctx->engine->counters.acts, 1);
	log_info("admin", "%s of retrying/%lld by %s", call->route->act, (long long)call->id, call->operator);
	int rc = delivery_get(call->ctx->db, call->id, &row, err);
	if (rc < 0)
		return error_prefix(err, rc,
		        "\"%s\" is done, but the delivery could not be read back: look before you repeat it",
		        call->route->act);
	call->json = view_delivery(row, call->settings->config);
	delivery_free(row);
	return 0;
}

static int retrying_act(struct call *call, store_act *run, bool reason_required, struct usher_error *err)
{
	struct act act;
	int version;
	if (read_act(call, reason_required, &act, &version, err) < 0)
		return USHER_EINVAL;
	int rc = run(call->ctx->db, call->id, version, &act, err);
	return rc < 0 ? rc : answer(call, err);
}

int retrying_now_post(struct call *call, struct usher_error *err)
{
	int rc = retrying_act(call, retrying_now, false, err);
	/* Kicked after a failure too: the transaction may have been committed before the connection went. */
	if (rc == 0 || rc == USHER_EUNAVAILABLE)
		engine_kick_watcher(call->ctx->engine);
	return rc;
}

int retrying_postpone_post(struct call *call, struct usher_error *err)
{
	struct act act;
	wall_time until = { 0 };
	int version;
	if (read_act(call, false, &act, &version, err) < 0 || read_time(call->body, "until", &until, err) < 0)
		return USHER_EINVAL;
	if (until.ms == 0)
		return error_set(err, USHER_EINVAL,
		        "until: required here: the time of the next attempt, such as 2026-11-22T21:23:11Z");
	int rc = retrying_postpone(call->ctx->db, call->id, version, until, &act, err);
	return rc < 0 ? rc : answer(call, err);
}

int retrying_cancel_post(struct call *call, struct usher_error *err)
{
	return retrying_act(call, retrying_cancel, true, err);
}

int retrying_dead_post(struct call *call, struct usher_error *err)
{
	return retrying_act(call, retrying_dead, false, err);
}
