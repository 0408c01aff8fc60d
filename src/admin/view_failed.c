/* Failed deliveries for operators: the list, its groups, one row with everything known of it, and what
 * stands in a DLQ. Reads the store only; a look never receives from a queue. Admin thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/language.h"

/* A list's query: the fixed parameters, and what was written in the filter language. The filter points into
 * *terms. */
static int query_filter(
        const struct query *query, struct filter *terms, struct failed_filter *ret, struct usher_error *err)
{
	*ret = (struct failed_filter){ .status = query->status,
		.channel = query->channel,
		.class = query->class,
		.text = query->text,
		.since = query->since,
		.sort = (enum failed_sort)query->sort,
		.oldest_first = query->oldest_first };
	if (!query->filter)
		return 0;
	ret->filter = terms;
	return filter_parse(query->filter, wall_now(), terms, err);
}

/* A page's answer; its rows are freed. */
static cJSON *page_answer(struct call *call, struct failed_page *page)
{
	cJSON *json = call_answer(call), *items = json_add_array(json, "items");
	for (size_t i = 0; i < page->n; i++)
		cJSON_AddItemToArray(items, view_failed(&page->rows[i]));
	view_add_next(json, page->next);
	json_add_bool(json, "complete", page->complete);
	if (!page->complete)
		json_add_int(json, "searched", page->searched);
	failed_rows_free(page->rows, page->n);
	return json;
}

int failed_list_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter;
	struct filter terms;
	struct failed_page page = { 0 };
	int64_t count = 0;
	bool capped = false;
	int rc = query_filter(&call->query, &terms, &filter, err);
	if (rc == 0)
		rc = failed_count(call->ctx->db, &filter, &count, &capped, err);
	if (rc == 0)
		rc = failed_list(call->ctx->db, &filter, call->query.cursor, call->query.limit, &page, err);
	if (rc < 0)
		return rc;
	cJSON *json = page_answer(call, &page);
	json_add_int(json, "count", count);
	json_add_bool(json, "count_capped", capped);
	return 0;
}

/* What narrows the operator's own filter to the group. */
static void add_drill_down(cJSON *item, const char *own, const struct failed_group *group)
{
	struct buf b = BUF(FILTER_TEXT_MAX + 128);
	char cause[FILTER_CAUSE_SIZE];
	filter_cause_print(group->cause, cause);
	if (own)
		buf_printf(&b, "%s ", own);
	buf_printf(&b, "status:%s cause:%s", failed_status_name(group->status), cause);
	json_add_string(item, "filter", buf_str(&b));
	buf_free(&b);
}

static cJSON *view_group(const struct call *call, const struct failed_group *group)
{
	cJSON *item = cJSON_CreateObject();
	json_add_string(item, "channel", channel_name(group->channel));
	json_add_string(item, "status", failed_status_name(group->status));
	json_add_string(item, "class", failure_info(group->class)->name);
	view_add_cause(item, group->cause);
	view_add_words(item, "reason", group->reason);
	json_add_int(item, "count", group->count);
	json_add_string(item, "count_exactness", group->approximate ? "approximate" : "exact");
	view_add_time(item, "oldest", group->oldest);
	view_add_time(item, "newest", group->newest);
	add_drill_down(item, call->query.filter, group);
	return item;
}

int failed_groups_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter;
	struct filter terms;
	struct failed_group *groups = NULL;
	size_t n = 0;
	bool complete = false;
	int rc = query_filter(&call->query, &terms, &filter, err);
	if (rc == 0)
		rc = failed_groups(call->ctx->db, &filter, call->query.limit, &groups, &n, &complete, err);
	if (rc < 0)
		return rc;
	cJSON *json = call_answer(call), *items = json_add_array(json, "items");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(items, view_group(call, &groups[i]));
	json_add_bool(json, "complete", complete);
	if (!complete)
		json_add_int(json, "searched", FAILED_GROUPS_ROWS_MAX);
	failed_groups_free(groups, n);
	return 0;
}

