/* Redrive jobs for operators: looking before, starting, the list, and moving them. The store does each act in
 * one transaction with its audit; the fleet's leader runs the jobs, and is woken here if it is this daemon.
 * Admin thread. */
#include "admin/route.h"

#include "admin/body.h"
#include "admin/view.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define RATE_DEFAULT 10
#define RATE_MIN 0.01
#define CANARY_DEFAULT 1
#define STOP_ON_DEFAULT 5

/* -- What to redrive -------------------------------------------------------------------------------- */

static int read_ids(const cJSON *list, int64_t **ret_ids, size_t *ret_n, struct usher_error *err)
{
	int n = cJSON_GetArraySize(list);
	const cJSON *item;
	size_t got = 0;

	if (!cJSON_IsArray(list) || n == 0 || n > REDRIVE_IDS_MAX)
		return error_set(err, USHER_EINVAL,
		        "ids: must be a list of 1 to %d ids, as lists show them; select more by a filter",
		        REDRIVE_IDS_MAX);
	OWNED int64_t *ids = mem_array((size_t)n, sizeof *ids);
	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsString(item))
			return error_set(err, USHER_EINVAL, "ids: each must be a string, as lists show it");
		if (id_parse(item->valuestring, &ids[got++], err) < 0)
			return error_prefix(err, USHER_EINVAL, "ids");
	}
	*ret_ids = ids;
	*ret_n = got;
	ids = NULL;
	return 0;
}

static int read_filter(const cJSON *filter, struct redrive_selection *s, struct usher_error *err)
{
	static const char *const known[] = { "channel", "class", "q", "since", "until", NULL };
	const char *channel = NULL, *class = NULL;

	if (!cJSON_IsObject(filter))
		return error_set(err, USHER_EINVAL,
		        "filter: must be an object or a text in the filter language; {} is all dead rows");
	if (members_check(filter, known, err) < 0)
		return error_prefix(err, USHER_EINVAL, "filter");
	if (member_text(filter, "channel", &channel, err) < 0 ||
	        member_text(filter, "class", &class, err) < 0 ||
	        member_text(filter, "q", &s->text, err) < 0 ||
	        read_time(filter, "since", &s->since, err) < 0 ||
	        read_time(filter, "until", &s->until, err) < 0)
		return USHER_EINVAL;
	if ((channel && channel_parse(channel, &s->channel, err) < 0) ||
	        (class && class_parse(class, &s->class, err) < 0))
		return USHER_EINVAL;
	if (s->text && strlen(s->text) > REDRIVE_TEXT_MAX)
		return error_set(err, USHER_EINVAL, "q: longer than %d bytes", REDRIVE_TEXT_MAX);
	return 0;
}

/* The filter language: what a list shows by it. Ages count back from when the list was shown. */
static int read_words(struct call *call, const char *text, struct redrive_selection *s, int64_t **ret_ids,
        struct usher_error *err)
{
	struct filter terms;

	if (filter_parse(text, s->seen_until.ms ? s->seen_until : wall_now(), &terms, err) < 0)
		return USHER_EINVAL;
	return redrive_selection_find(call->ctx->db, &terms, s, ret_ids, err);
}

static int read_move(const cJSON *body, enum failed_move *ret, struct usher_error *err)
{
	const char *act = NULL;

	if (member_text(body, "act", &act, err) < 0)
		return USHER_EINVAL;
	for (int move = 0; act && move < FAILED_MOVE_COUNT; move++)
		if (strcmp(failed_move_name((enum failed_move)move), act) == 0) {
			*ret = (enum failed_move)move;
			return 0;
		}
	return act ? error_set(
	                     err, USHER_EINVAL, "act: one of redrive, cancel, restore; redrive when left out")
	           : 0;
}

/* A job that did not cancel has nothing to take back, and one that is not over would go on cancelling. */
static int check_of_job(const struct redrive_job *job, const char *id, struct usher_error *err)
{
	if (job->move != FAILED_CANCEL)
		return error_set(err, USHER_EINVAL,
		        "of_job: job %s is none that cancels: it has nothing to take back", id);
	if (job->state == REDRIVE_RUNNING || job->state == REDRIVE_PAUSED)
		return error_set(err, USHER_ECONFLICT,
		        "job %s is %s: stop it first, or wait until it is done, then restore what it "
		        "cancelled",
		        id, redrive_job_state_name(job->state));
	return 0;
}

