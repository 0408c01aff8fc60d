/* One delivery for operators, whatever has become of it, and the pieces that the detail of a failed row
 * shares with it: payload, attempts, edits, audit. Reads the store only; admin thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>

#define DETAIL_AUDIT_MAX 100 /* newest audit rows in a detail */

/* -- Pieces ----------------------------------------------------------------------------------------- */

static void add_attributes(cJSON *json, const char *text, const struct mask_person *person)
{
	struct message_attributes attributes = { 0 };
	cJSON *object = json_add_object(json, "attributes");
	if (!text || message_attributes_parse(text, &attributes) < 0)
		return;
	for (size_t i = 0; i < attributes.count; i++)
		view_add_member(object, attributes.list[i].name, attributes.list[i].value, person);
	message_attributes_free(&attributes);
}

void view_add_payload(cJSON *json, const void *payload, size_t len, const char *attributes,
        const struct mask_person *person)
{
	struct buf text = BUF(MASK_TEXT_MAX);
	mask_payload(payload ? payload : "", len, &text);
	json_add_bytes(json, "payload", buf_str(&text), text.len);
	buf_free(&text);
	json_add_int(json, "payload_bytes", (int64_t)len);
	add_attributes(json, attributes, person);
}

static void add_attempt(cJSON *list, const struct attempt_row *attempt, const struct mask_person *person)
{
	cJSON *item = cJSON_CreateObject();
	json_add_int(item, "number", attempt->number);
	json_add_int(item, "redrive", attempt->redrive);
	view_add_time(item, "at", attempt->at);
	json_add_int(item, "latency_ms", attempt->latency_ms);
	json_add_string(item, "class", failure_info(attempt->class)->name);
	json_add_int(item, "code", attempt->code);
	view_add_words_of(item, "reply", attempt->reply, person);
	/* Not masked: a Message-ID looks like an address, is none, and is what a mail log is searched for. */
	json_add_string(item, "effect", attempt->effect);
	cJSON_AddItemToArray(list, item);
}

int view_add_attempts(cJSON *json, struct db *db, int64_t delivery_id, const struct mask_person *person,
        struct usher_error *err)
{
	struct attempt_row *attempts = NULL;
	size_t n = 0;
	int rc = attempts_of(db, delivery_id, &attempts, &n, err);
	if (rc < 0)
		return rc;
	cJSON *list = json_add_array(json, "attempt_list");
	for (size_t i = 0; i < n; i++)
		add_attempt(list, &attempts[i], person);
	attempts_free(attempts, n);
	return 0;
}

int view_add_edits(cJSON *json, struct db *db, int64_t failed_id, const struct mask_person *person,
        struct usher_error *err)
{
	struct edit_row *edits = NULL;
	size_t n = 0;
	int rc = edits_of(db, failed_id, &edits, &n, err);
	if (rc < 0)
		return rc;
	cJSON *list = json_add_array(json, "edits");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();
		view_add_time(item, "at", edits[i].at);
		json_add_string(item, "operator", edits[i].operator);
		view_add_words_of(item, "reason", edits[i].reason, person);
		json_add_string(item, "summary", edits[i].summary);
		cJSON_AddItemToArray(list, item);
	}
	edits_free(edits, n);
	return 0;
}

int view_add_fresh_copy(
        cJSON *json, struct db *db, int64_t failed_id, int64_t delivery_id, struct usher_error *err)
{
	struct intent_state state = { 0 };
	int rc = intent_state_get(db, failed_id, delivery_id, &state, err);
	if (rc < 0)
		return rc;
	if (state.next_at.ms == 0) {
		cJSON_AddNullToObject(json, "fresh_copy");
		return 0;
	}
	cJSON *copy = json_add_object(json, "fresh_copy");
	json_add_int(copy, "failures", state.attempts);
	view_add_time(copy, "next_at", state.next_at);
	view_add_words(copy, "last_error", state.last_error);
	free(state.last_error);
	return 0;
}