/* The filter language for a completion: all that its table says. */
int filter_keys_get(struct call *call, struct usher_error *err)
{
	cJSON *items = json_add_array(call_answer(call), "items");
	(void)err;
	for (int i = 0; i < FILTER_KEY_COUNT; i++) {
		const struct filter_info *key = filter_info((enum filter_key)i);
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "key", key->name);
		json_add_string(item, "kind", key->kind->name);
		json_add_string(item, "operators", key->kind->operators);
		json_add_string(item, "example", key->example);
		json_add_string(item, "help", _(key->help));
		cJSON *words = json_add_array(item, "words");
		for (int w = 0; key->kind->word && key->kind->word(w); w++)
			cJSON_AddItemToArray(words, cJSON_CreateString(key->kind->word(w)));
		cJSON_AddItemToArray(items, item);
	}
	return 0;
}

/* -- One row ---------------------------------------------------------------------------------------- */

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

static int add_siblings(cJSON *json, struct db *db, const struct failed_row *row, struct usher_error *err)
{
	struct failed_sibling siblings[CHANNEL_COUNT];
	size_t n = 0;
	int rc = failed_siblings(db, row, siblings, &n, err);
	if (rc < 0)
		return rc;
	cJSON *list = json_add_array(json, "siblings");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "channel", channel_name(siblings[i].channel));
		json_add_string(item, "state", delivery_state_name(siblings[i].state));
		if (siblings[i].id)
			view_add_id(item, "id", siblings[i].id);
		else
			json_add_string(item, "id", NULL);
		json_add_string(
		        item, "status", siblings[i].id ? failed_status_name(siblings[i].status) : NULL);
		cJSON_AddItemToArray(list, item);
	}
	return 0;
}

int failed_one_get(struct call *call, struct usher_error *err)
{
	struct db *db = call->ctx->db;
	struct failed_row *row = NULL;
	int rc = failed_get(db, call->id, &row, err);
	if (rc < 0)
		return rc;
	struct mask_person person = view_person(row);
	call->json = view_failed(row);
	view_add_payload(call->json, row->payload, row->payload_len, row->attributes, &person);
	rc = view_add_attempts(call->json, db, row->delivery_id, &person, err);
	if (rc == 0)
		rc = view_add_fresh_copy(call->json, db, row->id, row->delivery_id, err);
	if (rc == 0)
		rc = view_add_edits(call->json, db, row->id, &person, err);
	if (rc == 0)
		rc = add_siblings(call->json, db, row, err);
	if (rc == 0)
		rc = view_add_audit(call->json, db, row->id, row->delivery_id, err);
	if (rc == 0)
		rc = add_job(call->json, db, row->job_id, err);
	failed_rows_free(row, 1);
	return rc;
}

/* -- A DLQ ------------------------------------------------------------------------------------------ */

int dlq_get(struct call *call, struct usher_error *err)
{
	struct failed_filter filter;
	struct filter terms;
	struct failed_page page = { 0 };
	int rc = query_filter(&call->query, &terms, &filter, err);
	filter.channel = (int)call->channel;
	filter.in_dlq = true;
	if (rc == 0)
		rc = failed_list(call->ctx->db, &filter, call->query.cursor, call->query.limit, &page, err);
	if (rc < 0)
		return rc;
	cJSON *json = page_answer(call, &page);
	struct status *status = status_board_get(call->ctx->engine->board);
	struct figure unknown = { .value = -1, .exactness = STALE };
	wall_time never = { 0 };
	const struct channel_status *channel = status ? &status->channel[call->channel] : NULL;
	view_add_figure(json, "depth", channel ? queue_standing(&channel->dlq_depth) : unknown,
	        view_depths_are_stale(call->settings->config, status, call->channel, wall_now()));
	view_add_time(json, "mirrored_at", channel ? channel->control.mirrored_at : never);
	if (status)
		status_release(status);
	return 0;
}