/* A restore takes back what one job cancelled. */
static int read_of_job(struct call *call, int64_t *ret_id, struct usher_error *err)
{
	const char *text = NULL;
	struct redrive_job *job = NULL;

	if (json_get(call->body, "ids") || json_get(call->body, "filter"))
		return error_set(err, USHER_EINVAL, "a restore has of_job in place of ids and filter");
	if (member_text(call->body, "of_job", &text, err) < 0)
		return USHER_EINVAL;
	if (!text)
		return error_set(err, USHER_EINVAL,
		        "of_job: required for a restore: the job that cancelled, as a string; single rows "
		        "have a "
		        "restore of their own");
	if (id_parse(text, ret_id, err) < 0)
		return error_prefix(err, USHER_EINVAL, "of_job");
	int rc = redrive_job_get(call->ctx->db, *ret_id, &job, err);
	if (rc < 0)
		return rc;
	rc = check_of_job(job, text, err);
	redrive_jobs_free(job, 1);
	return rc;
}

static int read_selection(
        struct call *call, struct redrive_selection *s, int64_t **ret_ids, struct usher_error *err)
{
	const cJSON *body = call->body;
	const cJSON *ids = json_get(body, "ids"), *filter = json_get(body, "filter");

	if (json_get(body, "of_job"))
		return error_set(err, USHER_EINVAL, "of_job: belongs to the act restore");
	if (!ids == !filter)
		return error_set(err, USHER_EINVAL,
		        "ids or filter: one of them says which rows; the filter {} is all dead rows");
	if (read_time(body, "seen_until", &s->seen_until, err) < 0)
		return USHER_EINVAL;
	if (ids) {
		int rc = read_ids(ids, ret_ids, &s->id_count, err);
		s->ids = *ret_ids;
		return rc;
	}
	if (cJSON_IsString(filter))
		return read_words(call, filter->valuestring, s, ret_ids, err);
	return read_filter(filter, s, err);
}

static int read_pace(const cJSON *body, struct redrive_order *o, struct usher_error *err)
{
	if (o->move != FAILED_REDRIVE) {
		o->rate = REDRIVE_RATE_MAX;
		o->canary = o->stop_on = 0;
		if (json_get(body, "rate") || json_get(body, "canary") || json_get(body, "stop_on_failures"))
			return error_set(err, USHER_EINVAL,
			        "rate, canary and stop_on_failures: belong to a redrive, which sends; leave "
			        "them out");
		return 0;
	}
	if (read_number(body, "rate", RATE_MIN, REDRIVE_RATE_MAX, &o->rate, err) < 0 ||
	        read_count(body, "canary", REDRIVE_CANARY_MAX, &o->canary, err) < 0 ||
	        read_count(body, "stop_on_failures", REDRIVE_STOP_MAX, &o->stop_on, err) < 0)
		return USHER_EINVAL;
	return 0;
}

/* Who selects by a filter did not see each row: the others want to know why. And why something was given up.
 */
static bool wants_reason(const cJSON *body, enum failed_move move)
{
	return move == FAILED_CANCEL || (move == FAILED_REDRIVE && !json_get(body, "ids"));
}

static int read_order(
        struct call *call, bool dry_run, struct redrive_order *o, int64_t **ret_ids, struct usher_error *err)
{
	const cJSON *body = call->body;

	if (read_move(body, &o->move, err) < 0 || read_pace(body, o, err) < 0 ||
	        read_reason(body, wants_reason(body, o->move) && !dry_run, &o->act.reason, err) < 0)
		return USHER_EINVAL;
	return o->move == FAILED_RESTORE ? read_of_job(call, &o->selection.of_job, err)
	                                 : read_selection(call, &o->selection, ret_ids, err);
}

/* -- Looking before ----------------------------------------------------------------------------------- */

