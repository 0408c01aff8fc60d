/* The plain lists: what waits for its next attempt, the outbox, the audit. Reads the store only; admin
 * thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "store/outbox.h"

int retrying_get(struct call *call, struct usher_error *err)
{
	const struct config *config = call->settings->config;
	struct retrying_row *rows = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int rc = retrying_list(call->ctx->db, call->query.cursor, call->query.limit, call->query.channel,
	        &rows, &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++) {
		struct mask_person person = { .email = rows[i].recipient, .user_id = rows[i].user_id };
		cJSON *item = cJSON_CreateObject();
		view_add_id(item, "id", rows[i].id);
		json_add_string(item, "event_id", rows[i].event_id);
		json_add_string(item, "channel", channel_name(rows[i].channel));
		view_add_user_id(item, "user_id", rows[i].user_id);
		view_add_email(item, "recipient", rows[i].recipient);
		json_add_int(item, "version", rows[i].version);
		json_add_int(item, "attempts", rows[i].attempts);
		json_add_int(item, "max_attempts", config->channel[rows[i].channel].max_attempts);
		view_add_time(item, "due_at", rows[i].due_at);
		json_add_string(item, "last_class", failure_info(rows[i].last_class)->name);
		view_add_words_of(item, "last_reply", rows[i].last_reply, &person);
		view_add_time(item, "updated_at", rows[i].updated_at);
		cJSON_AddItemToArray(items, item);
	}
	view_add_next(call->json, next);
	retrying_rows_free(rows, n);
	return 0;
}

/* The payload stays where it is: the list is about events, not about members. */
int outbox_get(struct call *call, struct usher_error *err)
{
	struct outbox_row *rows = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int rc = outbox_list(call->ctx->db, call->query.waiting_only, call->query.cursor, call->query.limit,
	        &rows, &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();
		view_add_id(item, "id", rows[i].id);
		json_add_string(item, "event_id", rows[i].event_id);
		json_add_int(item, "attempts", rows[i].attempts);
		view_add_time(item, "created_at", rows[i].created_at);
		view_add_time(item, "next_at", rows[i].next_at);
		view_add_time(item, "published_at", rows[i].published_at);
		view_add_words(item, "last_error", rows[i].last_error);
		cJSON_AddItemToArray(items, item);
	}
	view_add_next(call->json, next);
	outbox_rows_free(rows, n);
	return 0;
}

int audit_get(struct call *call, struct usher_error *err)
{
	struct audit_row *rows = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0;
	int rc = audit_list(call->ctx->db, call->query.target, call->query.cursor, call->query.limit, &rows,
	        &n, next, err);
	if (rc < 0)
		return rc;
	cJSON *items = json_add_array(call_answer(call), "items");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(items, view_audit(&rows[i]));
	view_add_next(call->json, next);
	audit_rows_free(rows, n);
	return 0;
}
