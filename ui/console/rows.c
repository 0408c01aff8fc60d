/* The columns of failed rows and of groups; see list.h. */
#include "list.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void add_text(const cJSON *row, const char *key, struct buf *out)
{
	const char *text = json_string(row, key);
	buf_puts(out, text ? text : "-");
}

#define TEXT_CELL(name, key)                                                                                 \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		(void)now;                                                                                   \
		add_text(row, key, out);                                                                     \
	}
TEXT_CELL(cell_id, "id")
TEXT_CELL(cell_channel, "channel")
TEXT_CELL(cell_status, "status")
TEXT_CELL(cell_class, "class")
TEXT_CELL(cell_reason, "reason")
TEXT_CELL(cell_recipient, "recipient")
TEXT_CELL(cell_name, "name")
TEXT_CELL(cell_user, "user_id")
TEXT_CELL(cell_event, "event_id")
TEXT_CELL(cell_last_class, "last_class")
TEXT_CELL(cell_last_reply, "last_reply")

#define AGE_CELL(name, key)                                                                                  \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		wall_time at = time_get(row, key);                                                           \
		format_span_short(out, at.ms ? seconds_between(at, now) : -1);                               \
	}
AGE_CELL(cell_dead_age, "dead_at")
AGE_CELL(cell_oldest, "oldest")
AGE_CELL(cell_newest, "newest")

static void cell_tries(const cJSON *row, wall_time now, struct buf *out)
{
	(void)now;
	buf_printf(out, "%lld", (long long)json_int(row, "attempts", 0));
	if (json_int(row, "redrives", 0))
		buf_printf(out, "+%lldr", (long long)json_int(row, "redrives", 0));
}

static void cell_count(const cJSON *row, wall_time now, struct buf *out)
{
	const char *exactness = json_string(row, "count_exactness");
	(void)now;
	if (exactness && !strcmp(exactness, "approximate"))
		buf_putc(out, '~');
	format_count(out, json_int(row, "count", 0));
}

static void cell_expires(const cJSON *row, wall_time now, struct buf *out)
{
	wall_time at = time_get(json_get(row, "dlq"), "expires_at");
	format_span_short(out, at.ms ? seconds_between(now, at) : -1);
}

/* "3 of 3": the attempt that comes next. Throttled ones burn none, so it may stand still. */
static void cell_next_attempt(const cJSON *row, wall_time now, struct buf *out)
{
	(void)now;
	/* TRANSLATORS: attempt 3 of 3; it has 8 columns */
	buf_printf(out, _("%lld of %lld"), (long long)json_int(row, "attempts", 0) + 1,
	        (long long)json_int(row, "max_attempts", 0));
}

static void cell_due(const cJSON *row, wall_time now, struct buf *out)
{
	wall_time at = time_get(row, "due_at");
	if (at.ms && at.ms <= now.ms)
		buf_puts(out, _("due"));
	else
		format_span_short(out, at.ms ? seconds_between(now, at) : -1);
}

static enum role due_role(const cJSON *row)
{
	wall_time at = time_get(row, "due_at");
	return at.ms && at.ms <= wall_now().ms ? ROLE_ACCENT : ROLE_NORMAL;
}

static enum role status_role(const cJSON *row)
{
	return role_of_status(json_string(row, "status"));
}

static enum role class_role(const cJSON *row)
{
	const char *disposition = json_string(row, "disposition"), *class = json_string(row, "class");
	if (class && !strcmp(class, "ambiguous"))
		return ROLE_WARN;
	return disposition && !strcmp(disposition, "auto") ? ROLE_FAINT : ROLE_NORMAL;
}

static enum role faint_role(const cJSON *row)
{
	(void)row;
	return ROLE_FAINT;
}

const struct list_column failed_columns[] = {
	{ N_("ID"), 7, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("CHANNEL"), 7, 0, 0, 0, TEXT_LEFT, cell_channel, NULL },
	{ N_("STATUS"), 9, 0, 0, 0, TEXT_LEFT, cell_status, status_role },
	{ N_("CLASS"), 15, 0, 0, 0, TEXT_LEFT, cell_class, class_role },
	{ N_("TRIES"), 5, 0, 0, 100, TEXT_RIGHT, cell_tries, NULL },
	{ N_("AGE"), 4, 0, 0, 0, TEXT_RIGHT, cell_dead_age, NULL },
	{ N_("RECIPIENT"), 16, 2, 30, 100, TEXT_LEFT, cell_recipient, NULL },
	{ N_("NAME"), 10, 1, 20, 120, TEXT_LEFT, cell_name, NULL },
	{ N_("USER"), 10, 1, 18, 150, TEXT_LEFT, cell_user, faint_role },
	{ N_("EVENT"), 12, 1, 36, 170, TEXT_LEFT, cell_event, faint_role },
	{ N_("REASON"), 20, 6, 0, 0, TEXT_LEFT, cell_reason, NULL },
};
const int failed_column_count = ARRAY_LEN(failed_columns);