static int preview(struct call *call, const struct redrive_order *order, struct usher_error *err)
{
	struct redrive_preview p;
	int64_t mails = 0, coupons = 0, second = 0;
	int rc = redrive_job_preview(call->ctx->db, order->move, &order->selection, &p, err);

	if (rc < 0)
		return rc;
	cJSON *json = call_answer(call);
	json_add_bool(json, "dry_run", true);
	json_add_string(json, "act", failed_move_name(order->move));
	json_add_int(json, "total", p.total);
	json_add_bool(json, "total_capped", p.total_capped);
	cJSON *groups = json_add_array(json, "groups");
	for (size_t i = 0; i < p.group_count; i++) {
		const struct redrive_preview_group *g = &p.groups[i];
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "channel", channel_name(g->channel));
		json_add_string(item, "class", failure_info(g->class)->name);
		json_add_int(item, "count", g->count);
		cJSON_AddItemToArray(groups, item);
		*(g->channel == CHANNEL_EMAIL ? &mails : &coupons) += g->maybe_done;
		second += g->member_has;
	}
	json_add_int(json, "mails_maybe_sent", mails);
	json_add_int(json, "coupons_maybe_granted", coupons);
	json_add_int(json, "members_with_coupon", second);
	view_add_time(json, "oldest", p.oldest);
	view_add_time(json, "newest", p.newest);
	view_add_time(json, "frozen_at", p.frozen_at);
	return 0;
}

/* -- Jobs ---------------------------------------------------------------------------------------------- */

int redrives_get(struct call *call, struct usher_error *err)
{
	struct redrive_job *jobs = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int rc = redrive_job_list(call->ctx->db, call->query.cursor, call->query.limit, &jobs, &n, next, err);

	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(items, view_redrive_job(&jobs[i]));
	view_add_next(call->json, next);
	redrive_jobs_free(jobs, n);
	return 0;
}

int redrives_one_get(struct call *call, struct usher_error *err)
{
	struct redrive_job *job = NULL;
	int64_t late = 0;
	bool capped = false;
	int rc = redrive_job_get(call->ctx->db, call->id, &job, err);

	if (rc < 0)
		return rc;
	if (!job->listed)
		rc = redrive_job_late(call->ctx->db, job, &late, &capped, err);
	if (rc == 0) {
		call->json = view_redrive_job(job);
		json_add_int(call->json, "late", late);
		json_add_bool(call->json, "late_capped", capped);
	}
	redrive_jobs_free(job, 1);
	return rc;
}

/* -- Acts ------------------------------------------------------------------------------------------------ */

/* After an act, done or not known to be: the answer is the job as it stands. */
static int acted(struct call *call, int rc, int64_t id, struct usher_error *err)
{
	struct redrive_job *job = NULL;

	if (rc == 0 || rc == USHER_EUNAVAILABLE)
		engine_kick_watcher(call->ctx->engine);
	if (rc < 0)
		return rc;
	counter_add(&call->ctx->engine->counters.acts, 1);
	log_info("admin", "%s of redrives/%lld by %s", call->route->act, (long long)id, call->operator);
	rc = redrive_job_get(call->ctx->db, id, &job, err);
	if (rc < 0)
		return error_prefix(
		        err, rc, "it is done, but the job could not be read back: look before you repeat it");
	call->json = view_redrive_job(job);
	redrive_jobs_free(job, 1);
	return 0;
}

int redrives_post(struct call *call, struct usher_error *err)
{
	struct redrive_order order = { .selection = { .channel = -1, .class = -1, .auto_max = -1 },
		.rate = RATE_DEFAULT,
		.canary = CANARY_DEFAULT,
		.stop_on = STOP_ON_DEFAULT,
		.act = { .operator= call->operator, .role = role_name(call->role) } };
	OWNED int64_t *ids = NULL;
	bool dry_run = false;
	int64_t id = 0;

	int rc = read_bool(call->body, "dry_run", &dry_run, err);
	if (rc == 0)
		rc = read_order(call, dry_run, &order, &ids, err);
	if (rc < 0)
		return rc;
	if (dry_run)
		return preview(call, &order, err);
	rc = redrive_job_create(call->ctx->db, &order, &id, err);
	call->status = 201;
	return acted(call, rc, id, err);
}

static int job_act(struct call *call, enum redrive_job_act kind, struct usher_error *err)
{
	struct act act = { .operator= call->operator, .role = role_name(call->role) };
	int version;

	if (read_reason(call->body, false, &act.reason, err) < 0 ||
	        read_version(call->body, &version, err) < 0)
		return USHER_EINVAL;
	int rc = redrive_job_act(call->ctx->db, call->id, kind, version, &act, err);
	return acted(call, rc, call->id, err);
}

int redrives_pause_post(struct call *call, struct usher_error *err)
{
	return job_act(call, REDRIVE_PAUSE, err);
}

int redrives_resume_post(struct call *call, struct usher_error *err)
{
	return job_act(call, REDRIVE_RESUME, err);
}

int redrives_stop_post(struct call *call, struct usher_error *err)
{
	return job_act(call, REDRIVE_STOP, err);
}