/* What was done with the failed row and, before it died, with the delivery while it waited: newest first. */
int view_add_audit(
        cJSON *json, struct db *db, int64_t failed_id, int64_t delivery_id, struct usher_error *err)
{
	struct audit_row *rows[2] = { NULL, NULL };
	size_t n[2] = { 0, 0 }, at[2] = { 0, 0 };
	char target[2][40], next[CURSOR_SIZE];
	int rc = 0;
	snprintf(target[0], sizeof target[0], "failed/%lld", (long long)failed_id);
	snprintf(target[1], sizeof target[1], "retrying/%lld", (long long)delivery_id);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = audit_list(db, target[i], "", DETAIL_AUDIT_MAX, &rows[i], &n[i], next, err);
	cJSON *list = rc == 0 ? json_add_array(json, "audit") : NULL;
	for (int shown = 0; list && shown < DETAIL_AUDIT_MAX && (at[0] < n[0] || at[1] < n[1]); shown++) {
		int i = at[0] == n[0] || (at[1] < n[1] && rows[1][at[1]].id > rows[0][at[0]].id);
		cJSON_AddItemToArray(list, view_audit(&rows[i][at[i]++]));
	}
	for (int i = 0; i < 2; i++)
		audit_rows_free(rows[i], n[i]);
	return rc;
}

/* -- A delivery --------------------------------------------------------------------------------------- */

static struct mask_person person_of(const struct delivery_row *row)
{
	return (struct mask_person){ .email = row->recipient, .name = row->name, .user_id = row->user_id };
}

cJSON *view_delivery(const struct delivery_row *row, const struct config *config)
{
	struct mask_person person = person_of(row);
	cJSON *json = cJSON_CreateObject();
	view_add_id(json, "id", row->id);
	json_add_string(json, "event_id", row->event_id);
	json_add_string(json, "channel", channel_name(row->channel));
	json_add_string(json, "state", delivery_state_name(row->state));
	json_add_int(json, "version", row->version);
	view_add_user_id(json, "user_id", row->user_id);
	view_add_email(json, "recipient", row->recipient);
	view_add_name(json, "name", row->name);
	json_add_int(json, "attempts", row->attempts);
	json_add_int(json, "max_attempts", config->channel[row->channel].max_attempts);
	json_add_int(json, "redrives", row->redrives);
	view_add_time(json, "due_at", row->due_at);
	json_add_string(json, "last_class", failure_info(row->last_class)->name);
	json_add_string(json, "class_help", _(failure_info(row->last_class)->help));
	view_add_words_of(json, "last_reply", row->last_reply, &person);
	json_add_string(json, "owner", row->state == DELIVERY_CLAIMED ? row->owner : NULL);
	view_add_time(json, "created_at", row->created_at);
	view_add_time(json, "updated_at", row->updated_at);
	view_add_time(json, "delivered_at", row->delivered_at);
	if (row->failed_id)
		view_add_id(json, "failed_id", row->failed_id);
	else
		json_add_string(json, "failed_id", NULL);
	return json;
}

int delivery_get_one(struct call *call, struct usher_error *err)
{
	struct db *db = call->ctx->db;
	struct delivery_row *row = NULL;
	int rc = delivery_get(db, call->id, &row, err);
	if (rc < 0)
		return rc;
	struct mask_person person = person_of(row);
	call->json = view_delivery(row, call->settings->config);
	if (row->payload)
		view_add_payload(call->json, row->payload, row->payload_len, row->attributes, &person);
	rc = view_add_attempts(call->json, db, row->id, &person, err);
	if (rc == 0)
		rc = view_add_fresh_copy(call->json, db, row->failed_id, row->id, err);
	if (rc == 0)
		rc = view_add_audit(call->json, db, row->failed_id, row->id, err);
	delivery_free(row);
	return rc;
}
