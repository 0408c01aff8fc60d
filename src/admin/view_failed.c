/* Failed deliveries for operators: the list, its groups, one row with everything known of it, and what
 * stands in a DLQ. Reads the store only; a look never receives from a queue. Admin thread. */
#include "admin/route.h"

#include "admin/mask.h"
#include "admin/view.h"
#include <stdio.h>

#define DETAIL_AUDIT_MAX 100 /* newest audit rows in a detail */

static struct failed_filter query_filter(const struct query *query)
{
	return (struct failed_filter){ .status = query->status,
		.channel = query->channel,
		.class = query->class,
		.text = query->text,
		.since = query->since,
		.oldest_first = query->oldest_first };
}

/* items and next of a page; the rows are freed. */
static cJSON *page_answer(struct call *call, struct failed_row *rows, size_t n, const char *next)
{
	cJSON *json = call_answer(call), *items = json_add_array(json, "items");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(items, view_failed(&rows[i]));
	view_add_next(json, next);
	failed_rows_free(rows, n);
	return json;
}

int failed_list_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter = query_filter(&call->query);
	struct failed_row *rows = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int64_t count;
	bool capped;
	int rc = failed_count(call->ctx->db, &filter, &count, &capped, err);
	if (rc < 0)
		return rc;
	rc = failed_list(call->ctx->db, &filter, call->query.cursor, call->query.limit, &rows, &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *json = page_answer(call, rows, n, next);
	json_add_int(json, "count", count);
	json_add_bool(json, "count_capped", capped);
	return 0;
}

int failed_groups_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter = query_filter(&call->query);
	struct failed_group *groups = NULL;
	size_t n = 0;
	int rc = failed_groups(call->ctx->db, &filter, call->query.limit, &groups, &n, err);
	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "channel", channel_name(groups[i].channel));
		json_add_string(item, "status", failed_status_name(groups[i].status));
		json_add_string(item, "class", failure_info(groups[i].class)->name);
		view_add_words(item, "reason", groups[i].reason);
		json_add_int(item, "count", groups[i].count);
		view_add_time(item, "oldest", groups[i].oldest);
		view_add_time(item, "newest", groups[i].newest);
		cJSON_AddItemToArray(items, item);
	}
	failed_groups_free(groups, n);
	return 0;
}

/* -- One row ---------------------------------------------------------------------------------------- */

static void add_attributes(cJSON *json, const char *text)
{
	struct message_attributes attributes = { 0 };
	cJSON *object = json_add_object(json, "attributes");
	if (!text || message_attributes_parse(text, &attributes) < 0)
		return;
	for (size_t i = 0; i < attributes.count; i++)
		view_add_words(object, attributes.list[i].name, attributes.list[i].value);
	message_attributes_free(&attributes);
}

static void add_payload(cJSON *json, const struct failed_row *row)
{
	struct buf text = BUF(MASK_TEXT_MAX);
	mask_payload(row->payload ? row->payload : "", row->payload_len, &text);
	json_add_bytes(json, "payload", buf_str(&text), text.len);
	buf_free(&text);
	json_add_int(json, "payload_bytes", (int64_t)row->payload_len);
	add_attributes(json, row->attributes);
}

static void add_attempts(cJSON *json, const struct attempt_row *attempts, size_t n)
{
	cJSON *list = json_add_array(json, "attempt_list");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();
		json_add_int(item, "number", attempts[i].number);
		json_add_int(item, "redrive", attempts[i].redrive);
		view_add_time(item, "at", attempts[i].at);
		json_add_int(item, "latency_ms", attempts[i].latency_ms);
		json_add_string(item, "class", failure_info(attempts[i].class)->name);
		json_add_int(item, "code", attempts[i].code);
		view_add_words(item, "reply", attempts[i].reply);
		/* Not masked: a Message-ID looks like an address, is none, and is what a mail log is searched
		 * for. */
		json_add_string(item, "effect", attempts[i].effect);
		cJSON_AddItemToArray(list, item);
	}
}

static int add_audit(cJSON *json, struct db *db, int64_t id, struct usher_error *err)
{
	char target[32], next[CURSOR_SIZE];
	struct audit_row *rows = NULL;
	size_t n = 0;
	snprintf(target, sizeof target, "failed/%lld", (long long)id);
	int rc = audit_list(db, target, "", DETAIL_AUDIT_MAX, &rows, &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *list = json_add_array(json, "audit");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, view_audit(&rows[i]));
	audit_rows_free(rows, n);
	return 0;
}

/* The job that redrove it last; null where an operator did, row by row, or none. */
static int add_job(cJSON *json, struct db *db, int64_t id, struct usher_error *err)
{
	struct redrive_job *job = NULL;
	int rc = id ? redrive_job_get(db, id, &job, err) : USHER_ENOTFOUND;
	if (rc == USHER_ENOTFOUND) {
		cJSON_AddNullToObject(json, "redrive_job");
		return 0;
	}
	if (rc < 0)
		return rc;
	cJSON_AddItemToObject(json, "redrive_job", view_redrive_job(job));
	redrive_jobs_free(job, 1);
	return 0;
}

int failed_one_get(struct call *call, struct usher_error *err)
{
	struct db *db = call->ctx->db;
	struct failed_row *row = NULL;
	struct attempt_row *attempts = NULL;
	size_t n = 0;
	int rc = failed_get(db, call->id, &row, err);
	if (rc < 0)
		return rc;
	rc = attempts_of(db, row->delivery_id, &attempts, &n, err);
	if (rc == 0) {
		call->json = view_failed(row);
		add_payload(call->json, row);
		add_attempts(call->json, attempts, n);
		attempts_free(attempts, n);
		rc = add_audit(call->json, db, call->id, err);
		if (rc == 0)
			rc = add_job(call->json, db, row->job_id, err);
	}
	failed_rows_free(row, 1);
	return rc;
}

/* -- A DLQ ------------------------------------------------------------------------------------------ */

int dlq_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter = {
		.status = -1, .channel = (int)call->channel, .class = -1, .in_dlq = true
	};
	struct failed_row *rows = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int rc = failed_list(
	        call->ctx->db, &filter, call->query.cursor, call->query.limit, &rows, &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *json = page_answer(call, rows, n, next);
	struct status *status = status_board_get(call->ctx->engine->board);
	struct figure unknown = { .value = -1, .exactness = STALE };
	wall_time never = { 0 };
	const struct channel_status *channel = status ? &status->channel[call->channel] : NULL;
	view_add_figure(json, "depth", channel ? queue_standing(&channel->dlq_depth) : unknown,
	        view_depths_are_stale(call->ctx->engine->config, status, call->channel, wall_now()));
	view_add_time(json, "mirrored_at", channel ? channel->control.mirrored_at : never);
	if (status)
		status_release(status);
	return 0;
}