const struct list_column dlq_columns[] = {
	{ N_("ID"), 7, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("STATUS"), 9, 0, 0, 0, TEXT_LEFT, cell_status, status_role },
	{ N_("CLASS"), 15, 0, 0, 0, TEXT_LEFT, cell_class, class_role },
	{ N_("AGE"), 4, 0, 0, 0, TEXT_RIGHT, cell_dead_age, NULL },
	{ N_("EXPIRES"), 7, 0, 0, 0, TEXT_RIGHT, cell_expires, NULL },
	{ N_("TRIES"), 5, 0, 0, 100, TEXT_RIGHT, cell_tries, NULL },
	{ N_("RECIPIENT"), 16, 2, 30, 100, TEXT_LEFT, cell_recipient, NULL },
	{ N_("NAME"), 10, 1, 20, 120, TEXT_LEFT, cell_name, NULL },
	{ N_("EVENT"), 12, 1, 36, 150, TEXT_LEFT, cell_event, faint_role },
	{ N_("REASON"), 20, 6, 0, 0, TEXT_LEFT, cell_reason, NULL },
};
const int dlq_column_count = ARRAY_LEN(dlq_columns);

const struct list_column retrying_columns[] = {
	{ N_("ID"), 7, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("CHANNEL"), 7, 0, 0, 0, TEXT_LEFT, cell_channel, NULL },
	{ N_("ATTEMPT"), 8, 0, 0, 0, TEXT_RIGHT, cell_next_attempt, NULL },
	{ N_("NEXT IN"), 7, 0, 0, 0, TEXT_RIGHT, cell_due, due_role },
	{ N_("CLASS"), 15, 0, 0, 0, TEXT_LEFT, cell_last_class, NULL },
	{ N_("RECIPIENT"), 16, 2, 30, 100, TEXT_LEFT, cell_recipient, NULL },
	{ N_("USER"), 10, 1, 18, 150, TEXT_LEFT, cell_user, faint_role },
	{ N_("EVENT"), 12, 1, 36, 130, TEXT_LEFT, cell_event, faint_role },
	{ N_("LAST REPLY"), 20, 6, 0, 0, TEXT_LEFT, cell_last_reply, NULL },
};
const int retrying_column_count = ARRAY_LEN(retrying_columns);

const struct list_column group_columns[] = {
	{ N_("COUNT"), 9, 0, 0, 0, TEXT_RIGHT, cell_count, NULL },
	{ N_("CHANNEL"), 7, 0, 0, 0, TEXT_LEFT, cell_channel, NULL },
	{ N_("STATUS"), 9, 0, 0, 0, TEXT_LEFT, cell_status, status_role },
	{ N_("CLASS"), 15, 0, 0, 0, TEXT_LEFT, cell_class, class_role },
	{ N_("OLDEST"), 6, 0, 0, 0, TEXT_RIGHT, cell_oldest, NULL },
	{ N_("NEWEST"), 6, 0, 0, 0, TEXT_RIGHT, cell_newest, NULL },
	{ N_("REASON"), 16, 1, 0, 0, TEXT_LEFT, cell_reason, NULL },
};
const int group_column_count = ARRAY_LEN(group_columns);

static void copy(char *out, size_t size, const char *text)
{
	utf8_copy(out, size, text ? text : "", text ? strlen(text) : 0);
}

/* A failed row's word, or a delivery's. */
static const char *either(const cJSON *item, const char *key, const char *other)
{
	const char *text = json_string(item, key);
	return text ? text : json_string(item, other);
}

void row_ref_of(const cJSON *item, struct row_ref *ret)
{
	ret->seen = (wall_time){ 0 };
	copy(ret->id, sizeof ret->id, json_string(item, "id"));
	ret->version = json_int(item, "version", -1);
	copy(ret->status, sizeof ret->status, either(item, "status", "state"));
	copy(ret->channel, sizeof ret->channel, json_string(item, "channel"));
	copy(ret->class, sizeof ret->class, either(item, "class", "last_class"));
}

void row_key(const cJSON *row, char out[LIST_KEY_MAX])
{
	copy(out, LIST_KEY_MAX, json_string(row, "id"));
}

void group_key(const cJSON *row, char out[LIST_KEY_MAX])
{
	const char *channel = json_string(row, "channel"), *status = json_string(row, "status"),
	           *class = json_string(row, "class"), *cause = json_string(row, "cause");
	snprintf(out, LIST_KEY_MAX, "%s/%s/%s/%s", channel ? channel : "", status ? status : "",
	        class ? class : "", cause ? cause : "");
}
