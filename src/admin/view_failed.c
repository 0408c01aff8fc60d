/* Failed deliveries for operators: the list, its groups, one row with everything known of it, and what
 * stands in a DLQ. Reads the store only; a look never receives from a queue. Admin thread. */
#include "admin/route.h"

#include "admin/view.h"

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

int failed_one_get(struct call *call, struct usher_error *err)
{
	struct db *db = call->ctx->db;
	struct failed_row *row = NULL;
	int rc = failed_get(db, call->id, &row, err);
	if (rc < 0)
		return rc;
	call->json = view_failed(row);
	view_add_payload(call->json, row->payload, row->payload_len, row->attributes);
	rc = view_add_attempts(call->json, db, row->delivery_id, err);
	if (rc == 0)
		rc = view_add_edits(call->json, db, row->id, err);
	if (rc == 0)
		rc = view_add_audit(call->json, db, row->id, row->delivery_id, err);
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
	view_add_time(json, "mirrored_at", channel ? channel->mirrored_at : never);
	if (status)
		status_release(status);
	return 0;
}
