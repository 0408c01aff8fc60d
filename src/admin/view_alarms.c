/* Alarms: the list with who was told, one for who acknowledges it, and what the status says of them. Reads
 * the store, and for the status the watcher's snapshot alone; admin thread. */
#include "admin/route.h"

#include "admin/view.h"
#include "base/mem.h"
#include "store/alarm.h"

#include <string.h>

static void add_alarm(cJSON *json, const struct alarm_row *row)
{
	if (row->id)
		view_add_id(json, "id", row->id);
	else
		cJSON_AddNullToObject(json, "id"); /* raised while there is no database: it has none yet */
	json_add_string(json, "name", row->name);
	json_add_string(json, "channel", row->channel[0] ? row->channel : NULL);
	json_add_string(json, "severity", alarm_severity_name(row->severity));
	json_add_string(json, "state", row->raised ? "raised" : "cleared");
	view_add_time(json, "raised_at", row->raised_at);
	view_add_time(json, "cleared_at", row->cleared_at);
	cJSON_AddNumberToObject(json, "value", row->value);
	struct buf text = BUF(4 * ALARM_TEXT_SIZE);
	alarm_text_say(&text, row->text);
	json_add_bytes(json, "text", buf_str(&text), text.len);
	buf_free(&text);
	json_add_string(json, "acked_by", row->acked_by[0] ? row->acked_by : NULL);
	view_add_time(json, "acked_at", row->acked_at);
}

static cJSON *notice_json(const struct notice_row *n)
{
	cJSON *json = cJSON_CreateObject();
	bool waits = n->settled_at.ms == 0;

	json_add_string(json, "notify", n->notify);
	json_add_string(json, "what", notice_what_name(n->what));
	json_add_string(json, "state", n->sent ? "sent" : waits ? "waiting" : "given_up");
	view_add_time(json, "created_at", n->created_at);
	view_add_time(json, "settled_at", n->settled_at);
	json_add_int(json, "attempts", n->attempts);
	view_add_seconds(json, "next_s", waits ? n->wait_ms : -1);
	view_add_words(json, "last_error", n->last_error[0] ? n->last_error : NULL);
	return json;
}

static cJSON *whole_json(const struct alarm_row *row, const struct notice_row *notices, size_t n)
{
	cJSON *json = cJSON_CreateObject();

	add_alarm(json, row);
	view_add_words(json, "ack_reason", row->ack_reason);
	cJSON *list = json_add_array(json, "notices");
	for (size_t i = 0; i < n; i++)
		if (notices[i].alarm_id == row->id)
			cJSON_AddItemToArray(list, notice_json(&notices[i]));
	return json;
}

static int notices_for(struct db *db, const struct alarm_row *rows, size_t n, struct notice_row **ret,
        size_t *ret_n, struct usher_error *err)
{
	OWNED int64_t *ids = mem_array(n + 1, sizeof *ids);

	for (size_t i = 0; i < n; i++)
		ids[i] = rows[i].id;
	return notices_of(db, ids, n, ret, ret_n, err);
}

int alarms_get(struct call *call, struct usher_error *err)
{
	struct alarm_row *rows = NULL;
	struct notice_row *notices = NULL;
	char next[CURSOR_SIZE] = "";
	size_t n = 0, told = 0;
	int rc = alarm_list(call->ctx->db, call->query.cursor, call->query.limit, &rows, &n, next, err);

	if (rc < 0)
		return rc;
	rc = notices_for(call->ctx->db, rows, n, &notices, &told, err);
	if (rc == 0) {
		cJSON *items = json_add_array(call_answer(call), "items");
		for (size_t i = 0; i < n; i++)
			cJSON_AddItemToArray(items, whole_json(&rows[i], notices, told));
		view_add_next(call->json, next);
	}
	free(notices);
	alarm_rows_free(rows, n);
	return rc;
}

int view_alarm(struct call *call, int64_t id, struct usher_error *err)
{
	struct alarm_row row;
	struct notice_row *notices = NULL;
	size_t n = 0;
	int rc = alarm_get(call->ctx->db, id, &row, err);

	if (rc < 0)
		return rc;
	rc = notices_of(call->ctx->db, &id, 1, &notices, &n, err);
	if (rc == 0)
		call->json = whole_json(&row, notices, n);
	free(notices);
	free(row.ack_reason);
	return rc;
}

static cJSON *trouble_json(const struct notice_trouble *t)
{
	cJSON *json = cJSON_CreateObject();

	json_add_string(json, "notify", t->notify);
	json_add_string(json, "kind", t->kind);
	json_add_int(json, "count", t->count);
	json_add_int(json, "given_up", t->given_up);
	view_add_time(json, "since", t->since);
	view_add_words(json, "error", t->error);
	return json;
}

void view_add_alarms(cJSON *status, const struct alarm_board *board)
{
	cJSON *json = json_add_object(status, "alarms");

	json_add_int(json, "raised", board ? board->raised : 0);
	json_add_int(json, "critical", board ? board->critical : 0);
	json_add_int(json, "unsent", board ? board->unsent : 0);
	cJSON *list = json_add_array(json, "list");
	for (int i = 0; board && i < board->shown; i++) {
		cJSON *item = cJSON_CreateObject();
		add_alarm(item, &board->list[i]);
		cJSON_AddItemToArray(list, item);
	}
	cJSON *troubles = json_add_array(json, "notices");
	for (int i = 0; board && i < board->troubles; i++)
		cJSON_AddItemToArray(troubles, trouble_json(&board->trouble[i]));
}
